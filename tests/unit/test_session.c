/*
 * test_session: who may begin a session, and whose cookie or bearer token is in one.
 */
#include "session.h"

#include "mint.h"
#include "unit.h"

enum { NOW = 1000000 };

#define HASH "$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu"

static struct config
settings(const char *secret, const char *previous)
{
	struct config config = { .issuer = "postern",
		.cookie = "token",
		.token_ttl = 300,
		.session_ttl = 28800 };

	assert_true(text_copy(config.secret, sizeof(config.secret), secret));
	assert_true(text_copy(config.secret_previous, sizeof(config.secret_previous), previous));
	return config;
}

/* A token of a new session, begun under these secrets. */
static void
begin(char out[static TOKEN_SIZE], const char *secret, const char *user, time_t now)
{
	const struct config config = settings(secret, "");
	struct session_policy policy;
	long seconds;

	assert_true(session_policy(&policy, &config));
	assert_true(session_begin(out, &seconds, &policy, user, HASH, now));
}

static void
test_policy(void **state)
{
	const struct config one = settings(MINT_SECRET, ""), none = settings("", ""),
			    two = settings(MINT_SECRET, MINT_PREVIOUS),
			    stranger = settings(MINT_STRANGER, "");
	struct session_policy policy, other;
	struct token_key key;

	(void)state;
	assert_false(session_policy(&policy, &none));
	assert_true(session_policy(&policy, &one));
	assert_int_equal(policy.key_count, 1);
	assert_ptr_equal(policy.config, &one);
	assert_true(token_key(&key, MINT_SECRET));
	assert_string_equal(policy.keys[0].kid, key.kid);
	assert_memory_not_equal(policy.pwv_key, policy.decoy_key, SECRET_DIGEST_BYTES);

	assert_true(session_policy(&other, &two));
	assert_int_equal(other.key_count, 2);
	assert_string_equal(other.keys[0].kid, key.kid);
	assert_true(token_key(&key, MINT_PREVIOUS));
	assert_string_equal(other.keys[1].kid, key.kid);
	assert_memory_equal(policy.pwv_key, other.pwv_key, SECRET_DIGEST_BYTES);
	assert_memory_equal(policy.decoy_key, other.decoy_key, SECRET_DIGEST_BYTES);

	assert_true(session_policy(&other, &stranger));
	assert_memory_not_equal(policy.pwv_key, other.pwv_key, SECRET_DIGEST_BYTES);
	assert_memory_not_equal(policy.decoy_key, other.decoy_key, SECRET_DIGEST_BYTES);
}

