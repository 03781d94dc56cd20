/*
 * session: the policy: who may begin one, who is in one, how it goes on and how it ends.
 *
 * A session is known by its sid. Its token lives POSTERN_TOKEN_TTL and is renewed while it is
 * used, for POSTERN_SESSION_TTL in all.
 */
#ifndef POSTERN_SESSION_H
#define POSTERN_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "auth/token.h"
#include "auth/verified.h"
#include "base/config.h"
#include "base/secret.h"
#include "store/state.h"
#include "web/http.h"

enum { SESSION_TOKENS_MAX = 8 }; /* cookies of our name that are looked at */

/* What the settings make of sessions. session_policy() fills it. */
struct session_policy {
	/* The caller's; kept, not copied. */
	const struct config *config;
	struct state *state;
	struct verified *verified; /* or NULL; empty at first */
	/* The current one, which signs, and the one before it; and the key files they are of, or
	   NULL where they are of secrets. */
	size_t key_count;
	struct token_key keys[2];
	struct key *files[2];
	/* Of the current secret, and of the one before it: there is none where nothing is signed.
	 */
	size_t secret_count;
	unsigned char pwv_keys[2][SECRET_DIGEST_BYTES];
	unsigned char device_keys[2][SECRET_DIGEST_BYTES]; /* for device_check() */
	/* Of the current one. */
	unsigned char decoy_key[SECRET_DIGEST_BYTES];    /* for users_find() */
	unsigned char throttle_key[SECRET_DIGEST_BYTES]; /* for throttle_begin() */
};

enum session {
	SESSION_NONE,       /* no token came */
	SESSION_BAD,        /* the cookie is not good, or two good ones are of two sessions */
	SESSION_BAD_BEARER, /* the token in Authorization is not good */
	SESSION_BOTH,       /* a cookie and a bearer token at once: which one is meant? */
	SESSION_FAULT,      /* it cannot be told: there is not enough memory */
	SESSION_UNKNOWN,    /* it cannot be told: the state is not to be had */
	SESSION_GOOD,
};

/*
 * Make the keys of these settings, and no table of verified tokens yet. False, with `why`, when a
 * key file is not right, or on a fault. session_forget() ends it in either case.
 */
bool session_policy(struct session_policy *policy, const struct config *config, struct state *state,
    time_t now, char why[static CONFIG_WHY_SIZE]);

/* Free the key files, and wipe all. State and table stay the caller's. */
void session_forget(struct session_policy *policy);

/*
 * "pwv": a digest of the user's line in the user file, with the `secret`th secret. It changes with
 * the password. False when that line is too long.
 */
bool session_pwv(char out[static TOKEN_PWV_SIZE], const struct session_policy *policy,
    size_t secret, const char *user, const char *hash);

/*
 * Make the token of a new session for `user`, whose line of the user file has `hash`.
 * `seconds` says how long it lives. 0, or, with `out` emptied, the status that says why not:
 * 503 when the state is not to be had, 500 on another fault. What the log should know is in it.
 */
int session_begin(char out[static TOKEN_SIZE], long *seconds, const struct session_policy *policy,
    const char *user, const char *hash, time_t now, const struct log *log);

/*
 * Is somebody signed in, by the cookies of the request or its Authorization? At a gate a cookie
 * of our name comes first. On SESSION_GOOD `token` is what they say; else it is zeroed, and the
 * log knows what is wrong with a bad one.
 */
enum session session_check(struct token *token, const struct session_policy *policy,
    const struct http *http, time_t now);

/* Is the token of a cookie, past half of its life, and can another one live longer? */
bool session_is_due(const struct session_policy *policy, const struct token *token, time_t now);

/*
 * Make another token of the same session, one that is due, for a user whose line of the user file
 * now has `hash`. `seconds` says how long it lives. False, with `out` emptied, when the line has
 * changed, or on a fault: then the old one is as good as before.
 */
bool session_renew(char out[static TOKEN_SIZE], long *seconds, const struct session_policy *policy,
    const struct token *token, const char *hash, time_t now);

/*
 * End the session of every good token that the request brings, in cookies or in Authorization, or
 * every session of their users. 0, with how many were `ended`: the log names each; or the status
 * that says why it cannot be done, 500 or 503.
 */
int session_end(size_t *ended, const struct session_policy *policy, const struct http *http,
    bool everywhere, time_t now);

#endif
