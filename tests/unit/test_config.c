/*
 * test_config: where the settings come from, and what is wrong with them.
 */
#include "base/config.h"

#include <errno.h>
#include <sys/sendfile.h>

#include "child.h"

enum { NOW = 2000000000 };

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"
#define TEN "0123456789"

/* The environment of each row: nothing of Postern's but a good secret and user file. */
static void
clean_environment(const char *folder)
{
	static const char *const names[] = { "SECRET", "SECRET_PREVIOUS", "USERS", "TOKEN_TTL",
		"SESSION_TTL", "ISSUER", "ORIGIN", "COOKIE", "LOGIN", "LOGOUT", "HOME", "PAGES",
		"TITLE", "STATE_FOLDER", "STATE_GRACE", "SESSIONS", "GATE", "REQUIRE",
		"ENVIRONMENT" };
	char path[UNIT_PATH_SIZE], name[64];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(name, sizeof(name), "POSTERN_%s", names[i]);
		unsetenv(name);
	}
	unit_path(path, folder, "users");
	setenv("POSTERN_USERS", path, 1);
	setenv("POSTERN_STATE", "none", 1);
	setenv("POSTERN_SECRET", SECRET, 1);
	unit_path(path, folder, "empty.env");
	setenv("POSTERN_ENV", path, 1);
}

static int
make_files(void **state)
{
	char path[UNIT_PATH_SIZE];

	if (unit_make_folder(state) != 0)
		return -1;
	unit_path(path, *state, "users");
	unit_write(path, "");
	unit_path(path, *state, "empty.env");
	unit_write(path, "");
	return 0;
}

/* Load, and compare what is wrong: a part of `want`, or NULL where nothing must be. */
static bool
load(const char *row, struct config *config, const char *want)
{
	static const struct config wiped;
	struct text_why why = { "unset" };
	bool right = config_load(config, NOW, &why);

	if (want == NULL && !right)
		fail_msg("%s: %s", row, why.text);
	if (want == NULL) {
		CHECK_TEXT(row, why.text, "");
		return true;
	}
	CHECK(row, !right);
	if (strstr(why.text, want) == NULL)
		fail_msg("%s: \"%s\" without \"%s\"", row, why.text, want);
	CHECK(row, memcmp(config, &wiped, sizeof(*config)) == 0);
	return false;
}

static void
test_fallbacks(void **state)
{
	struct config config;
	char path[UNIT_PATH_SIZE];

	clean_environment(*state);
	load("fallbacks", &config, NULL);
	assert_string_equal(config.secret, SECRET);
	assert_string_equal(config.secret_previous, "");
	unit_path(path, *state, "users");
	assert_string_equal(config.users, path);
	unit_path(path, *state, "empty.env");
	assert_string_equal(config.env, path);
	assert_int_equal(config.token_ttl, 300);
	assert_int_equal(config.session_ttl, 28800);
	assert_int_equal(config.state_grace, 0);
	assert_int_equal(config.sessions, 100);
	assert_string_equal(config.issuer, "postern");
	assert_string_equal(config.origin, "");
	assert_string_equal(config.cookie, "token");
	assert_string_equal(config.login, "/login");
	assert_string_equal(config.logout, "/logout");
	assert_string_equal(config.home, "/welcome");
	assert_string_equal(config.pages, "");
	assert_string_equal(config.title, "Sign in");
	assert_false(config.secure);
}

