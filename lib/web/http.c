#include "web/http.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/text.h"

enum {
	LIMIT = HTTP_SECONDS * 1000, /* milliseconds */
	AT_ONCE = 8,  /* connections that wait are taken, and then it is looked for a signal */
	SHORT = 1000, /* bytes that a connection has room for, however small its buffer was made */
	LINGER = 100, /* milliseconds */
};

extern char **environ;

/* A name that is too long for http->first makes an array of a size below zero. */
#define PARAMETER(name, field, once)                                                               \
	{                                                                                          \
		name,                                                                              \
		    sizeof(name) - 1 +                                                             \
		    0 * sizeof(char[sizeof(name) <= HTTP_PARAMETER_SIZE ? 1 : -1]),                \
		    offsetof(struct http, field), once                                             \
	}

/* The parameters that we look at: RFC 3875, section 4.1. */
static const struct parameter {
	const char *name;
	size_t length; /* of the name: they are sorted by it, and looked for by it */
	size_t offset;
	bool once; /* two that differ are an attempt to be taken for somebody else */
} parameters[] = {
	PARAMETER("HTTPS", https, false),
	PARAMETER("FCGI_ROLE", role, false),
	PARAMETER("HTTP_HOST", host, true),
	PARAMETER("PATH_INFO", path_info, true),
	PARAMETER("HTTP_ACCEPT", accept, false),
	PARAMETER("HTTP_ORIGIN", origin, true),
	PARAMETER("REMOTE_ADDR", remote_addr, true),
	PARAMETER("REQUEST_URI", uri, false),
	PARAMETER("SCRIPT_NAME", script_name, true),
	PARAMETER("CONTENT_TYPE", content_type, true),
	PARAMETER("HTTP_UPGRADE", upgrade, true),
	PARAMETER("POSTERN_GATE", gate, true),
	PARAMETER("QUERY_STRING", query, false),
	PARAMETER("DOCUMENT_ROOT", document_root, false),
	PARAMETER("CONTENT_LENGTH", content_length, false),
	PARAMETER("HTTP_FORWARDED", forwarded, false),
	PARAMETER("HTTP_X_REAL_IP", real_ip, false),
	PARAMETER("REQUEST_METHOD", method, true),
	PARAMETER("POSTERN_REQUIRE", require, true),
	PARAMETER("REDIRECT_STATUS", redirect_status, false),
	PARAMETER("FCGI_APACHE_ROLE", apache_role, true),
	PARAMETER("HTTP_AUTHORIZATION", authorization, true),
	PARAMETER("HTTP_SEC_FETCH_DEST", fetch_dest, true),
	PARAMETER("HTTP_SEC_FETCH_MODE", fetch_mode, true),
	PARAMETER("HTTP_SEC_FETCH_SITE", fetch_site, true),
	PARAMETER("HTTP_X_FORWARDED_FOR", forwarded_for, false),
	PARAMETER("REDIRECT_REQUEST_METHOD", redirect_method, false),
};

/* -- getting ready -------------------------------------------------------------------- */

