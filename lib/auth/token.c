#include "auth/token.h"

#include <errno.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define AUDIENCE "session"
#define HEX "0123456789abcdef"
#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

enum {
	HS256_LENGTH = 43, /* 32 bytes in base64url */
	HS256_KID_BYTES = 8,
};

/* How many characters of base64url stand at the beginning of `text`? */
static size_t
part(const char *text)
{
	return strspn(text, BASE64URL);
}

/* Do the bits of the last character that are of no byte say nothing? Else it could be another. */
static bool
ends_plainly(const char *signature, size_t length)
{
	const char *last = strchr(BASE64URL, signature[length - 1]);

	return (last - BASE64URL) % (1 << 6 * length % 8) == 0;
}

/*
 * Is this the compact form of RFC 7515, section 7.1, with nothing around it and a signature as
 * long as this key's? Asked first: libjwt skips stray bytes in it, and puts a copy of whatever
 * comes on the stack.
 */
static bool
is_compact(const char *text, const struct token_key *key)
{
	size_t header = part(text), payload, length = key->signature_length;
	const char *signature;

	if (length == 0 || header == 0 || text[header] != '.')
		return false;
	payload = part(text + header + 1);
	if (payload == 0 || text[header + 1 + payload] != '.')
		return false;
	signature = text + header + payload + 2;
	return header + payload + 2 <= TOKEN_HEAD_MAX && part(signature) == length &&
	    signature[length] == '\0' && ends_plainly(signature, length);
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
	const char *alg = jwt_get_header(jwt, "alg");
	const char *kid = jwt_get_header(jwt, "kid");
	const char *why = NULL;

	/*
	 * libjwt believes the token's own "alg", in any case of letters; the choice is ours. With a
	 * public key for a secret anybody could sign HS256.
	 */
	if (jwt_get_alg(jwt) != jwt_str_alg(key->alg) || alg == NULL || strcmp(alg, key->alg) != 0)
		return "alg";
	for (size_t i = 0; i < COUNT(refused) && why == NULL; i++)
		why = find_header(jwt, refused[i]);
	if (why != NULL)
		return why;
	if (kid == NULL)
		return find_header(jwt, "kid");
	return strcmp(kid, key->kid) == 0 ? NULL : "kid";
}

static bool
claim_is(jwt_t *jwt, const char *name, const char *wanted)
{
	const char *value = jwt_get_grant(jwt, name);

	return value != NULL && strcmp(value, wanted) == 0;
}

/* Copy a claim that must be `size` - 1 hexadecimal digits. */
static bool
take_digits(char *out, size_t size, jwt_t *jwt, const char *name)
{
	const char *value = jwt_get_grant(jwt, name);

	return value != NULL && strlen(value) == size - 1 && text_is_made_of(value, HEX) &&
	    text_copy(out, size, value);
}

static bool
take_user(struct token *token, jwt_t *jwt)
{
	const char *value = jwt_get_grant(jwt, "sub");

	return value != NULL && text_is_name(value) &&
	    text_copy(token->user, sizeof(token->user), value);
}

/* From 1970 to `latest`? */
static bool
is_within(time_t at, time_t latest)
{
	return at > 0 && at <= latest;
}

const char *
token_is_untimely(const struct token *token, const struct token_rules *rules)
{
	if (!is_within(token->issued, rules->now + TOKEN_CLOCK_SKEW))
		return "iat";
	if (!is_within(token->auth_time, rules->now + TOKEN_CLOCK_SKEW))
		return "auth_time";
	if (!is_within(token->expires, token->auth_time + rules->session_ttl))
		return "exp";
	return token->expires > rules->now ? NULL : "expired";
}

/* NULL and `token` filled, or which claim is not as it must be. */
static const char *
check_claims(struct token *token, jwt_t *jwt, const struct token_rules *rules)
{
	if (!claim_is(jwt, "iss", rules->issuer))
		return "iss";
	if (!claim_is(jwt, "aud", AUDIENCE))
		return "aud";
	if (!take_user(token, jwt))
		return "sub";
	if (!take_digits(token->sid, sizeof(token->sid), jwt, "sid"))
		return "sid";
	if (!take_digits(token->pwv, sizeof(token->pwv), jwt, "pwv"))
		return "pwv";
	/* One that is missing or no JSON integer reads as 0 or -1, by the version of libjwt. */
	token->issued = jwt_get_grant_int(jwt, "iat");
	token->auth_time = jwt_get_grant_int(jwt, "auth_time");
	token->expires = jwt_get_grant_int(jwt, "exp");
	return token_is_untimely(token, rules);
}

