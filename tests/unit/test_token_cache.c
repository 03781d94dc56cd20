/*
 * test_token_cache: a token that was verified is known again, and no other.
 */
#include "auth/token_cache.h"

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

/* Is `text` known? Then it is `want`. */
static bool
is_known(const struct token_cache *cache, const char *text, const struct token *want)
{
	/* On the heap, where a sanitizer sees a byte read too many. */
	char *copy = strdup(text);
	const struct token *found = token_cache_find(cache, copy);

	free(copy);
	if (found != NULL)
		assert_memory_equal(found, want, sizeof(*found));
	return found != NULL;
}

static void
test_every_byte_counts(void **state)
{
	struct token_cache *cache = token_cache_new(511);
	char text[] = TEXT;

	(void)state;
	assert_false(is_known(cache, TEXT, &ada));
	token_cache_keep(cache, TEXT, &ada);
	assert_true(is_known(cache, TEXT, &ada));
	for (size_t i = 0; i < strlen(TEXT); i++) {
		for (int bit = 0; bit < 8; bit++) {
			text[i] = (char)(TEXT[i] ^ 1 << bit);
			assert_false(is_known(cache, text, &ada));
		}
		text[i] = '\0';
		assert_false(is_known(cache, text, &ada));
		text[i] = TEXT[i];
	}
	assert_false(is_known(cache, TEXT "x", &ada));
	assert_false(is_known(cache, "x" TEXT, &ada));
	assert_false(is_known(cache, "", &ada));
	assert_true(is_known(cache, TEXT, &ada));
	token_cache_free(cache);
}

/* Whatever is in the cache, time goes on. */
static void
test_time(void **state)
{
	static const struct {
		const char *name;
		time_t issued, expires, auth_time;
		const char *why; /* NULL where it is good */
	} rows[] = {
		{ "as it was", NOW - 100, NOW + 200, NOW - 100, NULL },
		{ "a second is left", NOW - 100, NOW + 1, NOW - 100, NULL },
		{ "over", NOW - 100, NOW, NOW - 100, "expired" },
		{ "a minute ahead", NOW + 60, NOW + 200, NOW + 60, NULL },
		{ "made in the future", NOW + 61, NOW + 200, NOW, "iat" },
		{ "begun in the future", NOW, NOW + 200, NOW + 61, "auth_time" },
		{ "the longest session", NOW, NOW - 100 + TTL, NOW - 100, NULL },
		{ "longer than a session", NOW, NOW - 99 + TTL, NOW - 100, "exp" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		/* No key: what is not in the cache is never good. */
		struct token_keys keys = { .cache = token_cache_new(511) };
		static const struct token nobody;
		struct token token = ada, found;
		const char *why = "unset";

		token.issued = rows[i].issued;
		token.expires = rows[i].expires;
		token.auth_time = rows[i].auth_time;
		token_cache_keep(keys.cache, TEXT, &token);
		CHECK(rows[i].name,
		    token_verify(&found, TEXT, &keys, &rules, &why) == (rows[i].why == NULL));
		CHECK_TEXT(rows[i].name, why != NULL ? why : "",
		    rows[i].why != NULL ? rows[i].why : "");
		if (rows[i].why != NULL)
			token = nobody;
		CHECK(rows[i].name, memcmp(&found, &token, sizeof(token)) == 0);
		token_keys_forget(&keys);
		CHECK(rows[i].name, keys.cache == NULL);
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
	struct token_cache *cache = token_cache_new(511);

	(void)state;
	token_cache_keep(cache, TEXT, &ada);
	token_cache_keep(cache, "a.b." SIGNATURE, &grace);
	assert_true(is_known(cache, "a.b." SIGNATURE, &grace));
	assert_false(is_known(cache, TEXT, &ada));
	token_cache_keep(cache, TEXT, &ada);
	assert_true(is_known(cache, TEXT, &ada));
	token_cache_free(cache);
}

static void
test_length(void **state)
{
	struct token_cache *cache = token_cache_new(511);
	char text[600];

	(void)state;
	for (size_t length = 1; length < sizeof(text); length++) {
		memset(text, 'a', length);
		text[length] = '\0';
		token_cache_keep(cache, text, &ada);
		assert_false(is_known(cache, text, &ada));
		/* The slot is told by the first four characters after the dot. */
		text[1] = length > 1 ? '.' : '\0';
		token_cache_keep(cache, text, &ada);
		assert_int_equal(is_known(cache, text, &ada), length >= 6 && length <= 511);
	}
	token_cache_free(cache);
}

static void
test_without_memory(void **state)
{
	(void)state;
	token_cache_keep(NULL, TEXT, &ada);
	assert_false(is_known(NULL, TEXT, &ada));
	token_cache_free(NULL);
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

	return cmocka_run_group_tests_name("token_cache", tests, NULL, NULL);
}
