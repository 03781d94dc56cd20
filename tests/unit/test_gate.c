/*
 * test_gate: who may pass, and how each web server is told.
 */
#include "web/gate.h"

#include "child.h"
#include "visit.h"

enum { NOW = VISIT_NOW };

#define PAGE "Content-Type: text/html"
#define PASS "Variable-REMOTE_USER: ada\r\n"
#define LIGHTTPD .role = "AUTHORIZER"
#define APACHE .role = "AUTHORIZER", .apache_role = "ACCESS_CHECKER"
#define NGINX .gate = "401"
#define CADDY .gate = "302"
#define BROWSER .accept = "text/html"
#define HERE "Location: /private?a=b\r\n"
#define TO_LOGIN "Location: /login?next=/private%3Fa%3Db\r\n"

/* What a request shows of a session: the names of a token and of where it is shown. */
enum shown { NOTHING, COOKIE, DUE, EXPIRED, BEARER, DUE_BEARER, BAD_BEARER };

/* NULL is an empty text; of the method, GET; of the address, /private?a=b. */
static const struct row {
	const char *name;
	enum shown shown;
	const char *role, *apache_role, *gate, *require;
	const char *method, *uri, *accept, *fetch_mode, *fetch_dest, *fetch_site, *upgrade;
	const char *groups; /* what the group file has; NULL: there is none */
	mode_t mode;        /* of the group file, if it is not 0600 */
	bool lost;          /* the store is not to be had */
	bool explain;       /* it is for the error document */
	const char *status, *has, *lacks, *log;
} cases[] = {
	/* Who asks. */
	{ "lighttpd", COOKIE, LIGHTTPD, .status = "200 OK", .has = PASS },
	{ "Apache", COOKIE, APACHE, .status = "200 OK", .has = PASS },
	{ "nginx", COOKIE, NGINX, .status = "200 OK", .has = PASS },
	{ "Caddy", COOKIE, CADDY, .status = "200 OK", .has = PASS },
	{ "a responder with a gate", COOKIE, NGINX, .role = "RESPONDER", .status = "200 OK",
	    .has = PASS },
	{ "another hook of Apache", COOKIE, .role = "AUTHORIZER", .apache_role = "AUTHENTICATOR",
	    .status = "503", .lacks = PASS },
	{ "another role", COOKIE, NGINX, .role = "FILTER", .status = "503", .lacks = PASS,
	    .log = "this is no gate that we know" },
	{ "another word for a gate", COOKIE, .gate = "403", .status = "503", .lacks = PASS },
	{ "a requirement without a gate", COOKIE, .require = "user ada", .status = "503",
	    .lacks = PASS },
	{ "a mistake that a stranger makes", NOTHING, .gate = "yes", .status = "503" },

	/* Nobody is signed in. */
	{ "a program at lighttpd", NOTHING, LIGHTTPD, .status = "401",
	    .has = "{\"message\":\"Please login\"}", .lacks = "Location" },
	{ "a program at nginx", NOTHING, NGINX, .status = "401", .lacks = "Location" },
	{ "a browser at lighttpd", NOTHING, LIGHTTPD, BROWSER, .status = "302", .has = TO_LOGIN },
	{ "a browser at Caddy", NOTHING, CADDY, BROWSER, .status = "302", .has = TO_LOGIN },
	{ "a browser at nginx", NOTHING, NGINX, BROWSER, .status = "401", .has = TO_LOGIN },
	{ "a browser at Apache", NOTHING, APACHE, BROWSER, .status = "401 Unauthorized\r\n\r\n",
	    .lacks = "Location" },
	{ "a browser, HEAD", NOTHING, LIGHTTPD, BROWSER, .method = "HEAD", .status = "302",
	    .has = TO_LOGIN },
	{ "a browser that has sent something", NOTHING, LIGHTTPD, BROWSER, .method = "POST",
	    .status = "401", .has = PAGE, .lacks = "Location" },
	{ "the same at nginx", NOTHING, NGINX, BROWSER, .method = "POST", .status = "401",
	    .has = PAGE, .lacks = "Location" },
	{ "from an address that is no target", NOTHING, LIGHTTPD, BROWSER, .uri = "//evil.example",
	    .status = "302", .has = "Location: /login\r\n" },
	{ "a script", NOTHING, LIGHTTPD, BROWSER, .fetch_mode = "cors", .status = "401",
	    .lacks = "Location" },
	{ "a cookie that is over", EXPIRED, LIGHTTPD, BROWSER, .status = "302", .has = TO_LOGIN,
	    .log = "event=token_bad" },
	{ "a bad bearer token", BAD_BEARER, NGINX, .status = "401",
	    .has = "error=\"invalid_token\"", .lacks = "Location" },
	{ "no store", COOKIE, NGINX, .lost = true, .status = "503", .lacks = PASS },
	{ "no store, at lighttpd", COOKIE, LIGHTTPD, BROWSER, .lost = true, .status = "503",
	    .lacks = "Location" },

	/* Another site's page asks. */
	{ "another site's form", COOKIE, NGINX, .method = "POST", .fetch_site = "cross-site",
	    .status = "403", .lacks = PASS, .log = "event=cross_site" },
	{ "another site's link", COOKIE, NGINX, .fetch_site = "cross-site", .status = "200 OK",
	    .has = PASS },
	{ "a WebSocket of nobody's page", COOKIE, NGINX, .upgrade = "websocket", .status = "403",
	    .lacks = PASS },
	{ "a bearer token of another site's", BEARER, NGINX, .method = "POST",
	    .fetch_site = "cross-site", .status = "200 OK", .has = PASS },

	/* What the server asks for. */
	{ "this user", COOKIE, NGINX, .require = "user ada", .status = "200 OK", .has = PASS },
	{ "another user", COOKIE, NGINX, .require = "user bob", .status = "403",
	    .has = "{\"message\":\"Forbidden\"}", .lacks = PASS },
	{ "another user, to a browser", COOKIE, NGINX, BROWSER, .require = "user bob",
	    .status = "403", .has = PAGE, .lacks = PASS },
	{ "a user whose name begins so", COOKIE, NGINX, .require = "user adam", .status = "403" },
	{ "a user whose name is shorter", COOKIE, NGINX, .require = "user ad", .status = "403" },
	{ "one of several", COOKIE, NGINX, .require = "user bob ada eve", .status = "200 OK" },
	{ "one of several, by tabs", COOKIE, NGINX, .require = "\tuser\tbob\t ada ",
	    .status = "200 OK" },
	{ "none of several", COOKIE, NGINX, .require = "user bob eve", .status = "403" },
	{ "a user called user", COOKIE, NGINX, .require = "user", .status = "403" },
	{ "a group", COOKIE, NGINX, .require = "group staff", .groups = "staff: bob ada\n",
	    .status = "200 OK", .has = PASS },
	{ "the first of several groups", COOKIE, NGINX, .require = "group staff cooks",
	    .groups = "staff: ada\ncooks: bob\n", .status = "200 OK", .has = PASS },
	{ "another group", COOKIE, NGINX, .require = "group cooks",
	    .groups = "staff: ada\ncooks: bob\n", .status = "403" },
	{ "a group called as the user", COOKIE, NGINX, .require = "group ada",
	    .groups = "staff: ada\n", .status = "403" },
	{ "a user called as the group", COOKIE, NGINX, .require = "user staff",
	    .groups = "staff: ada\n", .status = "403" },
	{ "a group, and there are none", COOKIE, NGINX, .require = "group staff", .status = "403" },
	{ "the first clause", COOKIE, NGINX, .require = "user ada; user bob", .status = "200 OK" },
	{ "the last clause", COOKIE, NGINX, .require = "user bob;group staff",
	    .groups = "staff: ada\n", .status = "200 OK" },
	{ "no clause", COOKIE, NGINX, .require = "user bob; group staff", .status = "403" },
	{ "empty clauses", COOKIE, NGINX, .require = " ;\t; ", .status = "200 OK" },
	{ "an empty clause beside one", COOKIE, NGINX, .require = " ; user bob; ",
	    .status = "403" },
	{ "a word that nobody knows", COOKIE, NGINX, .require = "valid-user", .status = "403",
	    .log = "POSTERN_REQUIRE is not understood" },
	{ "one behind a clause that is met", COOKIE, NGINX, .require = "user ada; users bob",
	    .status = "403", .log = "POSTERN_REQUIRE is not understood" },
	{ "one before a clause that is met", COOKIE, NGINX, .require = "User bob; user ada",
	    .status = "403", .log = "POSTERN_REQUIRE is not understood" },

	/* The groups. */
	{ "the user's groups", COOKIE, NGINX, .groups = "staff: ada\ncooks: bob\nzoo: ada\n",
	    .status = "200 OK", .has = "Variable-REMOTE_GROUPS: staff,zoo\r\n" },
	{ "none of them", COOKIE, NGINX, .groups = "cooks: bob\n", .status = "200 OK",
	    .has = "Variable-REMOTE_GROUPS: \r\n" },
	{ "no group file", COOKIE, NGINX, .status = "200 OK", .lacks = "REMOTE_GROUPS" },
	{ "a group file open to others", COOKIE, NGINX, .groups = "staff: ada\n", .mode = 0644,
	    .status = "503", .lacks = PASS, .log = "setting=POSTERN_GROUPS" },

	/* Renewal. */
	{ "not due", COOKIE, NGINX, .status = "200 OK", .lacks = "Set-Cookie" },
	{ "due, at nginx", DUE, NGINX, .status = "200 OK", .has = "Set-Cookie: token=" },
	{ "due, at Apache", DUE, APACHE, .status = "200 OK", .has = "Set-Cookie: token=" },
	{ "a bearer token is never due", DUE_BEARER, NGINX, .status = "200 OK",
	    .lacks = "Set-Cookie" },
	{ "due, but it may not pass", DUE, NGINX, .require = "user bob", .status = "403",
	    .lacks = "Set-Cookie" },
	{ "due, at lighttpd", DUE, LIGHTTPD, BROWSER, .status = "302", .has = HERE },
	{ "due, at lighttpd, HEAD", DUE, LIGHTTPD, BROWSER, .method = "HEAD", .status = "302",
	    .has = HERE },
	{ "with the new cookie", DUE, LIGHTTPD, BROWSER, .status = "302",
	    .has = "Set-Cookie: token=" },
	{ "a script of a page", DUE, LIGHTTPD, .fetch_mode = "cors", .status = "302", .has = HERE },
	{ "what follows no redirect", DUE, LIGHTTPD, .fetch_mode = "cors",
	    .fetch_dest = "serviceworker", .status = "200 OK", .lacks = "Set-Cookie" },
	{ "a program that says no mode", DUE, LIGHTTPD, .accept = "*/*", .status = "200 OK",
	    .has = PASS, .lacks = "Location" },
	{ "what sends something", DUE, LIGHTTPD, BROWSER, .method = "POST", .status = "200 OK",
	    .has = PASS, .lacks = "Location" },
	{ "another upgrade", DUE, LIGHTTPD, BROWSER, .upgrade = "h2c", .status = "200 OK",
	    .has = PASS, .lacks = "Location" },
	{ "an address that is no target", DUE, LIGHTTPD, BROWSER, .uri = "//evil.example",
	    .status = "200 OK", .has = PASS, .lacks = "Location" },
	{ "a new cookie is not sent round", COOKIE, LIGHTTPD, BROWSER, .status = "200 OK",
	    .has = PASS, .lacks = "Location" },

	/* The error document of Apache's 401. */
	{ "why not", COOKIE, BROWSER, .explain = true, .status = "403", .has = PAGE },
	{ "why not, to a program", COOKIE, .explain = true, .status = "403",
	    .has = "{\"message\":\"Forbidden\"}" },
	{ "why not, as the groups cannot be read", COOKIE, .explain = true,
	    .groups = "staff: ada\n", .mode = 0644, .status = "503" },
	{ "why not, to another site", COOKIE, .explain = true, .method = "POST",
	    .fetch_site = "cross-site", .status = "403", .log = "event=cross_site" },
	{ "why not, by a bearer token", BEARER, .explain = true, .method = "POST",
	    .fetch_site = "cross-site", .status = "403", .has = "{\"message\":\"Forbidden\"}",
	    .log = "" },
	{ "who is not signed in", NOTHING, BROWSER, .explain = true, .status = "303",
	    .has = TO_LOGIN },
};

