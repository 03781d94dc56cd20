/*
 * test_users: who is in the user file, what is wrong with its lines, and who is not in it.
 */
#include "auth/users.h"

#include "unit.h"

enum { LONG_AGO = 1000000, NOW = 2000000 };

#define TEN "0123456789"
#define HASH(salt) "$5$" salt "$ZLdkj8mkc2XVSrPVjskDAgZPGjtj1VGVaa1aUkrMTU/"
#define ADA "ada:" HASH("ada")
#define BOB "bob:" HASH("bob")

static const unsigned char key[SECRET_DIGEST_BYTES] = "any key";

/* Read these bytes as a user file. */
static void
read_bytes(struct users *users, const char *folder, const char *bytes, size_t length,
    struct unit_log *caught)
{
	const struct log log = unit_log(caught);
	char path[UNIT_PATH_SIZE];

	unit_path(path, folder, "users");
	unit_write_bytes(path, bytes, length, 0600);
	unit_date(path, LONG_AGO);
	assert_true(users_read(users, path, NOW, &log));
}

/*
 * The hash of `name`, or NULL. Whoever is not in the file gets a decoy of it, and only when
 * the file is empty none.
 */
static const char *
find(const struct users *users, const char *name)
{
	const char *hash = "unset";
	bool known = users_find(users, name, key, &hash);

	assert_true((hash == NULL) == (users->count == 0));
	assert_false(known && hash == NULL);
	return known ? hash : NULL;
}