static bool
is_listening(int fd)
{
	int listening = 0;
	socklen_t size = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

bool
http_is_served(void)
{
	return is_listening(STDIN_FILENO) || getenv("GATEWAY_INTERFACE") != NULL ||
	    getenv("REQUEST_METHOD") != NULL;
}

/*
 * libfcgi's own handlers lose a signal, cut a body or a reply short, or spin for ever. Here
 * the signals are blocked for good, and looked for only while no request is in hand.
 */
static int
catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool
open_fastcgi(struct http *http)
{
	int flags = fcntl(STDIN_FILENO, F_GETFL);

	if (flags < 0 || fcntl(STDIN_FILENO, F_SETFL, flags | O_NONBLOCK) < 0)
		return false;
	if ((http->signals = catch_signals()) < 0)
		return false;
	if (FCGX_Init() != 0)
		return false;
	if ((http->fastcgi = calloc(1, sizeof(*http->fastcgi))) == NULL)
		return false;
	/* It is handed connections (see take_connection) and must never accept one itself. */
	return FCGX_InitRequest(http->fastcgi, -1, 0) == 0;
}

/* Where one of them is closed, a connection would get its number, and so what is for the log. */
static void
open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

bool
http_open(struct http *http)
{
	const struct log log = log_stderr();

	open_standard();
	*http = (struct http){ .signals = -1 };
	for (size_t length = 0, i = 0; length < HTTP_PARAMETER_SIZE; length++) {
		while (i < COUNT(parameters) && parameters[i].length < length)
			i++;
		http->first[length] = (unsigned char)i;
	}
	/* As plain CGI, too: the engine that keeps the state may hang up at any time. */
	signal(SIGPIPE, SIG_IGN);
	if (!is_listening(STDIN_FILENO) || open_fastcgi(http))
		return true;
	log_event(&log, "config", "reason=\"cannot serve FastCGI: %s\"", strerror(errno));
	return false;
}

void
http_close(struct http *http)
{
	free(http->fastcgi);
	if (http->signals >= 0)
		close(http->signals);
}

/* -- time ----------------------------------------------------------------------------- */

static long
milliseconds(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Milliseconds to the deadline, 0 when it is over. */
static long
time_left(const struct http *http)
{
	long left = http->deadline - milliseconds();

	return left > 0 ? left : 0;
}

static bool
set_timeout(int fd, int option, long left)
{
	const struct timeval timeout = { left / 1000, left % 1000 * 1000 };

	return setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout)) == 0;
}

/* -- a request comes in --------------------------------------------------------------- */

/*
 * Give libfcgi a connection that we accepted, as one kept from the request before. Its own
 * accept waits for a peer that says nothing, for two seconds or for ever.
 */
static bool
take_connection(struct FCGX_Request *fastcgi, int fd)
{
	if (!set_timeout(fd, SO_RCVTIMEO, LIMIT)) {
		close(fd);
		return false;
	}
	fastcgi->ipcFd = fd;
	fastcgi->keepConnection = 1;
	/* Else libfcgi waits for the server before it closes it, as long as that talks. */
	FCGX_Detach(fastcgi);
	if (FCGX_Accept_r(fastcgi) != 0)
		return false;
	/* It takes parameters that break off for all of them: what is missing may be a header. */
	if (FCGX_GetError(fastcgi->in) == 0)
		return true;
	FCGX_Free(fastcgi, 1);
	return false;
}

static int
next_connection(void)
{
	return accept4(STDIN_FILENO, NULL, NULL, SOCK_CLOEXEC);
}

/* Wait for a connection. False when there was a signal, or the socket is gone. */
static bool
wait_for_one(const struct http *http)
{
	struct pollfd on[] = { { .fd = http->signals, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN } };
	int ready = poll(on, 2, -1);

	return ready <= 0 || (on[0].revents == 0 && on[1].revents == POLLIN);
}

static bool
accept_fastcgi(struct http *http)
{
	for (;;) {
		int fd = http->served++ % AT_ONCE != 0 ? next_connection() : -1;

		if (fd < 0) {
			if (!wait_for_one(http))
				return false;
			fd = next_connection();
		}
		if (fd >= 0 && take_connection(http->fastcgi, fd))
			return true;
		/* A sibling took it, the peer has gone, or the system is short of something. */
		if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED)
			poll(NULL, 0, 100);
	}
}

static void
read_parameter(struct http *http, const char *entry)
{
	const char *value = strchrnul(entry, '=');
	size_t length = (size_t)(value - entry);

	value += *value == '=';
	if (length == strlen("HTTP_COOKIE") && text_begins(entry, "HTTP_COOKIE")) {
		if (http->cookie_count < HTTP_COOKIES_MAX)
			http->cookies[http->cookie_count++] = value;
		return;
	}
	if (length >= HTTP_PARAMETER_SIZE)
		return;
	for (size_t i = http->first[length];
	     i < COUNT(parameters) && parameters[i].length == length; i++) {
		const char **field = (const char **)((char *)http + parameters[i].offset);

		if (memcmp(parameters[i].name, entry, length) != 0)
			continue;
		if ((*field)[0] == '\0')
			*field = value;
		else if (parameters[i].once && strcmp(*field, value) != 0)
			http->contradictory = true;
		return;
	}
}