static const char *
text_or(const char *text, const char *fallback)
{
	return text != NULL ? text : fallback;
}

static const char *folder;

/* Begin the session that the request shows, and show it. */
static void
show(struct http *http, struct site *site, enum shown shown)
{
	static const long ages
	    [] = { [COOKIE] = 10, [DUE] = 200, [EXPIRED] = 400, [BEARER] = 10, [DUE_BEARER] = 200 };
	static char cookie[TOKEN_SIZE + 8], authorization[TOKEN_SIZE + 8];
	char token[TOKEN_SIZE] = "x";

	if (shown != NOTHING && shown != BAD_BEARER)
		visit_sign_in(token, site, "ada", LIST_COOKIE, NOW - ages[shown]);
	snprintf(cookie, sizeof(cookie), "token=%s", token);
	snprintf(authorization, sizeof(authorization), "Bearer %s", token);
	if (shown >= BEARER)
		http->authorization = authorization;
	else if (shown != NOTHING)
		http->cookies[http->cookie_count++] = cookie;
}

static struct http
http_of(const struct row *row)
{
	struct http http = visit_http(text_or(row->method, "GET"));

	http.role = text_or(row->role, "");
	http.apache_role = text_or(row->apache_role, "");
	http.gate = text_or(row->gate, "");
	http.require = text_or(row->require, "");
	http.uri = text_or(row->uri, "/private?a=b");
	http.accept = text_or(row->accept, "");
	http.fetch_mode = text_or(row->fetch_mode, "");
	http.fetch_dest = text_or(row->fetch_dest, "");
	http.fetch_site = text_or(row->fetch_site, "");
	http.upgrade = text_or(row->upgrade, "");
	http.is_gate = !row->explain;
	http.ended = true;
	http.log = log_stderr();
	return http;
}