/* What a new token says, and for how long. */
static void
test_begin(void **state)
{
	static const struct {
		const char *name;
		long token_ttl, session_ttl, want;
	} cases[] = {
		{ "a token's life", 300, 28800, 300 },
		{ "a session shorter than a token", 300, 60, 60 },
		{ "both the same", 300, 300, 300 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config config = settings(MINT_SECRET, MINT_PREVIOUS);
		const struct token_rules rules = { "postern", NOW, 28800 };
		struct session_policy policy;
		char text[TOKEN_SIZE];
		struct token token;
		const char *why;
		long seconds;

		config.token_ttl = cases[i].token_ttl;
		config.session_ttl = cases[i].session_ttl;
		assert_true(session_policy(&policy, &config));
		CHECK(cases[i].name, session_begin(text, &seconds, &policy, "ada", HASH, NOW));
		CHECK(cases[i].name, seconds == cases[i].want);
		CHECK(cases[i].name, token_verify(&token, text, &policy.keys[0], 1, &rules, &why));
		CHECK_TEXT(cases[i].name, token.user, "ada");
		CHECK(cases[i].name, token.issued == NOW && token.auth_time == NOW);
		CHECK(cases[i].name, token.expires == NOW + seconds);
	}
}

static void
test_begin_refuses(void **state)
{
	static const char *const names[] = { "", "a b", "a:b",
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl" };
	const struct config config = settings(MINT_SECRET, "");
	struct session_policy policy;
	long seconds;

	(void)state;
	assert_true(session_policy(&policy, &config));
	for (size_t i = 0; i < COUNT(names); i++) {
		char text[TOKEN_SIZE] = "unset";

		CHECK(names[i], !session_begin(text, &seconds, &policy, names[i], HASH, NOW));
		CHECK_TEXT(names[i], text, "");
	}
}

static struct token
token_of(const char *secret, const char *user, const char *hash)
{
	const struct token_rules rules = { "postern", NOW, 28800 };
	const struct config config = settings(secret, "");
	struct session_policy policy;
	char text[TOKEN_SIZE];
	struct token token;
	const char *why;
	long seconds;

	assert_true(session_policy(&policy, &config));
	assert_true(session_begin(text, &seconds, &policy, user, hash, NOW));
	assert_true(token_verify(&token, text, policy.keys, 1, &rules, &why));
	return token;
}

/* Each sign-in has a sid of its own; pwv is the same until the user's line or secret changes. */
static void
test_ids(void **state)
{
	const struct token token = token_of(MINT_SECRET, "ada", HASH),
			   again = token_of(MINT_SECRET, "ada", HASH),
			   password = token_of(MINT_SECRET, "ada", HASH "x"),
			   user = token_of(MINT_SECRET, "bob", HASH),
			   secret = token_of(MINT_PREVIOUS, "ada", HASH);

	(void)state;
	assert_string_not_equal(token.sid, again.sid);
	assert_string_equal(token.pwv, again.pwv);
	assert_string_not_equal(token.pwv, password.pwv);
	assert_string_not_equal(token.pwv, user.pwv);
	assert_string_not_equal(token.pwv, secret.pwv);
}

/*
 * Cookie headers and Authorization are written with letters for tokens: G a good one, L a good
 * one that lives longer, of another session, P of the previous secret, X an expired one, S a
 * stranger's.
 */
static void
expand(char *out, size_t size, const char *text, char tokens[][TOKEN_SIZE])
{
	static const char letters[] = "GLPXS";
	size_t length = 0;

	out[0] = '\0';
	for (; *text != '\0'; text++) {
		const char *letter = text[0] == '$' ? strchr(letters, text[1]) : NULL;

		if (letter != NULL)
			text++;
		length += (size_t)snprintf(out + length, size - length, "%.*s",
		    letter != NULL ? TOKEN_SIZE : 1,
		    letter != NULL ? tokens[letter - letters] : text);
	}
}

#define GOOD SESSION_GOOD
#define FOUR "token=a; token=b; token=c; token=d; "

static const struct {
	const char *name, *cookie, *second, *authorization;
	enum session want;
	const char *user, *why;
} cases[] = {
	{ "nothing", "", "", "", SESSION_NONE, "", "" },
	{ "cookies of others", "a=b; tokens=$G; xtoken=$G", "", "", SESSION_NONE, "", "" },
	{ "a good cookie", "token=$G", "", "", GOOD, "ada", NULL },
	{ "among others", "a=b; token=$G; c=d", "", "", GOOD, "ada", NULL },
	{ "in a second header", "a=b", "token=$G", "", GOOD, "ada", NULL },
	{ "of the previous secret", "token=$P", "", "", GOOD, "ada", NULL },
	{ "no token", "token=", "", "", SESSION_BAD, "", "form" },
	{ "not a token", "token=abc", "", "", SESSION_BAD, "", "form" },
	{ "in quotes", "token=\"$G\"", "", "", SESSION_BAD, "", "form" },
	{ "over", "token=$X", "", "", SESSION_BAD, "", "expired" },
	{ "a stranger's", "token=$S", "", "", SESSION_BAD, "", "signature" },
	{ "too long for a token", "token=$G$G$G$G$G", "", "", SESSION_BAD, "", "form" },

	{ "a bad one first", "token=abc; token=$G", "", "", GOOD, "ada", NULL },
	{ "a bad one last", "token=$G; token=abc", "", "", GOOD, "ada", NULL },
	{ "a stranger's before it", "token=$S", "token=$G", "", GOOD, "ada", NULL },
	{ "twice the same", "token=$G; token=$G", "", "", GOOD, "ada", NULL },
	{ "two sessions", "token=$G; token=$L", "", "", SESSION_BAD, "", "sid" },
	{ "two sessions, in two headers", "token=$L", "token=$G", "", SESSION_BAD, "", "sid" },
	{ "two sessions and a bad one", "token=$G; token=abc; token=$L", "", "", SESSION_BAD, "",
	    "sid" },
	{ "two bad ones", "token=$X; token=abc", "", "", SESSION_BAD, "", "form" },
	{ "the eighth", FOUR "token=e; token=f; token=g; token=$G", "", "", GOOD, "ada", NULL },
	{ "the ninth", FOUR FOUR "token=$G", "", "", SESSION_BAD, "", "form" },
	{ "the ninth, in a second header", FOUR FOUR, "token=$G", "", SESSION_BAD, "", "form" },

	{ "a bearer token", "", "", "Bearer $G", GOOD, "ada", NULL },
	{ "in lower case", "", "", "bearer $G", GOOD, "ada", NULL },
	{ "several spaces", "", "", "Bearer   $G", GOOD, "ada", NULL },
	{ "a cookie of another name beside it", "a=$G", "", "Bearer $G", GOOD, "ada", NULL },
	{ "a bearer token that is over", "", "", "Bearer $X", SESSION_BAD_BEARER, "", "expired" },
	{ "a stranger's bearer token", "", "", "Bearer $S", SESSION_BAD_BEARER, "", "signature" },
	{ "an empty bearer token", "", "", "Bearer", SESSION_BAD_BEARER, "", "form" },
	{ "spaces for a bearer token", "", "", "Bearer  ", SESSION_BAD_BEARER, "", "form" },
	{ "a space behind it", "", "", "Bearer $G ", SESSION_BAD_BEARER, "", "form" },
	{ "two bearer tokens", "", "", "Bearer $G, Bearer $G", SESSION_BAD_BEARER, "", "form" },
	{ "Basic is not ours", "", "", "Basic YTpi", SESSION_NONE, "", "" },
	{ "a scheme that begins as ours", "", "", "Bearers $G", SESSION_NONE, "", "" },
	{ "a tab behind the scheme", "", "", "Bearer\t$G", SESSION_NONE, "", "" },
	{ "Basic beside a good cookie", "token=$G", "", "Basic YTpi", GOOD, "ada", NULL },

	{ "both", "token=$G", "", "Bearer $G", SESSION_BOTH, "", "both" },
	{ "a bad cookie and a good bearer token", "token=abc", "", "Bearer $G", SESSION_BOTH, "",
	    "both" },
	{ "a good cookie and a bad bearer token", "token=$G", "", "Bearer abc", SESSION_BOTH, "",
	    "both" },
	{ "a good cookie and an empty bearer token", "token=$G", "", "Bearer", SESSION_BOTH, "",
	    "both" },
};

static void
test_check(void **state)
{
	const struct config config = settings(MINT_SECRET, MINT_PREVIOUS);
	static const struct token nobody;
	char tokens[5][TOKEN_SIZE];
	struct session_policy policy;

	(void)state;
	begin(tokens[0], MINT_SECRET, "ada", NOW - 10);
	begin(tokens[1], MINT_SECRET, "bob", NOW);
	begin(tokens[2], MINT_PREVIOUS, "ada", NOW);
	begin(tokens[3], MINT_SECRET, "ada", NOW - 300);
	begin(tokens[4], MINT_STRANGER, "ada", NOW);
	assert_true(session_policy(&policy, &config));
	for (size_t i = 0; i < COUNT(cases); i++) {
		char first[8192], second[8192], authorization[8192];
		const char *const cookies[] = { first, second };
		struct token token;
		const char *why = NULL;

		expand(first, sizeof(first), cases[i].cookie, tokens);
		expand(second, sizeof(second), cases[i].second, tokens);
		expand(authorization, sizeof(authorization), cases[i].authorization, tokens);
		CHECK(cases[i].name,
		    session_check(&token, &policy, cookies, COUNT(cookies), authorization, NOW,
			&why) == cases[i].want);
		CHECK_TEXT(cases[i].name, token.user, cases[i].user);
		CHECK(cases[i].name,
		    cases[i].want == GOOD || memcmp(&token, &nobody, sizeof(token)) == 0);
		if (cases[i].why != NULL)
			CHECK_TEXT(cases[i].name, why, cases[i].why);
	}
}

/* Of several tokens of one session the freshest counts, wherever it stands. */
static void
test_freshest(void **state)
{
	const struct config config = settings(MINT_SECRET, "");
	const struct token_rules rules = { "postern", NOW, 28800 };
	struct token token = token_of(MINT_SECRET, "ada", HASH);
	char older[TOKEN_SIZE], newer[TOKEN_SIZE], cookie[4096];
	const char *const cookies[] = { cookie };
	struct session_policy policy;
	const char *why;

	(void)state;
	assert_true(session_policy(&policy, &config));
	assert_true(token_sign(older, &token, &policy.keys[0], &rules));
	token.expires += 7;
	assert_true(token_sign(newer, &token, &policy.keys[0], &rules));
	for (int newer_first = 0; newer_first < 2; newer_first++) {
		snprintf(cookie, sizeof(cookie), "token=%s; token=%s", newer_first ? newer : older,
		    newer_first ? older : newer);
		assert_int_equal(session_check(&token, &policy, cookies, 1, "", NOW, &why),
		    SESSION_GOOD);
		assert_int_equal(token.expires, NOW + 307);
	}
}

/* The settings bind a token: its issuer and the length of a session. */
static void
test_settings(void **state)
{
	struct config config = settings(MINT_SECRET, "");
	char text[TOKEN_SIZE], cookie[TOKEN_SIZE + 16];
	const char *const cookies[] = { cookie };
	struct session_policy policy;
	struct token token;
	const char *why;

	(void)state;
	begin(text, MINT_SECRET, "ada", NOW);
	snprintf(cookie, sizeof(cookie), "token=%s", text);
	assert_true(session_policy(&policy, &config));
	config.session_ttl = 299;
	assert_int_equal(session_check(&token, &policy, cookies, 1, "", NOW, &why), SESSION_BAD);
	config.session_ttl = 300;
	assert_int_equal(session_check(&token, &policy, cookies, 1, "", NOW, &why), SESSION_GOOD);
	strcpy(config.issuer, "another");
	assert_int_equal(session_check(&token, &policy, cookies, 1, "", NOW, &why), SESSION_BAD);
	assert_string_equal(why, "iss");
	strcpy(config.cookie, "other");
	assert_int_equal(session_check(&token, &policy, cookies, 1, "", NOW, &why), SESSION_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_begin_refuses),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_freshest),
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
