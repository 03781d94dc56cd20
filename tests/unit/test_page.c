/*
 * test_page: templates, built in or of one's own, and their slots, filled once and escaped.
 */
#include "web/page.h"

#include "unit.h"

static void
load(struct pages *pages, const char *folder)
{
	struct text_why why = { "" };

	if (!pages_load(pages, folder, "Si<gn> in", &why))
		fail_msg("%s", why.text);
}

/* Make a page of one's own, and load all. */
static void
load_own(struct pages *pages, const char *folder, const char *name, const char *text)
{
	char path[UNIT_PATH_SIZE];

	unit_path(path, folder, name);
	unit_write(path, text);
	load(pages, folder);
	assert_int_equal(unlink(path), 0);
}

static void
test_builtin(void **state)
{
	static const char *const slots_of[PAGE_COUNT] = {
		[PAGE_LOGIN] = "{{username}}",
		[PAGE_SIGNED_IN] = "{{user}}",
		[PAGE_LOGOUT] = "{{logout}}",
		[PAGE_WELCOME] = "{{since}}",
		[PAGE_AGAIN] = "{{login}}",
		[PAGE_FORBIDDEN] = "{{logout}}",
		[PAGE_MESSAGE] = "{{text}}",
		[PAGE_SETUP] = "{{settings}}",
	};
	static char out[PAGE_SIZE];
	struct pages pages = { .title = "" };

	(void)state;
	load(&pages, "");
	for (int page = 0; page < PAGE_STYLE; page++) {
		assert_true(page_fill(out, &pages, (enum page)page, NULL, 0));
		CHECK(slots_of[page], strncmp(out, "<!DOCTYPE html>\n", 16) == 0);
		CHECK(slots_of[page], strstr(out, slots_of[page]) != NULL);
		CHECK(slots_of[page], strstr(out, pages.text[PAGE_STYLE]) != NULL);
		CHECK(slots_of[page], strstr(out, "{{style}}") == NULL);
		CHECK(slots_of[page], pages.own[page] == NULL);
	}
	assert_true(page_fill(out, &pages, PAGE_LOGIN, NULL, 0));
	assert_non_null(strstr(out, "<title>Si&lt;gn&gt; in</title>"));
	pages_forget(&pages);
}

static void
test_slots(void **state)
{
	static const struct page_slot slots[] = {
		{ "user", "ada" },
		{ "empty", "" },
		{ "bad", "<script>'\"&amp;" },
		{ "slot", "{{user}}" },
		{ "open", "{{" },
		{ "other", "\xc3\xab\xff\x01" },
		{ "user2", "bob" },
	};
	static const struct {
		const char *name, *template, *want;
	} cases[] = {
		{ "no slot", "abc\n", "abc\n" },
		{ "nothing", "", "" },
		{ "one", "a{{user}}b", "aadab" },
		{ "alone", "{{user}}", "ada" },
		{ "twice", "{{user}}{{user}}", "adaada" },
		{ "two", "{{user}} {{user2}}", "ada bob" },
		{ "an empty text", "a{{empty}}b", "ab" },
		{ "escaped", "{{bad}}", "&lt;script&gt;&#39;&quot;&amp;amp;" },
		{ "other bytes stay", "{{other}}", "\xc3\xab\xff\x01" },
		{ "filled once", "{{slot}}", "{{user}}" },
		{ "filled once, to its end", "{{open}}user}}", "{{user}}" },
		{ "the title", "{{title}}", "Si&lt;gn&gt; in" },
		{ "the style as it is", "<style>{{style}}</style>", "<style>a > b {}\n</style>" },
		{ "one that has no text", "a{{nobody}}b{{user}}", "a{{nobody}}bada" },
		{ "the start of a name", "{{use}}", "{{use}}" },
		{ "a longer name", "{{users}}", "{{users}}" },
		{ "a name in capitals", "{{User}}", "{{User}}" },
		{ "spaces", "{{ user }}", "{{ user }}" },
		{ "no name", "{{}}", "{{}}" },
		{ "no end", "a{{user", "a{{user" },
		{ "half an end", "a{{user}", "a{{user}" },
		{ "no start", "a}}b", "a}}b" },
		{ "one brace", "{user}", "{user}" },
	};
	static char out[PAGE_SIZE];
	char style[UNIT_PATH_SIZE];

	unit_path(style, *state, "style.css");
	unit_write(style, "a > b {}\n");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct pages pages = { .title = "" };

		load_own(&pages, *state, "message.html", cases[i].template);
		CHECK(cases[i].name, page_fill(out, &pages, PAGE_MESSAGE, slots, COUNT(slots)));
		CHECK_TEXT(cases[i].name, out, cases[i].want);
		pages_forget(&pages);
	}
	assert_int_equal(unlink(style), 0);
}

