/*
 * visitor: who sent a request, by its cookies or its Authorization; and the cookies of the reply.
 */
#ifndef POSTERN_VISITOR_H
#define POSTERN_VISITOR_H

#include <stdbool.h>
#include <stddef.h>

#include "web/site.h"

enum visitor {
	VISITOR_NO_TOKEN,
	VISITOR_BAD,        /* the cookie is not good, or two good ones are of two sessions */
	VISITOR_BAD_BEARER, /* the token in Authorization is not good */
	VISITOR_BOTH,       /* a cookie and a bearer token at once: which one is meant? */
	VISITOR_FAULT,      /* it cannot be told: there is not enough memory */
	VISITOR_UNKNOWN,    /* it cannot be told: the store is not to be had */
	VISITOR_SIGNED_IN,
};

/*
 * Who is it? At a gate a cookie of our name comes before Authorization. On VISITOR_SIGNED_IN
 * `token` is the visitor's; else it is zeroed, and the log knows what is wrong with a bad one.
 */
enum visitor visitor_check(struct token *token, const struct request *request);

/* What a cookie's name ends with that is not the token's. */
#define VISITOR_DEVICE "-device"

/* The values of the device cookies that came, `max` at most. Their number. */
size_t visitor_devices(struct text_span devices[], size_t max, const struct request *request);

/* Add a Set-Cookie header, for so many seconds. `suffix` is VISITOR_DEVICE or empty. */
void visitor_set_cookie(const struct request *request, const char *suffix, const char *value,
    long seconds);

/* Add the headers that take the cookie away, and with it the pages that a browser keeps. */
void visitor_clear_cookie(const struct request *request);

/*
 * A visitor who is active stays signed in: replace a cookie that is past half of its life, if its
 * user is still in the user file. True when the header was added.
 */
bool visitor_renew(const struct request *request, const struct token *token);

/*
 * Revoke the session of every good token that the request brings, in cookies or in Authorization,
 * or all sessions of their users. 0, with how many were `revoked`: the log names each; or the
 * status that says why one of them could not be, 500 or 503.
 */
int visitor_sign_out(size_t *revoked, const struct request *request, bool everywhere);

/*
 * What the pages that sign out say of the store: `note` is for a person, `everywhere` is the
 * attribute of the button that signs out everywhere.
 */
struct visitor_notes {
	const char *note, *everywhere;
};
struct visitor_notes visitor_notes(const struct request *request);

#endif
