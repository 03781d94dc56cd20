/*
 * request: a whole request, from the web server's socket to the reply.
 *
 * The input: a byte that chooses how large the FastCGI records are; if it is odd, the request is
 * sent again and again, and from 128 on to an authorizer. Then lines NAME=value, the parameters; an
 * empty line; the body. A byte of 1 to 4 stands for what nobody can guess, and without it nobody
 * may get in. The time stands still, and each input finds the store as it was.
 */
#ifndef POSTERN_REQUEST_H
#define POSTERN_REQUEST_H

#include <fastcgi.h>
#include <ftw.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "auth/throttle.h"
#include "base/text.h"
#include "fuzz.h"
#include "web/site.h"

enum {
	REQUEST_PASSWORD = 1, /* ada's */
	REQUEST_TOKEN,        /* a good token of hers */
	REQUEST_OLD_TOKEN,    /* one of another session, to be renewed */
	REQUEST_DEVICE,       /* the device cookie of her browser */
	REQUEST_STANDS_FOR,
	REQUEST_NOW = 1700000000,
	REQUEST_MAX = 32768, /* bytes, so that they fit the socket */
	REQUEST_TIMES = 7,   /* more than a user may try */
	REQUEST_USERS_FD = 100,
	REQUEST_GROUPS_FD,
	REQUEST_ENV_FD,
};

#define REQUEST_HASH "$2y$04$kR.9H0dtB.KFpRYZVNJqSuTjz58tls778GwfCXjuHv5hPC/0mQosK"

struct bytes {
	char at[4 * REQUEST_MAX];
	size_t length;
};

struct server {
	struct http http;
	struct site site;
	struct sockaddr_un address; /* of the socket on descriptor 0 */
	socklen_t address_length;
	char state[64]; /* the folder, and what a request changes there */
	char attempts[80], sessions[80];
	struct stat listed; /* the file that lists ada's sessions, as it should be */
	struct bytes list;
	char texts[REQUEST_STANDS_FOR][TOKEN_SIZE];
};

/* What the program makes of a request that was accepted. */
typedef void request_answer(struct server *server);

static struct server server;
static struct bytes sent, expanded, received;
static char reply[sizeof(received.at)], said[sizeof(received.at)];

/* -- getting ready ----------------------------------------------------------------------- */

static inline int
request_remove(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type;
	if (where->level > 0)
		CHECK(remove(path) == 0);
	return 0;
}