/* NULL and `token` filled when `key` signed this text and it says what it must. */
static const char *
check_with(struct token *token, const char *text, const struct token_key *key,
    const struct token_rules *rules)
{
	const unsigned char *bytes = (const unsigned char *)key->verifying;
	jwt_t *jwt = NULL;
	const char *why;

	errno = 0;
	if (jwt_decode(&jwt, text, bytes, (int)strlen(key->verifying)) != 0)
		return errno == ENOMEM ? TOKEN_MEMORY : "signature";
	/* Short of memory, it may leave claims out and call it success. */
	why = errno == ENOMEM ? TOKEN_MEMORY : check_header(jwt, key);
	if (why == NULL)
		why = check_claims(token, jwt, rules);
	jwt_free(jwt);
	return why;
}

bool
token_verify(struct token *token, const char *text, const struct token_key keys[], size_t count,
    const struct token_rules *rules, const char **why)
{
	bool tried = false;

	*why = "form";
	*token = (struct token){ 0 };
	/* Only a wrong signature sends a token on to the next key. */
	for (size_t i = 0; i < count && *why != NULL && (!tried || strcmp(*why, "signature") == 0);
	     i++) {
		if (is_compact(text, &keys[i])) {
			*why = check_with(token, text, &keys[i], rules);
			tried = true;
		}
	}
	if (*why != NULL)
		*token = (struct token){ 0 };
	return *why == NULL;
}

static bool
add_all(jwt_t *jwt, const struct token *token, const struct token_key *key, const char *issuer)
{
	const unsigned char *bytes = (const unsigned char *)key->signing;

	return jwt_add_header(jwt, "kid", key->kid) == 0 &&
	    jwt_add_grant(jwt, "iss", issuer) == 0 && jwt_add_grant(jwt, "aud", AUDIENCE) == 0 &&
	    jwt_add_grant(jwt, "sub", token->user) == 0 &&
	    jwt_add_grant(jwt, "sid", token->sid) == 0 &&
	    jwt_add_grant(jwt, "pwv", token->pwv) == 0 &&
	    jwt_add_grant_int(jwt, "iat", token->issued) == 0 &&
	    jwt_add_grant_int(jwt, "exp", token->expires) == 0 &&
	    jwt_add_grant_int(jwt, "auth_time", token->auth_time) == 0 &&
	    jwt_set_alg(jwt, jwt_str_alg(key->alg), bytes, (int)strlen(key->signing)) == 0;
}

bool
token_sign(char out[static TOKEN_SIZE], const struct token *token, const struct token_key *key,
    const struct token_rules *rules)
{
	struct token again;
	jwt_t *jwt = NULL;
	const char *why;
	char *text = NULL;

	out[0] = '\0';
	if (key->signing == NULL || jwt_new(&jwt) != 0)
		return false;
	if (add_all(jwt, token, key, rules->issuer) && (text = jwt_encode_str(jwt)) != NULL)
		text_copy(out, TOKEN_SIZE, text);
	free(text);
	jwt_free(jwt);
	/* Short of memory, libjwt hands out tokens without a signature and calls it success. */
	if (token_verify(&again, out, key, 1, rules, &why))
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
	struct token sample = { .user = "sample", .issued = 1, .expires = 2, .auth_time = 1 };
	static const struct token_rules rules = { "sample", 1, 1 };
	char text[TOKEN_SIZE];

	memset(sample.sid, '0', sizeof(sample.sid) - 1);
	memset(sample.pwv, '0', sizeof(sample.pwv) - 1);
	return token_sign(text, &sample, key, &rules);
}

#define SAMPLE_CLAIMS                                                                              \
	"eyJpc3MiOiJzYW1wbGUiLCJhdWQiOiJzZXNzaW9uIiwic3ViIjoic2FtcGxlIiwic2lkIjoiMDAw"             \
	"MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAiLCJwd3YiOiIwMDAwMDAwMDAwMDAwMDAwIiwi"             \
	"aWF0IjoxLCJleHAiOjIsImF1dGhfdGltZSI6MX0"