/* One setting at a time. */
static void
test_values(void **state)
{
	static const struct {
		const char *name, *setting, *value, *why;
	} cases[] = {
		{ "a secret of 32 bytes", "SECRET", SECRET, NULL },
		{ "a secret of 31 bytes", "SECRET", "0123456789abcdef0123456789abcde",
		    "is shorter than 32 bytes" },
		{ "no secret", "SECRET", NULL, "POSTERN_SECRET is missing" },
		{ "an empty secret", "SECRET", "", "POSTERN_SECRET is missing" },
		{ "a secret of 512 bytes", "SECRET",
		    SECRET SECRET SECRET SECRET SECRET SECRET SECRET SECRET SECRET SECRET SECRET
			SECRET SECRET SECRET SECRET SECRET,
		    NULL },
		{ "a secret of 513 bytes", "SECRET",
		    SECRET SECRET SECRET SECRET SECRET SECRET SECRET SECRET SECRET SECRET SECRET
			SECRET SECRET SECRET SECRET SECRET "x",
		    "is too long" },
		{ "a PEM", "SECRET", "-----BEGIN PUBLIC KEY----- MIIBIjANBgkq", "is a PEM" },
		{ "an example", "SECRET", "the-ExAmPle-of-the-manual-9876543210", "placeholder" },
		{ "to be changed", "SECRET", "0123456789-please-CHANGEme-0123456789",
		    "placeholder" },
		{ "a password", "SECRET", "passwordpasswordpasswordpassword", "placeholder" },
		{ "called a secret", "SECRET", "abcdefghijklmnopqrstuvwxyz-secret", "placeholder" },
		{ "called a placeholder", "SECRET", "0123456789abcdefghij-placeholder",
		    "placeholder" },
		{ "to be replaced", "SECRET", "replace-0123456789abcdefghijklmno", "placeholder" },
		{ "seven different bytes", "SECRET", "abcdefgabcdefgabcdefgabcdefgabcdefg",
		    "placeholder" },
		{ "eight different bytes", "SECRET", "abcdefghabcdefghabcdefghabcdefgh", NULL },
		{ "bytes above ASCII", "SECRET", "\xff\xfe" SECRET, NULL },
		{ "a previous secret", "SECRET_PREVIOUS", OTHER, NULL },
		{ "a previous secret too short", "SECRET_PREVIOUS", "0123456789",
		    "POSTERN_SECRET_PREVIOUS is shorter" },

		{ "no user file", "USERS", NULL, "POSTERN_USERS is missing" },
		{ "a relative user file", "USERS", "users", "is not an absolute path" },
		{ "a user file that is not there", "USERS", "/nonexistent/users",
		    "POSTERN_USERS: /nonexistent/users: No such file" },
		{ "a folder as user file", "USERS", "/", "is not a regular file" },

		{ "no word of a state", "STATE", NULL, "POSTERN_STATE is missing" },
		{ "no state", "STATE", "none", NULL },
		{ "a folder that is not there", "STATE", "/nonexistent/state",
		    "POSTERN_STATE: /nonexistent/state: No such file" },
		{ "a folder that others may enter", "STATE", "/tmp", "POSTERN_STATE: /tmp: " },
		{ "an address of Redis", "STATE", "redis://ada:word@127.0.0.1:6379/0", NULL },
		{ "a socket of Redis", "STATE", "unix:/nonexistent/socket", NULL },

		{ "one session", "SESSIONS", "1", NULL },
		{ "the most sessions", "SESSIONS", "1000", NULL },
		{ "more sessions", "SESSIONS", "1001",
		    "POSTERN_SESSIONS is not a number from 1 to 1000" },
		{ "no session", "SESSIONS", "0", "is not a number from 1 to 1000" },
		{ "sessions in words", "SESSIONS", "ten", "is not a number from 1 to 1000" },

		{ "no grace", "STATE_GRACE", "0", NULL },
		{ "a second of grace", "STATE_GRACE", "1", NULL },
		{ "the most grace", "STATE_GRACE", "99999999", NULL },
		{ "more grace", "STATE_GRACE", "100000000",
		    "POSTERN_STATE_GRACE is not a number of seconds from 0" },
		{ "negative grace", "STATE_GRACE", "-1", "from 0 to" },

		{ "a second", "TOKEN_TTL", "1", NULL },
		{ "the most seconds", "TOKEN_TTL", "99999999", NULL },
		{ "too many seconds", "TOKEN_TTL", "100000000", "not a number of seconds" },
		{ "no second", "TOKEN_TTL", "0", "POSTERN_TOKEN_TTL is not a number of seconds" },
		{ "no second in two digits", "SESSION_TTL", "00",
		    "POSTERN_SESSION_TTL is not a number" },
		{ "negative seconds", "TOKEN_TTL", "-1", "not a number of seconds" },
		{ "seconds with a sign", "TOKEN_TTL", "+1", "not a number of seconds" },
		{ "seconds with a space", "TOKEN_TTL", " 1", "space before or after" },
		{ "seconds with a unit", "TOKEN_TTL", "300s", "not a number of seconds" },
		{ "seconds in words", "TOKEN_TTL", "five", "not a number of seconds" },

		{ "an issuer", "ISSUER", "https://example.org", NULL },
		{ "an issuer with a space", "ISSUER", "my site", "no URI has" },
		{ "an issuer above ASCII", "ISSUER", "Zo\xc3\xab", "no URI has" },
		{ "the longest issuer", "ISSUER",
		    TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "0123456", NULL },
		{ "an issuer too long", "ISSUER",
		    TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "01234567", "is too long" },

		{ "an origin", "ORIGIN", "https://example.org", NULL },
		{ "an origin with a port", "ORIGIN", "http://example.org:8080", NULL },
		{ "an origin of IPv6", "ORIGIN", "http://[::1]:8080", NULL },
		{ "an origin in capitals", "ORIGIN", "HTTPS://Example.org", NULL },
		{ "an origin without a scheme", "ORIGIN", "example.org", "is not an origin" },
		{ "an origin of another scheme", "ORIGIN", "ftp://example.org",
		    "is not an origin" },
		{ "an origin of a longer scheme", "ORIGIN", "httpx://example.org",
		    "is not an origin" },
		{ "an origin without a host", "ORIGIN", "https://", "is not an origin" },
		{ "an origin with a slash behind", "ORIGIN", "https://example.org/",
		    "is not an origin" },
		{ "an origin with a user", "ORIGIN", "https://a@example.org", "is not an origin" },
		{ "an origin with a space", "ORIGIN", "https://example.org ",
		    "space before or after" },

		{ "a cookie's name", "COOKIE", "session_1.x~", NULL },
		{ "a cookie's name with a space", "COOKIE", "my token", "is not a cookie name" },
		{ "a cookie's name with a semicolon", "COOKIE", "a;b", "is not a cookie name" },
		{ "a cookie's name with an equals sign", "COOKIE", "a=b", "is not a cookie name" },

		{ "a place to sign in", "LOGIN", "/cgi-bin/login.fcgi", NULL },
		{ "the root", "HOME", "/", NULL },
		{ "a place on another host", "HOME", "//example.org/",
		    "POSTERN_HOME is not a path" },
		{ "an address", "LOGIN", "https://example.org/login", "is not a path" },
		{ "a relative place", "LOGIN", "login", "is not a path" },
		{ "a place with a query", "HOME", "/a?b=c", "is not a path" },
		{ "a place with a backslash", "HOME", "/\\example.org", "backslash" },
		{ "a place with a space", "LOGOUT", "/a b", "is not a path" },
		{ "a place with a line feed", "LOGOUT", "/a\nb", "is not a path" },

		{ "pages", "PAGES", "/etc/postern/pages", NULL },
		{ "relative pages", "PAGES", "pages", "is not an absolute path" },
		{ "a title", "TITLE", "Zo\xc3\xab's <b>site</b>", NULL },
		{ "a title that is not UTF-8", "TITLE", "Zo\xeb", "is not UTF-8" },

		{ "an unknown setting", "STATE_FOLDER", "/x", "POSTERN_STATE_FOLDER is not a" },
		{ "a parameter of a request", "GATE", "401", NULL },
		{ "another parameter of a request", "REQUIRE", "user ada", NULL },
		{ "what begins as a name we know", "ENVIRONMENT", "x",
		    "POSTERN_ENVIRONMENT is not a setting" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char name[64];
		struct config config;

		clean_environment(*state);
		snprintf(name, sizeof(name), "POSTERN_%s", cases[i].setting);
		if (cases[i].value != NULL)
			setenv(name, cases[i].value, 1);
		else
			unsetenv(name);
		load(cases[i].name, &config, cases[i].why);
	}
	clean_environment(*state);
}

static void
test_sessions(void **state)
{
	struct config config;

	clean_environment(*state);
	setenv("POSTERN_SESSIONS", "7", 1);
	load("seven sessions", &config, NULL);
	assert_int_equal(config.sessions, 7);
	setenv("POSTERN_SESSIONS", "", 1);
	load("an empty number", &config, NULL);
	assert_int_equal(config.sessions, 100);
}

/* Which cookie there is, and whether it is for HTTPS alone. */
static void
test_cookie(void **state)
{
	static const struct {
		const char *name, *origin, *cookie, *want;
		bool secure;
	} cases[] = {
		{ "neither", "", "", "token", false },
		{ "an origin of HTTP", "http://example.org", "", "token", false },
		{ "an origin of HTTPS", "https://example.org", "", "__Host-token", true },
		{ "in capitals", "HTTPS://EXAMPLE.ORG", "", "__Host-token", true },
		{ "a name of its own", "", "mine", "mine", false },
		{ "a name of its own with HTTPS", "https://example.org", "mine", "mine", true },
		{ "a name for HTTPS alone", "", "__Secure-mine", "__Secure-mine", true },
		{ "an underscore", "", "_mine", "_mine", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config config;

		clean_environment(*state);
		setenv("POSTERN_ORIGIN", cases[i].origin, 1);
		setenv("POSTERN_COOKIE", cases[i].cookie, 1);
		load(cases[i].name, &config, NULL);
		CHECK_TEXT(cases[i].name, config.cookie, cases[i].want);
		CHECK(cases[i].name, config.secure == cases[i].secure);
	}
}

/* The lines of the environment file. */
static void
test_env_file(void **state)
{
	static const struct {
		const char *name, *text;
		size_t length; /* 0: all of it */
		const char *issuer, *why;
	} cases[] = {
		{ "a setting", "POSTERN_ISSUER=mine\n", 0, "mine", NULL },
		{ "no line feed at the end", "POSTERN_ISSUER=mine", 0, "mine", NULL },
		{ "lines of DOS", "# mine\r\n\r\nPOSTERN_ISSUER=mine\r\n", 0, "mine", NULL },
		{ "a byte order mark", "\xef\xbb\xbfPOSTERN_ISSUER=mine\n", 0, "mine", NULL },
		{ "comments and empty lines", "# a\n\n#POSTERN_ISSUER=no\nPOSTERN_ISSUER=mine\n", 0,
		    "mine", NULL },
		{ "an equals sign inside", "POSTERN_ISSUER=a=b\n", 0, "a=b", NULL },
		{ "a number sign inside", "POSTERN_ISSUER=a#b\n", 0, "a#b", NULL },
		{ "a quote inside", "POSTERN_ISSUER=a'b'\n", 0, "a'b'", NULL },
		{ "settings of others", "PATH=/bin\nLANG=\"C\"\n", 0, "postern", NULL },
		{ "an empty value is none", "POSTERN_ISSUER=\n", 0, "postern", NULL },
		{ "an empty file", "", 0, "postern", NULL },

		{ "a line that is none", "POSTERN_ISSUER=mine\nhello\n", 0, NULL,
		    ", line 2: is neither KEY=value nor a # comment" },
		{ "a name alone", "POSTERN_ISSUER\n", 0, NULL,
		    ", line 1: POSTERN_ISSUER is neither" },
		{ "an unknown setting", "\nPOSTERN_ISSUERS=mine\n", 0, NULL,
		    ", line 2: POSTERN_ISSUERS is not a setting" },
		{ "a setting twice", "POSTERN_ISSUER=a\nPOSTERN_ISSUER=a\n", 0, NULL,
		    ", line 2: POSTERN_ISSUER is set twice" },
		{ "double quotes", "POSTERN_ISSUER=\"mine\"\n", 0, NULL,
		    ", line 1: POSTERN_ISSUER has quotes" },
		{ "single quotes", "POSTERN_ISSUER='mine'\n", 0, NULL, "has quotes" },
		{ "a space before a value", "POSTERN_TITLE= mine\n", 0, NULL, "has a space" },
		{ "a space behind a value", "POSTERN_TITLE=mine \n", 0, NULL, "has a space" },
		{ "a tab behind a value", "POSTERN_TITLE=mine\t\n", 0, NULL, "has a space" },
		{ "a space before the equals sign", "POSTERN_TITLE =mine\n", 0, NULL,
		    ", line 1: POSTERN_TITLE is neither" },
		{ "a backslash", "POSTERN_TITLE=a\\b\n", 0, NULL, "has a backslash" },
		{ "a NUL", "POSTERN_ISSUER=mine\0x\n", 22, NULL, "has a NUL byte" },
		{ "a wrong value", "POSTERN_TOKEN_TTL=no\n", 0, NULL,
		    "POSTERN_TOKEN_TTL is not a number" },
	};
	char path[UNIT_PATH_SIZE];

	unit_path(path, *state, "some.env");
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t length = cases[i].length != 0 ? cases[i].length : strlen(cases[i].text);
		struct config config;

		clean_environment(*state);
		setenv("POSTERN_ENV", path, 1);
		unit_write_bytes(path, cases[i].text, length, 0600);
		if (load(cases[i].name, &config, cases[i].why)) {
			CHECK_TEXT(cases[i].name, config.issuer, cases[i].issuer);
			CHECK_TEXT(cases[i].name, config.env, path);
		}
	}
}

/* A line in the wrong place may be a secret: it is not told. */
static void
test_why_tells_no_secret(void **state)
{
	static const char *const texts[] = { SECRET "\n", SECRET "=\nx\n",
		"POSTERN_SECRET=\"" SECRET "\"\n", "POSTERN_SECRET= " SECRET "\n",
		"POSTERN_SECRET " SECRET "\n" };
	char path[UNIT_PATH_SIZE];

	clean_environment(*state);
	unit_path(path, *state, "secret.env");
	setenv("POSTERN_ENV", path, 1);
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct config config;
		struct text_why why;

		unit_write(path, texts[i]);
		CHECK(texts[i], !config_load(&config, NOW, &why));
		CHECK(texts[i], strstr(why.text, SECRET) == NULL);
	}
}

