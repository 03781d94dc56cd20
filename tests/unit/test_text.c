/*
 * test_text: strings that fit or are refused, UTF-8, and what may be a name.
 */
#include "base/text.h"

#include <limits.h>

#include "unit.h"

#define TEN "0123456789"

static void
test_copy(void **state)
{
	static const struct {
		const char *name, *in;
		size_t size;
		bool want;
	} cases[] = {
		{ "nothing", "", 1, true },
		{ "shorter", "abc", 8, true },
		{ "exactly", "abc", 4, true },
		{ "no room for the NUL", "abc", 3, false },
		{ "much too long", TEN TEN, 4, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *out = malloc(cases[i].size);

		assert_non_null(out);
		CHECK(cases[i].name, text_copy(out, cases[i].size, cases[i].in) == cases[i].want);
		CHECK_TEXT(cases[i].name, out, cases[i].want ? cases[i].in : "");
		CHECK(cases[i].name,
		    text_format(out, cases[i].size, "%s", cases[i].in) == cases[i].want);
		CHECK_TEXT(cases[i].name, out, cases[i].want ? cases[i].in : "");
		free(out);
	}
}

static void
test_utf8(void **state)
{
	static const struct {
		const char *name, *text;
		bool want;
	} cases[] = {
		{ "nothing", "", true },
		{ "ASCII", "abc\x7f\x01", true },
		{ "the lowest of two bytes", "\xc2\x80", true },
		{ "the highest of two bytes", "\xdf\xbf", true },
		{ "the lowest of three bytes", "\xe0\xa0\x80", true },
		{ "before the surrogates", "\xed\x9f\xbf", true },
		{ "after the surrogates", "\xee\x80\x80", true },
		{ "the highest of three bytes", "\xef\xbf\xbf", true },
		{ "the lowest of four bytes", "\xf0\x90\x80\x80", true },
		{ "the highest of all", "\xf4\x8f\xbf\xbf", true },
		{ "several, and ASCII behind", "\xc3\xab\xe2\x82\xac!", true },

		{ "a stray continuation", "\x80", false },
		{ "a stray continuation behind a good one", "\xc3\xab\xab", false },
		{ "the highest continuation", "\xbf", false },
		{ "two continuations", "\x82\x80", false },
		{ "two bytes cut short", "\xc3", false },
		{ "three bytes cut short", "\xe2\x82", false },
		{ "four bytes cut short", "\xf0\x9f\x98", false },
		{ "ASCII for a continuation",
		    "\xc3"
		    "a",
		    false },
		{ "a leader for a continuation", "\xe2\x82\xc3", false },
		{ "an overlong NUL", "\xc0\x80", false },
		{ "an overlong slash", "\xc0\xaf", false },
		{ "the highest overlong of two", "\xc1\xbf", false },
		{ "the highest overlong of three", "\xe0\x9f\xbf", false },
		{ "the highest overlong of four", "\xf0\x8f\xbf\xbf", false },
		{ "the lowest surrogate", "\xed\xa0\x80", false },
		{ "the highest surrogate", "\xed\xbf\xbf", false },
		{ "above the highest", "\xf4\x90\x80\x80", false },
		{ "a leader above the highest", "\xf5\x80\x80\x80", false },
		{ "the highest of four bytes", "\xf7\xbf\xbf\xbf", false },
		{ "five bytes", "\xf8\x88\x80\x80\x80", false },
		{ "a leader of five bytes, then three", "\xf9\x80\x80\x80", false },
		{ "a byte that is never there", "\xff", false },
		{ "another", "\xfe", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		/* Without its NUL, so that a sanitizer sees a byte read too many. */
		size_t length = strlen(cases[i].text);
		char *text = malloc(length + (length == 0));

		assert_non_null(text);
		memcpy(text, cases[i].text, length);
		CHECK(cases[i].name, text_is_utf8(text, length) == cases[i].want);
		free(text);
	}
	assert_true(text_is_utf8("a\0b", 3));
	assert_false(text_is_utf8("a\0\xff", 3));
}

static void
test_name(void **state)
{
	static const struct {
		const char *name, *text;
		bool want;
	} cases[] = {
		{ "a word", "ada", true },
		{ "one byte", "a", true },
		{ "an address", "ada.l+x@example.org", true },
		{ "the first byte after space", "!", true },
		{ "the last printable byte", "~", true },
		{ "quotes of other kinds", "o'b`r", true },
		{ "UTF-8", "Zo\xc3\xab", true },
		{ "the first character after the C1 controls", "a\xc2\xa0z", true },
		{ "a byte of a C1 control elsewhere", "\xe2\x82\x80", true },
		{ "63 bytes", TEN TEN TEN TEN TEN TEN "abc", true },

		{ "64 bytes", TEN TEN TEN TEN TEN TEN "abcd", false },
		{ "nothing", "", false },
		{ "a space", "a b", false },
		{ "a space at the end", "ada ", false },
		{ "a colon", "a:b", false },
		{ "a semicolon", "a;b", false },
		{ "a comma", "a,b", false },
		{ "a double quote", "a\"b", false },
		{ "a backslash", "a\\b", false },
		{ "an equals sign", "a=b", false },
		{ "a tab", "a\tb", false },
		{ "a line feed", "a\nb", false },
		{ "a carriage return", "a\r", false },
		{ "the lowest control", "\x01", false },
		{ "ESC", "\x1b[0m", false },
		{ "DEL", "a\x7f", false },
		{ "the lowest C1 control", "a\xc2\x80", false },
		{ "the highest C1 control", "a\xc2\x9f", false },
		{ "not UTF-8", "a\xff", false },
		{ "UTF-8 cut short", "a\xc2", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(cases[i].name, text_is_name(cases[i].text) == cases[i].want);
}

static void
test_made_of(void **state)
{
	static const struct {
		const char *name, *text, *set;
		bool want;
	} cases[] = {
		{ "all of them", "abc", "cba", true },
		{ "nothing", "", "a", true },
		{ "another byte first", "xab", "ab", false },
		{ "another byte last", "abx", "ab", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(cases[i].name, text_is_made_of(cases[i].text, cases[i].set) == cases[i].want);
}

static void
test_begins(void **state)
{
	static const struct {
		const char *name, *text, *prefix;
		bool want;
	} cases[] = {
		{ "a prefix", "abc", "ab", true },
		{ "all of it", "abc", "abc", true },
		{ "nothing", "abc", "", true },
		{ "longer than the text", "ab", "abc", false },
		{ "another case", "Abc", "ab", false },
		{ "later in the text", "xab", "ab", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(cases[i].name, text_begins(cases[i].text, cases[i].prefix) == cases[i].want);
}

/* A reason that is too long is cut; it never runs over. */
static void
test_refuse(void **state)
{
	struct text_why why, most;

	(void)state;
	assert_false(text_refuse(&why, "%s, line %d", "users", 7));
	assert_string_equal(why.text, "users, line 7");
	assert_false(text_refuse(&why, "%s", ""));
	assert_string_equal(why.text, "");
	memset(most.text, 'x', sizeof(most.text) - 1);
	most.text[sizeof(most.text) - 1] = '\0';
	assert_false(text_refuse(&why, "%s", most.text));
	assert_string_equal(why.text, most.text);
	assert_false(text_refuse(&why, "%sy", most.text));
	assert_string_equal(why.text, most.text);
}

/* Each part between a pair of brackets. */
static void
test_next(void **state)
{
	static const struct {
		const char *name, *text, *set, *want;
	} cases[] = {
		{ "nothing", "", " ", "" },
		{ "one part", "abc", " ", "[abc]" },
		{ "two parts", "abc d", " ", "[abc][d]" },
		{ "separators around", "  abc  d ", " ", "[abc][d]" },
		{ "only separators", "   ", " ", "" },
		{ "several separators", "a, b\tc", ", \t", "[a][b][c]" },
		{ "other bytes stay", "a=b;c d", ";", "[a=b][c d]" },
		{ "no separator at all", "a b", "", "[a b]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		/* On the heap, where a sanitizer sees a byte read too many. */
		char *text = strdup(cases[i].text), found[64] = "";
		const char *rest = text;
		struct text_span part;

		while (text_next(&part, &rest, cases[i].set)) {
			const size_t used = strlen(found);

			snprintf(found + used, sizeof(found) - used, "[%.*s]", (int)part.length,
			    part.at);
		}
		CHECK_TEXT(cases[i].name, found, cases[i].want);
		CHECK(cases[i].name, *rest == '\0' && !text_next(&part, &rest, cases[i].set));
		free(text);
	}
}

static void
test_is(void **state)
{
	static const struct {
		const char *name, *part, *text;
		bool want;
	} cases[] = {
		{ "the same", "user", "user", true },
		{ "nothing", "", "", true },
		{ "longer than the text", "users", "user", false },
		{ "shorter than the text", "use", "user", false },
		{ "another case", "User", "user", false },
		{ "another text", "abcd", "user", false },
		{ "nothing of a text", "", "user", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		/* Without its NUL, and with more behind it. */
		const struct text_span part = { cases[i].part, strlen(cases[i].part) };
		const struct text_span head = { "username", 4 };

		CHECK(cases[i].name, text_is(&part, cases[i].text) == cases[i].want);
		CHECK(cases[i].name, text_is(&head, "user") && !text_is(&head, "username"));
	}
}

static void
test_percent_encode(void **state)
{
	static const struct {
		const char *name, *in, *plain;
		size_t size;
		const char *want; /* NULL: it does not fit */
	} cases[] = {
		{ "nothing", "", "", 1, "" },
		{ "plain", "abc", "abc", 4, "abc" },
		{ "plain, no room for the NUL", "abc", "abc", 3, NULL },
		{ "none of them", "abc", "", 10, "%61%62%63" },
		{ "none of them, no room for the NUL", "abc", "", 9, NULL },
		{ "some", "a/b c", "abc/", 32, "a/b%20c" },
		{ "high bytes, in capitals", "\xff\xab", "", 32, "%FF%AB" },
		{ "a percent sign", "100%", "01", 32, "100%25" },
		{ "a percent sign as it is", "100%", "01%", 32, "100%" },
		{ "the least byte", "\x01", "abc", 32, "%01" },
		{ "no room for an escape", "ab", "a", 4, NULL },
		{ "just room for an escape", "ab", "a", 5, "a%62" },
		{ "much too long", TEN TEN, "0123456789", 4, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *out = malloc(cases[i].size);

		assert_non_null(out);
		out[0] = '\0';
		CHECK(cases[i].name,
		    text_percent_encode(out, cases[i].size, cases[i].in, cases[i].plain) ==
			(cases[i].want != NULL));
		CHECK_TEXT(cases[i].name, out, cases[i].want != NULL ? cases[i].want : "");
		free(out);
	}
}

static void
test_percent_decode(void **state)
{
	static const struct {
		const char *name, *text, *want; /* NULL: refused */
	} cases[] = {
		{ "nothing", "", "" },
		{ "plain", "a+b", "a+b" },
		{ "digits of either case", "%41%4a%4A%7e", "AJJ~" },
		{ "decoded once", "%2541", "%41" },
		{ "a high byte", "%ff", "\xff" },
		{ "the least byte", "%01", "\x01" },
		{ "a NUL", "a%00b", NULL },
		{ "a sign alone", "%", NULL },
		{ "cut short", "%4", NULL },
		{ "a first digit that is none", "%g1", NULL },
		{ "a second digit that is none", "%1g", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[32];
		bool decoded;

		assert_true(text_copy(text, sizeof(text), cases[i].text));
		decoded = text_percent_decode(text);
		CHECK(cases[i].name, decoded == (cases[i].want != NULL));
		if (decoded)
			CHECK_TEXT(cases[i].name, text, cases[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_made_of),
		cmocka_unit_test(test_begins),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_is),
		cmocka_unit_test(test_percent_encode),
		cmocka_unit_test(test_percent_decode),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