/*
 * For each algorithm a public key and a token of it: what a library makes of them tells whether it
 * works. Nobody has the private keys any more.
 */
static const struct {
	const char *alg, *key, *token;
} known[] = {
	{ "ES256",
	    "-----BEGIN PUBLIC KEY-----\n"
	    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwW7qtcQWnzgRiQRm7w2RDxQxe0q0\n"
	    "atbR/a3MmwWXt8sB91/h5ytVow8OxryF0WVXkupwKVE2t8Gedq72zx4iVw==\n"
	    "-----END PUBLIC KEY-----\n",
	    "eyJhbGciOiJFUzI1NiJ9." SAMPLE_CLAIMS "."
	    "odbgi-yFTayMTCemQBSr8W3zw1pov_Sdcyvb9ZbVCTnD6cDLVKieK-QsJnVlsaHxG_sRwOSMbQvV"
	    "F_PgdGJGhQ" },
	{ "RS256",
	    "-----BEGIN PUBLIC KEY-----\n"
	    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA8rOoTzKe5IKedQ1WpQGV\n"
	    "z2jN9fBMuKusWUz6Zn3EHBFYEbWYqbqUs3q8ZBBnkL/5MAorWQLWrjuAICM76kR6\n"
	    "EIuHpy14KRVqcGPN7trjagDbYU2V34Qvgv6HRQMdmSul2Ysebu5D5dfHa3vLG88g\n"
	    "djfBpk1s3Gehv2YcPYjFePoPL8edWI3AIYmDkv6w7NgLt015WfadgW+tzB94v/8b\n"
	    "ErZRHUr7pyuulZv4pi3FlKBBIXIsHP2sGA07UeVc6HEnV/MfaU9m54gd8B1/zNTA\n"
	    "ZfzUD9t7245dx+CK+yn9TdUdjy1l/bOJlHYiRTdzfjf+m6vxcxccUvwmQ42b0r+s\n"
	    "BwIDAQAB\n"
	    "-----END PUBLIC KEY-----\n",
	    "eyJhbGciOiJSUzI1NiJ9." SAMPLE_CLAIMS "."
	    "rbKDJCMlwCCW6RX5nqOXQVWjB1ZNjg9H5MeoUCxyFaS1ZlS3s37ZclG9sOm7O0IxLmoNF2zfBUoP"
	    "c3aApgrhFovZS-t7deuLtv440fvHYJOhI2611Z2H_5_xQRqqaDW8Ug3vIAm0-fcpub3y_r95QKPw"
	    "bvt5X6M3qsoTV6NM5-SothpKPCNaJmuVdKnOFE_U6rIYdP1cMTayy3vofyrju-_Kh0fZQ595jqkt"
	    "B0jIKVqahYK46Wzgn1qW9gogK4eG6nwzSssBhkWp-hgUnHajMRsUW21dn49m3wKJ5Y8CTa9FtYkg"
	    "vvVdsjozTQp0fBper_NWpqaC_uk_k63Y37JCJw" },
};

/* The same for a key that only verifies, with the other one of its algorithm. */
static bool
can_verify(const struct token_key *key)
{
	static const struct token_rules rules = { "sample", 1, 1 };
	struct token_key other = { .alg = key->alg };
	struct token token;
	const char *why;
	size_t i = 0;

	while (strcmp(known[i].alg, key->alg) != 0)
		i++;
	other.verifying = known[i].key;
	other.signature_length = strlen(strrchr(known[i].token, '.') + 1);
	return token_verify(&token, known[i].token, &other, 1, &rules, &why);
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
	*key = (struct token_key){ 0 };
	if (file->public[0] == '\0')
		return false;
	key->alg = file->alg;
	key->verifying = file->public;
	key->signature_length = (file->signature_bytes * 4 + 2) / 3;
	text_copy(key->kid, sizeof(key->kid), file->id);
	if (file->private[0] == '\0')
		return can_verify(key);
	key->signing = file->private;
	return can_sign(key);
}
