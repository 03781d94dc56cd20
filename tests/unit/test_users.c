/*
 * test_users: who is in the user file, what is wrong with its lines, and who is not in it.
 *
 * No hash comes out of users: which line counts is seen by its pwv, or by a password.
 */
#include "auth/users.h"

#include "mint.h"
#include "unit.h"

enum { LONG_AGO = 1000000, NOW = 2000000 };

#define TEN "0123456789"
#define HASH(salt) "$5$" salt "$ZLdkj8mkc2XVSrPVjskDAgZPGjtj1VGVaa1aUkrMTU/"
#define ADA "ada:" HASH("ada")
#define BOB "bob:" HASH("bob")

/* Of "password", "another" and "third". */
#define OF_PASSWORD "$5$rounds=1000$abcdefgh$GEazsRB0Tipk2UJZtYJM/eHHRMtwea4Vnto3YxMbrG0"
#define OF_ANOTHER "$5$rounds=1000$abcdefgh$yGxPie0TwNUXcUNj4xcAwIFnodzKsGvcs8dleCpslaA"
#define OF_THIRD "$5$rounds=1000$abcdefgh$UJSt73.AfswfY8/rUmvua813dhjB79XYvjyAW1XsAVA"

/* The settings of a site whose user file this is. */
static struct config
config_of(const char *folder, const char *file)
{
	struct config config = { .secret = MINT_SECRET };

	unit_path(config.users, folder, file);
	return config;
}

/* Read these bytes as a user file. */
static void
read_bytes(struct users *users, const char *folder, const char *bytes, size_t length,
    struct unit_log *caught)
{
	const struct config config = config_of(folder, "users");
	const struct log log = unit_log(caught);

	unit_write_bytes(config.users, bytes, length, 0600);
	unit_date(config.users, LONG_AGO);
	assert_true(users_read(users, &config, NOW, &log));
}

static struct account
find(const struct users *users, const char *name)
{
	static const struct config config = { .secret = MINT_SECRET };
	struct account account;

	users_find(&account, users, name, &config);
	/* An unknown one stands for a user's, and only when the file is empty for none. */
	assert_true((account.line == NULL) == (users->count == 0));
	assert_int_equal(account.pwv_count, users->count == 0 ? 0 : 1);
	assert_true((account.user[0] == '\0') == (users->count == 0));
	assert_true(account.known == (users->count > 0 && strcmp(account.user, name) == 0));
	return account;
}

/* Is this user's hash the one that the file has? */
static bool
has_hash(const char *folder, const struct account *account, const char *name, const char *hash)
{
	const struct config config = config_of(folder, "one");
	struct users one = { 0 };
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	struct account alone;
	char line[512];

	snprintf(line, sizeof(line), "%s:%s", name, hash);
	unit_write(config.users, line);
	assert_true(users_read(&one, &config, NOW, &log));
	alone = find(&one, name);
	users_forget(&one);
	return account->known && alone.known && users_has_pwv(account, alone.pwv[0]);
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
		struct account account;

		read_bytes(&users, *state, cases[i].text, strlen(cases[i].text), &caught);
		account = find(&users, cases[i].user);
		CHECK(cases[i].name, account.known == (cases[i].hash != NULL));
		if (account.known)
			CHECK(cases[i].name,
			    has_hash(*state, &account, cases[i].user, cases[i].hash));
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
	struct account bob;

	read_bytes(&users, *state, text, sizeof(text) - 1, &caught);
	assert_false(find(&users, "ada").known);
	bob = find(&users, "bob");
	assert_true(has_hash(*state, &bob, "bob", HASH("bob")));
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
		CHECK(cases[i].name, find(&users, "ada").known);
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
		struct account found;

		snprintf(name, sizeof(name), "u%d", i);
		snprintf(hash, sizeof(hash), HASH("%d"), i);
		found = find(&users, name);
		CHECK(name, found.known == (i % 2 == 0));
		CHECK(name, !found.known || has_hash(*state, &found, name, hash));
	}
	users_forget(&users);
}

/* An unknown name stands for a user: always the same one, another for another name or secret. */
static void
test_decoy(void **state)
{
	static const char text[] = "a:" HASH("a") "\nb:" HASH("b") "\nc:" HASH("c") "\n";
	static const struct config other_secret = { .secret = MINT_STRANGER };
	int seen[3] = { 0 }, moved = 0;
	struct users users = { 0 };
	struct unit_log caught;

	read_bytes(&users, *state, text, sizeof(text) - 1, &caught);
	for (int i = 0; i < 100; i++) {
		struct account account, again, other;
		char name[16];

		snprintf(name, sizeof(name), "nobody%d", i);
		account = find(&users, name);
		again = find(&users, name);
		users_find(&other, &users, name, &other_secret);
		assert_false(account.known || again.known || other.known);
		assert_ptr_equal(account.line, again.line);
		assert_string_equal(account.user, again.user);
		assert_string_equal(account.pwv[0], again.pwv[0]);
		assert_in_range(account.user[0], 'a', 'c');
		seen[account.user[0] - 'a']++;
		moved += account.line != other.line;
	}
	assert_true(seen[0] > 10 && seen[1] > 10 && seen[2] > 10);
	assert_true(moved > 10);
	users_forget(&users);
}