/* What does not fit is no page at all. */
static void
test_length(void **state)
{
	static const struct {
		const char *name;
		size_t filler;
		const char *tail; /* what stands behind the filler in the text of the slot */
		bool want;
	} cases[] = {
		{ "the longest", PAGE_SIZE - 1 - 4, "", true },
		{ "one too long", PAGE_SIZE - 4, "", false },
		{ "the longest, escaped at its end", PAGE_SIZE - 1 - 4 - 4, "<", true },
		{ "too long when escaped", PAGE_SIZE - 1 - 4 - 3, "<", false },
		{ "far too long", PAGE_SIZE * 2, "", false },
	};
	char *out = malloc(PAGE_SIZE), *text = malloc(PAGE_SIZE * 2 + 2);
	const struct page_slot slots[] = { { "text", text } };
	struct pages pages = { .title = "" };

	assert_true(out != NULL && text != NULL);
	load_own(&pages, *state, "message.html", "ab{{text}}cd");
	for (size_t i = 0; i < COUNT(cases); i++) {
		memset(text, 'x', cases[i].filler);
		strcpy(text + cases[i].filler, cases[i].tail);
		CHECK(cases[i].name,
		    page_fill(out, &pages, PAGE_MESSAGE, slots, 1) == cases[i].want);
		CHECK(cases[i].name, strlen(out) == (cases[i].want ? PAGE_SIZE - 1 : 0));
	}
	pages_forget(&pages);
	free(text);
	free(out);
}

static void
test_own(void **state)
{
	struct pages builtin = { .title = "" }, pages = { .title = "" };

	load(&builtin, "");
	load_own(&pages, *state, "login.html", "mine");
	assert_string_equal(pages.text[PAGE_LOGIN], "mine");
	assert_string_equal(pages.text[PAGE_MESSAGE], builtin.text[PAGE_MESSAGE]);
	assert_string_equal(pages.style_hash, builtin.style_hash);

	/* Loaded again, what the folder does not have any more is gone. */
	load(&pages, *state);
	assert_string_equal(pages.text[PAGE_LOGIN], builtin.text[PAGE_LOGIN]);
	pages_forget(&pages);
	pages_forget(&builtin);
}

/* printf 'a {}' | openssl dgst -sha256 -binary | base64 */
static void
test_style_hash(void **state)
{
	struct pages pages = { .title = "" };

	load_own(&pages, *state, "style.css", "a {}");
	assert_string_equal(pages.style_hash, "mkSHzL7faOU7/U/v8Umg+058R69+vN2A2xmE3Fz1q98=");
	pages_forget(&pages);
}

static void
test_faults(void **state)
{
	static const struct {
		const char *name, *folder, *why;
	} cases[] = {
		{ "no such folder", "missing", "No such file or directory" },
		{ "a folder for a page", "folder", "login.html: is not a regular file" },
		{ "a page too large", "large", "login.html: is too large" },
	};
	char path[UNIT_PATH_SIZE], *large = calloc(1, PAGE_FILE_MAX + 2);
	struct pages pages = { .title = "" };

	assert_non_null(large);
	memset(large, 'x', PAGE_FILE_MAX + 1);
	unit_path(path, *state, "folder");
	assert_int_equal(mkdir(path, 0700), 0);
	unit_path(path, *state, "folder/login.html");
	assert_int_equal(mkdir(path, 0700), 0);
	unit_path(path, *state, "large");
	assert_int_equal(mkdir(path, 0700), 0);
	unit_path(path, *state, "large/login.html");
	unit_write(path, large);

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct text_why why = { "" };

		unit_path(path, *state, cases[i].folder);
		CHECK(cases[i].name, !pages_load(&pages, path, "Sign in", &why));
		CHECK_TEXT(cases[i].name, why.text, cases[i].why);
		pages_forget(&pages);
	}

	/* The largest that may be. */
	large[PAGE_FILE_MAX] = '\0';
	unit_path(path, *state, "large/login.html");
	unit_write(path, large);
	unit_path(path, *state, "large");
	load(&pages, path);
	pages_forget(&pages);
	free(large);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builtin),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_style_hash),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests_name("page", tests, unit_make_folder, unit_remove_folder);
}
