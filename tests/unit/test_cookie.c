/*
 * test_cookie: every cookie of our name is found, and no other; what Set-Cookie says.
 */
#include "web/cookie.h"

#include "auth/token.h"
#include "unit.h"

/* Read all cookies called `name` from `header`, each followed by a `|`. */
static void
read_all(char *out, size_t size, const char *header, const char *name)
{
	const char *at = header;
	struct text_span value;
	size_t length = 0;

	out[0] = '\0';
	while (cookie_next(&value, &at, name))
		length += (size_t)snprintf(out + length, size - length, "%.*s|", (int)value.length,
		    value.at);
	assert_int_equal(*at, '\0');
}

static void
test_next(void **state)
{
	static const struct {
		const char *name, *header, *want;
	} cases[] = {
		{ "no cookie", "", "" },
		{ "the only one", "token=abc", "abc|" },
		{ "the first", "token=abc; other=1", "abc|" },
		{ "the last", "other=1; token=abc", "abc|" },
		{ "two of our name", "token=abc; token=def", "abc|def|" },
		{ "two alike", "token=abc; token=abc", "abc|abc|" },
		{ "no space after the semicolon", "other=1;token=abc;x=y", "abc|" },
		{ "spaces and tabs around", " \t token=abc \t ; x=y", "abc|" },
		{ "a tab after it", "token=abc\t", "abc|" },
		{ "spaces at the end", "token=abc;  ", "abc|" },
		{ "a tab before it", "other=1;\ttoken=abc", "abc|" },
		{ "empty pairs", ";; ;token=abc;;", "abc|" },
		{ "a comma inside a value", "token=a,b; x=y", "a,b|" },
		{ "a comma that ends a value", "token=abc,", "abc,|" },
		{ "commas inside and behind", "token=a,b,c, token=d", "a,b,c, token=d|" },
		{ "a pair hidden behind a comma", "other=1,token=abc", "" },
		{ "one hidden behind a comma and a space", "other=1, token=abc", "" },
		{ "a comma before the first pair", ",token=abc", "" },
		{ "a comma as a pair", ", ; token=abc", "abc|" },
		{ "a semicolon behind a comma", "other=a,;token=abc", "abc|" },
		{ "an equals sign inside", "token=a=b", "a=b|" },
		{ "quotes stay", "token=\"abc\"", "\"abc\"|" },
		{ "a space inside", "token=a b", "a b|" },
		{ "no value", "token=", "|" },
		{ "a value of spaces", "token=  ; x=y", "|" },
		{ "no equals sign", "token", "" },
		{ "no equals sign, then ours", "token; token=abc", "abc|" },
		{ "a longer name", "token2=abc", "" },
		{ "a name that ends with ours", "xtoken=abc", "" },
		{ "our name as a value", "other=token; x=token=abc", "" },
		{ "our name in capitals", "Token=abc; TOKEN=abc", "" },
		{ "a space before the equals sign", "token =abc", "" },
		{ "a name cut short", "toke=abc", "" },
		{ "only separators", " ;, ;\t,", "" },
		{ "only an equals sign", "=", "" },
		{ "a value without a name", "=token=abc", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		/* On the heap, where a sanitizer sees a byte read too many. */
		char *header = strdup(cases[i].header), found[256];

		read_all(found, sizeof(found), header, "token");
		CHECK_TEXT(cases[i].name, found, cases[i].want);
		free(header);
	}
}

/* A value lies in the header, and is as long as it is. */
static void
test_length(void **state)
{
	enum { LENGTH = 65536 };
	char *header = malloc(6 + LENGTH + 10);
	const char *at = header;
	struct text_span value;

	(void)state;
	assert_non_null(header);
	memcpy(header, "token=", 6);
	memset(header + 6, 'a', LENGTH);
	strcpy(header + 6 + LENGTH, "; token=b");
	assert_true(cookie_next(&value, &at, "token"));
	assert_ptr_equal(value.at, header + 6);
	assert_int_equal(value.length, LENGTH);
	assert_true(cookie_next(&value, &at, "token"));
	assert_true(text_is(&value, "b"));
	assert_false(cookie_next(&value, &at, "token"));
	free(header);
}

static void
test_set(void **state)
{
	static const struct {
		const char *name, *cookie, *value;
		long max_age;
		bool secure;
		const char *want;
	} cases[] = {
		{ "over plain HTTP", "token", "abc", 300, false,
		    "token=abc; Path=/; Max-Age=300; HttpOnly; SameSite=Lax" },
		{ "over HTTPS", "__Host-token", "abc", 300, true,
		    "__Host-token=abc; Path=/; Max-Age=300; HttpOnly; SameSite=Lax; Secure" },
		{ "taken away", "token", "", 0, false,
		    "token=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char header[COOKIE_SET_SIZE];

		CHECK(cases[i].name,
		    cookie_set(header, cases[i].cookie, cases[i].value, cases[i].max_age,
			cases[i].secure));
		CHECK_TEXT(cases[i].name, header, cases[i].want);
	}
}

static void
test_set_too_long(void **state)
{
	char value[COOKIE_SET_SIZE], header[COOKIE_SET_SIZE] = "unset";

	(void)state;
	memset(value, 'a', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	assert_false(cookie_set(header, "token", value, 300, true));
	assert_string_equal(header, "");

	/* The longest token has room, whatever the name. */
	value[TOKEN_SIZE - 1] = '\0';
	assert_true(cookie_set(header,
	    "a-name-of-127-characters-"
	    "0123456789012345678901234567890123456789012345678901"
	    "01234567890123456789012345678901234567890123456789",
	    value, 99999999, true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_set_too_long),
	};

	return cmocka_run_group_tests_name("cookie", tests, NULL, NULL);
}