static void
test_passwords(void **state)
{
	static const char text[] = "ada:" OF_PASSWORD "\nbob:" OF_ANOTHER "\nada:" OF_THIRD "\n";
	static const struct {
		const char *name, *user, *password;
		enum password want;
	} rows[] = {
		{ "hers", "ada", "password", PASSWORD_RIGHT },
		{ "his", "bob", "another", PASSWORD_RIGHT },
		{ "another user's", "ada", "another", PASSWORD_WRONG },
		{ "of a second line", "ada", "third", PASSWORD_WRONG },
		{ "none", "ada", "", PASSWORD_WRONG },
		{ "of nobody", "eve", "x", PASSWORD_WRONG },
		{ "of nobody, a user's", "eve", "password", PASSWORD_WRONG },
		{ "of nobody, the other user's", "eve", "another", PASSWORD_WRONG },
	};
	char longer[PASSWORD_SIZE + 1];
	struct users users = { 0 };
	struct unit_log caught;
	struct account account;

	read_bytes(&users, *state, text, sizeof(text) - 1, &caught);
	for (size_t i = 0; i < COUNT(rows); i++) {
		account = find(&users, rows[i].user);
		CHECK(rows[i].name, users_check(&account, rows[i].password) == rows[i].want);
	}
	/* A fault is one for every name: this is more than crypt(3) takes. */
	memset(longer, 'a', PASSWORD_SIZE);
	longer[PASSWORD_SIZE] = '\0';
	account = find(&users, "ada");
	assert_int_equal(users_check(&account, longer), PASSWORD_FAULT);
	account = find(&users, "eve");
	assert_int_equal(users_check(&account, longer), PASSWORD_FAULT);
	read_bytes(&users, *state, "", 0, &caught);
	account = find(&users, "ada");
	assert_int_equal(users_check(&account, "password"), PASSWORD_WRONG);
	users_forget(&users);
}

/* The pwv of a line is the same until the line or the secret changes. */
static void
test_pwv(void **state)
{
	static const struct {
		const char *name, *user, *line, *secret, *previous;
		size_t count;
		bool want;
	} rows[] = {
		{ "the same", "ada", "ada:" OF_PASSWORD ":x", MINT_SECRET, "", 1, true },
		{ "the secret was changed", "ada", "ada:" OF_PASSWORD, MINT_STRANGER, MINT_SECRET,
		    2, true },
		{ "there is an older secret", "ada", "ada:" OF_PASSWORD, MINT_SECRET, MINT_PREVIOUS,
		    2, true },
		{ "another secret", "ada", "ada:" OF_PASSWORD, MINT_STRANGER, "", 1, false },
		{ "two other secrets", "ada", "ada:" OF_PASSWORD, MINT_STRANGER, MINT_PREVIOUS, 2,
		    false },
		{ "another password", "ada", "ada:" OF_ANOTHER, MINT_SECRET, MINT_PREVIOUS, 2,
		    false },
		{ "another user of that hash", "bob", "bob:" OF_PASSWORD, MINT_SECRET, "", 1,
		    false },
		{ "no user", "ada", "", MINT_SECRET, MINT_PREVIOUS, 0, false },
	};
	struct users users = { 0 };
	struct unit_log caught;
	struct account before;

	read_bytes(&users, *state, "ada:" OF_PASSWORD, strlen("ada:" OF_PASSWORD), &caught);
	before = find(&users, "ada");
	assert_true(users_has_pwv(&before, before.pwv[0]));
	assert_false(users_has_pwv(&before, "0000000000000000"));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config config = { 0 };
		struct account account;

		snprintf(config.secret, sizeof(config.secret), "%s", rows[i].secret);
		snprintf(config.secret_previous, sizeof(config.secret_previous), "%s",
		    rows[i].previous);
		users_forget(&users);
		read_bytes(&users, *state, rows[i].line, strlen(rows[i].line), &caught);
		users_find(&account, &users, rows[i].user, &config);
		CHECK(rows[i].name, account.known == (rows[i].line[0] != '\0'));
		CHECK(rows[i].name, account.pwv_count == rows[i].count);
		CHECK(rows[i].name, users_has_pwv(&account, before.pwv[0]) == rows[i].want);
	}
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
	const struct config config = config_of(*state, "reread");
	struct users users = { 0 };

	for (size_t i = 0; i < COUNT(steps); i++) {
		struct unit_log caught;
		const struct log log = unit_log(&caught);
		struct account ada;

		if (steps[i].text == NULL) {
			assert_int_equal(unlink(config.users), 0);
		} else {
			unit_write_bytes(config.users, steps[i].text, strlen(steps[i].text),
			    steps[i].mode);
			unit_date(config.users, steps[i].changed);
		}
		CHECK(steps[i].name, users_read(&users, &config, NOW, &log) == steps[i].want);
		ada = find(&users, "ada");
		CHECK(steps[i].name, ada.known == (steps[i].ada != NULL));
		CHECK(steps[i].name, !ada.known || has_hash(*state, &ada, "ada", steps[i].ada));
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
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_pwv),
		cmocka_unit_test(test_reread),
	};

	return cmocka_run_group_tests_name("users", tests, unit_make_folder, unit_remove_folder);
}
