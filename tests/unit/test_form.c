/*
 * test_form: the fields of a form, of JSON and of a query, and every way to spoil them.
 */
#include "web/form.h"

#include "unit.h"

#define FORM "application/x-www-form-urlencoded"
#define JSON "application/json"

/* A body may have a NUL inside, so its length goes with it. */
#define BODY(text) text, sizeof(text) - 1

static void
check_field(const char *row, const char *got, const char *want)
{
	if (got == NULL || want == NULL)
		CHECK(row, got == want);
	else
		CHECK_TEXT(row, got, want);
}

static const struct {
	const char *name, *type, *body;
	size_t length;
	int status;
	const char *username, *password, *next;
} cases[] = {
	/* What it is said to be. */
	{ "an empty body", "", BODY(""), 0, NULL, NULL, NULL },
	{ "an empty body of any type", "image/png", BODY(""), 0, NULL, NULL, NULL },
	{ "no type", "", BODY("username=a"), 415, NULL, NULL, NULL },
	{ "another type", "text/plain", BODY("username=a"), 415, NULL, NULL, NULL },
	{ "multipart", "multipart/form-data; boundary=x", BODY("--x"), 415, NULL, NULL, NULL },
	{ "a form with parameters", FORM "; charset=UTF-8", BODY("username=a"), 0, "a", NULL,
	    NULL },
	{ "a parameter right behind", FORM ";charset=x", BODY("username=a"), 0, "a", NULL, NULL },
	{ "a space behind the type", FORM " ", BODY("username=a"), 0, "a", NULL, NULL },
	{ "a tab behind the type", FORM "\t;x=y", BODY("username=a"), 0, "a", NULL, NULL },
	{ "a type in capitals", "Application/X-WWW-Form-URLencoded", BODY("username=a"), 0, "a",
	    NULL, NULL },
	{ "a longer type", FORM "x", BODY("username=a"), 415, NULL, NULL, NULL },
	{ "a type cut short", "application/x-www-form-urlencode", BODY("username=a"), 415, NULL,
	    NULL, NULL },
	{ "JSON with parameters", "Application/JSON; charset=utf-8", BODY("{\"username\":\"a\"}"),
	    0, "a", NULL, NULL },
	{ "a longer JSON type", JSON "p", BODY("{}"), 415, NULL, NULL, NULL },
	{ "a JSON type with a suffix", JSON "+x", BODY("{}"), 415, NULL, NULL, NULL },
	{ "JSON in a form", FORM, BODY("{\"username\":\"a\"}"), 0, NULL, NULL, NULL },
	{ "a form in JSON", JSON, BODY("username=a"), 400, NULL, NULL, NULL },

	/* Forms. */
	{ "all fields", FORM, BODY("username=ada&password=secret&next=/a"), 0, "ada", "secret",
	    "/a" },
	{ "in another order", FORM, BODY("next=/a&password=secret&username=ada"), 0, "ada",
	    "secret", "/a" },
	{ "empty values", FORM, BODY("username=&password="), 0, "", "", NULL },
	{ "a name alone", FORM, BODY("username"), 0, "", NULL, NULL },
	{ "empty pairs", FORM, BODY("&&username=a&"), 0, "a", NULL, NULL },
	{ "an equals sign inside", FORM, BODY("password=a=b=="), 0, NULL, "a=b==", NULL },
	{ "plus is a space", FORM, BODY("password=a+b%2B"), 0, NULL, "a b+", NULL },
	{ "escapes", FORM, BODY("password=%26%3d%25%41%7e%20%50"), 0, NULL, "&=%A~ P", NULL },
	{ "escapes in either case", FORM, BODY("username=%c3%aB%C3%Ab"), 0, "\xc3\xab\xc3\xab",
	    NULL, NULL },
	{ "bare UTF-8", FORM, BODY("username=Zo\xc3\xab"), 0, "Zo\xc3\xab", NULL, NULL },
	{ "an escaped name", FORM, BODY("user%6eame=a"), 0, "a", NULL, NULL },
	{ "a value decoded once", FORM, BODY("password=%2541"), 0, NULL, "%41", NULL },
	{ "a field nobody knows", FORM, BODY("remember=1&username=a&Username=b"), 0, "a", NULL,
	    NULL },
	{ "a name with a space", FORM, BODY("username+=a&+username=b"), 0, NULL, NULL, NULL },
	{ "other separators are none", FORM, BODY("username=a;password=b"), 0, "a;password=b", NULL,
	    NULL },
	{ "a line feed stays", FORM, BODY("password=a%0Ab\n"), 0, NULL, "a\nb\n", NULL },

	{ "a field twice", FORM, BODY("username=a&username=b"), 400, NULL, NULL, NULL },
	{ "a field twice alike", FORM, BODY("password=a&x=y&password=a"), 400, NULL, NULL, NULL },
	{ "a field twice, empty first", FORM, BODY("next=&next=/a"), 400, NULL, NULL, NULL },
	{ "a field twice, once escaped", FORM, BODY("next=/a&n%65xt=/b"), 400, NULL, NULL, NULL },
	{ "a field nobody knows twice", FORM, BODY("x=1&x=2"), 0, NULL, NULL, NULL },
	{ "an escape cut after its sign", FORM, BODY("username=a&password=%"), 400, NULL, NULL,
	    NULL },
	{ "an escape cut after a digit", FORM, BODY("password=%4"), 400, NULL, NULL, NULL },
	{ "an escape cut by the next pair", FORM, BODY("password=%4&x=1"), 400, NULL, NULL, NULL },
	{ "a first digit that is none", FORM, BODY("password=%g1"), 400, NULL, NULL, NULL },
	{ "a second digit that is none", FORM, BODY("password=%1g"), 400, NULL, NULL, NULL },
	{ "an escape with a sign", FORM, BODY("password=%+1"), 400, NULL, NULL, NULL },
	{ "a broken escape in a name", FORM, BODY("x%zz=1&username=a"), 400, NULL, NULL, NULL },
	{ "a broken escape in a field nobody knows", FORM, BODY("username=a&x=%zz"), 400, NULL,
	    NULL, NULL },
	{ "an escaped NUL", FORM, BODY("username=ada%00x"), 400, NULL, NULL, NULL },
	{ "a bare NUL", FORM, BODY("username=ada\0&password=x"), 400, NULL, NULL, NULL },
	{ "a NUL at the end", FORM, BODY("username=ada\0"), 400, NULL, NULL, NULL },
	{ "not UTF-8", FORM, BODY("username=a&password=%ff"), 400, NULL, NULL, NULL },
	{ "UTF-8 cut short", FORM, BODY("password=%c3"), 400, NULL, NULL, NULL },
	{ "an overlong slash", FORM, BODY("next=%c0%af"), 400, NULL, NULL, NULL },
	{ "a surrogate", FORM, BODY("username=%ed%a0%80"), 400, NULL, NULL, NULL },

	/* JSON. */
	{ "all members", JSON,
	    BODY("{\"username\":\"ada\",\"password\":\"secret\",\"next\":\"/a\"}"), 0, "ada",
	    "secret", "/a" },
	{ "members in another order", JSON,
	    BODY("{\"next\":\"/a\",\"password\":\"secret\",\"username\":\"ada\"}"), 0, "ada",
	    "secret", "/a" },
	{ "a query string", FORM, BODY("a=b&next=%2Fa%3Fb%3Dc"), 0, NULL, NULL, "/a?b=c" },
	{ "a NUL in a name", JSON, BODY("{\"username\\u0000x\":\"a\"}"), 400, NULL, NULL, NULL },
	{ "no NUL, but its escape", JSON, BODY("{\"next\":\"\\\\u0000\"}"), 0, NULL, NULL,
	    "\\u0000" },
	{ "a line feed in a text", JSON, BODY("{\"next\":\"a\nb\"}"), 400, NULL, NULL, NULL },
	{ "not a number", JSON, BODY("{\"x\":NaN}"), 400, NULL, NULL, NULL },
	{ "infinity", JSON, BODY("{\"x\":-Infinity}"), 400, NULL, NULL, NULL },
	{ "capitals in a text", JSON, BODY("{\"next\":\"NI\\\"NI\"}"), 0, NULL, NULL, "NI\"NI" },
	{ "a pair of surrogates", JSON, BODY("{\"next\":\"\\uD83d\\udE00\"}"), 0, NULL, NULL,
	    "\xf0\x9f\x98\x80" },
	{ "a first surrogate alone", JSON, BODY("{\"next\":\"\\ud800\"}"), 400, NULL, NULL, NULL },
	{ "a first surrogate and no second", JSON, BODY("{\"next\":\"\\ud800abcdef\"}"), 400, NULL,
	    NULL, NULL },
	{ "a first surrogate and another", JSON, BODY("{\"next\":\"\\ud800\\ud800\"}"), 400, NULL,
	    NULL, NULL },
	{ "a second surrogate alone", JSON, BODY("{\"next\":\"\\udc00\"}"), 400, NULL, NULL, NULL },
	{ "a second surrogate in capitals", JSON, BODY("{\"next\":\"\\uDFFF\"}"), 400, NULL, NULL,
	    NULL },
	{ "a first surrogate, a letter, a second", JSON, BODY("{\"next\":\"\\ud800 \\udc00\"}"),
	    400, NULL, NULL, NULL },
	{ "a first surrogate and what looks like a second", JSON,
	    BODY("{\"next\":\"\\ud800xudc00\"}"), 400, NULL, NULL, NULL },
	{ "an escape of another letter", JSON, BODY("{\"next\":\"\\u00d8\\u00dc\"}"), 0, NULL, NULL,
	    "\xc3\x98\xc3\x9c" },
	{ "a D that is no surrogate", JSON, BODY("{\"next\":\"\\ud7dc\\\\ud800\"}"), 0, NULL, NULL,
	    "\xed\x9f\x9c\\ud800" },
	{ "a first surrogate cut by the end", JSON, BODY("{\"next\":\"\\ud800\\udc\"}"), 400, NULL,
	    NULL, NULL },
	{ "two second surrogates", JSON, BODY("{\"next\":\"\\udc00\\udc00\"}"), 400, NULL, NULL,
	    NULL },
	{ "the last before the surrogates", JSON, BODY("{\"next\":\"\\ud7ff\"}"), 0, NULL, NULL,
	    "\xed\x9f\xbf" },
	{ "an escape cut short", JSON, BODY("{\"next\":\"\\"), 400, NULL, NULL, NULL },
	{ "a surrogate cut short", JSON, BODY("{\"next\":\"\\ud8"), 400, NULL, NULL, NULL },
	{ "JSON with an overlong byte", JSON, BODY("{\"next\":\"\xc0\xaf\"}"), 400, NULL, NULL,
	    NULL },
	{ "JSON with a surrogate", JSON, BODY("{\"next\":\"\xed\xa0\x80\"}"), 400, NULL, NULL,
	    NULL },
	{ "an empty object", JSON, BODY("{}"), 0, NULL, NULL, NULL },
	{ "empty texts", JSON, BODY("{\"username\":\"\",\"password\":\"\"}"), 0, "", "", NULL },
	{ "space around it", JSON, BODY(" \t\r\n{ \"username\" : \"a\" } \t\r\n"), 0, "a", NULL,
	    NULL },
	{ "escapes of JSON", JSON, BODY("{\"password\":\"\\\"\\\\\\/\\u0041\\n\\ud83d\\ude00\"}"),
	    0, NULL, "\"\\/A\n\xf0\x9f\x98\x80", NULL },
	{ "nothing is decoded twice", JSON, BODY("{\"password\":\"a+b%41\"}"), 0, NULL, "a+b%41",
	    NULL },
	{ "a member nobody knows", JSON, BODY("{\"x\":[1,{\"y\":null}],\"username\":\"a\"}"), 0,
	    "a", NULL, NULL },
	{ "a member twice: the last counts", JSON, BODY("{\"username\":\"a\",\"username\":\"b\"}"),
	    0, "b", NULL, NULL },

	{ "a number for a text", JSON, BODY("{\"username\":1}"), 400, NULL, NULL, NULL },
	{ "true for a text", JSON, BODY("{\"username\":\"a\",\"password\":true}"), 400, NULL, NULL,
	    NULL },
	{ "null for a text", JSON, BODY("{\"password\":null}"), 400, NULL, NULL, NULL },
	{ "an array for a text", JSON, BODY("{\"username\":[\"a\"]}"), 400, NULL, NULL, NULL },
	{ "an object for a text", JSON, BODY("{\"username\":{}}"), 400, NULL, NULL, NULL },
	{ "an array", JSON, BODY("[\"username\",\"ada\"]"), 400, NULL, NULL, NULL },
	{ "a text", JSON, BODY("\"username\""), 400, NULL, NULL, NULL },
	{ "null", JSON, BODY("null"), 400, NULL, NULL, NULL },
	{ "a number", JSON, BODY("1"), 400, NULL, NULL, NULL },
	{ "only space", JSON, BODY(" "), 400, NULL, NULL, NULL },
	{ "an object cut short", JSON, BODY("{\"username\":\"a\""), 400, NULL, NULL, NULL },
	{ "a text cut short", JSON, BODY("{\"username\":\"a"), 400, NULL, NULL, NULL },
	{ "a second value", JSON, BODY("{}{}"), 400, NULL, NULL, NULL },
	{ "junk behind it", JSON, BODY("{\"username\":\"a\"}x"), 400, NULL, NULL, NULL },
	{ "junk behind a space", JSON, BODY("{\"username\":\"a\"} x"), 400, NULL, NULL, NULL },
	{ "a NUL behind it", JSON, BODY("{\"username\":\"a\"}\0"), 400, NULL, NULL, NULL },
	{ "a NUL and more behind it", JSON, BODY("{\"username\":\"a\"}\0{}"), 400, NULL, NULL,
	    NULL },
	{ "a bare NUL in a text", JSON, BODY("{\"username\":\"a\0b\"}"), 400, NULL, NULL, NULL },
	{ "an escaped NUL in a text", JSON, BODY("{\"username\":\"ada\\u0000x\"}"), 400, NULL, NULL,
	    NULL },
	{ "an escaped NUL, alone", JSON, BODY("{\"password\":\"\\u0000\"}"), 400, NULL, NULL,
	    NULL },
	{ "JSON that is not UTF-8", JSON, BODY("{\"username\":\"\xff\"}"), 400, NULL, NULL, NULL },
	{ "JSON with UTF-8 cut short", JSON, BODY("{\"next\":\"\xc3\"}"), 400, NULL, NULL, NULL },
	{ "single quotes", JSON, BODY("{'username':'a'}"), 400, NULL, NULL, NULL },
	{ "a comment", JSON, BODY("{/* */}"), 400, NULL, NULL, NULL },
	{ "a trailing comma", JSON, BODY("{\"username\":\"a\",}"), 400, NULL, NULL, NULL },
	{ "a bare name", JSON, BODY("{username:\"a\"}"), 400, NULL, NULL, NULL },
	{ "nested as deep as may be", JSON, BODY("{\"x\":[[[[[[]]]]]]}"), 0, NULL, NULL, NULL },
	{ "nested too deep", JSON, BODY("{\"x\":[[[[[[[[]]]]]]]]}"), 400, NULL, NULL, NULL },
};

