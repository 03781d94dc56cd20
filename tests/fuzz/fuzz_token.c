/*
 * The token. After a first byte that is even comes its text, which nobody has signed; after one
 * that is odd its header, a NUL and its claims, and both are signed with the right key: so the
 * parsers behind the signature are reached.
 */
#include <json-c/json.h>

#include "../unit/mint.h"
#include "auth/token.h"
#include "fuzz.h"

enum { NOW = 1700000000, SESSION_TTL = 28800 };

static bool
is_hex(const char *text, size_t length)
{
	return strlen(text) == length && text_is_made_of(text, "0123456789abcdef");
}

static void
check_good(const struct token *token)
{
	CHECK(text_is_name(token->user));
	CHECK(is_hex(token->sid, TOKEN_SID_SIZE - 1) && is_hex(token->pwv, TOKEN_PWV_SIZE - 1));
	CHECK(token->issued > 0 && token->issued <= NOW + TOKEN_CLOCK_SKEW);
	CHECK(token->auth_time > 0 && token->auth_time <= NOW + TOKEN_CLOCK_SKEW);
	CHECK(token->expires > NOW && token->expires <= token->auth_time + SESSION_TTL);
}

static bool
says(struct json_object *object, const char *name, const char *wanted)
{
	struct json_object *member = json_object_object_get(object, name);

	return json_object_is_type(member, json_type_string) &&
	    strcmp(json_object_get_string(member), wanted) == 0;
}

/* Another parser must read the same: json-c, where libjwt has jansson. */
static void
check_header(const char *text, const char *kid)
{
	static const char *const refused[] = { "crit", "jku", "jwk", "x5u", "x5c" };
	struct json_object *header = json_tokener_parse(text);

	CHECK(says(header, "alg", "HS256"));
	CHECK(says(header, "kid", kid) || !json_object_object_get_ex(header, "kid", NULL));
	for (size_t i = 0; i < COUNT(refused); i++)
		CHECK(!json_object_object_get_ex(header, refused[i], NULL));
	json_object_put(header);
}

static void
check_claims(const char *text, const struct token *token)
{
	struct json_object *claims = json_tokener_parse(text);
	const char *const names[] = { "iat", "exp", "auth_time" };
	const time_t times[] = { token->issued, token->expires, token->auth_time };

	CHECK(says(claims, "iss", "postern") && says(claims, "aud", "session"));
	CHECK(says(claims, "sub", token->user) && says(claims, "sid", token->sid));
	CHECK(says(claims, "pwv", token->pwv));
	for (size_t i = 0; i < COUNT(names); i++) {
		struct json_object *member = json_object_object_get(claims, names[i]);

		CHECK(json_object_is_type(member, json_type_int));
		CHECK(json_object_get_int64(member) == times[i]);
	}
	json_object_put(claims);
}

static bool
verify(struct token *token, const char *text)
{
	const struct token_rules rules = { "postern", NOW, SESSION_TTL };
	struct token_keys keys = { .count = 2 };
	const char *why;
	bool good;

	CHECK(token_key_of_secret(&keys.keys[0], MINT_SECRET) &&
	    token_key_of_secret(&keys.keys[1], MINT_PREVIOUS));
	good = token_verify(token, text, &keys, &rules, &why);
	CHECK(good == (why == NULL) && (good || token->user[0] == '\0'));
	return good;
}

static void
run_signed(const uint8_t *data, size_t size)
{
	char *header = fuzz_part(&data, &size), *claims = fuzz_part(&data, &size);
	struct token_key key;
	struct token token;
	char text[MINT_SIZE];

	if (strlen(header) + strlen(claims) < TOKEN_SIZE) {
		mint(text, header, claims, EVP_sha256(), MINT_SECRET);
		if (verify(&token, text)) {
			check_good(&token);
			CHECK(token_key_of_secret(&key, MINT_SECRET));
			check_header(header, key.kid);
			check_claims(claims, &token);
		}
	}
	free(claims);
	free(header);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct token token;

	if (fuzz_byte(&data, &size) % 2 == 0) {
		char *text = fuzz_text(data, size);

		CHECK(!verify(&token, text));
		free(text);
	} else {
		run_signed(data, size);
	}
	return 0;
}
