/*
 * test_file: a file is read whole, read anew when it changed, and only if it can be trusted.
 */
#include "base/file.h"

#include <sys/types.h>

#include "unit.h"

enum { LONG_AGO = 1000000, NOW = 2000000, NOBODY = 65534 };

static void
test_read(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t length, max;
		enum file_read want;
	} cases[] = {
		{ "some bytes", "abc\n", 4, 100, FILE_READ },
		{ "no bytes", "", 0, 100, FILE_READ },
		{ "a NUL inside", "a\0b", 3, 100, FILE_READ },
		{ "as large as may be", "abcd", 4, 4, FILE_READ },
		{ "too large", "abcde", 5, 4, FILE_FAULT },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct file file = { 0 };
		char path[UNIT_PATH_SIZE];
		struct text_why why = { "unset" };

		unit_path(path, *state, "read");
		unit_write_bytes(path, cases[i].bytes, cases[i].length, 0600);
		CHECK(cases[i].name,
		    file_read(&file, path, cases[i].max, FILE_SECRET, NOW, &why) == cases[i].want);
		if (cases[i].want == FILE_READ) {
			CHECK(cases[i].name, file.length == cases[i].length);
			CHECK(cases[i].name,
			    memcmp(file.text, cases[i].bytes, cases[i].length + 1) == 0);
			CHECK_TEXT(cases[i].name, why.text, "");
		} else {
			CHECK(cases[i].name, file.text == NULL && file.length == 0);
			CHECK_TEXT(cases[i].name, why.text, "is too large");
		}
		file_forget(&file);
		CHECK(cases[i].name, file.text == NULL);
	}
}

/* What is no file of bytes. Nothing of the file read before is left. */
static void
test_cannot_read(void **state)
{
	static const struct {
		const char *name, *file, *why;
	} cases[] = {
		{ "no such file", "missing", "No such file" },
		{ "a folder", "folder", "not a regular file" },
		{ "a pipe nobody writes to", "pipe", "not a regular file" },
		{ "a link to nothing", "link", "No such file" },
		{ "below a file", "before/x", "Not a directory" },
		{ "the null device", "null", "not a regular file" },
	};
	char path[UNIT_PATH_SIZE], before[UNIT_PATH_SIZE];

	unit_path(before, *state, "before");
	unit_write(before, "abc");
	unit_path(path, *state, "folder");
	assert_int_equal(mkdir(path, 0700), 0);
	unit_path(path, *state, "pipe");
	assert_int_equal(mkfifo(path, 0600), 0);
	unit_path(path, *state, "link");
	(void)!unlink(path);
	assert_int_equal(symlink("missing", path), 0);
	unit_path(path, *state, "null");
	assert_int_equal(symlink("/dev/null", path), 0);

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct file file = { 0 };
		struct text_why why;

		assert_int_equal(file_read(&file, before, 100, FILE_SECRET, NOW, &why), FILE_READ);
		unit_path(path, *state, cases[i].file);
		CHECK(cases[i].name,
		    file_read(&file, path, 100, FILE_ANYBODYS, NOW, &why) == FILE_FAULT);
		CHECK(cases[i].name, strstr(why.text, cases[i].why) != NULL);
		CHECK(cases[i].name, file.text == NULL);
		CHECK(cases[i].name, !file_is_trusted(path, FILE_SECRET, &why));
		CHECK(cases[i].name, strstr(why.text, cases[i].why) != NULL);
	}
}