static void
test_lines(void **state)
{
	static const struct {
		const char *name, *text, *user, *hash;
		const char *complaint; /* a part of it, or NULL where there must be none */
	} cases[] = {
		{ "a line", ADA "\n", "ada", HASH("ada"), NULL },
		{ "no line feed at the end", ADA, "ada", HASH("ada"), NULL },
		{ "lines of DOS", ADA "\r\n" BOB "\r\n", "bob", HASH("bob"), NULL },
		{ "a byte order mark", "\xef\xbb\xbf" ADA "\n", "ada", HASH("ada"), NULL },
		{ "several lines", BOB "\n" ADA "\n", "ada", HASH("ada"), NULL },
		{ "a comment", "# who may\n" ADA "\n#bob:x\n", "ada", HASH("ada"), NULL },
		{ "empty lines", "\n\n" ADA "\n\r\n\n", "ada", HASH("ada"), NULL },
		{ "what follows a second colon", ADA ":Ada:x\n", "ada", HASH("ada"), NULL },
		{ "a name in UTF-8", "Zo\xc3\xab:" HASH("z") "\n", "Zo\xc3\xab", HASH("z"), NULL },
		{ "names are told apart by case", "Ada:" HASH("A") "\n" ADA, "ada", HASH("ada"),
		    NULL },
		{ "a name that begins as another", "adam:" HASH("m") "\n" ADA, "ada", HASH("ada"),
		    NULL },
		{ "nobody", "", "ada", NULL, NULL },
		{ "only comments", "#\n#\n", "ada", NULL, NULL },
		{ "another name", BOB "\n", "ada", NULL, NULL },
		{ "the start of a name", ADA "\n", "ad", NULL, NULL },
		{ "a name and more", ADA "\n", "adam", NULL, NULL },
		{ "an empty name is nobody", ADA "\n", "", NULL, NULL },
		{ "a comment is nobody", "#" ADA "\n", "#ada", NULL, NULL },
		{ "a line of the file is no name", ADA "\n", ADA, NULL, NULL },

		{ "twice: the first counts", ADA "\nada:" HASH("x") "\n", "ada", HASH("ada"),
		    "line=2 user=\"ada\" reason=\"the name stands twice" },
		{ "twice, the first one bad", "ada:x\n" ADA "\n", "ada", HASH("ada"),
		    "line=1 user=\"ada\"" },
		{ "a bad line and a good one", "bob\n" ADA "\n", "ada", HASH("ada"), "line=1" },
		{ "no colon", ADA "\nbob\n", "bob", NULL,
		    "line=2 user=\"\" reason=\"the line is not name:hash\"" },
		{ "a colon in a comment of DOS", "#a\r\nbob\r\n", "bob", NULL, "not name:hash" },
		{ "no name", ":" HASH("x") "\n", "", NULL, "line=1 user=\"\" reason=\"the name" },
		{ "a space in the name", "a b:" HASH("x") "\n", "a b", NULL, "the name" },
		{ "a space before the name", " ada:" HASH("x") "\n", " ada", NULL, "the name" },
		{ "an indented comment", " # ada\n", "ada", NULL, "not name:hash" },
		{ "a name that is not UTF-8", "a\xff:" HASH("x") "\n", "a\xff", NULL, "the name" },
		{ "a name too long", TEN TEN TEN TEN TEN TEN "abcd:" HASH("x"),
		    TEN TEN TEN TEN TEN TEN "abcd", NULL, "longer than 63 bytes" },
		{ "a hash in plain text", "ada:secret\n", "ada", NULL,
		    "user=\"ada\" reason=\"the method" },
		{ "no hash", "ada:\n", "ada", NULL, "user=\"ada\" reason=\"the method" },
		{ "a hash with a space behind", ADA " \n", "ada", NULL, "damaged" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct users users = { 0 };
		struct unit_log caught;
		const char *hash;

		read_bytes(&users, *state, cases[i].text, strlen(cases[i].text), &caught);
		hash = find(&users, cases[i].user);
		CHECK(cases[i].name, (hash != NULL) == (cases[i].hash != NULL));
		if (hash != NULL)
			CHECK_TEXT(cases[i].name, hash, cases[i].hash);
		CHECK(cases[i].name, caught.lines == (cases[i].complaint != NULL));
		if (cases[i].complaint != NULL && strstr(caught.text, cases[i].complaint) == NULL)
			fail_msg("%s: %s", cases[i].name, caught.text);
		users_forget(&users);
		CHECK(cases[i].name, users.lines == NULL && users.count == 0);
	}
}

/* A NUL hides nothing: neither the rest of a line nor a second name. */
static void
test_nul(void **state)
{
	static const char text[] = "ada:" HASH("x") "\0\nbob\0:" HASH("x") "\n" BOB "\n";
	struct users users = { 0 };
	struct unit_log caught;

	read_bytes(&users, *state, text, sizeof(text) - 1, &caught);
	assert_null(find(&users, "ada"));
	assert_string_equal(find(&users, "bob"), HASH("bob"));
	assert_int_equal(caught.lines, 2);
	assert_non_null(strstr(caught.text, "line=1 user=\"\" reason=\"the line has a NUL byte\""));
	assert_non_null(strstr(caught.text, "line=2 user=\"\" reason=\"the line has a NUL byte\""));
	users_forget(&users);
}

/* Never a hash, nor what may be a password, in the log. */
static void
test_log_tells_no_secret(void **state)
{
	static const char text[] = "ada:hunter2\nhunter2\nbob:$1$hunter2$x\na b:hunter2\n";
	struct users users = { 0 };
	struct unit_log caught;

	read_bytes(&users, *state, text, sizeof(text) - 1, &caught);
	assert_int_equal(caught.lines, 4);
	assert_null(strstr(caught.text, "hunter2"));
	users_forget(&users);
}

/* A file of bad lines does not fill the log. */
static void
test_many_complaints(void **state)
{
	static const struct {
		const char *name;
		size_t bad, lines;
		const char *last;
	} cases[] = {
		{ "ten", 10, 10, "line=10" },
		{ "a hundred", 100, 100, "line=1 " },
		{ "one more", 101, 101, "line=1 " },
		{ "far more", 200, 101, "line=1 " },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct users users = { 0 };
		struct unit_log caught;
		char text[1024] = "";

		for (size_t line = 0; line < cases[i].bad; line++)
			strcat(text, "bad\n");
		strcat(text, ADA);
		read_bytes(&users, *state, text, strlen(text), &caught);
		CHECK(cases[i].name, caught.lines == cases[i].lines);
		CHECK(cases[i].name, strstr(caught.text, cases[i].last) != NULL);
		CHECK(cases[i].name, find(&users, "ada") != NULL);
		users_forget(&users);
	}
}

/* Each of many, in whatever order they stand, and nobody between them. */
static void
test_many(void **state)
{
	enum { MANY = 100 };
	struct users users = { 0 };
	struct unit_log caught;
	char text[MANY * 80] = "", name[16], hash[80];

	for (int i = 0; i < MANY; i++)
		sprintf(text + strlen(text), "u%d:" HASH("%d") "\n", 2 * (i * 37 % MANY),
		    2 * (i * 37 % MANY));
	read_bytes(&users, *state, text, strlen(text), &caught);
	assert_int_equal(users.count, MANY);
	for (int i = 0; i < 2 * MANY; i++) {
		const char *found;

		snprintf(name, sizeof(name), "u%d", i);
		snprintf(hash, sizeof(hash), HASH("%d"), i);
		found = find(&users, name);
		CHECK(name, (found != NULL) == (i % 2 == 0));
		CHECK(name, found == NULL || strcmp(found, hash) == 0);
	}
	users_forget(&users);
}

/* An unknown name gets the hash of a user: always the same one, another for another name. */
static void
test_decoy(void **state)
{
	static const char text[] = "a:" HASH("a") "\nb:" HASH("b") "\nc:" HASH("c") "\n";
	static const unsigned char other_key[SECRET_DIGEST_BYTES] = "another key";
	int seen[3] = { 0 }, moved = 0;
	struct users users = { 0 };
	struct unit_log caught;

	read_bytes(&users, *state, text, sizeof(text) - 1, &caught);
	for (int i = 0; i < 100; i++) {
		char name[16];
		const char *hash, *again, *other;

		snprintf(name, sizeof(name), "nobody%d", i);
		assert_false(users_find(&users, name, key, &hash));
		assert_false(users_find(&users, name, key, &again));
		assert_false(users_find(&users, name, other_key, &other));
		assert_ptr_equal(hash, again);
		assert_in_range(hash[3], 'a', 'c');
		seen[hash[3] - 'a']++;
		moved += hash != other;
	}
	assert_true(seen[0] > 10 && seen[1] > 10 && seen[2] > 10);
	assert_true(moved > 10);
	users_forget(&users);
}

/* The file is read anew when it changed, and nobody is left when it cannot be read. */
static void
test_reread(void **state)
{
	static const struct {
		const char *name, *text;
		time_t changed;
		mode_t mode;
		bool want;
		const char *ada, *complaint;
	} steps[] = {
		{ "first", ADA "\n", LONG_AGO, 0600, true, HASH("ada"), NULL },
		{ "a new password", "ada:" HASH("new") "\n", LONG_AGO + 1, 0600, true, HASH("new"),
		    NULL },
		{ "unchanged, as far as we see", "ada:" HASH("old") "\n", LONG_AGO + 1, 0600, true,
		    HASH("new"), NULL },
		{ "removed", BOB "\n", LONG_AGO + 2, 0600, true, NULL, NULL },
		{ "back again", BOB "\n" ADA "\n", LONG_AGO + 3, 0600, true, HASH("ada"), NULL },
		{ "open to others", BOB "\n" ADA "\n", LONG_AGO + 3, 0644, false, NULL,
		    "is open to others" },
		{ "mended", BOB "\n" ADA "\n", LONG_AGO + 3, 0600, true, HASH("ada"), NULL },
		{ "deleted", NULL, 0, 0, false, NULL, "No such file" },
		{ "made anew", ADA "\n", LONG_AGO + 3, 0600, true, HASH("ada"), NULL },
	};
	struct users users = { 0 };
	char path[UNIT_PATH_SIZE];

	unit_path(path, *state, "reread");
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct unit_log caught;
		const struct log log = unit_log(&caught);
		const char *hash;

		if (steps[i].text == NULL) {
			assert_int_equal(unlink(path), 0);
		} else {
			unit_write_bytes(path, steps[i].text, strlen(steps[i].text), steps[i].mode);
			unit_date(path, steps[i].changed);
		}
		CHECK(steps[i].name, users_read(&users, path, NOW, &log) == steps[i].want);
		hash = find(&users, "ada");
		CHECK(steps[i].name, (hash != NULL) == (steps[i].ada != NULL));
		CHECK(steps[i].name, hash == NULL || strcmp(hash, steps[i].ada) == 0);
		CHECK(steps[i].name, caught.lines == (steps[i].complaint != NULL));
		if (steps[i].complaint != NULL) {
			CHECK(steps[i].name, strstr(caught.text, steps[i].complaint) != NULL);
			CHECK(steps[i].name, strstr(caught.text, "POSTERN_USERS") != NULL);
		}
	}
	users_forget(&users);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_log_tells_no_secret),
		cmocka_unit_test(test_many_complaints),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_decoy),
		cmocka_unit_test(test_reread),
	};

	return cmocka_run_group_tests_name("users", tests, unit_make_folder, unit_remove_folder);
}