static void
test_env_file_faults(void **state)
{
	struct config config;
	char path[UNIT_PATH_SIZE];

	clean_environment(*state);
	unit_path(path, *state, "missing.env");
	setenv("POSTERN_ENV", path, 1);
	load("a file that is not there", &config, "missing.env: No such file");
	unit_path(path, *state, "open.env");
	unit_write_bytes(path, "", 0, 0644);
	setenv("POSTERN_ENV", path, 1);
	load("a file open to others", &config, "open.env: is open to others");
}

/* The environment comes before the file, but an empty value is none. */
static void
test_precedence(void **state)
{
	struct config config;
	char path[UNIT_PATH_SIZE];

	clean_environment(*state);
	unit_path(path, *state, "both.env");
	unit_write(path, "POSTERN_ISSUER=file\nPOSTERN_SECRET=" OTHER "\nPOSTERN_TITLE=file\n");
	setenv("POSTERN_ENV", path, 1);
	setenv("POSTERN_ISSUER", "environment", 1);
	setenv("POSTERN_TITLE", "", 1);
	load("both", &config, NULL);
	assert_string_equal(config.issuer, "environment");
	assert_string_equal(config.secret, SECRET);
	assert_string_equal(config.title, "file");
}

static void
test_user_file_must_be_private(void **state)
{
	struct config config;
	char path[UNIT_PATH_SIZE];

	clean_environment(*state);
	unit_path(path, *state, "users");
	assert_int_equal(chmod(path, 0644), 0);
	load("open to others", &config, "users: is open to others");
	assert_int_equal(chmod(path, 0600), 0);
	load("mended", &config, NULL);
}