static void
read_parameters(struct http *http, char **entries)
{
	for (size_t i = 0; i < COUNT(parameters); i++)
		*(const char **)((char *)http + parameters[i].offset) = "";
	http->cookie_count = 0;
	http->contradictory = false;
	for (; *entries != NULL; entries++)
		read_parameter(http, *entries);
}

/*
 * How much body there must be, or -1. Without a length a FastCGI body still has its end; a CGI
 * body may have none, where a server hands the program the client's own socket.
 */
static long
expected_body(const struct http *http)
{
	const char *text = http->content_length, *method = http->method;

	if (text[0] != '\0' && strlen(text) <= 15 && text_is_made_of(text, "0123456789"))
		return strtol(text, NULL, 10);
	return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ? -1 : 0;
}

/*
 * Write to libfcgi. What is short is never waited for; for more the peer gets its time. libfcgi
 * waits anew when some of it went out, and would try again what it could not write.
 */
static void
put_stream(struct http *http, FCGX_Stream *to, const char *bytes, size_t length)
{
	const bool was_short = http->written <= SHORT;

	http->written += length;
	if (was_short && http->written > SHORT)
		set_timeout(http->fastcgi->ipcFd, SO_SNDTIMEO, LIMIT / 3);
	FCGX_PutStr(bytes, (int)length, to);
	if (FCGX_GetError(to) != 0)
		shutdown(http->fastcgi->ipcFd, SHUT_RDWR);
}

static void
put_line(void *http, const char *line, size_t length)
{
	/* A line that cannot be written cannot be reported either. */
	put_stream(http, ((struct http *)http)->fastcgi->err, line, length);
}

bool
http_accept(struct http *http)
{
	if (http->fastcgi != NULL ? !accept_fastcgi(http) : http->sent)
		return false;
	read_parameters(http, http->fastcgi != NULL ? http->fastcgi->envp : environ);
	http->log = log_stderr();
	if (http->fastcgi != NULL)
		http->log = (struct log){ put_line, http };
	http->headers_length = http->written = 0;
	http->overflowed = http->sent = http->whole = false;
	http->is_gate = (http->role[0] != '\0' && strcmp(http->role, "RESPONDER") != 0) ||
	    http->gate[0] != '\0' || http->require[0] != '\0' ||
	    strcmp(http->redirect_status, "401") == 0;
	http->ended = http->is_gate;
	/* Apache asks for an error document by a GET; Caddy a gate by a HEAD, or it sends the body.
	 */
	if (http->is_gate && http->redirect_method[0] != '\0')
		http->method = http->redirect_method;
	http->deadline = milliseconds() + LIMIT;
	http->body_left = expected_body(http);
	return true;
}

/* -- its body ------------------------------------------------------------------------- */

/* Read some bytes, 0 at the end, -1 on a fault with errno EAGAIN when time is up. */
static ssize_t
read_fastcgi(struct http *http, char *out, size_t size)
{
	FCGX_Stream *in = http->fastcgi->in;
	size_t ready;
	long left;
	int first, got;

	/*
	 * Only where libfcgi has nothing in store will it read from the socket, and wait. While
	 * the request is young, the limit that the socket has is as good.
	 */
	left = time_left(http);
	if (in->rdNext == in->stop && left < LIMIT - 500) {
		errno = EAGAIN;
		if (left == 0 || !set_timeout(http->fastcgi->ipcFd, SO_RCVTIMEO, left))
			return -1;
	}
	if ((first = FCGX_GetChar(in)) < 0) {
		errno = FCGX_GetError(in) < 0 ? EPROTO : FCGX_GetError(in);
		return errno == 0 ? 0 : -1;
	}
	out[0] = (char)first;
	ready = (size_t)(in->stop - in->rdNext);
	got = 1 + FCGX_GetStr(out + 1, (int)(ready < size - 1 ? ready : size - 1), in);
	/* A password may be in there, and libfcgi frees its memory as it is. */
	secret_wipe(in->rdNext - got, (size_t)got);
	return got;
}

