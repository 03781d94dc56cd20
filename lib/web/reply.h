/*
 * reply: a JSON message, a page or a redirect, with the headers that every reply has.
 *
 * Cache-Control, Vary, the headers that shut a page off from other sites, and on a 401 the
 * challenge of RFC 6750. Headers of one reply alone are added with http_header() before.
 */
#ifndef POSTERN_REPLY_H
#define POSTERN_REPLY_H

#include <stddef.h>

#include "web/site.h"

/* Answer {"message":"..."}; the message has no quote, backslash or control character. */
void reply_json(const struct request *request, int status, const char *message);

/* The same, as a 401 to a bearer token that is not good: RFC 6750, section 3.1. */
void reply_invalid_token(const struct request *request, const char *message);

/* Answer with a JWK Set (RFC 7517, section 5), which anybody may keep for five minutes. */
void reply_keys(const struct request *request, const char *keys);

/* Answer with the bare token, as application/jwt. */
void reply_token(const struct request *request, const char *token);

/* Answer with a page, its slots filled. One that does not fit becomes a 500. */
void reply_page(const struct request *request, int status, enum page page,
    const struct page_slot slots[], size_t count);

/* Answer 303, or at a gate 302, to `location`, which is a path of this site. */
void reply_redirect(const struct request *request, const char *location);

/* Let a request pass that a gate was asked about, with no header but the added ones. */
void reply_pass(const struct request *request);

/* Answer with an error: a page that says it in words to a browser, JSON to a program. */
void reply_error(const struct request *request, int status);

#endif