static int
answer(void *argument)
{
	const struct row *row = argument;
	struct http http = http_of(row);
	static struct gate gate;
	static struct site site;
	struct text_why why;
	struct token token;
	const char *wrong;
	const struct request request = { &http, &site, &http.log, NOW };

	visit_open(&site, folder, MINT_SECRET, "", STORE_NONE);
	if (row->groups != NULL) {
		snprintf(site.config.groups, sizeof(site.config.groups), "%s/groups", folder);
		unit_write_bytes(site.config.groups, row->groups, strlen(row->groups),
		    row->mode != 0 ? row->mode : 0600);
	}
	show(&http, &site, row->shown);
	if (row->lost) {
		session_close(&site.sessions);
		store_close(site.store);
		site.store = store_open("/nonexistent/state", "postern", &wrong);
		if (!session_open(&site.sessions, &site.config, site.store, NOW, &why))
			return 1;
	}
	if (gate_is_asked(&http) == row->explain)
		return 2;
	if (!row->explain)
		gate_answer(&gate, &request);
	else if (gate_finds_user(&token, &request))
		gate_explain(&request, &token);
	site_close(&site);
	return http.sent ? 0 : 3;
}

static void
test_answers(void **state)
{
	folder = *state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		static struct child child;
		const struct row *row = &cases[i];
		char status[64];

		snprintf(status, sizeof(status), "Status: %s", row->status);
		child_run(&child, NULL, "", answer, (void *)row);
		CHECK(row->name, child.status == 0);
		if (strncmp(child.out, status, strlen(status)) != 0)
			fail_msg("%s: %s", row->name, child.out);
		if (strstr(child.out, text_or(row->has, "")) == NULL)
			fail_msg("%s: %s has no %s", row->name, child.out, row->has);
		if (row->lacks != NULL && strstr(child.out, row->lacks) != NULL)
			fail_msg("%s: %s has %s", row->name, child.out, row->lacks);
		if (strstr(child.err, text_or(row->log, "")) == NULL)
			fail_msg("%s: %s", row->name, child.err);
		CHECK(row->name, row->log == NULL || row->log[0] != '\0' || child.err[0] == '\0');
	}
}

