/*
 * http: one request in, one reply out, over FastCGI or plain CGI.
 *
 * A FastCGI program is started with a listening socket on file descriptor 0 (FastCGI 1.0,
 * section 2.2); a CGI program (RFC 3875) with anything else, one request in its environment.
 */
#ifndef POSTERN_HTTP_H
#define POSTERN_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

struct FCGX_Request;

enum {
	HTTP_COOKIES_MAX = 16,    /* Cookie headers of one request */
	HTTP_HEADERS_SIZE = 4096, /* of a reply: what nginx takes, with the NUL */
	HTTP_SEGMENT_SIZE = 1024,
	HTTP_SECONDS = 10, /* for a body to come, and for each read or write to end */
};

/* One request. Its texts live until http_finish(); what was not sent is an empty text. */
struct http {
	const char *method;
	const char *script_name, *path_info; /* only one after the other do they mean anything */
	const char *query, *uri;             /* QUERY_STRING; REQUEST_URI, as the client wrote it */
	const char *content_type, *content_length;
	const char *remote_addr, *https, *document_root;
	const char *host, *origin, *accept, *authorization, *fetch_site, *fetch_mode, *upgrade;
	const char *fetch_dest;
	const char *forwarded, *forwarded_for, *real_ip; /* what a proxy says of its client */
	const char *role, *apache_role, *gate, *require; /* what a server says that asks a gate */
	/* Of the request that an error document is for, or that a gate is asked about. */
	const char *redirect_status, *redirect_method;
	const char *cookies[HTTP_COOKIES_MAX];
	size_t cookie_count;
	bool contradictory; /* a header that counts only once came twice and differs */
	bool is_gate;       /* it is about another request, whose body is not ours to read */
	struct log log;     /* where the log lines of this request go */

	/* The rest is http's own. */
	struct FCGX_Request *fastcgi; /* NULL in plain CGI */
	char headers[HTTP_HEADERS_SIZE];
	size_t headers_length;
	int64_t deadline; /* milliseconds of clock_ms() */
	long body_left;   /* bytes that must still come, or -1 */
	bool overflowed;  /* the reply's headers did not fit, or had a control character */
	bool sent, ended;
	bool whole;       /* the body was read to its end */
	size_t written;   /* bytes of the reply and of the log */
	int signals;      /* tells of SIGTERM and SIGUSR1, or -1 */
	unsigned at_once; /* connections to take before the next look for a signal */
};

/* Was this program started by a web server, in either way? */
bool http_is_served(void);

/* Get ready. False, having said why on file descriptor 2, when the system refuses. */
bool http_open(struct http *http);

/*
 * Wait for the next request. False when there is none any more: after SIGTERM or SIGUSR1,
 * or after the one request of plain CGI. A signal never cuts a request short.
 */
bool http_accept(struct http *http);

/*
 * Read the whole body into `out`, of `size` bytes, and end it with a NUL. 0, or the status that
 * says why not: 413 too large, 408 not whole after HTTP_SECONDS, 400 cut short. In plain CGI
 * CONTENT_LENGTH says where the body ends, in FastCGI only that it must not end before.
 */
int http_body(struct http *http, char *out, size_t size, size_t *length);

/* The last part of the path, after its last slash; empty when the path is too long. */
void http_last_segment(const struct http *http, char out[static HTTP_SEGMENT_SIZE]);

/* Does the client want a page, and not data: an Accept with text/html, and a navigation? */
bool http_is_browser(const struct http *http);

/* Did it come over TLS, as this web server knows itself? */
bool http_is_https(const struct http *http);

/* Does a proxy say that it passed this on? Then REMOTE_ADDR may be the proxy's. */
bool http_is_forwarded(const struct http *http);

/* Does Accept name this media type? */
bool http_accepts(const struct http *http, const char *type);

/* Add a header to the reply. */
void http_header(struct http *http, const char *name, const char *value);

/* Add headers that are always the same: whole lines, each with its CR LF. */
void http_headers(struct http *http, const char *lines);

/* Forget the headers that were added so far. */
void http_clear_headers(struct http *http);

/*
 * Send the reply, its headers being the added ones and the length of the body, which is left
 * out after HEAD. `status` is a code and its phrase, "200 OK". A NULL body is none, not even of
 * length 0. Once a request; false, with nothing sent, when that was done, or a header was wrong
 * or did not fit.
 */
bool http_send(struct http *http, const char *status, const char *body, size_t length);

/*
 * End the request. One that was not answered gets a bare 500, at a gate a 503. A connection of
 * which something may be unread is closed when the server has closed it, was silent for 100 ms, or
 * has talked for a second.
 */
void http_finish(struct http *http);

/* Give back what http_open() took. */
void http_close(struct http *http);

#endif