static void
test_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		/* As large as it need be, so that a sanitizer sees a byte too many. */
		char *body = malloc(cases[i].length + 1);
		struct form form = { "unset", "unset", "unset", NULL };

		assert_non_null(body);
		memcpy(body, cases[i].body, cases[i].length + 1);
		CHECK(cases[i].name,
		    form_read(&form, body, cases[i].length, cases[i].type) == cases[i].status);
		check_field(cases[i].name, form.username, cases[i].username);
		check_field(cases[i].name, form.password, cases[i].password);
		check_field(cases[i].name, form.next, cases[i].next);
		free(body);
	}
}

static void
test_everywhere(void **state)
{
	char of_form[] = "everywhere=1", of_json[] = "{\"everywhere\":\"1\"}",
	     number[] = "{\"everywhere\":1}", twice[] = "everywhere=1&everywhere=1";
	struct form form;

	(void)state;
	assert_int_equal(form_read(&form, of_form, strlen(of_form), FORM_TYPE), 0);
	assert_string_equal(form.everywhere, "1");
	assert_int_equal(form_read(&form, of_json, strlen(of_json), "application/json"), 0);
	assert_string_equal(form.everywhere, "1");
	assert_int_equal(form_read(&form, number, strlen(number), "application/json"), 400);
	assert_null(form.everywhere);
	assert_int_equal(form_read(&form, twice, strlen(twice), FORM_TYPE), 400);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_everywhere),
	};

	return cmocka_run_group_tests_name("form", tests, NULL, NULL);
}