/* -- limits -------------------------------------------------------------------------------- */

/* A requirement that is too long to be read lets nobody in, nor do too many groups. */
static void
test_too_long(void **state)
{
	static struct child child;
	static char require[2048], groups[GATE_GROUPS_SIZE * 4];
	struct row row = { "too long", COOKIE, NGINX, .require = require };
	size_t length = 0;

	folder = *state;
	memset(require, ' ', 1023 - 8);
	strcpy(require + 1023 - 8, "user ada");
	child_run(&child, NULL, "", answer, &row);
	assert_int_equal(strncmp(child.out, "Status: 200 OK", 14), 0);
	memmove(require + 1, require, strlen(require) + 1);
	child_run(&child, NULL, "", answer, &row);
	assert_int_equal(strncmp(child.out, "Status: 403", 11), 0);
	assert_non_null(strstr(child.err, "POSTERN_REQUIRE is not understood"));

	for (int i = 0; i < 171; i++)
		length +=
		    (size_t)snprintf(groups + length, sizeof(groups) - length, "g%04d: ada\n", i);
	row = (struct row){ "many groups", COOKIE, NGINX, .groups = groups };
	child_run(&child, NULL, "", answer, &row);
	assert_int_equal(strncmp(child.out, "Status: 503", 11), 0);
	assert_non_null(strstr(child.err, "too many groups for a header"));
}