static ssize_t
read_cgi(struct http *http, char *out, size_t size)
{
	struct pollfd on = { .fd = STDIN_FILENO, .events = POLLIN };
	int ready;

	if (http->body_left >= 0 && (size_t)http->body_left < size)
		size = (size_t)http->body_left;
	if (size == 0)
		return 0;
	do
		ready = poll(&on, 1, (int)time_left(http));
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		errno = EAGAIN;
	return ready > 0 ? read(STDIN_FILENO, out, size) : -1;
}

static ssize_t
read_some(struct http *http, char *out, size_t size)
{
	ssize_t got;

	if (http->ended)
		return 0;
	got = http->fastcgi != NULL ? read_fastcgi(http, out, size) : read_cgi(http, out, size);
	if (got > 0 && http->body_left > 0)
		http->body_left = got < http->body_left ? http->body_left - got : 0;
	http->ended = got <= 0;
	http->whole = got == 0;
	return got;
}

/* Some servers do not take a reply before the whole body was read; but it is worth no long wait. */
static void
drain(struct http *http)
{
	const long soon = milliseconds() + LIMIT / 10;
	char scratch[4096];
	size_t most = 0;
	ssize_t got;

	/* Where no body is to come, a shorter limit would only cost each request a system call. */
	if (http->body_left != 0 && http->deadline > soon)
		http->deadline = soon;
	while ((got = read_some(http, scratch, sizeof(scratch))) > 0)
		most = (size_t)got > most ? (size_t)got : most;
	secret_wipe(scratch, most);
}

int
http_body(struct http *http, char *out, size_t size, size_t *length)
{
	ssize_t got;

	*length = 0;
	out[0] = '\0';
	/* Where only the NUL's place is left, one byte more is one too many. */
	while ((got = read_some(http, out + *length, size - *length)) > 0) {
		*length += (size_t)got;
		if (*length == size) {
			*length = 0;
			out[0] = '\0';
			return 413;
		}
	}
	out[*length] = '\0';
	if (got < 0)
		return errno == EAGAIN ? 408 : 400;
	return http->body_left > 0 ? 400 : 0;
}

/* -- what it asks for ----------------------------------------------------------------- */

void
http_last_segment(const struct http *http, char out[static HTTP_SEGMENT_SIZE])
{
	char path[HTTP_SEGMENT_SIZE];
	const char *slash;

	out[0] = '\0';
	if (!text_format(path, sizeof(path), "%s%s", http->script_name, http->path_info))
		return;
	if ((slash = strrchr(path, '/')) != NULL)
		text_copy(out, HTTP_SEGMENT_SIZE, slash + 1);
}

bool
http_accepts(const struct http *http, const char *type)
{
	size_t length = strlen(type);

	for (const char *at = http->accept; *at != '\0'; at += strcspn(at, ",")) {
		at += strspn(at, ", \t");
		if (strncasecmp(at, type, length) == 0 && strchr(",; \t", at[length]) != NULL)
			return true;
	}
	return false;
}

bool
http_is_browser(const struct http *http)
{
	return http_accepts(http, "text/html") &&
	    (http->fetch_mode[0] == '\0' || strcmp(http->fetch_mode, "navigate") == 0);
}

bool
http_is_https(const struct http *http)
{
	return http->https[0] != '\0' && strcasecmp(http->https, "off") != 0;
}

bool
http_is_forwarded(const struct http *http)
{
	return http->forwarded[0] != '\0' || http->forwarded_for[0] != '\0' ||
	    http->real_ip[0] != '\0';
}

/* -- the reply goes out --------------------------------------------------------------- */

/* Copy `text` to where the headers end. False when it does not fit or has a control character. */
static bool
put_text(struct http *http, const char *text, size_t length)
{
	char *out = http->headers + http->headers_length;

	if (length >= sizeof(http->headers) - http->headers_length)
		return false;
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
		out[i] = text[i];
	}
	http->headers_length += length;
	return true;
}

