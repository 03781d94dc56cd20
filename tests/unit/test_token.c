/*
 * test_token: every token that is not ours, or over, is refused, and for its own reason.
 */
#include "auth/token.h"

#include "mint.h"
#include "unit.h"

enum { NOW = 1000100 };

static const struct mint_member header[] = {
	{ "alg", "'HS256'" },
	{ "typ", "'JWT'" },
};

static const struct mint_member claims[] = {
	{ "iss", "'postern'" },
	{ "aud", "'session'" },
	{ "sub", "'ada'" },
	{ "iat", "1000000" },
	{ "exp", "1000300" },
	{ "auth_time", "1000000" },
	{ "sid", "'0123456789abcdef0123456789abcdef'" },
	{ "pwv", "'0123456789abcdef'" },
};

static const struct token_rules rules = { "postern", NOW, 28800 };

static const struct token sample = {
	.user = "ada",
	.sid = "0123456789abcdef0123456789abcdef",
	.pwv = "0123456789abcdef",
	.issued = NOW,
	.expires = NOW + 300,
	.auth_time = NOW - 50,
};

/* The current key and the one before it. */
static struct token_keys keys;

/* One of them alone. */
static struct token_keys
only(const struct token_key *key)
{
	return (struct token_keys){ .keys = { *key }, .count = 1 };
}

static int
make_keys(void **state)
{
	(void)state;
	keys.count = 2;
	return token_key_of_secret(&keys.keys[0], MINT_SECRET) &&
		token_key_of_secret(&keys.keys[1], MINT_PREVIOUS)
	    ? 0
	    : -1;
}

static void
good_token(char out[static MINT_SIZE], const char *secret)
{
	char head[MINT_SIZE], body[MINT_SIZE];

	mint_object(head, header, COUNT(header), "typ", "'JWT'");
	mint_object(body, claims, COUNT(claims), "sub", "'ada'");
	mint(out, head, body, EVP_sha256(), secret);
}

/*
 * The token is good where `why` is NULL, else it is refused with that word, and zeroed. The word
 * is empty where libjwt itself refuses it or not, by its version.
 */
static void
check(const char *row, const char *text, const char *why)
{
	static const struct token nobody;
	const char *said = "unset";
	struct token token;
	bool good = token_verify(&token, text, &keys, &rules, &said);

	if (why == NULL && !good)
		fail_msg("%s: refused, %s", row, said);
	if (why == NULL)
		return;
	CHECK(row, !good);
	if (why[0] != '\0')
		CHECK_TEXT(row, said, why);
	CHECK(row, memcmp(&token, &nobody, sizeof(token)) == 0);
}

static void
test_good(void **state)
{
	const char *why = "unset";
	struct token token;
	char text[MINT_SIZE];

	(void)state;
	good_token(text, MINT_SECRET);
	assert_true(token_verify(&token, text, &keys, &rules, &why));
	assert_null(why);
	assert_string_equal(token.user, "ada");
	assert_string_equal(token.sid, "0123456789abcdef0123456789abcdef");
	assert_string_equal(token.pwv, "0123456789abcdef");
	assert_int_equal(token.issued, 1000000);
	assert_int_equal(token.auth_time, 1000000);
	assert_int_equal(token.expires, 1000300);
}