/*
 * Send the sessions of the letters round at lighttpd, and print `r` for each that is sent round,
 * `+` for each that passes at once.
 */
static int
send_round(void *argument)
{
	static char cookies[GATE_SENT_MAX + 1][TOKEN_SIZE + 8];
	static struct gate gate;
	static struct site site;
	char token[TOKEN_SIZE];
	const size_t count = *(const size_t *)argument;
	int out = dup(STDOUT_FILENO);

	visit_open(&site, folder, MINT_SECRET, "", STORE_NONE);
	for (size_t i = 0; i < count; i++) {
		visit_sign_in(token, &site, "ada", LIST_COOKIE, NOW - 200);
		snprintf(cookies[i], sizeof(cookies[i]), "token=%s", token);
	}
	/* All of them, and then the first again. */
	for (size_t i = 0; i <= count; i++) {
		struct http http = http_of(&(struct row){ "", DUE, LIGHTTPD, BROWSER });
		const struct request request = { &http, &site, &http.log, NOW };
		FILE *null = freopen("/dev/null", "w", stdout);

		http.cookies[http.cookie_count++] = cookies[i % count];
		gate_answer(&gate, &request);
		if (null == NULL || write(out, http.headers[0] == 'S' ? "r" : "+", 1) != 1)
			return 1;
	}
	site_close(&site);
	return 0;
}

/* A browser that does not take the new cookie is sent round once, and not for ever. */
static void
test_sent_round_once(void **state)
{
	static const struct {
		size_t count;
		char last;
	} rows[] = { { 1, '+' }, { 2, '+' }, { GATE_SENT_MAX, '+' }, { GATE_SENT_MAX + 1, 'r' } };

	folder = *state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		static struct child child;

		child_run(&child, NULL, "", send_round, (void *)&rows[i].count);
		assert_int_equal(child.status, 0);
		assert_int_equal(strlen(child.out), rows[i].count + 1);
		assert_int_equal(strspn(child.out, "r"), rows[i].count + (rows[i].last == 'r'));
	}
}

/* One session over time, with the newest cookie each time: `r` where it is sent round. */
static int
go_on(void *argument)
{
	static const long ages[] = { 10, 140, 200, 210, 400, 410 };
	static char cookie[TOKEN_SIZE + 8];
	static struct gate gate;
	static struct site site;
	char token[TOKEN_SIZE];
	int out = dup(STDOUT_FILENO);

	(void)argument;
	visit_open(&site, folder, MINT_SECRET, "", STORE_NONE);
	visit_sign_in(token, &site, "ada", LIST_COOKIE, NOW);
	snprintf(cookie, sizeof(cookie), "token=%s", token);
	for (size_t i = 0; i < COUNT(ages); i++) {
		struct http http = http_of(&(struct row){ "", DUE, LIGHTTPD, BROWSER });
		const struct request request = { &http, &site, &http.log, NOW + ages[i] };
		FILE *null = freopen("/dev/null", "w", stdout);
		const char *set;

		http.cookies[http.cookie_count++] = cookie;
		gate_answer(&gate, &request);
		if ((set = strstr(http.headers, "token=")) != NULL)
			snprintf(cookie, sizeof(cookie), "%.*s", (int)strcspn(set, ";"), set);
		if (null == NULL || write(out, set != NULL ? "r" : "+", 1) != 1)
			return 1;
	}
	site_close(&site);
	return 0;
}

/* Each cookie of a session is sent round once it is due, whatever the gate saw of it before. */
static void
test_sent_round_each_time(void **state)
{
	static struct child child;

	folder = *state;
	child_run(&child, NULL, "", go_on, NULL);
	assert_int_equal(child.status, 0);
	assert_string_equal(child.out, "++r+r+");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_sent_round_once),
		cmocka_unit_test(test_sent_round_each_time),
	};

	return cmocka_run_group_tests_name("gate", tests, unit_make_folder, unit_remove_folder);
}
