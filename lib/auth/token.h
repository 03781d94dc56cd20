/*
 * token: a signed statement of who signed in, and until when.
 *
 * A token is a JWT (RFC 7519) of HS256, ES256 or RS256 (RFC 7518), whose header names the key by
 * "kid" and which has the claims "iss", "aud" (always "session"), "sub", "iat", "exp",
 * "auth_time", "sid" and "pwv".
 */
#ifndef POSTERN_TOKEN_H
#define POSTERN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "auth/key.h"
#include "base/text.h"

/* Sizes count the NUL. */
enum {
	TOKEN_HEAD_MAX = 981, /* what is signed, with the dot after it */
	TOKEN_SIGNATURE_MAX = (KEY_RSA_MAX / 8 * 4 + 2) / 3, /* in base64url */
	TOKEN_SIZE = TOKEN_HEAD_MAX + TOKEN_SIGNATURE_MAX + 1,
	TOKEN_SID_SIZE = 33, /* 128 random bits, hexadecimal */
	TOKEN_PWV_SIZE = 17, /* 64 bits of a digest, hexadecimal */
	TOKEN_KEYS_MAX = 2,
	TOKEN_KID_SIZE = KEY_ID_SIZE,
	TOKEN_CLOCK_SKEW = 60, /* seconds another machine's clock may be ahead */
};

#define TOKEN_MEMORY "memory"

/* A key is for one algorithm, whatever a token says. */
struct token_key {
	const char *alg;
	/* The caller's; kept, not copied. Both are never empty. */
	const char *signing; /* NULL where it only verifies */
	const char *verifying;
	size_t signature_length; /* in base64url, without a NUL */
	char kid[TOKEN_KID_SIZE];
};

struct token_cache;

/* The keys of a site: the current one, which signs, and the one before it. */
struct token_keys {
	struct token_key keys[TOKEN_KEYS_MAX];
	size_t count;
	struct token_cache *cache; /* of what was verified with them, or NULL */
};

struct token {
	char user[TEXT_NAME_SIZE];
	char sid[TOKEN_SID_SIZE];
	char pwv[TOKEN_PWV_SIZE];
	time_t issued, expires, auth_time; /* seconds; auth_time is when the password was given */
	bool bearer; /* it came in Authorization, and not in a cookie; nothing to token_sign() */
};

/* What else a token must agree with. */
struct token_rules {
	const char *issuer;
	time_t now;
	long session_ttl; /* seconds a session may last, counted from auth_time */
};

/*
 * Make the key of a signing secret, or of a key file. False when that is empty, or, where it is to
 * sign, signs nothing: out of memory, or two keys that do not belong together.
 */
bool token_key_of_secret(struct token_key *key, const char *secret);
bool token_key_of_file(struct token_key *key, const struct key *file);

/*
 * Write a new token to `out`, signed with the first key. It is checked with token_verify() before
 * it leaves. False, with `out` emptied, when that check fails or on a fault.
 */
bool token_sign(char out[static TOKEN_SIZE], const struct token *token,
    const struct token_keys *keys, const struct token_rules *rules);

/*
 * Check `text` against the keys. True, with `token` filled, when it is ours and not over. False,
 * with `token` zeroed, in every other case; `why` then says in a word which one, for the log:
 * TOKEN_MEMORY when there was not enough of it to tell.
 */
bool token_verify(struct token *token, const char *text, const struct token_keys *keys,
    const struct token_rules *rules, const char **why);

/* Remember from now on what token_verify() finds. token_keys_forget() ends it. */
void token_keys_remember(struct token_keys *keys);

/* Free the cache, and wipe all. */
void token_keys_forget(struct token_keys *keys);

#endif
