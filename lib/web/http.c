#include "web/http.h"

#include <ctype.h>
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
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "base/text.h"

enum {
	LIMIT = HTTP_SECONDS * 1000, /* milliseconds */
	AT_ONCE = 8,  /* connections that wait are taken, and then it is looked for a signal */
	SHORT = 1000, /* bytes that a connection has room for, however small its buffer was made */
	LINGER = 100, /* milliseconds */
};

extern char **environ;

#define PARAMETER(name, field, once)                                                               \
	{                                                                                          \
		name, sizeof(name) - 1, offsetof(struct http, field), once                         \
	}

/* The parameters that we look at: RFC 3875, section 4.1. */
static const struct parameter {
	const char *name;
	size_t length, offset;
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

static bool
open_fastcgi(struct http *http)
{
	int flags = fcntl(STDIN_FILENO, F_GETFL);
	sigset_t set;

	/*
	 * libfcgi's own handlers lose a signal, cut a body or a reply short, or spin for ever. Here
	 * the signals are blocked for good, and looked for only while no request is in hand.
	 */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	if (flags < 0 || fcntl(STDIN_FILENO, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return false;
	http->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (http->signals < 0 || FCGX_Init() != 0)
		return false;
	if ((http->fastcgi = calloc(1, sizeof(*http->fastcgi))) == NULL)
		return false;
	/* It is handed connections (see take_connection) and must never accept one itself. */
	return FCGX_InitRequest(http->fastcgi, -1, 0) == 0;
}

bool
http_open(struct http *http)
{
	const struct log log = log_stderr();
	int fd;

	/* Where one of them is closed, a connection would get its number, and what is logged. */
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	*http = (struct http){ .signals = -1 };
	/* As plain CGI, too: Redis may hang up at any time. */
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

static bool
set_timeout(int fd, int option, long left)
{
	const struct timeval timeout = { left / 1000, left % 1000 * 1000 };

	return setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout)) == 0;
}

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

static bool
accept_fastcgi(struct http *http)
{
	struct pollfd on[] = { { .fd = http->signals, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN } };

	for (;;) {
		int fd;

		if (http->at_once == 0) {
			/* A signal came, or the socket is gone. */
			if (poll(on, 2, -1) > 0 && (on[0].revents != 0 || on[1].revents != POLLIN))
				return false;
			http->at_once = AT_ONCE;
		}
		http->at_once--;
		fd = accept4(STDIN_FILENO, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0 && take_connection(http->fastcgi, fd))
			return true;
		/* A sibling took it, the peer has gone, or the system is short of something. */
		if (fd < 0)
			http->at_once = 0;
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
	if (length == strlen("HTTP_COOKIE") && text_begins(entry, "HTTP_COOKIE=")) {
		if (http->cookie_count < HTTP_COOKIES_MAX)
			http->cookies[http->cookie_count++] = value;
		return;
	}
	/* They are sorted by length. */
	for (size_t i = 0; i < COUNT(parameters) && parameters[i].length <= length; i++) {
		const char **field = (const char **)((char *)http + parameters[i].offset);

		if (parameters[i].length < length || memcmp(parameters[i].name, entry, length) != 0)
			continue;
		if ((*field)[0] == '\0')
			*field = value;
		else if (parameters[i].once && strcmp(*field, value) != 0)
			http->contradictory = true;
		return;
	}
}

/*
 * Write to libfcgi, or where `to` is NULL to the client of plain CGI. What is short is never waited
 * for; for more the peer gets its time. libfcgi waits anew when some of it went out, and would try
 * again what it could not write.
 */
static void
write_out(struct http *http, FCGX_Stream *to, const char *bytes, size_t length)
{
	const bool was_short = http->written <= SHORT;

	if (to == NULL) {
		fwrite(bytes, 1, length, stdout);
		return;
	}
	http->written += length;
	if (was_short && http->written > SHORT)
		set_timeout(http->fastcgi->ipcFd, SO_SNDTIMEO, LIMIT / 3);
	FCGX_PutStr(bytes, (int)length, to);
	/* What cannot be written cannot be answered or reported in another way either. */
	if (FCGX_GetError(to) != 0)
		shutdown(http->fastcgi->ipcFd, SHUT_RDWR);
}

static void
write_log(void *http, const char *line, size_t length)
{
	write_out(http, ((struct http *)http)->fastcgi->err, line, length);
}

bool
http_accept(struct http *http)
{
	const char *length;
	char **entry = environ;

	if (http->fastcgi != NULL ? !accept_fastcgi(http) : http->sent)
		return false;
	http->log = log_stderr();
	if (http->fastcgi != NULL) {
		http->log = (struct log){ write_log, http };
		entry = http->fastcgi->envp;
	}
	for (size_t i = 0; i < COUNT(parameters); i++)
		*(const char **)((char *)http + parameters[i].offset) = "";
	http->cookie_count = http->headers_length = http->written = 0;
	http->contradictory = http->overflowed = http->sent = http->whole = false;
	for (; *entry != NULL; entry++)
		read_parameter(http, *entry);
	http->is_gate = (http->role[0] != '\0' && strcmp(http->role, "RESPONDER") != 0) ||
	    http->gate[0] != '\0' || http->require[0] != '\0' ||
	    strcmp(http->redirect_status, "401") == 0;
	http->ended = http->is_gate;
	/* Apache gets an error document by GET; Caddy asks a gate by HEAD, or it sends the body. */
	if (http->is_gate && http->redirect_method[0] != '\0')
		http->method = http->redirect_method;
	http->deadline = clock_ms() + LIMIT;
	/*
	 * How much body there must be. Without a length a FastCGI body still has its end; a CGI
	 * body may have none, where a server hands the program the client's own socket.
	 */
	length = http->content_length;
	if (length[0] != '\0' && strlen(length) <= 15 && text_is_made_of(length, "0123456789"))
		http->body_left = strtol(length, NULL, 10);
	else if (strcmp(http->method, "POST") == 0 || strcmp(http->method, "PUT") == 0)
		http->body_left = -1;
	else
		http->body_left = 0;
	return true;
}

/* Read in `left` milliseconds. 0 at the end, -1 on a fault, with errno EAGAIN when it is late. */
static ssize_t
read_fastcgi(struct http *http, char *out, size_t size, long left)
{
	FCGX_Stream *in = http->fastcgi->in;
	size_t ready;
	int first, got;

	/*
	 * Only where libfcgi has nothing in store will it read from the socket, and wait. While
	 * the request is young, the limit that the socket has is as good.
	 */
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
read_cgi(struct http *http, char *out, size_t size, long left)
{
	struct pollfd on = { .fd = STDIN_FILENO, .events = POLLIN };

	if (http->body_left >= 0 && (size_t)http->body_left < size)
		size = (size_t)http->body_left;
	if (size == 0)
		return 0;
	if (poll(&on, 1, (int)left) > 0)
		return read(STDIN_FILENO, out, size);
	errno = EAGAIN;
	return -1;
}

static ssize_t
read_some(struct http *http, char *out, size_t size)
{
	int64_t time_left = http->deadline - clock_ms();
	long left = time_left > 0 ? (long)time_left : 0;
	ssize_t got;

	if (http->ended)
		return 0;
	if (http->fastcgi != NULL)
		got = read_fastcgi(http, out, size, left);
	else
		got = read_cgi(http, out, size, left);
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
	const int64_t soon = clock_ms() + LIMIT / 10;
	char scratch[4096];
	ssize_t got;

	/* Where no body is to come, a shorter limit would only cost each request a system call. */
	if (http->body_left != 0 && http->deadline > soon)
		http->deadline = soon;
	while ((got = read_some(http, scratch, sizeof(scratch))) > 0)
		secret_wipe(scratch, (size_t)got);
}

int
http_body(struct http *http, char *out, size_t size, size_t *length)
{
	ssize_t got = 0;

	*length = 0;
	/* Where only the NUL's place is left, one byte more is one too many. */
	while (*length < size && (got = read_some(http, out + *length, size - *length)) > 0)
		*length += (size_t)got;
	if (*length == size) {
		*length = 0;
		out[0] = '\0';
		return 413;
	}
	out[*length] = '\0';
	if (got < 0)
		return errno == EAGAIN ? 408 : 400;
	return http->body_left > 0 ? 400 : 0;
}

void
http_last_segment(const struct http *http, char out[static HTTP_SEGMENT_SIZE])
{
	const char *slash;

	text_format(out, HTTP_SEGMENT_SIZE, "%s%s", http->script_name, http->path_info);
	if ((slash = strrchr(out, '/')) != NULL)
		memmove(out, slash + 1, strlen(slash));
	else
		out[0] = '\0';
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

void
http_header(struct http *http, const char *name, const char *value)
{
	char *line = http->headers + http->headers_length;
	const size_t room = sizeof(http->headers) - http->headers_length;
	bool fits = text_format(line, room, "%s: %s\r\n", name, value);
	const size_t length = strlen(line);

	/* A line break would begin a header of somebody else's choice. */
	for (size_t i = 0; i + strlen("\r\n") < length; i++)
		fits = fits && !iscntrl((unsigned char)line[i]);
	if (fits) {
		http->headers_length += length;
		return;
	}
	secret_wipe(line, room);
	http->overflowed = true;
}

void
http_headers(struct http *http, const char *lines)
{
	if (text_copy(http->headers + http->headers_length,
		sizeof(http->headers) - http->headers_length, lines))
		http->headers_length += strlen(lines);
	else
		http->overflowed = true;
}

void
http_clear_headers(struct http *http)
{
	secret_wipe(http->headers, http->headers_length);
	http->headers_length = 0;
	http->overflowed = false;
}

bool
http_send(struct http *http, const char *status, const char *body, size_t length)
{
	FCGX_Stream *to = http->fastcgi != NULL ? http->fastcgi->out : NULL;
	char first[128], last[64] = "\r\n";

	/* First of all the status: where it is not, lighttpd takes a denial for a pass. */
	if (http->overflowed || http->sent ||
	    !text_format(first, sizeof(first), "Status: %s\r\n", status))
		return false;
	if (body != NULL)
		text_format(last, sizeof(last), "Content-Length: %zu\r\n\r\n", length);
	drain(http);
	write_out(http, to, first, strlen(first));
	write_out(http, to, http->headers, http->headers_length);
	write_out(http, to, last, strlen(last));
	if (body != NULL && strcmp(http->method, "HEAD") != 0)
		write_out(http, to, body, length);
	if (to == NULL)
		fflush(stdout);
	http->sent = true;
	return true;
}

void
http_finish(struct http *http)
{
	/* An authorizer gets no body (FastCGI 1.0, section 6.3). */
	bool is_read = strcmp(http->role, "AUTHORIZER") == 0;
	struct pollfd on = { .events = POLLIN };
	char unread[1024];
	int64_t end;

	if (!http->sent) {
		http_clear_headers(http);
		http_send(http,
		    http->is_gate ? "503 Service Unavailable" : "500 Internal Server Error", "", 0);
	}
	secret_wipe(http->headers, http->headers_length);
	if (http->fastcgi == NULL)
		return;
	/* Closing it is left to us, unless it cannot be written to. It is not kept for another
	   request: an idle one would keep this worker from all others. */
	http->fastcgi->keepConnection = 1;
	FCGX_ClearError(http->fastcgi->in);
	FCGX_Finish_r(http->fastcgi);
	on.fd = http->fastcgi->ipcFd;
	http->fastcgi->ipcFd = -1;
	if (on.fd < 0)
		return;
	/*
	 * Closed with something unread, a connection would be reset, and its reply lost: so it is
	 * read until the server closes it, or is silent for a while, or has talked for too long.
	 */
	is_read = (is_read || http->whole) && recv(on.fd, unread, 1, MSG_DONTWAIT) <= 0;
	if (!is_read && shutdown(on.fd, SHUT_WR) == 0) {
		end = clock_ms() + LIMIT / 10;
		while (poll(&on, 1, LINGER) > 0 &&
		    recv(on.fd, unread, sizeof(unread), MSG_DONTWAIT) > 0 && clock_ms() < end)
			;
		secret_wipe(unread, sizeof(unread));
	}
	close(on.fd);
}