static void
test_header(void **state)
{
	static const struct {
		const char *name, *field, *value, *why;
	} cases[] = {
		{ "alg HS256", "alg", "'HS256'", NULL },
		{ "alg none", "alg", "'none'", "signature" },
		{ "alg None", "alg", "'None'", "signature" },
		{ "alg HS384 under a signature of HS256", "alg", "'HS384'", "signature" },
		{ "alg HS512 under a signature of HS256", "alg", "'HS512'", "signature" },
		{ "alg RS256", "alg", "'RS256'", "signature" },
		{ "alg ES256", "alg", "'ES256'", "signature" },
		{ "alg in lower case", "alg", "'hs256'", "" },
		{ "alg in mixed case", "alg", "'Hs256'", "" },
		{ "alg missing", "alg", NULL, "signature" },
		{ "alg empty", "alg", "''", "signature" },
		{ "alg null", "alg", "null", "signature" },
		{ "alg a number", "alg", "256", "signature" },
		{ "alg an array", "alg", "['HS256']", "signature" },
		{ "no typ", "typ", NULL, NULL },
		{ "crit", "crit", "['exp']", "crit" },
		{ "crit null", "crit", "null", "crit" },
		{ "crit empty", "crit", "[]", "crit" },
		{ "jku", "jku", "'https://evil.example/keys'", "jku" },
		{ "jwk", "jwk", "{'kty':'oct','k':'AA'}", "jwk" },
		{ "x5u", "x5u", "'https://evil.example/cert'", "x5u" },
		{ "x5c", "x5c", "['AA']", "x5c" },
		{ "a header nobody knows", "cty", "'JWT'", NULL },
		{ "kid of no key", "kid", "'0123456789abcdef'", "kid" },
		{ "kid a path", "kid", "'../../etc/passwd'", "kid" },
		{ "kid empty", "kid", "''", "kid" },
		{ "kid a number", "kid", "1", "kid" },
		{ "kid null", "kid", "null", "kid" },
		{ "kid an array", "kid", "[]", "kid" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char head[MINT_SIZE], body[MINT_SIZE], text[MINT_SIZE];

		mint_object(head, header, COUNT(header), cases[i].field, cases[i].value);
		mint_object(body, claims, COUNT(claims), "sub", "'ada'");
		mint(text, head, body, EVP_sha256(), MINT_SECRET);
		check(cases[i].name, text, cases[i].why);
	}
}

/* What another algorithm really makes with our key. */
static void
test_algorithm(void **state)
{
	const struct {
		const char *name, *alg;
		const EVP_MD *hash;
		const char *why;
	} cases[] = {
		{ "HS384", "'HS384'", EVP_sha384(), "form" },
		{ "HS512", "'HS512'", EVP_sha512(), "form" },
		{ "HS256 under the name of HS512", "'HS256'", EVP_sha512(), "form" },
		{ "HS224, which there is not", "'HS224'", EVP_sha224(), "form" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char head[MINT_SIZE], body[MINT_SIZE], text[MINT_SIZE];

		mint_object(head, header, COUNT(header), "alg", cases[i].alg);
		mint_object(body, claims, COUNT(claims), "sub", "'ada'");
		mint(text, head, body, cases[i].hash, MINT_SECRET);
		check(cases[i].name, text, cases[i].why);
	}
}

static void
test_claims(void **state)
{
	static const struct {
		const char *name, *claim, *value, *why;
	} cases[] = {
		{ "another issuer", "iss", "'postern2'", "iss" },
		{ "an issuer cut short", "iss", "'poster'", "iss" },
		{ "issuer in upper case", "iss", "'Postern'", "iss" },
		{ "issuer empty", "iss", "''", "iss" },
		{ "issuer missing", "iss", NULL, "iss" },
		{ "issuer null", "iss", "null", "iss" },
		{ "issuer a number", "iss", "1", "iss" },
		{ "issuer an array", "iss", "['postern']", "iss" },

		{ "another audience", "aud", "'device'", "aud" },
		{ "audience missing", "aud", NULL, "aud" },
		{ "audience an array", "aud", "['session']", "aud" },
		{ "audience true", "aud", "true", "aud" },

		{ "the longest name", "sub",
		    "'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk'", NULL },
		{ "a name too long", "sub",
		    "'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl'", "sub" },
		{ "a name in UTF-8", "sub", "'Zo\xc3\xab'", NULL },
		{ "a name with a space", "sub", "'a b'", "sub" },
		{ "a name with a colon", "sub", "'a:b'", "sub" },
		{ "a name with a line feed", "sub", "'a\\nb'", "sub" },
		{ "a name with a C1 control", "sub", "'a\\u0085b'", "sub" },
		{ "a name with a NUL", "sub", "'ada\\u0000x'", "signature" },
		{ "name empty", "sub", "''", "sub" },
		{ "name missing", "sub", NULL, "sub" },
		{ "name null", "sub", "null", "sub" },
		{ "name a number", "sub", "7", "sub" },
		{ "name an object", "sub", "{}", "sub" },

		{ "sid cut short", "sid", "'0123456789abcdef0123456789abcde'", "sid" },
		{ "sid too long", "sid", "'0123456789abcdef0123456789abcdef0'", "sid" },
		{ "sid in upper case", "sid", "'0123456789ABCDEF0123456789ABCDEF'", "sid" },
		{ "sid not hexadecimal", "sid", "'0123456789abcdefg123456789abcdef'", "sid" },
		{ "sid empty", "sid", "''", "sid" },
		{ "sid missing", "sid", NULL, "sid" },
		{ "sid a number", "sid", "12345678901234567", "sid" },

		{ "pwv cut short", "pwv", "'0123456789abcde'", "pwv" },
		{ "pwv too long", "pwv", "'0123456789abcdef0'", "pwv" },
		{ "pwv in upper case", "pwv", "'0123456789ABCDEF'", "pwv" },
		{ "pwv not hexadecimal", "pwv", "'0123456789abcdeg'", "pwv" },
		{ "pwv missing", "pwv", NULL, "pwv" },
		{ "pwv a number", "pwv", "1234567890123456", "pwv" },

		{ "issued a minute ahead", "iat", "1000160", NULL },
		{ "issued more than a minute ahead", "iat", "1000161", "iat" },
		{ "iat huge", "iat", "9223372036854775807", "iat" },
		{ "iat zero", "iat", "0", "iat" },
		{ "iat negative", "iat", "-1000000", "iat" },
		{ "iat missing", "iat", NULL, "iat" },
		{ "iat a string", "iat", "'1000000'", "iat" },
		{ "iat a float", "iat", "1000000.0", "iat" },
		{ "iat true", "iat", "true", "iat" },
		{ "iat null", "iat", "null", "iat" },

		{ "signed in before this token", "auth_time", "999000", NULL },
		{ "signed in by a clock a minute ahead", "auth_time", "1000160", NULL },
		{ "signed in later than that", "auth_time", "1000161", "auth_time" },
		{ "auth_time zero", "auth_time", "0", "auth_time" },
		{ "auth_time negative", "auth_time", "-1", "auth_time" },
		{ "auth_time lower than all", "auth_time", "-9223372036854775808", "auth_time" },
		{ "auth_time missing", "auth_time", NULL, "auth_time" },
		{ "auth_time a string", "auth_time", "'1000000'", "auth_time" },
		{ "auth_time a float", "auth_time", "1e6", "auth_time" },
		{ "auth_time an array", "auth_time", "[1000000]", "auth_time" },
		{ "the session's last token", "auth_time", "971500", NULL },
		{ "a session too long", "auth_time", "971499", "exp" },

		{ "the last second", "exp", "1000101", NULL },
		{ "over now", "exp", "1000100", "expired" },
		{ "over for a second", "exp", "1000099", "expired" },
		{ "exp zero", "exp", "0", "exp" },
		{ "exp negative", "exp", "-1", "exp" },
		{ "exp lower than all", "exp", "-9223372036854775808", "exp" },
		{ "exp huge", "exp", "9223372036854775807", "exp" },
		{ "exp beyond 64 bits", "exp", "9223372036854775808", "signature" },
		{ "exp missing", "exp", NULL, "exp" },
		{ "exp a string", "exp", "'1000300'", "exp" },
		{ "exp a float", "exp", "1000300.5", "exp" },
		{ "exp a whole float", "exp", "1000300.0", "exp" },
		{ "exp 1e300", "exp", "1e300", "exp" },
		{ "exp true", "exp", "true", "exp" },
		{ "exp null", "exp", "null", "exp" },
		{ "exp an object", "exp", "{}", "exp" },

		{ "a claim nobody knows", "admin", "true", NULL },
		{ "a claim that is not JSON", "admin", "yes", "signature" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char head[MINT_SIZE], body[MINT_SIZE], text[MINT_SIZE];

		mint_object(head, header, COUNT(header), "typ", "'JWT'");
		mint_object(body, claims, COUNT(claims), cases[i].claim, cases[i].value);
		mint(text, head, body, EVP_sha256(), MINT_SECRET);
		check(cases[i].name, text, cases[i].why);
	}
}

/* Which key signed a token, and which one its header names. */
static void
test_keys(void **state)
{
	const struct {
		const char *name, *secret, *kid, *why;
	} cases[] = {
		{ "the current key, named", MINT_SECRET, keys.keys[0].kid, NULL },
		{ "the current key, not named", MINT_SECRET, NULL, NULL },
		{ "the previous key, named", MINT_PREVIOUS, keys.keys[1].kid, NULL },
		{ "the previous key, not named", MINT_PREVIOUS, NULL, NULL },
		{ "the current key under the name of the previous", MINT_SECRET, keys.keys[1].kid,
		    "kid" },
		{ "the previous key under the name of the current", MINT_PREVIOUS, keys.keys[0].kid,
		    "kid" },
		{ "a stranger's key, not named", MINT_STRANGER, NULL, "signature" },
		{ "a stranger's key under the name of ours", MINT_STRANGER, keys.keys[0].kid,
		    "signature" },
		{ "an empty key", "", NULL, "signature" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char head[MINT_SIZE], body[MINT_SIZE], text[MINT_SIZE], kid[64];

		snprintf(kid, sizeof(kid), "'%s'", cases[i].kid != NULL ? cases[i].kid : "");
		mint_object(head, header, COUNT(header), "kid", cases[i].kid != NULL ? kid : NULL);
		mint_object(body, claims, COUNT(claims), "sub", "'ada'");
		mint(text, head, body, EVP_sha256(), cases[i].secret);
		check(cases[i].name, text, cases[i].why);
	}
}

/* Whatever happens to the text of a good token. Places are counted from its end. */
static void
test_text(void **state)
{
	static const struct {
		const char *name, *tail, *why;
		size_t at; /* where `tail` replaces the end */
	} cases[] = {
		{ "as it was", "", NULL, 0 },
		{ "a stray byte at its end", "?", "form", 1 },
		{ "a signature cut short", "", "form", 1 },
		{ "a signature one longer", "A", "form", 0 },
		{ "a signature with padding", "=", "form", 0 },
		{ "padding in place of the last character", "=", "form", 1 },
		{ "a dot behind it", ".", "form", 0 },
		{ "a space behind it", " ", "form", 0 },
		{ "a line feed behind it", "\n", "form", 0 },
		{ "a fourth part", ".AAAA", "form", 0 },
		{ "a fourth part in place of half the signature", ".AAAAAAAAAAAAAAAAAAAA", "form",
		    21 },
		{ "no signature", "", "form", 43 },
		{ "no signature and no dot", "", "form", 44 },
		{ "a signature of another token", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		    "signature", 43 },
		{ "a signature of stray bytes", "*******************************************",
		    "form", 43 },
	};
	static const char *const forms[] = { "", ".", "..", "...", "a", "a.b", ".b.c", "a..c",
		"a.b.", "a.b.c", "a b.c", " ", "null" };
	char good[MINT_SIZE], text[MINT_SIZE];

	(void)state;
	good_token(good, MINT_SECRET);
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), "%.*s%s", (int)(strlen(good) - cases[i].at), good,
		    cases[i].tail);
		check(cases[i].name, text, cases[i].why);
	}
	for (size_t i = 0; i < COUNT(forms); i++)
		check(forms[i], forms[i], "form");
	snprintf(text, sizeof(text), " %s", good);
	check("a space before it", text, "form");
	snprintf(text, sizeof(text), "%s", strchr(good, '.'));
	check("a good signature, no header", text, "form");
}

/* Each character of a good token counts. */
static void
test_each_character(void **state)
{
	char text[MINT_SIZE];

	(void)state;
	good_token(text, MINT_SECRET);
	for (size_t i = 0; text[i] != '\0'; i++) {
		const char *why = NULL;
		struct token token;
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		if (token_verify(&token, text, &keys, &rules, &why))
			fail_msg("character %zu altered: good", i);
		text[i] = was;
	}
}

/* Bytes that libjwt would skip, in parts that we did sign. */
static void
test_stray_bytes(void **state)
{
	static const char *const strays[] = { "=", " ", "\n", "\t", "!", "*", "%", "+", "/", "~",
		"\x80", "\xff" };

	(void)state;
	for (size_t i = 0; i < COUNT(strays); i++) {
		for (int part = 0; part < 2; part++) {
			char good[MINT_SIZE], text[MINT_SIZE];
			char *dot;
			size_t end;

			good_token(good, MINT_SECRET);
			dot = strchr(good, '.');
			if (part == 1)
				dot = strchr(dot + 1, '.');
			end = (size_t)(dot - good);
			*strrchr(good, '.') = '\0';
			snprintf(text, sizeof(text), "%.*s%s%s", (int)end, good, strays[i],
			    good + end);
			mint_sign(text, EVP_sha256(), MINT_SECRET);
			check(strays[i], text, "form");
		}
	}
}

static void
test_empty_parts(void **state)
{
	static const struct {
		const char *name, *parts;
	} cases[] = {
		{ "a header and no claims", "eyJhbGciOiJIUzI1NiJ9." },
		{ "claims and no header", ".e30" },
		{ "neither", "." },
		{ "no dot", "eyJhbGciOiJIUzI1NiJ9" },
		{ "a third part before the signature", "eyJhbGciOiJIUzI1NiJ9.e30.e30" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[MINT_SIZE];

		snprintf(text, sizeof(text), "%s", cases[i].parts);
		mint_sign(text, EVP_sha256(), MINT_SECRET);
		check(cases[i].name, text, "form");
	}
}

/* A good token of exactly `length` characters: base64 alone does not come in every length. */
static void
token_of_length(char text[static MINT_SIZE], size_t length)
{
	char head[MINT_SIZE], body[MINT_SIZE], pad[MINT_SIZE];

	for (int more = 1; more <= 3; more++) {
		snprintf(pad, sizeof(pad), "'%0*d'", more, 0);
		mint_object(body, claims, COUNT(claims), "more", pad);
		text[0] = '\0';
		for (int filler = 1; strlen(text) < length; filler++) {
			snprintf(pad, sizeof(pad), "'%0*d'", filler, 0);
			mint_object(head, header, COUNT(header), "cty", pad);
			mint(text, head, body, EVP_sha256(), MINT_SECRET);
		}
		if (strlen(text) == length)
			return;
	}
	fail_msg("no token of %zu characters", length);
}

static void
test_length(void **state)
{
	char text[MINT_SIZE];

	(void)state;
	token_of_length(text, 1024);
	check("1,024 bytes", text, NULL);
	token_of_length(text, 1025);
	check("1,025 bytes", text, "form");
	token_of_length(text, 3000);
	check("3,000 bytes", text, "form");
}

/* A key that token_key_of_secret() refuses verifies nothing, even if somebody made one by hand. */
static void
test_empty_key(void **state)
{
	static const struct token_key empty = { "HS256", "", "", 43, "" };
	const struct token_keys by_hand = only(&empty);
	const char *why = NULL;
	struct token_key key;
	struct token token;
	char text[MINT_SIZE];

	(void)state;
	assert_false(token_key_of_secret(&key, ""));
	assert_null(key.verifying);
	good_token(text, MINT_STRANGER);
	assert_false(token_verify(&token, text, &by_hand, &rules, &why));
	assert_string_equal(token.user, "");
}

/* A key of zeros, as a refused one is left, neither verifies nor signs. */
static void
test_zeroed_key(void **state)
{
	static const struct token_key zeroed;
	const struct token_keys of_zeros = only(&zeroed);
	const char *why = NULL;
	struct token token;
	char text[MINT_SIZE];

	(void)state;
	good_token(text, MINT_SECRET);
	assert_false(token_verify(&token, text, &of_zeros, &rules, &why));
	assert_string_equal(why, "form");
	strrchr(text, '.')[1] = '\0';
	assert_false(token_verify(&token, text, &of_zeros, &rules, &why));
	assert_string_equal(why, "form");
	assert_false(token_sign(text, &sample, &of_zeros, &rules));
	assert_string_equal(text, "");
}

static void
test_no_key(void **state)
{
	static const struct token_keys none;
	const char *why = NULL;
	struct token token;
	char text[MINT_SIZE];

	(void)state;
	good_token(text, MINT_SECRET);
	assert_false(token_verify(&token, text, &none, &rules, &why));
	assert_string_equal(why, "form");
}

static void
test_kid(void **state)
{
	struct token_key again;

	(void)state;
	assert_true(token_key_of_secret(&again, MINT_SECRET));
	assert_string_equal(again.kid, keys.keys[0].kid);
	assert_int_equal(strspn(again.kid, "0123456789abcdef"), 16);
	assert_string_not_equal(keys.keys[0].kid, keys.keys[1].kid);
}

static void
test_sign(void **state)
{
	const struct token_keys current = only(&keys.keys[0]), previous = only(&keys.keys[1]);
	const char *why = NULL;
	struct token token;
	char text[TOKEN_SIZE], head[128], encoded[256];

	(void)state;
	assert_true(token_sign(text, &sample, &previous, &rules));
	assert_true(token_verify(&token, text, &keys, &rules, &why));
	assert_memory_equal(&token, &sample, sizeof(token));

	/* Whoever signed it is named in the header. */
	assert_false(token_verify(&token, text, &current, &rules, &why));
	assert_string_equal(why, "signature");
	snprintf(head, sizeof(head), "{\"alg\":\"HS256\",\"kid\":\"%s\",\"typ\":\"JWT\"}",
	    keys.keys[1].kid);
	mint_base64url(encoded, head, strlen(head));
	assert_memory_equal(text, encoded, strlen(encoded));
}

/* What would not be taken back does not leave. */
static void
test_sign_refuses(void **state)
{
	static const struct {
		const char *name, *user, *sid, *pwv;
		time_t issued, expires, auth_time;
	} cases[] = {
		{ "no user", "", NULL, NULL, NOW, NOW + 300, NOW },
		{ "a user that is no name", "a b", NULL, NULL, NOW, NOW + 300, NOW },
		{ "a user that is not UTF-8", "\xff", NULL, NULL, NOW, NOW + 300, NOW },
		{ "no sid", NULL, "", NULL, NOW, NOW + 300, NOW },
		{ "no pwv", NULL, NULL, "", NOW, NOW + 300, NOW },
		{ "issued never", NULL, NULL, NULL, -1, NOW + 300, NOW },
		{ "over already", NULL, NULL, NULL, NOW, NOW, NOW },
		{ "signed in later", NULL, NULL, NULL, NOW, NOW + 300, NOW + 61 },
		{ "longer than a session", NULL, NULL, NULL, NOW, NOW + 28801, NOW },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct token token = sample;
		char text[TOKEN_SIZE] = "unset";

		if (cases[i].user != NULL)
			strcpy(token.user, cases[i].user);
		if (cases[i].sid != NULL)
			strcpy(token.sid, cases[i].sid);
		if (cases[i].pwv != NULL)
			strcpy(token.pwv, cases[i].pwv);
		token.issued = cases[i].issued;
		token.expires = cases[i].expires;
		token.auth_time = cases[i].auth_time;
		CHECK(cases[i].name, !token_sign(text, &token, &keys, &rules));
		CHECK_TEXT(cases[i].name, text, "");
	}
}

static void
test_sign_too_long(void **state)
{
	char issuer[1024], text[TOKEN_SIZE] = "unset";
	const struct token_rules long_rules = { issuer, NOW, 28800 };

	(void)state;
	memset(issuer, 'i', sizeof(issuer) - 1);
	issuer[sizeof(issuer) - 1] = '\0';
	assert_false(token_sign(text, &sample, &keys, &long_rules));
	assert_string_equal(text, "");
}

static void
test_sign_with_empty_key(void **state)
{
	static const struct token_key empty = { "HS256", "", "", 43, "" };
	const struct token_keys by_hand = only(&empty);
	char text[TOKEN_SIZE] = "unset";

	(void)state;
	assert_false(token_sign(text, &sample, &by_hand, &rules));
	assert_string_equal(text, "");
}

/* A good token is known again without its key; a bad one is checked each time. */
static void
test_remembered(void **state)
{
	struct token_keys kept = only(&keys.keys[0]);
	char good[MINT_SIZE], bad[MINT_SIZE];
	const char *why = "unset";
	struct token token, again;

	(void)state;
	token_keys_remember(&kept);
	good_token(good, MINT_SECRET);
	good_token(bad, MINT_STRANGER);
	assert_false(token_verify(&token, bad, &kept, &rules, &why));
	assert_true(token_verify(&token, good, &kept, &rules, &why));
	kept.keys[0].verifying = MINT_STRANGER;
	assert_true(token_verify(&again, good, &kept, &rules, &why));
	assert_null(why);
	assert_memory_equal(&again, &token, sizeof(token));
	assert_true(token_verify(&again, bad, &kept, &rules, &why));
	token_keys_forget(&kept);
	assert_null(kept.cache);
	assert_int_equal(kept.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_algorithm),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_each_character),
		cmocka_unit_test(test_stray_bytes),
		cmocka_unit_test(test_empty_parts),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_empty_key),
		cmocka_unit_test(test_zeroed_key),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_kid),
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_sign_refuses),
		cmocka_unit_test(test_sign_too_long),
		cmocka_unit_test(test_sign_with_empty_key),
		cmocka_unit_test(test_remembered),
	};

	return cmocka_run_group_tests_name("token", tests, make_keys, NULL);
}