void
http_header(struct http *http, const char *name, const char *value)
{
	if (!put_text(http, name, strlen(name)) || !put_text(http, ": ", 2) ||
	    !put_text(http, value, strlen(value)) ||
	    sizeof(http->headers) - http->headers_length < sizeof("\r\n")) {
		http->overflowed = true;
		return;
	}
	memcpy(http->headers + http->headers_length, "\r\n", sizeof("\r\n"));
	http->headers_length += 2;
}

void
http_headers(struct http *http, const char *lines)
{
	size_t length = strlen(lines);

	if (length >= sizeof(http->headers) - http->headers_length) {
		http->overflowed = true;
		return;
	}
	memcpy(http->headers + http->headers_length, lines, length + 1);
	http->headers_length += length;
}

void
http_clear_headers(struct http *http)
{
	secret_wipe(http->headers, http->headers_length);
	http->headers_length = 0;
	http->headers[0] = '\0';
	http->overflowed = false;
}

/* One that cannot be written cannot be answered in another way either: the server has gone. */
static void
write_out(struct http *http, const char *bytes, size_t length)
{
	if (http->fastcgi != NULL)
		put_stream(http, http->fastcgi->out, bytes, length);
	else
		fwrite(bytes, 1, length, stdout);
}

static void
write_text(struct http *http, const char *text)
{
	write_out(http, text, strlen(text));
}

bool
http_send(struct http *http, const char *status, const char *body, size_t length)
{
	char content_length[64];

	if (http->overflowed || http->sent)
		return false;
	drain(http);
	/* First of all the status: where it is not, lighttpd takes a denial for a pass. */
	write_text(http, "Status: ");
	write_text(http, status);
	write_text(http, "\r\n");
	write_out(http, http->headers, http->headers_length);
	if (body != NULL &&
	    text_format(content_length, sizeof(content_length), "Content-Length: %zu\r\n", length))
		write_text(http, content_length);
	write_text(http, "\r\n");
	if (body != NULL && strcmp(http->method, "HEAD") != 0)
		write_out(http, body, length);
	if (http->fastcgi == NULL)
		fflush(stdout);
	http->sent = true;
	return true;
}

/*
 * Closed with something unread, a connection would be reset, and its reply lost: so it is read
 * until the server closes it, or is silent for a while, or has talked for too long.
 */
static void
read_rest(int fd)
{
	const long end = milliseconds() + LIMIT / 10;
	struct pollfd on = { .fd = fd, .events = POLLIN };
	char unread[1024];

	if (shutdown(fd, SHUT_WR) != 0)
		return;
	while (poll(&on, 1, LINGER) > 0 && recv(fd, unread, sizeof(unread), MSG_DONTWAIT) > 0 &&
	    milliseconds() < end)
		;
	secret_wipe(unread, sizeof(unread));
}

static void
finish_fastcgi(struct http *http)
{
	/* An authorizer gets no body (FastCGI 1.0, section 6.3). */
	const bool whole = http->whole || strcmp(http->role, "AUTHORIZER") == 0;
	char unread;
	int fd;

	/* Closing it is left to us, unless it cannot be written to. It is not kept for another
	   request: an idle one would keep this worker from all others. */
	http->fastcgi->keepConnection = 1;
	FCGX_ClearError(http->fastcgi->in);
	FCGX_Finish_r(http->fastcgi);
	fd = http->fastcgi->ipcFd;
	http->fastcgi->ipcFd = -1;
	if (fd < 0)
		return;
	if (!whole || recv(fd, &unread, 1, MSG_DONTWAIT) > 0)
		read_rest(fd);
	close(fd);
}

void
http_finish(struct http *http)
{
	if (!http->sent) {
		http_clear_headers(http);
		http_send(http,
		    http->is_gate ? "503 Service Unavailable" : "500 Internal Server Error", "", 0);
	}
	if (http->fastcgi != NULL)
		finish_fastcgi(http);
	secret_wipe(http->headers, http->headers_length);
}