/* One change after another to a file that was read once. */
static void
test_changes(void **state)
{
	static const struct {
		const char *name, *text;
		time_t changed, now;
		bool renamed;
		enum file_read want;
		const char *holds;
	} steps[] = {
		{ "first", "abc", LONG_AGO, NOW, false, FILE_READ, "abc" },
		{ "the same", NULL, LONG_AGO, NOW, false, FILE_UNCHANGED, "abc" },
		{ "another time", "abd", LONG_AGO + 1, NOW, false, FILE_READ, "abd" },
		{ "an earlier time", "abe", LONG_AGO - 1, NOW, false, FILE_READ, "abe" },
		{ "another size", "abef", LONG_AGO - 1, NOW, false, FILE_READ, "abef" },
		{ "another file in its place", "xyzt", LONG_AGO - 1, NOW, true, FILE_READ, "xyzt" },
		{ "the same again", NULL, LONG_AGO - 1, NOW, false, FILE_UNCHANGED, "xyzt" },
		{ "emptied", "", LONG_AGO, NOW, false, FILE_READ, "" },
		{ "still empty", NULL, LONG_AGO, NOW, false, FILE_UNCHANGED, "" },
		{ "written just now", "abc", NOW, NOW, false, FILE_READ, "abc" },
		{ "written again within a tick", "abd", NOW, NOW, false, FILE_READ, "abd" },
		{ "a second later", NULL, NOW, NOW + 1, false, FILE_READ, "abd" },
		{ "two seconds later", NULL, NOW, NOW + 2, false, FILE_READ, "abd" },
		{ "and from then on", NULL, NOW, NOW + 2, false, FILE_UNCHANGED, "abd" },
		{ "written tomorrow", "abe", NOW + 86400, NOW + 2, false, FILE_READ, "abe" },
		{ "and read once", NULL, NOW + 86400, NOW + 2, false, FILE_UNCHANGED, "abe" },
	};
	struct file file = { 0 };
	char path[UNIT_PATH_SIZE], other[UNIT_PATH_SIZE];
	struct text_why why;

	unit_path(path, *state, "changes");
	unit_path(other, *state, "other");
	for (size_t i = 0; i < COUNT(steps); i++) {
		if (steps[i].text != NULL)
			unit_write(steps[i].renamed ? other : path, steps[i].text);
		if (steps[i].renamed)
			assert_int_equal(rename(other, path), 0);
		unit_date(path, steps[i].changed);
		CHECK(steps[i].name,
		    file_read(&file, path, 100, FILE_SECRET, steps[i].now, &why) == steps[i].want);
		CHECK_TEXT(steps[i].name, file.text, steps[i].holds);
	}
	/* The time of a change has fractions of a second. */
	assert_int_equal(file_read(&file, path, 100, FILE_SECRET, NOW + 200000, &why),
	    FILE_UNCHANGED);
	file.changed.tv_nsec = 1;
	assert_int_equal(file_read(&file, path, 100, FILE_SECRET, NOW + 200000, &why), FILE_READ);
	file_forget(&file);
}

static void
test_modes(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
		const char *why;
	} cases[] = {
		{ "its owner's", 0600, NULL },
		{ "its owner's to read", 0400, NULL },
		{ "its owner's to run", 0700, NULL },
		{ "others may read it", 0604, "open to others" },
		{ "others may write it", 0602, "open to others" },
		{ "others may run it", 0601, "open to others" },
		{ "all may read it", 0644, "open to others" },
		{ "its group may write it", 0620, "changed by its group" },
		{ "its group may read and write it", 0660, "changed by its group" },
		{ "its group may run it", 0610, "changed by its group" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct file file = { 0 };
		char path[UNIT_PATH_SIZE];
		struct text_why why = { "unset" };
		bool trusted = cases[i].why == NULL;

		unit_path(path, *state, "modes");
		unit_write_bytes(path, "abc", 3, cases[i].mode);
		CHECK(cases[i].name, file_is_trusted(path, FILE_SECRET, &why) == trusted);
		CHECK(cases[i].name, strstr(why.text, trusted ? "" : cases[i].why) != NULL);
		CHECK(cases[i].name,
		    file_read(&file, path, 100, FILE_SECRET, NOW, &why) ==
			(trusted ? FILE_READ : FILE_FAULT));
		CHECK(cases[i].name, strstr(why.text, trusted ? "" : cases[i].why) != NULL);
		CHECK(cases[i].name, (file.text != NULL) == trusted);
		/* What is no secret is read all the same, unless others may write it. */
		file_forget(&file);
		CHECK(cases[i].name,
		    file_read(&file, path, 100, FILE_ANYBODYS, NOW, &why) ==
			(cases[i].mode == 0602 ? FILE_FAULT : FILE_READ));
		file_forget(&file);
		assert_int_equal(unlink(path), 0);
	}
}

