/*
 * test_http: one request in, one reply out, in plain CGI and over FastCGI.
 */
#include "web/http.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/text.h"
#include "child.h"

/* -- plain CGI ------------------------------------------------------------------------ */

enum { BODY_SIZE = 16 };

/* Say what came: the body's fate and text, and whatever else is asked for. */
static int
echo(void *late)
{
	static const char *const fates[] = {
		[0] = "ok",
		[413] = "too large",
		[408] = "late",
		[400] = "broken",
	};
	char body[BODY_SIZE], text[64];
	int fate;
	struct http http;
	size_t length;

	if (!http_is_served() || !http_open(&http) || !http_accept(&http))
		return 1;
	if (late != NULL)
		http.deadline = 0;
	fate = http_body(&http, body, sizeof(body), &length);
	if (strlen(body) != length)
		return 2;
	http_header(&http, "X-Test", "yes");
	snprintf(text, sizeof(text), "%s: %s", fates[fate], body);
	http_send(&http, "200 OK", text, strlen(text));
	http_send(&http, "500 Internal Server Error", "again", 5);
	http_finish(&http);
	/* There is one request. */
	if (http_accept(&http))
		return 3;
	http_close(&http);
	return 0;
}

static void
test_body(void **state)
{
	static const struct {
		const char *name, *method, *length; /* CONTENT_LENGTH */
		const char *body;                   /* NULL: nothing comes, and no end */
		bool late;
		const char *want;
	} cases[] = {
		{ "none", "POST", "CONTENT_LENGTH=0", "", false, "ok: " },
		{ "all of it", "POST", "CONTENT_LENGTH=3", "abc", false, "ok: abc" },
		{ "no length", "POST", "X=", "abc", false, "ok: abc" },
		{ "an empty length", "POST", "CONTENT_LENGTH=", "abc", false, "ok: abc" },
		{ "a negative length", "POST", "CONTENT_LENGTH=-1", "abc", false, "ok: abc" },
		{ "a length that is no number", "POST", "CONTENT_LENGTH=3x", "abcd", false,
		    "ok: abcd" },
		{ "a length beyond all", "POST", "CONTENT_LENGTH=99999999999999999999", "abc",
		    false, "ok: abc" },
		{ "more than the length", "POST", "CONTENT_LENGTH=3", "abcdef", false, "ok: abc" },
		{ "less than the length", "POST", "CONTENT_LENGTH=5", "abc", false, "broken: abc" },
		{ "as large as may be", "POST", "CONTENT_LENGTH=15", "0123456789abcde", false,
		    "ok: 0123456789abcde" },
		{ "too large", "POST", "CONTENT_LENGTH=16", "0123456789abcdef", false,
		    "too large: " },
		{ "too large without a length", "POST", "X=", "0123456789abcdefghijklmnopq", false,
		    "too large: " },
		{ "the end of a kept connection", "POST", "CONTENT_LENGTH=0", NULL, false, "ok: " },
		{ "GET waits for no body", "GET", "X=", NULL, false, "ok: " },
		{ "HEAD waits for no body", "HEAD", "X=", NULL, false, "" },
		{ "nothing comes in time", "POST", "CONTENT_LENGTH=3", NULL, true, "late: " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		static struct child child;
		char method[32], want[256];
		const char *const environment[] = { method, cases[i].length, NULL };

		snprintf(method, sizeof(method), "REQUEST_METHOD=%s", cases[i].method);
		child_run(&child, environment, cases[i].body, echo, cases[i].late ? "" : NULL);
		CHECK(cases[i].name, child.status == 0);
		snprintf(want, sizeof(want),
		    "Status: 200 OK\r\nX-Test: yes\r\nContent-Length: %zu\r\n\r\n%s",
		    strcmp(cases[i].method, "HEAD") == 0 ? strlen("ok: ") : strlen(cases[i].want),
		    cases[i].want);
		CHECK_TEXT(cases[i].name, child.out, want);
		CHECK_TEXT(cases[i].name, child.err, "");
	}
}

/* Say each parameter of the request. */
static int
say_parameters(void *argument)
{
	struct http http;

	(void)argument;
	if (!http_open(&http) || !http_accept(&http))
		return 1;
	printf("method=%s script=%s path=%s query=%s uri=%s type=%s addr=%s https=%s root=%s "
	       "host=%s origin=%s accept=%s auth=%s site=%s mode=%s upgrade=%s",
	    http.method, http.script_name, http.path_info, http.query, http.uri, http.content_type,
	    http.remote_addr, http.https, http.document_root, http.host, http.origin, http.accept,
	    http.authorization, http.fetch_site, http.fetch_mode, http.upgrade);
	for (size_t i = 0; i < http.cookie_count; i++)
		printf(" cookie=%s", http.cookies[i]);
	printf("%s", http.contradictory ? " contradictory" : "");
	fflush(stdout);
	return 0;
}

#define NOTHING                                                                                    \
	"method=GET script= path= query= uri= type= addr= https= root= host= origin= accept= "     \
	"auth= site= mode= upgrade="

static void
test_parameters(void **state)
{
	static const struct {
		const char *name, *environment[20], *want;
	} cases[] = {
		{ "none", { "REQUEST_METHOD=GET" }, NOTHING },
		{ "all of them",
		    { "REQUEST_METHOD=POST", "SCRIPT_NAME=/login", "PATH_INFO=/x",
			"QUERY_STRING=a=b", "REQUEST_URI=/login/x?a=b", "CONTENT_TYPE=text/plain",
			"REMOTE_ADDR=::1", "HTTPS=on", "DOCUMENT_ROOT=/var/www",
			"HTTP_HOST=example.org", "HTTP_ORIGIN=null", "HTTP_ACCEPT=*/*",
			"HTTP_AUTHORIZATION=Bearer x", "HTTP_SEC_FETCH_SITE=none",
			"HTTP_SEC_FETCH_MODE=cors", "HTTP_UPGRADE=h2c", "HTTP_COOKIE=a=b" },
		    "method=POST script=/login path=/x query=a=b uri=/login/x?a=b type=text/plain "
		    "addr=::1 https=on root=/var/www host=example.org origin=null accept=*/* "
		    "auth=Bearer x site=none mode=cors upgrade=h2c cookie=a=b" },
		{ "cookies in two headers",
		    { "REQUEST_METHOD=GET", "HTTP_COOKIE=a", "HTTP_COOKIE=b" },
		    NOTHING " cookie=a cookie=b" },
		{ "names of others",
		    { "REQUEST_METHOD=GET", "HTTP_HOSTS=x", "HTTP_HOS=x", "HTTP_COOKIE2=x",
			"HTTP_COOKI=x", "http_host=x" },
		    NOTHING },
		{ "a name alone", { "REQUEST_METHOD=GET", "HTTPS", "HTTP_HOST" }, NOTHING },
		{ "twice the same", { "REQUEST_METHOD=GET", "HTTP_HOST=a", "HTTP_HOST=a" },
		    "method=GET script= path= query= uri= type= addr= https= root= host=a origin= "
		    "accept= auth= site= mode= upgrade=" },
		{ "twice, and they differ", { "REQUEST_METHOD=GET", "HTTP_HOST=a", "HTTP_HOST=b" },
		    "method=GET script= path= query= uri= type= addr= https= root= host=a origin= "
		    "accept= auth= site= mode= upgrade= contradictory" },
		{ "twice, the second empty",
		    { "REQUEST_METHOD=GET", "REMOTE_ADDR=a", "REMOTE_ADDR=" },
		    "method=GET script= path= query= uri= type= addr=a https= root= host= origin= "
		    "accept= auth= site= mode= upgrade= contradictory" },
		{ "what may come twice", { "REQUEST_METHOD=GET", "HTTP_ACCEPT=a", "HTTP_ACCEPT=b" },
		    "method=GET script= path= query= uri= type= addr= https= root= host= origin= "
		    "accept=a auth= site= mode= upgrade=" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		static struct child child;

		child_run(&child, cases[i].environment, "", say_parameters, NULL);
		CHECK(cases[i].name, child.status == 0);
		CHECK_TEXT(cases[i].name, child.out, cases[i].want);
	}
}

/* More Cookie headers than we look at. */
static void
test_many_cookies(void **state)
{
	const char *environment[HTTP_COOKIES_MAX + 5] = { "REQUEST_METHOD=GET" };
	static struct child child;
	size_t seen = 0;

	(void)state;
	for (size_t i = 1; i < COUNT(environment) - 1; i++)
		environment[i] = "HTTP_COOKIE=a";
	child_run(&child, environment, "", say_parameters, NULL);
	assert_int_equal(child.status, 0);
	for (const char *at = child.out; (at = strstr(at, "cookie=a")) != NULL; at++)
		seen++;
	assert_int_equal(seen, HTTP_COOKIES_MAX);
}

static int
say_served(void *argument)
{
	(void)argument;
	return http_is_served() ? 1 : 0;
}

static void
test_is_served(void **state)
{
	static const struct {
		const char *name, *environment[2];
		int want;
	} cases[] = {
		{ "by a person", { "HOME=/" }, 0 },
		{ "by a CGI server", { "GATEWAY_INTERFACE=CGI/1.1" }, 1 },
		{ "by a poor CGI server", { "REQUEST_METHOD=GET" }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		static struct child child;

		child_run(&child, cases[i].environment, "", say_served, NULL);
		CHECK(cases[i].name, child.status == cases[i].want);
	}
}

/* -- what a request asks for ---------------------------------------------------------- */

static void
test_last_segment(void **state)
{
	static const struct {
		const char *name, *script, *path, *want;
	} cases[] = {
		{ "in the script's name", "/login", "", "login" },
		{ "in the path", "/cgi-bin/login.fcgi", "/logout", "logout" },
		{ "across both", "/log", "out", "logout" },
		{ "in the path alone", "", "/login", "login" },
		{ "a slash at the end", "/login/", "", "" },
		{ "no slash", "login", "", "" },
		{ "nothing", "", "", "" },
	};
	char segment[HTTP_SEGMENT_SIZE], path[2 * HTTP_SEGMENT_SIZE];
	struct http http = { .script_name = "", .path_info = path };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct http one = { .script_name = cases[i].script,
			.path_info = cases[i].path };

		http_last_segment(&one, segment);
		CHECK_TEXT(cases[i].name, segment, cases[i].want);
	}
	snprintf(path, sizeof(path), "/%0*d/a", HTTP_SEGMENT_SIZE - 4, 0);
	http_last_segment(&http, segment);
	assert_string_equal(segment, "a");
	snprintf(path, sizeof(path), "/%0*d/a", HTTP_SEGMENT_SIZE - 3, 0);
	http_last_segment(&http, segment);
	assert_string_equal(segment, "");
}

static void
test_accepts(void **state)
{
	static const struct {
		const char *name, *accept;
		bool html;
	} cases[] = {
		{ "nothing", "", false },
		{ "HTML alone", "text/html", true },
		{ "HTML first", "text/html,application/xml;q=0.9,*/*;q=0.8", true },
		{ "HTML later", "application/json, text/html;q=0.5", true },
		{ "with a space behind", "text/html ;q=1", true },
		{ "with tabs around", "a/b,\ttext/html\t,c/d", true },
		{ "in capitals", "Text/HTML", true },
		{ "empty members", ",, ,text/html", true },
		{ "anything", "*/*", false },
		{ "any text", "text/*", false },
		{ "a longer type", "text/html5", false },
		{ "a type that ends with it", "xtext/html", false },
		{ "as a parameter", "a/b;x=text/html", false },
		{ "cut short", "text/htm", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http http = { .accept = cases[i].accept, .fetch_mode = "" };

		CHECK(cases[i].name, http_accepts(&http, "text/html") == cases[i].html);
		CHECK(cases[i].name, http_is_browser(&http) == cases[i].html);
		http.fetch_mode = "navigate";
		CHECK(cases[i].name, http_is_browser(&http) == cases[i].html);
		http.fetch_mode = "cors";
		CHECK(cases[i].name, !http_is_browser(&http));
	}
}

/* -- replies -------------------------------------------------------------------------- */

#define BARE_500 "Status: 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"

static int
answer(void *argument)
{
	const char *what = argument;
	char large[HTTP_HEADERS_SIZE];
	struct http http;

	if (!http_open(&http) || !http_accept(&http))
		return 1;
	http_header(&http, "X-First", "1");
	if (strcmp(what, "cleared") == 0)
		http_clear_headers(&http);
	if (strcmp(what, "split") == 0)
		http_header(&http, "X-Name", "a\r\nSet-Cookie: b");
	if (strcmp(what, "DEL") == 0)
		http_header(&http, "X-Name", "a\x7f");
	if (strcmp(what, "full") == 0 || strcmp(what, "overfull") == 0 ||
	    strcmp(what, "overfull, cleared") == 0) {
		/* "X-First: 1\r\n" and "X: ...\r\n" and the NUL. */
		memset(large, 'a', sizeof(large));
		large[sizeof(large) - 12 - 5 - (strcmp(what, "full") == 0)] = '\0';
		http_header(&http, "X", large);
	}
	if (strcmp(what, "lines") == 0)
		http_headers(&http, "A: b\r\nC: d\r\n");
	if (strcmp(what, "many lines") == 0) {
		memset(large, 'a', sizeof(large));
		large[sizeof(large) - 12] = '\0';
		http_headers(&http, large);
	}
	if (strcmp(what, "overfull, cleared") == 0)
		http_clear_headers(&http);
	if (strcmp(what, "unanswered") != 0)
		http_send(&http, "200 OK", "body", 4);
	http_finish(&http);
	http_close(&http);
	return 0;
}

static void
test_replies(void **state)
{
	static const struct {
		const char *what, *want; /* NULL: a 200 as long as may be */
	} cases[] = {
		{ "plain", "Status: 200 OK\r\nX-First: 1\r\nContent-Length: 4\r\n\r\nbody" },
		{ "lines",
		    "Status: 200 OK\r\nX-First: 1\r\nA: b\r\nC: d\r\nContent-Length: "
		    "4\r\n\r\nbody" },
		{ "many lines", BARE_500 },
		{ "cleared", "Status: 200 OK\r\nContent-Length: 4\r\n\r\nbody" },
		{ "split", BARE_500 },
		{ "DEL", BARE_500 },
		{ "full", NULL },
		{ "overfull", BARE_500 },
		{ "overfull, cleared", "Status: 200 OK\r\nContent-Length: 4\r\n\r\nbody" },
		{ "unanswered", BARE_500 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		static const char *const environment[] = { "REQUEST_METHOD=GET", NULL };
		static struct child child;

		child_run(&child, environment, "", answer, (void *)cases[i].what);
		CHECK(cases[i].what, child.status == 0);
		if (cases[i].want != NULL)
			CHECK_TEXT(cases[i].what, child.out, cases[i].want);
		else
			CHECK(cases[i].what,
			    strlen(child.out) ==
				HTTP_HEADERS_SIZE - 1 +
				    strlen("Status: 200 OK\r\nContent-Length: 4\r\n\r\nbody"));
		CHECK_TEXT(cases[i].what, child.err, "");
	}
}

/* -- FastCGI -------------------------------------------------------------------------- */

/* A listening process, and how it tells that it has taken a request. */
struct served {
	struct sockaddr_un address;
	pid_t pid;
	int taken;
};

static int
serve(void *argument)
{
	const int *told = argument;
	struct http http;

	if (!http_is_served() || !http_open(&http))
		return 1;
	while (http_accept(&http)) {
		char body[BODY_SIZE];
		size_t length;

		if (write(*told, "x", 1) != 1)
			return 2;
		if (http_body(&http, body, sizeof(body), &length) == 0) {
			log_event(&http.log, "test", "method=%s", http.method);
			http_send(&http, "200 OK", body, length);
		}
		http_finish(&http);
	}
	http_close(&http);
	return 0;
}

static void
start(struct served *served, const char *folder)
{
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), told[2];
	struct sockaddr_un *address = &served->address;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/socket", folder);
	unlink(address->sun_path);
	assert_true(listener >= 0 && pipe(told) == 0);
	assert_int_equal(bind(listener, (struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(listen(listener, 8), 0);
	if ((served->pid = fork()) == 0) {
		alarm(CHILD_SECONDS);
		dup2(listener, 0);
		close(told[0]);
		_exit(serve(&told[1]));
	}
	assert_true(served->pid > 0);
	close(listener);
	close(told[1]);
	served->taken = told[0];
}

/* End it with a signal. What it returned. */
static int
stop(struct served *served, int number)
{
	int status;

	assert_int_equal(kill(served->pid, number), 0);
	assert_int_equal(waitpid(served->pid, &status, 0), served->pid);
	close(served->taken);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
dial(const struct served *served)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&served->address,
			     sizeof(served->address)),
	    0);
	return fd;
}

/* The types of records: FastCGI 1.0, section 8. */
enum { BEGIN = 1, END = 3, PARAMS = 4, STDIN = 5, STDOUT = 6, STDERR = 7 };

static void
put_record(int fd, int type, const void *bytes, size_t length)
{
	const unsigned char head[8] = { 1, (unsigned char)type, 0, 1, (unsigned char)(length >> 8),
		(unsigned char)length };

	assert_true(write(fd, head, sizeof(head)) == sizeof(head));
	/* After an empty record, which may be the last, the server may have hung up already. */
	assert_true(length == 0 || write(fd, bytes, length) == (ssize_t)length);
}

/* Begin a request, which the server wants to keep the connection for, with one parameter. */
static void
put_request(int fd, const char *method)
{
	static const unsigned char begin[8] = { 0, 1, 1 }; /* a responder, keep */
	char params[64];
	int length = snprintf(params, sizeof(params), "%c%cREQUEST_METHOD%s", 14,
	    (int)strlen(method), method);

	put_record(fd, BEGIN, begin, sizeof(begin));
	put_record(fd, PARAMS, params, (size_t)length);
	put_record(fd, PARAMS, "", 0);
}

static bool
get_bytes(int fd, void *out, size_t length)
{
	return length == 0 || recv(fd, out, length, MSG_WAITALL) == (ssize_t)length;
}

static void
append(char out[static 1024], const unsigned char *bytes)
{
	size_t used = strlen(out);

	assert_true(text_copy(out + used, 1024 - used, (const char *)bytes));
}

/* Read a reply, up to where the connection is closed. Its end must have been said before. */
static void
get_reply(int fd, char out[static 1024], char err[static 1024])
{
	unsigned char head[8], bytes[65536 + 256];
	bool ended = false;

	out[0] = err[0] = '\0';
	while (get_bytes(fd, head, sizeof(head))) {
		size_t length = (size_t)(head[4] << 8 | head[5]);

		assert_false(ended);
		assert_true(get_bytes(fd, bytes, length + head[6]));
		bytes[length] = '\0';
		ended = head[1] == END;
		if (head[1] == STDOUT)
			append(out, bytes);
		if (head[1] == STDERR)
			append(err, bytes);
	}
	assert_true(ended);
	close(fd);
}

static void
test_fastcgi(void **state)
{
	static const struct {
		const char *name, *method, *body[3], *out, *err;
	} cases[] = {
		{ "no body", "GET", { NULL }, "Status: 200 OK\r\nContent-Length: 0\r\n\r\n",
		    "postern: event=test method=GET\n" },
		{ "a body", "POST", { "abc" }, "Status: 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		    "postern: event=test method=POST\n" },
		{ "in two records", "POST", { "abc", "def" },
		    "Status: 200 OK\r\nContent-Length: 6\r\n\r\nabcdef",
		    "postern: event=test method=POST\n" },
		{ "too large, and not answered", "POST", { "0123456789abcdef", "0123" }, BARE_500,
		    "" },
		{ "HEAD", "HEAD", { NULL }, "Status: 200 OK\r\nContent-Length: 0\r\n\r\n",
		    "postern: event=test method=HEAD\n" },
	};
	struct served served;

	start(&served, *state);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[1024], err[1024];
		int fd = dial(&served);

		put_request(fd, cases[i].method);
		for (size_t part = 0; cases[i].body[part] != NULL; part++)
			put_record(fd, STDIN, cases[i].body[part], strlen(cases[i].body[part]));
		put_record(fd, STDIN, "", 0);
		get_reply(fd, out, err);
		CHECK_TEXT(cases[i].name, out, cases[i].out);
		CHECK_TEXT(cases[i].name, err, cases[i].err);
	}
	assert_int_equal(stop(&served, SIGTERM), 0);
}

/* A peer that goes away in the middle costs nobody else a reply. */
static void
test_gone(void **state)
{
	char out[1024], err[1024], taken;
	struct served served;
	int fd;

	start(&served, *state);
	close(dial(&served));
	fd = dial(&served);
	put_request(fd, "POST");
	put_record(fd, STDIN, "abc", 3);
	assert_int_equal(read(served.taken, &taken, 1), 1);
	close(fd);
	fd = dial(&served);
	put_request(fd, "GET");
	put_record(fd, STDIN, "", 0);
	get_reply(fd, out, err);
	assert_string_equal(out, "Status: 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(stop(&served, SIGUSR1), 0);
}

/* The request in hand is answered. */
static void
test_signal(void **state)
{
	static const int signals[] = { SIGTERM, SIGUSR1 };

	for (size_t i = 0; i < COUNT(signals); i++) {
		char out[1024], err[1024], taken;
		struct served served;
		int fd;

		start(&served, *state);
		fd = dial(&served);
		put_request(fd, "POST");
		put_record(fd, STDIN, "abc", 3);
		assert_int_equal(read(served.taken, &taken, 1), 1);
		assert_int_equal(kill(served.pid, signals[i]), 0);
		put_record(fd, STDIN, "def", 3);
		put_record(fd, STDIN, "", 0);
		get_reply(fd, out, err);
		assert_string_equal(out, "Status: 200 OK\r\nContent-Length: 6\r\n\r\nabcdef");
		assert_int_equal(stop(&served, 0), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_many_cookies),
		cmocka_unit_test(test_is_served),
		cmocka_unit_test(test_last_segment),
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_fastcgi),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_signal),
	};

	return cmocka_run_group_tests_name("http", tests, unit_make_folder, unit_remove_folder);
}
