/*
 * test_target: only a path of this site is a place to return to.
 */
#include "web/redirect.h"

#include "unit.h"

/* Where `want` is NULL the target is refused. */
static void
test_accept(void **state)
{
	static const struct {
		const char *name, *in, *want;
	} cases[] = {
		{ "the root", "/", "/" },
		{ "a path", "/a/b.html", "/a/b.html" },
		{ "a query", "/my%20file.pdf?q=a%20b&c=d", "/my%20file.pdf?q=a%20b&c=d" },
		{ "a fragment", "/a#b", "/a#b" },
		{ "an address in a query", "/a?u=https://b.example//c",
		    "/a?u=https://b.example//c" },
		{ "two slashes later", "/a//b", "/a//b" },
		{ "dots", "/../a", "/../a" },
		{ "an at sign", "/@a:b", "/@a:b" },
		{ "UTF-8 is encoded", "/Zo\xc3\xab?\xff", "/Zo%C3%AB?%FF" },
		{ "quotes and brackets", "/\"<>'`{|}^[]", "/\"<>'`{|}^[]" },
		{ "the last printable byte", "/~", "/~" },

		{ "nothing", "", NULL },
		{ "no slash", "a", NULL },
		{ "an address", "https://evil.example/", NULL },
		{ "a script", "javascript:alert(1)", NULL },
		{ "a host", "//evil.example/", NULL },
		{ "three slashes", "///evil.example/", NULL },
		{ "a backslash for a slash", "/\\evil.example/", NULL },
		{ "two backslashes", "\\\\evil.example/", NULL },
		{ "a backslash later", "/a\\b", NULL },
		{ "a backslash in a query", "/a?\\", NULL },
		{ "a space before", " /a", NULL },
		{ "a space", "/a b", NULL },
		{ "a space in a query", "/a?b c", NULL },
		{ "a tab between slashes", "/\t/evil.example/", NULL },
		{ "a line feed", "/a\nb", NULL },
		{ "a carriage return", "/a\rSet-Cookie:b", NULL },
		{ "a line feed in a query", "/a?b\nc", NULL },
		{ "the lowest control", "/\x01", NULL },
		{ "the highest control", "/\x1f", NULL },
		{ "DEL", "/a\x7f", NULL },

		{ "no slash but an encoded one", "%2fa", NULL },
		{ "a slash, encoded", "/%2fevil.example", NULL },
		{ "a slash, encoded in capitals", "/%2Fevil.example", NULL },
		{ "a backslash, encoded", "/%5cevil.example", NULL },
		{ "a backslash, encoded in capitals", "/%5Cevil.example", NULL },
		{ "a slash, encoded twice", "/%252fevil.example", "/%252fevil.example" },
		{ "a slash, encoded later", "/a%2f%2fb", "/a%2f%2fb" },
		{ "a host before a way back", "//evil.example/..%2fprivate", NULL },
		{ "a line feed, encoded", "/a%0ab", NULL },
		{ "a carriage return, encoded", "/a%0Db", NULL },
		{ "a NUL, encoded", "/a%00b", NULL },
		{ "the highest control, encoded", "/%1f", NULL },
		{ "DEL, encoded", "/a%7Fb", NULL },
		{ "a tab between slashes, encoded", "/%09/evil.example", NULL },
		{ "a space, encoded", "/a%20b", "/a%20b" },
		{ "a line feed, encoded in a query", "/a?b=%0a", "/a?b=%0a" },
		{ "a line feed, encoded in a fragment", "/a#b%0a", "/a#b%0a" },
		{ "a line feed behind an encoded question mark", "/a%3f%0a", NULL },
		{ "an encoded byte above ASCII", "/%ff%80", "/%ff%80" },
		{ "a broken escape", "/%zz%0%", NULL },
		{ "a percent sign before an escape", "/%%2f", NULL },
		{ "a percent sign before a control, encoded", "/%%0a", NULL },
		{ "a broken escape, then a control", "/%0%0a", NULL },
		{ "a second digit that is none", "/%2x", NULL },
		{ "an escape cut short", "/%2", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[REDIRECT_SIZE] = "unset", *in = strdup(cases[i].in);
		bool accepted = redirect_accept(out, in);

		CHECK(cases[i].name, accepted == (cases[i].want != NULL));
		CHECK_TEXT(cases[i].name, out, accepted ? cases[i].want : "");
		free(in);
	}
}

static void
test_length(void **state)
{
	static const struct {
		const char *name;
		size_t length;
		const char *tail;
		bool want;
	} cases[] = {
		{ "the longest", 1024, "", true },
		{ "one too long", 1025, "", false },
		{ "far too long", 8000, "", false },
		{ "the longest, its last byte encoded", 1021, "\xff", true },
		{ "one too long, its last byte encoded", 1022, "\xff", false },
		{ "two too long, its last byte encoded", 1023, "\xff", false },
		{ "too long by an encoded byte", 1024, "\xff", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char in[8192], out[REDIRECT_SIZE] = "unset";
		bool accepted;

		snprintf(in, sizeof(in), "/%0*d%s", (int)cases[i].length - 1, 0, cases[i].tail);
		accepted = redirect_accept(out, in);
		if (accepted != cases[i].want)
			fail_msg("%s: %s", cases[i].name, accepted ? "accepted" : "refused");
		CHECK(cases[i].name, accepted == (out[0] != '\0'));
	}
}

static void
test_location(void **state)
{
	static const struct {
		const char *name, *target, *want;
	} cases[] = {
		{ "a path", "/a/b.html", "/login?next=/a/b.html" },
		{ "no path", "", "/login" },
		{ "a query of its own", "/a?b=c&d=e", "/login?next=/a%3Fb%3Dc%26d%3De" },
		{ "an escape is escaped", "/a%20b", "/login?next=/a%2520b" },
		{ "a plus is no space", "/a+b", "/login?next=/a%2Bb" },
		{ "a fragment", "/a#b", "/login?next=/a%23b" },
		{ "a semicolon", "/a;b", "/login?next=/a%3Bb" },
		{ "quotes", "/\"'<>", "/login?next=/%22'%3C%3E" },
		{ "a byte above ASCII", "/\xff", "/login?next=/%FF" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char location[REDIRECT_LOCATION_SIZE];

		redirect_location(location, "/login", cases[i].target);
		CHECK_TEXT(cases[i].name, location, cases[i].want);
	}
}

/* A target that does not fit is left out whole. */
static void
test_location_length(void **state)
{
	static const char login[] = "/login?next=";
	char target[REDIRECT_SIZE] = "/", location[REDIRECT_LOCATION_SIZE];

	(void)state;
	for (size_t i = 0; i < 3 * (sizeof(target) - 4); i++) {
		size_t escapes = i / 3, plain = i % 3;
		size_t whole = strlen(login) + 1 + 3 * escapes + plain;

		memset(target + 1, '%', escapes);
		memset(target + 1 + escapes, 'a', plain);
		target[1 + escapes + plain] = '\0';
		redirect_location(location, "/login", target);
		if (whole < REDIRECT_LOCATION_SIZE)
			assert_int_equal(strlen(location), whole);
		else
			assert_string_equal(location, "/login");
	}

	/* The longest target has room where nothing in it is to be encoded. */
	memset(target, '/', sizeof(target) - 1);
	redirect_location(location, "/login", target);
	assert_int_equal(strlen(location), strlen(login) + strlen(target));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_location),
		cmocka_unit_test(test_location_length),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