static void
test_served(void **state)
{
	static const struct {
		const char *name, *path, *root;
		bool want;
	} cases[] = {
		{ "in the root", "www/users", "www", true },
		{ "deeper", "www/sub/users", "www", true },
		{ "a root with a slash behind", "www/users", "www/", true },
		{ "a path with dots", "www/sub/../users", "www", true },
		{ "a way out with dots", "www/../users", "www", false },
		{ "beside the root", "users", "www", false },
		{ "above the root", "users", "www/sub", false },
		{ "a folder whose name begins as the root", "www2/users", "www", false },
		{ "a folder that is the root", "www", "www", true },
		{ "one that is the root, as a link", "link", "www", true },
		{ "a hidden file", "www/.htusers", "www", false },
		{ "in a hidden folder", "www/.htpostern/users", "www", false },
		{ "hidden otherwise", "www/.users", "www", true },
		{ "the root is in a hidden folder", "www/.htpostern/users", "www/.htpostern",
		    true },
		{ "through a link", "link/users", "www", true },
		{ "a root that is a link", "www/users", "link", true },
		{ "no such file yet", "www/missing", "www", true },
		{ "a link in the root", "www/out", "www", true },
		{ "no such root", "www/users", "missing", false },
	};
	static const char *const folders[] = { "www", "www/sub", "www/.htpostern", "www2" };
	static const char *const files[] = { "users", "www/users", "www/sub/users", "www2/users",
		"www/.htusers", "www/.users", "www/.htpostern/users" };
	char path[UNIT_PATH_SIZE], root[UNIT_PATH_SIZE];

	for (size_t i = 0; i < COUNT(folders); i++) {
		unit_path(path, *state, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	for (size_t i = 0; i < COUNT(files); i++) {
		unit_path(path, *state, files[i]);
		unit_write(path, "");
	}
	unit_path(path, *state, "link");
	(void)!unlink(path);
	assert_int_equal(symlink("www", path), 0);
	unit_path(path, *state, "www/out");
	assert_int_equal(symlink("../users", path), 0);

	for (size_t i = 0; i < COUNT(cases); i++) {
		unit_path(path, *state, cases[i].path);
		unit_path(root, *state, cases[i].root);
		CHECK(cases[i].name, file_is_served(path, root) == cases[i].want);
	}
	unit_path(path, *state, "users");
	assert_false(file_is_served(path, ""));
	assert_false(file_is_served("", *state));
	assert_true(file_is_served(path, "/"));
}

static void
test_in(void **state)
{
	static const struct {
		const char *name, *path, *root;
		bool want;
	} cases[] = {
		{ "in it", "/srv/www/users", "/srv/www", true },
		{ "deeper", "/srv/www/a/b", "/srv/www", true },
		{ "the folder itself", "/srv/www", "/srv/www", true },
		{ "a root with a slash behind", "/srv/www/users", "/srv/www/", true },
		{ "a hidden file", "/srv/www/.htusers", "/srv/www", true },
		{ "in the root of all", "/srv", "/", true },
		{ "beside it", "/srv/users", "/srv/www", false },
		{ "a folder whose name begins as the root", "/srv/www2/a", "/srv/www", false },
		{ "no root", "/srv/www", "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(cases[i].name, file_is_in(cases[i].path, cases[i].root) == cases[i].want);
}

/* -- lines --------------------------------------------------------------------------------- */

#define BYTES(literal) literal, sizeof(literal) - 1

/* Each line that is taken: its number, an equals sign, its text, `!` if it has a NUL, and `|`. */
static void
test_lines(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t length;
		const char *want;
	} cases[] = {
		{ "no bytes", BYTES(""), "" },
		{ "a line", BYTES("abc\n"), "1=abc|" },
		{ "no newline at the end", BYTES("abc"), "1=abc|" },
		{ "no newline at the end of the last", BYTES("abc\nd"), "1=abc|2=d|" },
		{ "CR LF", BYTES("abc\r\nd\r\n"), "1=abc|2=d|" },
		{ "a CR at the end of the file", BYTES("abc\r"), "1=abc|" },
		{ "a CR inside", BYTES("a\rb\n"), "1=a\rb|" },
		{ "two of them before LF", BYTES("a\r\r\n"), "1=a\r|" },
		{ "only CR LF", BYTES("\r\n"), "" },
		{ "only a CR", BYTES("\r"), "" },
		{ "empty lines", BYTES("\n\nabc\n\nd\n\n"), "3=abc|5=d|" },
		{ "a comment", BYTES("# no\nabc\n#no\nd\n"), "2=abc|4=d|" },
		{ "a comment with no newline", BYTES("abc\n# no"), "1=abc|" },
		{ "a # inside", BYTES("a#b\n"), "1=a#b|" },
		{ "a space before a #", BYTES(" # a\n"), "1= # a|" },
		{ "spaces stay", BYTES(" a \n"), "1= a |" },
		{ "a line of spaces", BYTES("  \n"), "1=  |" },
		{ "a byte order mark", BYTES("\xef\xbb\xbfxyz\n"), "1=xyz|" },
		{ "only a byte order mark", BYTES("\xef\xbb\xbf"), "" },
		{ "a comment behind a byte order mark", BYTES("\xef\xbb\xbf#a\nb\n"), "2=b|" },
		{ "half a byte order mark", BYTES("\xef\xbbx\n"), "1=\xef\xbbx|" },
		{ "a byte order mark of a later line", BYTES("a\n\xef\xbb\xbfx\n"),
		    "1=a|2=\xef\xbb\xbfx|" },
		{ "a NUL inside", BYTES("a\0b\nc\n"), "1=a!|2=c|" },
		{ "a NUL first", BYTES("\0b\nc\n"), "1=!|2=c|" },
		{ "a NUL in a comment", BYTES("#a\0b\nc\n"), "1=#a!|2=c|" },
		{ "a NUL at the end of a line", BYTES("a\0\nc\n"), "1=a!|2=c|" },
		{ "a NUL at the end of the file", BYTES("a\n\0"), "1=a|2=!|" },
		{ "a NUL before CR LF", BYTES("a\0\r\n"), "1=a!|" },
	};
	char path[UNIT_PATH_SIZE];

	unit_path(path, *state, "lines");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct file file = { 0 };
		struct file_line line;
		struct text_why why;
		char found[256] = "";

		unit_write_bytes(path, cases[i].bytes, cases[i].length, 0600);
		assert_int_equal(file_read(&file, path, 100, FILE_SECRET, NOW, &why), FILE_READ);
		line = file_first_line(&file);
		while (file_next_line(&line)) {
			const size_t used = strlen(found);

			snprintf(found + used, sizeof(found) - used, "%zu=%s%s|", line.number,
			    line.text, line.has_nul ? "!" : "");
		}
		CHECK_TEXT(cases[i].name, found, cases[i].want);
		CHECK(cases[i].name, !file_next_line(&line));
		file_forget(&file);
	}
}

/* -- a folder for ourselves ---------------------------------------------------------------- */

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_cannot_read),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_served),
		cmocka_unit_test(test_in),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests_name("file", tests, unit_make_folder, unit_remove_folder);
}
