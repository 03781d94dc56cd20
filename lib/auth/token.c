#include "auth/token.h"

#include <errno.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#include "auth/token_cache.h"
#include "base/secret.h"

#define AUDIENCE "session"
#define HEX "0123456789abcdef"
#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

enum {
	HS256_LENGTH = 43, /* 32 bytes in base64url */
	HEAD_USUAL = 468, /* bytes of what is signed; with the longest name and issuer it is more */
	HS256_KID_BYTES = 8,
};

/*
 * Is this the compact form of RFC 7515, section 7.1, with nothing around it and a signature as
 * long as this key's? Asked first: libjwt skips stray bytes in it, and puts a copy of whatever
 * comes on the stack.
 */
static bool
is_compact(const char *text, const struct token_key *key)
{
	const size_t header = strspn(text, BASE64URL), length = key->signature_length;
	const char *payload = text + header + 1, *signature, *last;

	if (length == 0 || header == 0 || text[header] != '.')
		return false;
	signature = payload + strspn(payload, BASE64URL) + 1;
	if (signature == payload + 1 || signature[-1] != '.' || signature - text > TOKEN_HEAD_MAX ||
	    strspn(signature, BASE64URL) != length || signature[length] != '\0')
		return false;
	/* The bits of the last character that are of no byte are 0: else it could be another one.
	 */
	last = strchr(BASE64URL, signature[length - 1]);
	return (last - BASE64URL) % (1 << 6 * length % 8) == 0;
}

/* NULL, or `name` where the header has it. */
static const char *
find_header(jwt_t *jwt, const char *name)
{
	char *json;

	errno = 0;
	json = jwt_get_headers_json(jwt, name);
	free(json);
	if (json != NULL)
		return name;
	return errno == ENOMEM ? TOKEN_MEMORY : NULL;
}

/* NULL, or what in the header is not as token_sign() would have it. */
static const char *
check_header(jwt_t *jwt, const struct token_key *key)
{
	/* Extensions that say how to check the token, or with whose key: RFC 7515, section 4.1. */
	static const char *const refused[] = { "crit", "jku", "jwk", "x5u", "x5c" };
	const char *alg = jwt_get_header(jwt, "alg"), *kid = jwt_get_header(jwt, "kid");
	const char *why = NULL;

	/*
	 * libjwt believes the token's own "alg", in any case of letters; the choice is ours. With a
	 * public key for a secret anybody could sign HS256.
	 */
	if (jwt_get_alg(jwt) != jwt_str_alg(key->alg) || alg == NULL || strcmp(alg, key->alg) != 0)
		return "alg";
	for (size_t i = 0; i < COUNT(refused) && why == NULL; i++)
		why = find_header(jwt, refused[i]);
	if (why == NULL && kid == NULL)
		why = find_header(jwt, "kid");
	else if (why == NULL && strcmp(kid, key->kid) != 0)
		why = "kid";
	return why;
}

/* Copy a claim that must be `size` - 1 hexadecimal digits. */
static bool
take_digits(char *out, size_t size, jwt_t *jwt, const char *name)
{
	const char *value = jwt_get_grant(jwt, name);

	return value != NULL && strlen(value) == size - 1 && text_is_made_of(value, HEX) &&
	    text_copy(out, size, value);
}

/* NULL, or which time of a token is such that it is not ours, or is over. */
static const char *
check_times(const struct token *token, const struct token_rules *rules)
{
	const time_t latest = rules->now + TOKEN_CLOCK_SKEW;

	if (token->issued <= 0 || token->issued > latest)
		return "iat";
	if (token->auth_time <= 0 || token->auth_time > latest)
		return "auth_time";
	if (token->expires <= 0 || token->expires > token->auth_time + rules->session_ttl)
		return "exp";
	return token->expires > rules->now ? NULL : "expired";
}

/* NULL and `token` filled, or which claim is not as it must be. */
static const char *
check_claims(struct token *token, jwt_t *jwt, const struct token_rules *rules)
{
	const char *iss = jwt_get_grant(jwt, "iss"), *aud = jwt_get_grant(jwt, "aud");
	const char *sub = jwt_get_grant(jwt, "sub");

	if (iss == NULL || strcmp(iss, rules->issuer) != 0)
		return "iss";
	if (aud == NULL || strcmp(aud, AUDIENCE) != 0)
		return "aud";
	if (sub == NULL || !text_is_name(sub) || !text_copy(token->user, sizeof(token->user), sub))
		return "sub";
	if (!take_digits(token->sid, sizeof(token->sid), jwt, "sid"))
		return "sid";
	if (!take_digits(token->pwv, sizeof(token->pwv), jwt, "pwv"))
		return "pwv";
	/* One that is missing or no JSON integer reads as 0 or -1, by the version of libjwt. */
	token->issued = jwt_get_grant_int(jwt, "iat");
	token->auth_time = jwt_get_grant_int(jwt, "auth_time");
	token->expires = jwt_get_grant_int(jwt, "exp");
	return check_times(token, rules);
}

