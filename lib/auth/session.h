/*
 * session: who is signed in: how a session begins, goes on and ends.
 *
 * A session is known by its sid. Its token is renewed while it is used. The store lists the open
 * sessions of each user: a session that is not listed is over. Where there is no store a token is
 * good until it expires.
 */
#ifndef POSTERN_SESSION_H
#define POSTERN_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "auth/session_list.h"
#include "auth/token.h"
#include "auth/users.h"
#include "base/config.h"
#include "store/store.h"

enum { SESSION_TOKENS_MAX = 8 }; /* of one request that are looked at */

/* What the settings make of sessions. session_open() fills one, session_close() ends it. */
struct sessions {
	/* The caller's; kept, not copied. */
	const struct config *config;
	struct store *store;
	struct token_keys keys;
	struct key *files[TOKEN_KEYS_MAX]; /* of the keys; NULL where they are of secrets */
	/* The rest is session's own. */
	char *list, *changed;        /* room for records; NULL where there is no store */
	bool store_is_ours;          /* the record of the site was seen */
	struct session_grace *grace; /* sessions that were open; NULL without POSTERN_STATE_GRACE */
};

enum session {
	SESSION_BAD,     /* no token is good, or two good ones are of two sessions */
	SESSION_FAULT,   /* it cannot be told: there is not enough memory */
	SESSION_UNKNOWN, /* it cannot be told: the store is not to be had */
	SESSION_GOOD,
};

/*
 * Make the keys of these settings. False, with `why`, when a key file is not right, or on a fault.
 */
bool session_open(struct sessions *sessions, const struct config *config, struct store *store,
    time_t now, struct text_why *why);

/* Free the key files and the rest, and wipe all. The store stays the caller's. */
void session_close(struct sessions *sessions);

/*
 * Is a user signed in, by one of these `count` tokens? On SESSION_GOOD `token` is the one that
 * lives longest. Else it is zeroed, and `why` says in a word what is wrong with a bad one.
 */
enum session session_check(struct token *token, const char **why, struct sessions *sessions,
    const struct text_span texts[], size_t count, time_t now, const struct log *log);

/*
 * Before the password is hashed: note what revokes all sessions of the user, so that
 * session_begin() undoes nothing that happens meanwhile. False when the store is not to be had.
 */
bool session_prepare(char word[static LIST_WORD_SIZE], struct sessions *sessions, const char *user,
    time_t now, const struct log *log);

/*
 * Begin a session of this account, and make its token, which lives for `seconds`. `kind` is
 * LIST_COOKIE or LIST_BEARER, `word` is session_prepare()'s. 0, or, with `out` emptied, a status:
 * 503 when the store is not to be had, or all sessions of the user were revoked since
 * session_prepare(); 500 on another fault.
 */
int session_begin(char out[static TOKEN_SIZE], long *seconds, struct sessions *sessions,
    const struct account *account, char kind, const char *word, time_t now, const struct log *log);

/* Is the token of a cookie, past half of its life, and can another one live longer? */
bool session_is_due(const struct sessions *sessions, const struct token *token, time_t now);

/*
 * Make another token of the same session. False, with `out` emptied, when the account has not the
 * token's pwv any more, the session is over, or on a fault: then the old token is as good as
 * before.
 */
bool session_renew(char out[static TOKEN_SIZE], long *seconds, struct sessions *sessions,
    const struct token *token, const struct account *account, time_t now, const struct log *log);

/*
 * Revoke the session of a token, or all sessions of its user, if the token is good. True, with
 * `token` filled, when that is done; else `*status` is 0 for a token that is not good, or says why
 * it cannot be done: 500 or 503.
 */
bool session_revoke(struct token *token, int *status, struct sessions *sessions,
    const struct text_span *text, bool everywhere, time_t now, const struct log *log);

#endif