/* -- the environment file beside the program ------------------------------------------- */

/* Copy the program that runs. */
static void
copy_program(const char *to)
{
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0700);
	ssize_t copied;

	assert_true(in >= 0 && out >= 0);
	while ((copied = sendfile(out, in, NULL, 1 << 24)) > 0)
		continue;
	assert_int_equal(copied, 0);
	assert_int_equal(fchmod(out, 0755), 0);
	close(in);
	close(out);
}

static int
run_program(void *program)
{
	/* A user who may not read everything. */
	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		return 1;
	execl(program, program, "issuer", (char *)NULL);
	return 1;
}

/* What the copy does: say the issuer, or what is wrong. */
static int
say_issuer(void)
{
	struct config config;
	struct text_why why;

	puts(config_load(&config, NOW, &why) ? config.issuer : why.text);
	return 0;
}

static void
write_env(const char *path, const char *issuer)
{
	unit_write(path, issuer);
	assert_true(geteuid() != 0 || chown(path, 65534, 65534) == 0);
}

static void
test_places(void **state)
{
	static struct child child;
	char program[UNIT_PATH_SIZE], near[UNIT_PATH_SIZE], far[UNIT_PATH_SIZE];
	static const char *const folders[] = { "", "web", "web/cgi-bin", "web/.htpostern",
		".htpostern" };

	for (size_t i = 0; i < COUNT(folders); i++) {
		unit_path(program, *state, folders[i]);
		assert_true(mkdir(program, 0755) == 0 || errno == EEXIST);
		assert_int_equal(chmod(program, 0755), 0);
	}
	clean_environment(*state);
	setenv("POSTERN_ENV", "", 1);
	unit_path(near, *state, "users");
	assert_true(geteuid() != 0 || chown(near, 65534, 65534) == 0);
	unit_path(program, *state, "web/cgi-bin/copy");
	unit_path(near, *state, "web/.htpostern/postern.env");
	unit_path(far, *state, ".htpostern/postern.env");
	copy_program(program);

	write_env(far, "POSTERN_ISSUER=two-above\n");
	child_run(&child, NULL, "", run_program, program);
	assert_string_equal(child.out, "two-above\n");
	write_env(near, "POSTERN_ISSUER=above\n");
	child_run(&child, NULL, "", run_program, program);
	assert_string_equal(child.out, "above\n");

	unsetenv("POSTERN_ENV");
	child_run(&child, NULL, "", run_program, program);
	assert_string_equal(child.out, "above\n");

	/* One that is not for us to read is named only where a setting is missing. */
	assert_true(unlink(far) == 0 && chmod(near, 0) == 0);
	child_run(&child, NULL, "", run_program, program);
	assert_string_equal(child.out, "postern\n");
	unsetenv("POSTERN_SECRET");
	child_run(&child, NULL, "", run_program, program);
	assert_non_null(strstr(child.out, "POSTERN_SECRET is missing"));
	assert_non_null(strstr(child.out, "; cannot read "));
	assert_non_null(strstr(child.out, near));

	/* A file where the folder would be hides nothing. */
	*strrchr(far, '/') = '\0';
	assert_true(unlink(near) == 0 && rmdir(far) == 0);
	unit_write(far, "");
	child_run(&child, NULL, "", run_program, program);
	assert_non_null(strstr(child.out, "POSTERN_SECRET is missing"));
	assert_null(strstr(child.out, "cannot read"));
}

