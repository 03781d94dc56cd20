/*
 * session: the policy: who may begin one, and who is in one.
 */
#ifndef POSTERN_SESSION_H
#define POSTERN_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "config.h"
#include "secret.h"
#include "token.h"

enum { SESSION_TOKENS_MAX = 8 }; /* cookies of our name that are looked at */

/* What the settings make of sessions. session_policy() fills it. */
struct session_policy {
	const struct config *config; /* the caller's; kept, not copied */
	struct token_key keys[2];    /* the current one, and the one before it */
	size_t key_count;
	unsigned char pwv_key[SECRET_DIGEST_BYTES];
	unsigned char decoy_key[SECRET_DIGEST_BYTES]; /* for users_find() */
};

enum session {
	SESSION_NONE,       /* no token came */
	SESSION_BAD,        /* the cookie is not good, or two good ones are of two sessions */
	SESSION_BAD_BEARER, /* the token in Authorization is not good */
	SESSION_BOTH,       /* a cookie and a bearer token at once: which one is meant? */
	SESSION_FAULT,      /* not enough memory to tell */
	SESSION_GOOD,
};

/* Make the keys of these settings. False on a fault. */
bool session_policy(struct session_policy *policy, const struct config *config);

/*
 * Make the token of a new session for `user`, whose line of the user file has `hash`.
 * `seconds` says how long it lives. False, with `out` emptied, on a fault.
 */
bool session_begin(char out[static TOKEN_SIZE], long *seconds, const struct session_policy *policy,
    const char *user, const char *hash, time_t now);

/*
 * Is somebody signed in? `cookies` are the `count` Cookie headers of the request, and
 * `authorization` its Authorization header, or empty. On SESSION_GOOD `token` is what they
 * say; else it is zeroed, and `why` tells the log what is wrong with a bad one.
 */
enum session session_check(struct token *token, const struct session_policy *policy,
    const char *const cookies[], size_t count, const char *authorization, time_t now,
    const char **why);

#endif
