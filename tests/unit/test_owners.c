/*
 * test_owners: a file or a folder is trusted by its owner, too. Only root can give one away.
 */
#include <sys/types.h>

#include "base/file.h"
#include "unit.h"

enum { NOBODY = 65534 };

struct row {
	const char *name;
	uid_t owner;
	mode_t mode;
	uid_t reader;
	const char *why; /* it is not trusted; NULL: it is */
};

static void
check_trust(const char *folder, const struct row *row, enum file_trust trust)
{
	char path[UNIT_PATH_SIZE];
	struct text_why why;
	bool trusted;

	assert_int_equal(chmod(folder, 0755), 0);
	unit_path(path, folder, "file");
	unit_write(path, "abc");
	assert_int_equal(chown(path, row->owner, NOBODY), 0);
	assert_int_equal(chmod(path, row->mode), 0);
	assert_true(setegid(NOBODY) == 0 && seteuid(row->reader) == 0);
	trusted = file_is_trusted(path, trust, &why);
	assert_true(seteuid(0) == 0 && setegid(0) == 0);
	CHECK(row->name, trusted == (row->why == NULL));
	CHECK(row->name, trusted ? why.text[0] == '\0' : strstr(why.text, row->why) != NULL);
}

/* Whose file it is, and who reads it: only root can try. */
static void
test_owners(void **state)
{
	static const struct row cases[] = {
		{ "root's, read by root", 0, 0600, 0, NULL },
		{ "root's, for a group", 0, 0640, 0, NULL },
		{ "root's, for a group, read by a member", 0, 0640, NOBODY, NULL },
		{ "root's alone", 0, 0600, NOBODY, "Permission denied" },
		{ "the reader's own", NOBODY, 0600, NOBODY, NULL },
		{ "the reader's own, for a group", NOBODY, 0640, NOBODY, "read by its group" },
		{ "another user's", NOBODY, 0600, 0, "belongs to another user" },
		{ "another user's, for a group", NOBODY, 0640, 0, "belongs to another user" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		check_trust(*state, &cases[i], FILE_SECRET);
}

/* Who could change it. */
static void
test_ours(void **state)
{
	static const struct row cases[] = {
		{ "root's, read by root", 0, 0644, 0, NULL },
		{ "root's, read by all", 0, 0644, NOBODY, NULL },
		{ "the reader's own", NOBODY, 0644, NOBODY, NULL },
		{ "another user's", NOBODY, 0644, 0, "belongs to another user" },
		{ "its group may write it", 0, 0664, NOBODY, "chmod g-w" },
		{ "others may write it", 0, 0646, NOBODY, "chmod o-w" },
		{ "root's alone", 0, 0600, NOBODY, "Permission denied" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		check_trust(*state, &cases[i], FILE_OURS);
}

static void
test_private_folder(void **state)
{
	static const struct {
		const char *name, *path;
		mode_t mode;
		uid_t owner;
		const char *why; /* empty where it may be used */
	} cases[] = {
		{ "ours alone", "own", 0700, 0, "" },
		{ "seen by others", "own", 0701, 0, "is open to others: chmod 700" },
		{ "read by a group", "own", 0750, 0, "is open to others: chmod 700" },
		{ "somebody else's", "own", 0700, 65534, "belongs to another user" },
		{ "not there", "missing", 0, 0, "No such file or directory" },
		{ "a file", "file", 0600, 0, "is not a folder" },
	};
	char path[UNIT_PATH_SIZE];
	struct text_why why;

	assert_int_equal(geteuid(), 0); /* this test changes owners: run it as root */
	unit_path(path, *state, "own");
	assert_int_equal(mkdir(path, 0700), 0);
	unit_path(path, *state, "file");
	unit_write(path, "");
	for (size_t i = 0; i < COUNT(cases); i++) {
		unit_path(path, *state, cases[i].path);
		if (cases[i].mode != 0)
			assert_true(chmod(path, cases[i].mode) == 0 &&
			    chown(path, cases[i].owner, (gid_t)-1) == 0);
		CHECK(cases[i].name,
		    file_is_private_folder(path, &why) == (cases[i].why[0] == '\0'));
		CHECK(cases[i].name, strncmp(why.text, cases[i].why, strlen(cases[i].why)) == 0);
	}
	/* /proc is of no disk, but it is of this machine. */
	assert_false(file_is_private_folder("/proc", &why));
	assert_non_null(strstr(why.text, "open to others"));
}

static int
setup(void **state)
{
	if (geteuid() != 0)
		fputs("test_owners changes owners: run it as root\n", stderr);
	return unit_make_folder(state) == 0 && geteuid() == 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_ours),
		cmocka_unit_test(test_private_folder),
	};

	return cmocka_run_group_tests_name("owners", tests, setup, unit_remove_folder);
}