/* A file of ours in the document root is named. */
static void
test_served(void **state)
{
	static const struct {
		const char *name, *env, *users, *root;
		const char *named; /* NULL where nothing is served */
		const char *state;
	} cases[] = {
		{ "outside", "out/env", "out/users", "www", NULL, NULL },
		{ "the user file", "out/env", "www/users", "www", "www/users", NULL },
		{ "the environment file", "www/env", "out/users", "www", "www/env", NULL },
		{ "both", "www/env", "www/users", "www", "www/env", NULL },
		{ "hidden", "www/.htenv", "www/.htusers", "www", NULL, NULL },
		{ "no environment file", "", "www/users", "www", "www/users", NULL },
		{ "no document root", "www/env", "www/users", "", NULL, NULL },
		{ "the state", "out/env", "out/users", "www", "www/state", "www/state" },
		{ "the root for a state", "out/env", "out/users", "www", "www", "www" },
		{ "a hidden state", "out/env", "out/users", "www", NULL, "www/.htstate" },
	};
	static const char *const files[] = { "out/env", "out/users", "www/env", "www/users",
		"www/.htenv", "www/.htusers" };
	char path[UNIT_PATH_SIZE];

	unit_path(path, *state, "www");
	assert_int_equal(mkdir(path, 0700), 0);
	unit_path(path, *state, "out");
	assert_int_equal(mkdir(path, 0700), 0);
	for (size_t i = 0; i < COUNT(files); i++) {
		unit_path(path, *state, files[i]);
		unit_write(path, "");
	}
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config config = { .env = "" };
		char root[UNIT_PATH_SIZE] = "";
		struct text_why why = { "" };

		if (cases[i].env[0] != '\0')
			unit_path(config.env, *state, cases[i].env);
		unit_path(config.users, *state, cases[i].users);
		if (cases[i].state != NULL)
			unit_path(config.state, *state, cases[i].state);
		if (cases[i].root[0] != '\0')
			unit_path(root, *state, cases[i].root);
		CHECK(cases[i].name,
		    config_is_served(&config, root, &why) == (cases[i].named != NULL));
		CHECK(cases[i].name,
		    strstr(why.text, cases[i].named != NULL ? cases[i].named : "") != NULL);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fallbacks),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_env_file),
		cmocka_unit_test(test_why_tells_no_secret),
		cmocka_unit_test(test_env_file_faults),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_user_file_must_be_private),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_served),
	};

	if (argc == 2 && strcmp(argv[1], "issuer") == 0)
		return say_issuer();
	return cmocka_run_group_tests_name("config", tests, make_files, unit_remove_folder);
}
