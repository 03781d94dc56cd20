/*
 * token: a signed statement of who signed in, and until when.
 *
 * A token is a JWT (RFC 7519), HS256, whose header names the key by "kid" and which has the
 * claims "iss", "aud" (always "session"), "sub", "iat", "exp", "auth_time", "sid" and "pwv".
 * Nothing here logs, allocates for the caller, or reads the clock: time is an argument.
 */
#ifndef POSTERN_TOKEN_H
#define POSTERN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "text.h"

/* Sizes count the NUL. */
enum {
	TOKEN_SIZE = 1025,
	TOKEN_SID_SIZE = 33, /* 128 random bits, hexadecimal */
	TOKEN_PWV_SIZE = 17, /* 64 bits of a digest, hexadecimal */
	TOKEN_KID_SIZE = 17,
	TOKEN_SIGNATURE_LENGTH = 43, /* 32 bytes in base64url, without a NUL */
	TOKEN_CLOCK_SKEW = 60,       /* seconds another machine's clock may be ahead */
};

#define TOKEN_MEMORY "memory"

struct token_key {
	const char *secret; /* the caller's, never empty; kept, not copied */
	char kid[TOKEN_KID_SIZE];
};

struct token {
	char user[TEXT_NAME_SIZE];
	char sid[TOKEN_SID_SIZE];
	char pwv[TOKEN_PWV_SIZE];
	time_t issued, expires, auth_time; /* seconds; auth_time is when the password was given */
	/* Nothing to token_sign(). */
	size_t key;  /* which of the keys verified it */
	bool bearer; /* it came in Authorization, and not in a cookie */
};

/* What else a token must agree with. */
struct token_rules {
	const char *issuer;
	time_t now;
	long session_ttl; /* seconds a session may last, counted from auth_time */
};

/* Make the key of a signing secret. False when it is empty, or signs nothing: out of memory. */
bool token_key(struct token_key *key, const char *secret);

/*
 * Write a new token to `out`. It is checked with token_verify() before it leaves.
 * False, with `out` emptied, when that check fails or on a fault.
 */
bool token_sign(char out[static TOKEN_SIZE], const struct token *token, const struct token_key *key,
    const struct token_rules *rules);

/*
 * NULL when the times of a token, once verified, are such that it still is ours and not over. Else
 * the word that token_verify() says.
 */
const char *token_is_untimely(const struct token *token, const struct token_rules *rules);

/*
 * Check `text` against `count` keys, the current one first. True, with `token` filled, when it
 * is ours and not over. False, with `token` zeroed, in every other case; `why` then says in a
 * word which one, for the log: TOKEN_MEMORY when there was not enough of it to tell.
 */
bool token_verify(struct token *token, const char *text, const struct token_key keys[],
    size_t count, const struct token_rules *rules, const char **why);

#endif
