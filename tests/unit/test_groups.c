/*
 * test_groups: who is in which group, by the group file.
 */
#include "auth/groups.h"

#include "unit.h"

enum { NOW = 2000000000 };

#define LONG63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

static const char text[] = "# people\n"
			   "staff: ada grace\r\n"
			   "\n"
			   "  \n"
			   "others:bob\tada  grace\n"
			   "empty:\n"
			   "staff: bob\n"
			   "#hidden: ada\n"
			   "no line\n"
			   "word\n"
			   "a b: ada\n"
			   " spaced: ada\n"
			   ": ada\n" LONG63 ": ada\n" LONG63 "x: ada\n"
			   "\xc3\xa9t\xc3\xa9: ada\n"
			   "\xff: ada\n"
			   "last: ada";

/* The settings of a site whose group file this is. */
static struct config
config_of(const char *folder)
{
	struct config config = { .groups = "" };

	unit_path(config.groups, folder, "groups");
	return config;
}

static void
read_text(struct groups *groups, const char *folder, const char *bytes, struct unit_log *caught)
{
	const struct config config = config_of(folder);
	const struct log log = unit_log(caught);

	unit_write(config.groups, bytes);
	unit_date(config.groups, NOW - 100);
	assert_true(groups_read(groups, &config, NOW, &log));
}

static void
test_members(void **state)
{
	static const struct {
		const char *group, *user;
		bool want;
	} rows[] = {
		{ "staff", "ada", true },
		{ "staff", "grace", true },
		{ "staff", "bob", true },
		{ "staff", "eve", false },
		{ "staff", "ad", false },
		{ "staff", "adaa", false },
		{ "staff", "", false },
		{ "staf", "ada", false },
		{ "Staff", "ada", false },
		{ "others", "bob", true },
		{ "others", "ada", true },
		{ "empty", "ada", false },
		{ "hidden", "ada", false },
		{ "#hidden", "ada", false },
		{ "no line", "ada", false },
		{ "word", "ada", false },
		{ "a b", "ada", false },
		{ "a", "ada", false },
		{ "spaced", "ada", false },
		{ "", "ada", false },
		{ LONG63, "ada", true },
		{ LONG63 "x", "ada", false },
		{ "\xc3\xa9t\xc3\xa9", "ada", true },
		{ "\xff", "ada", false },
		{ "last", "ada", true },
	};
	struct groups groups = { 0 };
	struct unit_log caught;

	read_text(&groups, *state, text, &caught);
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK(rows[i].group,
		    groups_have(&groups, rows[i].group, rows[i].user) == rows[i].want);
	groups_forget(&groups);
}

static void
test_list(void **state)
{
	struct groups groups = { 0 };
	struct unit_log caught;
	char out[128];

	read_text(&groups, *state, "a: ada\nb: bob ada\nc: bob\nb: ada\na: ada ada\n", &caught);
	assert_true(groups_of(out, sizeof(out), &groups, "ada"));
	assert_string_equal(out, "a,b");
	assert_true(groups_of(out, sizeof(out), &groups, "eve"));
	assert_string_equal(out, "");
	read_text(&groups, *state, "ab: ada\na: ada\nabc: ada\n", &caught);
	assert_true(groups_of(out, sizeof(out), &groups, "ada"));
	assert_string_equal(out, "ab,a,abc");
	read_text(&groups, *state, "a: ada\nb: ada\n", &caught);
	assert_true(groups_of(out, 4, &groups, "ada"));
	assert_string_equal(out, "a,b");
	assert_false(groups_of(out, 3, &groups, "ada"));
	assert_string_equal(out, "");
	groups_forget(&groups);
}

static void
test_no_file(void **state)
{
	static const struct config config;
	struct groups none = { 0 };
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	char out[64] = "unset";

	(void)state;
	assert_true(groups_read(&none, &config, NOW, &log));
	assert_int_equal(caught.lines, 0);
	assert_false(groups_have(&none, "staff", "ada"));
	assert_true(groups_of(out, sizeof(out), &none, "ada"));
	assert_string_equal(out, "");
}

/* Settings that are read again may name no group file any more: then nobody is in a group. */
static void
test_file_no_longer_named(void **state)
{
	struct groups groups = { 0 };
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	const struct config none = { .groups = "" };
	char out[64] = "unset";

	read_text(&groups, *state, text, &caught);
	assert_true(groups_have(&groups, "staff", "ada"));
	assert_true(groups_read(&groups, &none, NOW, &log));
	assert_false(groups_have(&groups, "staff", "ada"));
	assert_true(groups_of(out, sizeof(out), &groups, "ada"));
	assert_string_equal(out, "");
}

/* A line with a NUL byte is a bad one: nobody is in its group, and the next line counts. */
static void
test_nul(void **state)
{
	static const char bytes[] = "ab\0c: ada\nd: ada\0 bob\ne: bob\n";
	struct groups groups = { 0 };
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	const struct config config = config_of(*state);
	char out[64];

	unit_write_bytes(config.groups, bytes, sizeof(bytes) - 1, 0600);
	assert_true(groups_read(&groups, &config, NOW, &log));
	assert_false(groups_have(&groups, "ab", "ada"));
	assert_false(groups_have(&groups, "d", "ada"));
	assert_false(groups_have(&groups, "d", "bob"));
	assert_true(groups_have(&groups, "e", "bob"));
	assert_int_equal(caught.lines, 2);
	assert_true(groups_of(out, sizeof(out), &groups, "ada"));
	assert_string_equal(out, "");
	groups_forget(&groups);
}

/* Each bad line is named, once; the file is read anew when it changes. */
static void
test_log(void **state)
{
	struct groups groups = { 0 };
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	const struct config config = config_of(*state);

	read_text(&groups, *state, text, &caught);
	assert_int_equal(caught.lines, 7);
	assert_non_null(strstr(caught.text, "setting=POSTERN_GROUPS line=\"no line\" reason="));
	assert_non_null(strstr(caught.text, "setting=POSTERN_GROUPS line=\"word\" reason="));
	assert_true(groups_read(&groups, &config, NOW, &log));
	assert_int_equal(caught.lines, 7);
	read_text(&groups, *state, "", &caught);
	assert_int_equal(caught.lines, 0);
	assert_false(groups_have(&groups, "staff", "ada"));
	assert_int_equal(chmod(config.groups, 0644), 0);
	assert_false(groups_read(&groups, &config, NOW, &log));
	assert_non_null(strstr(caught.text, "POSTERN_GROUPS reason=\"is open to others"));
	groups_forget(&groups);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_file_no_longer_named),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests_name("groups", tests, unit_make_folder, unit_remove_folder);
}