static inline void
request_empty_state(void)
{
	CHECK(nftw(server.state, request_remove, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* Write the file that lists ada's sessions as it was. A store that writes it waits for the disk. */
static inline void
request_restore_sessions(void)
{
	const struct timespec times[2] = { server.listed.st_mtim, server.listed.st_mtim };
	int fd = open(server.sessions, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK(write(fd, server.list.at, server.list.length) == (ssize_t)server.list.length);
	CHECK(futimens(fd, times) == 0 && fstat(fd, &server.listed) == 0 && close(fd) == 0);
}

/* Undo what an input has done to the store. A record that is changed is another file. */
static inline void
request_clean_state(void)
{
	struct stat st;

	unlink(server.attempts);
	if (stat(server.sessions, &st) != 0 || st.st_ino != server.listed.st_ino ||
	    st.st_mtim.tv_sec != server.listed.st_mtim.tv_sec)
		request_restore_sessions();
}

static inline void
request_end(void)
{
	request_empty_state();
	rmdir(server.state);
	site_close(&server.site);
	http_close(&server.http);
}

/* A name that the system chooses, and no file. */
static inline void
request_listen(void)
{
	const struct sockaddr_un any = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	server.address_length = sizeof(server.address);
	CHECK(fd >= 0 && bind(fd, (const void *)&any, sizeof(any.sun_family)) == 0);
	CHECK(getsockname(fd, (void *)&server.address, &server.address_length) == 0);
	CHECK(listen(fd, REQUEST_TIMES + 1) == 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
	close(fd);
}

static inline void
request_set_up(void)
{
	static const char user[] = "ada:" REQUEST_HASH "\n", group[] = "staff: ada\n";
	char users[FUZZ_PATH_SIZE], groups[FUZZ_PATH_SIZE], env[FUZZ_PATH_SIZE];

	fuzz_file(users, REQUEST_USERS_FD);
	fuzz_write(REQUEST_USERS_FD, user, strlen(user));
	fuzz_file(groups, REQUEST_GROUPS_FD);
	fuzz_write(REQUEST_GROUPS_FD, group, strlen(group));
	/* An empty one, so that this machine's own is not read. */
	fuzz_file(env, REQUEST_ENV_FD);
	setenv("POSTERN_ENV", env, 1);
	/* In memory, where there is such a place: records are synced. */
	text_format(server.state, sizeof(server.state), "%s/postern-fuzz-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(server.state) != NULL);
	text_format(server.attempts, sizeof(server.attempts), "%s/attempts", server.state);
	text_format(server.sessions, sizeof(server.sessions), "%s/sessions/ada", server.state);
	setenv("POSTERN_SECRET", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", 1);
	setenv("POSTERN_USERS", users, 1);
	setenv("POSTERN_GROUPS", groups, 1);
	setenv("POSTERN_STATE", server.state, 1);
}

/* A token of a session of ada's, which is listed. */
static inline void
request_sign_in(char out[static TOKEN_SIZE], const struct account *account, time_t when)
{
	const struct log log = { fuzz_check_line, NULL };
	struct sessions *sessions = &server.site.sessions;
	char word[LIST_WORD_SIZE];
	long seconds;

	CHECK(session_prepare(word, sessions, account->user, when, &log));
	CHECK(session_begin(out, &seconds, sessions, account, LIST_COOKIE, word, when, &log) == 0);
}

static inline void
request_make_texts(void)
{
	const struct config *config = &server.site.config;
	const struct log log = { fuzz_check_line, NULL };
	const struct throttle no_device = { .count = 0 };
	struct account ada;

	CHECK(users_read(&server.site.users, config, REQUEST_NOW, &log));
	users_find(&ada, &server.site.users, "ada", config);
	text_copy(server.texts[REQUEST_PASSWORD], TOKEN_SIZE, "correct-horse-of-ada-7f3a");
	request_sign_in(server.texts[REQUEST_OLD_TOKEN], &ada, REQUEST_NOW - 200);
	request_sign_in(server.texts[REQUEST_TOKEN], &ada, REQUEST_NOW - 10);
	CHECK(throttle_make_device(server.texts[REQUEST_DEVICE], &no_device, config, &ada,
	    REQUEST_NOW - 10));
}

/* Remember the file that lists the sessions that were begun. */
static inline void
request_save_sessions(void)
{
	int fd = open(server.sessions, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	CHECK(fd >= 0 && fstat(fd, &server.listed) == 0);
	CHECK((got = read(fd, server.list.at, sizeof(server.list.at))) > 0);
	server.list.length = (size_t)got;
	close(fd);
}

static inline void
request_begin(void)
{
	request_listen();
	request_set_up();
	CHECK(http_open(&server.http) && site_open(&server.site, true, REQUEST_NOW));
	request_make_texts();
	request_save_sessions();
	atexit(request_end);
}

/* -- what the web server sends ------------------------------------------------------------ */

static inline void
request_put(struct bytes *bytes, const void *data, size_t length)
{
	CHECK(length <= sizeof(bytes->at) - bytes->length);
	memcpy(bytes->at + bytes->length, data, length);
	bytes->length += length;
}

static inline void
request_put_record(int type, const void *data, size_t length)
{
	const unsigned char header[FCGI_HEADER_LEN] = { FCGI_VERSION_1, (unsigned char)type, 0, 1,
		(unsigned char)(length >> 8), (unsigned char)length };

	request_put(&sent, header, sizeof(header));
	request_put(&sent, data, length);
}

/* Records of `size` bytes, and the empty one that ends the stream. */
static inline void
request_put_stream(int type, const char *data, size_t length, size_t size)
{
	for (size_t part; length > 0; data += part, length -= part) {
		part = length < size ? length : size;
		request_put_record(type, data, part);
	}
	request_put_record(type, "", 0);
}

/* A length of a name or a value: section 3.4 of FastCGI 1.0. */
static inline void
request_put_length(struct bytes *bytes, size_t length)
{
	const unsigned char large[4] = { (unsigned char)(length >> 24 | 0x80),
		(unsigned char)(length >> 16), (unsigned char)(length >> 8),
		(unsigned char)length };

	request_put(bytes, length < 128 ? large + 3 : large, length < 128 ? 1 : 4);
}

static inline void
request_put_parameter(struct bytes *bytes, const char *line, size_t length)
{
	const char *equals = memchr(line, '=', length);
	size_t name = equals != NULL ? (size_t)(equals - line) : length;
	size_t value = equals != NULL ? length - name - 1 : 0;

	request_put_length(bytes, name);
	request_put_length(bytes, value);
	request_put(bytes, line, name);
	if (value > 0)
		request_put(bytes, equals + 1, value);
}

/* Frame an input as it is sent, from NAME=value lines to the body. */
static inline void
request_frame(const char *input, size_t length, unsigned char first)
{
	const bool asks = first >= 128;
	const unsigned char begin[8] = { 0, asks ? FCGI_AUTHORIZER : FCGI_RESPONDER };
	const size_t record = 16 + 8 * (size_t)first;
	static struct bytes parameters;
	const char *end = input + length;

	parameters.length = sent.length = 0;
	while (input < end && *input != '\n') {
		const char *stop = memchr(input, '\n', (size_t)(end - input));
		size_t line = stop != NULL ? (size_t)(stop - input) : (size_t)(end - input);

		request_put_parameter(&parameters, input, line);
		input += line + (stop != NULL);
	}
	input += input < end;
	request_put_record(FCGI_BEGIN_REQUEST, begin, sizeof(begin));
	request_put_stream(FCGI_PARAMS, parameters.at, parameters.length, record);
	if (!asks)
		request_put_stream(FCGI_STDIN, input, (size_t)(end - input), record);
}

/* Connect and send, and return the connection: nothing more will come on it. */
static inline int
request_send(const char *input, size_t length, unsigned char first)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	request_frame(input, length, first);
	CHECK(fd >= 0 && connect(fd, (const void *)&server.address, server.address_length) == 0);
	CHECK(send(fd, sent.at, sent.length, MSG_DONTWAIT) == (ssize_t)sent.length);
	CHECK(shutdown(fd, SHUT_WR) == 0);
	return fd;
}

/* Put in what a byte stands for. `seen` tells which did. False when it becomes too long. */
static inline bool
request_expand(const uint8_t *data, size_t size, bool seen[static REQUEST_STANDS_FOR])
{
	expanded.length = 0;
	for (size_t i = 0; i < size; i++) {
		bool stands = data[i] > 0 && data[i] < REQUEST_STANDS_FOR;
		const void *text = stands ? (const void *)server.texts[data[i]] : &data[i];
		size_t length = stands ? strlen(text) : 1;

		if (expanded.length + length > REQUEST_MAX)
			return false;
		request_put(&expanded, text, length);
		if (stands)
			seen[data[i]] = true;
	}
	return true;
}

/* -- what comes back ---------------------------------------------------------------------- */

/* Read all that comes on a connection, and end it. */
static inline void
request_receive(int fd)
{
	ssize_t got;

	received.length = 0;
	do {
		got =
		    read(fd, received.at + received.length, sizeof(received.at) - received.length);
		CHECK(got >= 0);
		received.length += (size_t)got;
	} while (got > 0);
	CHECK(received.length < sizeof(received.at));
	close(fd);
}

/* Put together the streams `reply` and `said`, its log lines. */
static inline void
request_unframe(void)
{
	const unsigned char *at = (const unsigned char *)received.at, *end = at + received.length;
	char *replied = reply, *told = said;
	bool ended = false;

	for (size_t length; at < end; at += FCGI_HEADER_LEN + length + at[6]) {
		CHECK(!ended && end - at >= FCGI_HEADER_LEN);
		length = (size_t)(at[4] << 8 | at[5]);
		CHECK(FCGI_HEADER_LEN + length + at[6] <= (size_t)(end - at));
		if (at[1] == FCGI_STDOUT)
			replied = mempcpy(replied, at + FCGI_HEADER_LEN, length);
		else if (at[1] == FCGI_STDERR)
			told = mempcpy(told, at + FCGI_HEADER_LEN, length);
		else
			CHECK(at[1] == FCGI_END_REQUEST);
		ended = at[1] == FCGI_END_REQUEST;
	}
	CHECK(ended);
	*replied = *told = '\0';
	CHECK(strlen(reply) == (size_t)(replied - reply) && strlen(said) == (size_t)(told - said));
}

/* Each line of the headers is one, and the length is right; a place to go to is a path. */
static inline void
request_check_headers(char *headers, const char *body)
{
	char *line, *end;
	bool first = true, counted = false, stored = true;
	/* A refusal that Apache is told is its status alone. */
	bool bare = !text_begins(headers, "Status: 2") && strchr(headers, '\n') != NULL &&
	    strchr(headers, '\n')[1] == '\0';

	for (; (end = strstr(headers, "\r\n")) != NULL; headers = end + 2, first = false) {
		*end = '\0';
		line = headers;
		CHECK(first == text_begins(line, "Status: ") && strstr(line, ": ") != NULL);
		for (const char *at = line; *at != '\0'; at++)
			CHECK((unsigned char)*at >= ' ' && *at != 0x7f);
		if (text_begins(line, "Location: "))
			CHECK(line[10] == '/' && line[11] != '/' && line[11] != '\\');
		if (text_begins(line, "Content-Length: "))
			counted = body[0] == '\0' || strtoul(line + 16, NULL, 10) == strlen(body);
		if (strcmp(line, "Cache-Control: no-store") == 0)
			stored = false;
		/* A pass has neither: all its headers go to the client. */
		if (text_begins(line, "Variable-REMOTE_USER: ")) {
			stored = false;
			counted = body[0] == '\0';
		}
	}
	CHECK(headers[0] == '\0' && (bare || (counted && !stored)));
}

/* Is there a header that hands out a cookie of this name, and not one that takes it away? */
static inline bool
request_gives(const char *headers, const char *name)
{
	char text[64];

	text_format(text, sizeof(text), "\r\nSet-Cookie: %s=", name);
	while ((headers = strstr(headers, text)) != NULL) {
		headers += strlen(text);
		if (headers[0] != ';')
			return true;
	}
	return false;
}

/* What the input of a reply had, to let its sender in. */
struct request_right {
	bool enter; /* a password to login.fcgi, a token to welcome.fcgi */
	bool see;   /* who is signed in: either */
	bool fail;  /* a document root that exposes our files, or a mistake at a gate */
	bool open;  /* a program that says yes to everybody */
};

/* Check the reply that has come. It must give nothing away that nobody has a right to. */
static inline void
request_check(struct request_right right)
{
	char *body = strstr(reply, "\r\n\r\n");

	CHECK(text_begins(reply, "Status: ") && body != NULL);
	CHECK(!text_begins(reply, "Status: 50") || (right.fail && reply[10] == '3'));
	body += 4;
	body[-2] = '\0';
	if (!right.enter) {
		CHECK(!request_gives(reply, "token") && !request_gives(reply, "token-device"));
		CHECK(strstr(reply, "\r\nContent-Type: application/jwt") == NULL);
		CHECK(strstr(body, "Have a good day") == NULL);
		CHECK(strstr(reply, "\r\nVariable-") == NULL);
		CHECK(right.open || !text_begins(reply, "Status: 200"));
	}
	if (!right.see)
		CHECK(strstr(body, "You are signed in") == NULL);
	request_check_headers(reply, body);
	for (char *line = said, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
		fuzz_check_line(NULL, line, (size_t)(end - line) + 1);
}

/* -- one input ----------------------------------------------------------------------------- */

/* Answer requests until the one of the connection `last` was answered. */
static inline void
request_serve(request_answer *answer, int last)
{
	struct pollfd on = { .fd = last, .events = POLLIN };

	do {
		if (!http_accept(&server.http))
			exit(EXIT_SUCCESS); /* asked to by a signal */
		answer(&server);
		http_finish(&server.http);
	} while (poll(&on, 1, 0) == 0);
}

/* What the input, expanded, has a right to. `enters` are the bytes that let their bearer in. */
static inline struct request_right
request_right_of(const bool seen[static REQUEST_STANDS_FOR], const char *enters)
{
	static const char *const causes[] = { "DOCUMENT_ROOT", "POSTERN_", "FCGI_" };
	struct request_right right = { false };

	for (; *enters != '\0'; enters++)
		right.enter = right.enter || seen[(unsigned char)*enters];
	right.see = seen[REQUEST_PASSWORD] || seen[REQUEST_TOKEN] || seen[REQUEST_OLD_TOKEN];
	for (size_t i = 0; i < COUNT(causes); i++) {
		if (memmem(expanded.at, expanded.length, causes[i], strlen(causes[i])) != NULL)
			right.fail = true;
	}
	return right;
}

static inline void
request_check_next(int fd, struct request_right right)
{
	request_receive(fd);
	request_unframe();
	request_check(right);
}

/*
 * Run an input, and after it the request `known`, whose reply must begin with the line `status`.
 * `enters` tells which bytes stand for something that lets its bearer in.
 */
static inline void
request_run(const uint8_t *data, size_t size, request_answer *answer, const char *enters,
    const char *known, const char *status)
{
	bool seen[REQUEST_STANDS_FOR] = { false };
	uint8_t first = fuzz_byte(&data, &size);
	int fds[REQUEST_TIMES], last, times = first % 2 == 1 ? REQUEST_TIMES : 1;
	struct request_right right;

	if (server.address_length == 0)
		request_begin();
	if (!request_expand(data, size, seen))
		return;
	right = request_right_of(seen, enters);
	right.open = text_begins(status, "Status: 200");
	for (int i = 0; i < times; i++)
		fds[i] = request_send(expanded.at, expanded.length, first);
	last = request_send(known, strlen(known), 'z');
	request_serve(answer, last);
	for (int i = 0; i < times; i++)
		request_check_next(fds[i], right);
	request_check_next(last, (struct request_right){ .open = right.open });
	CHECK(strcmp(reply, status) == 0);
	request_clean_state();
}

#endif