/* NULL and `token` filled when `key` signed this text and it says what it must. */
static const char *
check_with(struct token *token, const char *text, const struct token_key *key,
    const struct token_rules *rules)
{
	jwt_t *jwt = NULL;
	const char *why;

	errno = 0;
	if (jwt_decode(&jwt, text, (const unsigned char *)key->verifying,
		(int)strlen(key->verifying)) != 0)
		return errno == ENOMEM ? TOKEN_MEMORY : "signature";
	/* Short of memory, it may leave claims out and call it success. */
	why = errno == ENOMEM ? TOKEN_MEMORY : check_header(jwt, key);
	if (why == NULL)
		why = check_claims(token, jwt, rules);
	jwt_free(jwt);
	return why;
}

bool
token_verify(struct token *token, const char *text, const struct token_keys *keys,
    const struct token_rules *rules, const char **why)
{
	const struct token *cached = token_cache_find(keys->cache, text);

	*why = "form";
	*token = (struct token){ 0 };
	if (cached != NULL) {
		*token = *cached;
		*why = check_times(token, rules);
	}
	for (size_t i = 0; cached == NULL && i < keys->count; i++) {
		if (!is_compact(text, &keys->keys[i]))
			continue;
		*why = check_with(token, text, &keys->keys[i], rules);
		if (*why == NULL)
			token_cache_keep(keys->cache, text, token);
		/* Only a wrong signature sends a token on to the next key. */
		if (*why == NULL || strcmp(*why, "signature") != 0)
			break;
	}
	if (*why != NULL)
		*token = (struct token){ 0 };
	return *why == NULL;
}

bool
token_sign(char out[static TOKEN_SIZE], const struct token *token, const struct token_keys *keys,
    const struct token_rules *rules)
{
	const struct token_keys own = { .keys = { keys->keys[0] }, .count = 1 };
	const struct token_key *key = &own.keys[0];
	struct token again;
	jwt_t *jwt = NULL;
	const char *why;
	char *text = NULL;

	out[0] = '\0';
	if (key->signing == NULL || jwt_new(&jwt) != 0)
		return false;
	if (jwt_add_header(jwt, "kid", key->kid) == 0 &&
	    jwt_add_grant(jwt, "iss", rules->issuer) == 0 &&
	    jwt_add_grant(jwt, "aud", AUDIENCE) == 0 &&
	    jwt_add_grant(jwt, "sub", token->user) == 0 &&
	    jwt_add_grant(jwt, "sid", token->sid) == 0 &&
	    jwt_add_grant(jwt, "pwv", token->pwv) == 0 &&
	    jwt_add_grant_int(jwt, "iat", token->issued) == 0 &&
	    jwt_add_grant_int(jwt, "exp", token->expires) == 0 &&
	    jwt_add_grant_int(jwt, "auth_time", token->auth_time) == 0 &&
	    jwt_set_alg(jwt, jwt_str_alg(key->alg), (const unsigned char *)key->signing,
		(int)strlen(key->signing)) == 0)
		text = jwt_encode_str(jwt);
	if (text != NULL)
		text_copy(out, TOKEN_SIZE, text);
	free(text);
	jwt_free(jwt);
	/* Short of memory, libjwt hands out tokens without a signature and calls it success. */
	if (token_verify(&again, out, &own, rules, &why))
		return true;
	out[0] = '\0';
	return false;
}

/*
 * Sign something. OpenSSL sets itself up when it is used first, and where memory is short just then
 * it stays broken, and libjwt takes good tokens for bad ones: let that be now, and not in a
 * request.
 */
static bool
can_sign(const struct token_key *key)
{
	static const struct token sample = { "sample", "00000000000000000000000000000000",
		"0000000000000000", 1, 2, 1, false };
	static const struct token_rules rules = { "sample", 1, 1 };
	const struct token_keys keys = { .keys = { *key }, .count = 1 };
	char text[TOKEN_SIZE];

	return token_sign(text, &sample, &keys, &rules);
}

bool
token_key_of_secret(struct token_key *key, const char *secret)
{
	unsigned char digest[SECRET_DIGEST_BYTES];

	*key = (struct token_key){ 0 };
	/* With an empty key libjwt takes a token that nobody signed. */
	if (secret[0] == '\0')
		return false;
	*key = (struct token_key){ "HS256", secret, secret, HS256_LENGTH, "" };
	secret_derive(digest, secret, "kid");
	secret_hex(key->kid, digest, HS256_KID_BYTES);
	return can_sign(key);
}

bool
token_key_of_file(struct token_key *key, const struct key *file)
{
	const char *private = file->private[0] != '\0' ? file->private : NULL;

	*key = (struct token_key){ 0 };
	if (file->public[0] == '\0')
		return false;
	*key = (struct token_key){ file->alg, private, file->public,
		(file->signature_bytes * 4 + 2) / 3, "" };
	text_copy(key->kid, sizeof(key->kid), file->id);
	return private != NULL ? can_sign(key) : key_can_verify(file);
}

void
token_keys_remember(struct token_keys *keys)
{
	keys->cache = token_cache_new(HEAD_USUAL + keys->keys[0].signature_length);
}

void
token_keys_forget(struct token_keys *keys)
{
	token_cache_free(keys->cache);
	secret_wipe(keys, sizeof(*keys));
}
