/*
 * test_verified: a token that was verified is known again, and no other.
 */
#include "auth/verified.h"

#include "unit.h"

#define SIGNATURE "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
#define TEXT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ." SIGNATURE

enum { NOW = 1000100, TTL = 28800 };

static const struct token_rules rules = { "postern", NOW, TTL };

static const struct token ada = {
	.user = "ada",
	.sid = "0123456789abcdef0123456789abcdef",
	.pwv = "0123456789abcdef",
	.issued = 1000000,
	.expires = 1000300,
	.auth_time = 1000000,
};

/* Is `text` known? Then it is `want`; else the token is left as it was. */
static bool
is_known(const struct verified *verified, const char *text, const struct token *want)
{
	static const struct token before = { .user = "before" };
	struct token found = before;
	/* On the heap, where a sanitizer sees a byte read too many. */
	char *copy = strdup(text);
	bool known = verified_find(&found, verified, copy, &rules);

	free(copy);
	assert_memory_equal(&found, known ? want : &before, sizeof(found));
	return known;
}

static void
test_every_byte_counts(void **state)
{
	struct verified *verified = verified_new(511);
	char text[] = TEXT;

	(void)state;
	assert_false(is_known(verified, TEXT, &ada));
	verified_keep(verified, TEXT, &ada);
	assert_true(is_known(verified, TEXT, &ada));
	for (size_t i = 0; i < strlen(TEXT); i++) {
		for (int bit = 0; bit < 8; bit++) {
			text[i] = (char)(TEXT[i] ^ 1 << bit);
			assert_false(is_known(verified, text, &ada));
		}
		text[i] = '\0';
		assert_false(is_known(verified, text, &ada));
		text[i] = TEXT[i];
	}
	assert_false(is_known(verified, TEXT "x", &ada));
	assert_false(is_known(verified, "x" TEXT, &ada));
	assert_false(is_known(verified, "", &ada));
	assert_true(is_known(verified, TEXT, &ada));
	verified_free(verified);
}

static void
test_time(void **state)
{
	static const struct {
		const char *name;
		time_t issued, expires, auth_time;
		bool good;
	} rows[] = {
		{ "as it was", NOW - 100, NOW + 200, NOW - 100, true },
		{ "a second is left", NOW - 100, NOW + 1, NOW - 100, true },
		{ "over", NOW - 100, NOW, NOW - 100, false },
		{ "a minute ahead", NOW + 60, NOW + 200, NOW + 60, true },
		{ "made in the future", NOW + 61, NOW + 200, NOW, false },
		{ "begun in the future", NOW, NOW + 200, NOW + 61, false },
		{ "the longest session", NOW, NOW - 100 + TTL, NOW - 100, true },
		{ "longer than a session", NOW, NOW - 99 + TTL, NOW - 100, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct verified *verified = verified_new(511);
		struct token token = ada;

		token.issued = rows[i].issued;
		token.expires = rows[i].expires;
		token.auth_time = rows[i].auth_time;
		verified_keep(verified, TEXT, &token);
		CHECK(rows[i].name, is_known(verified, TEXT, &token) == rows[i].good);
		verified_free(verified);
	}
}

/* Two whose signatures begin alike want the same slot: the later one has it. */
static void
test_one_takes_the_place_of_another(void **state)
{
	static const struct token grace = { .user = "grace",
		.issued = NOW,
		.expires = NOW + 1,
		.auth_time = NOW };
	struct verified *verified = verified_new(511);

	(void)state;
	verified_keep(verified, TEXT, &ada);
	verified_keep(verified, "a.b." SIGNATURE, &grace);
	assert_true(is_known(verified, "a.b." SIGNATURE, &grace));
	assert_false(is_known(verified, TEXT, &ada));
	verified_keep(verified, TEXT, &ada);
	assert_true(is_known(verified, TEXT, &ada));
	verified_free(verified);
}

static void
test_length(void **state)
{
	struct verified *verified = verified_new(511);
	char text[600];

	(void)state;
	for (size_t length = 1; length < sizeof(text); length++) {
		memset(text, 'a', length);
		text[length] = '\0';
		verified_keep(verified, text, &ada);
		assert_false(is_known(verified, text, &ada));
		/* The slot is told by the first four characters after the dot. */
		text[1] = length > 1 ? '.' : '\0';
		verified_keep(verified, text, &ada);
		assert_int_equal(is_known(verified, text, &ada), length >= 6 && length <= 511);
	}
	verified_free(verified);
}

static void
test_without_memory(void **state)
{
	(void)state;
	verified_keep(NULL, TEXT, &ada);
	assert_false(is_known(NULL, TEXT, &ada));
	verified_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_one_takes_the_place_of_another),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_without_memory),
	};

	return cmocka_run_group_tests_name("verified", tests, NULL, NULL);
}
