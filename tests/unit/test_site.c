/*
 * test_site: a program whose settings are right or wrong, and what it lets in.
 */
#include "web/site.h"

#include "child.h"
#include "visit.h"
#include "web/csrf.h"

enum { NOW = VISIT_NOW };

/* Settings that are right, in an environment that has none else of ours. */
static int
set_up(void **state)
{
	char path[UNIT_PATH_SIZE];

	if (unit_make_folder(state) != 0)
		return -1;
	unit_path(path, *state, "users");
	unit_write(path, "");
	setenv("POSTERN_USERS", path, 1);
	unit_path(path, *state, "empty.env");
	unit_write(path, "");
	setenv("POSTERN_ENV", path, 1);
	setenv("POSTERN_SECRET", MINT_SECRET, 1);
	setenv("POSTERN_STATE", STORE_NONE, 1);
	return 0;
}

/* -- who is let in --------------------------------------------------------------------- */

static const struct row {
	const char *name, *method, *variable, *value, *origin, *fetch_site, *root;
	bool contradictory;
	int status; /* 0 when it is let in */
	const char *log;
} cases[] = {
	{ "a request", "GET", NULL, NULL, "", "", "", false, 0, "" },
	{ "a form of ours", "POST", NULL, NULL, "https://example.org", "same-origin", "", false, 0,
	    "" },
	{ "a contradictory one", "GET", NULL, NULL, "", "", "", true, 400,
	    "postern: event=input_bad ip=::1 reason=contradiction\n" },
	{ "another site's form", "POST", NULL, NULL, "https://evil.example", "", "", false, 403,
	    "postern: event=cross_site ip=::1 origin=\"https://evil.example\" "
	    "host=\"example.org\" sec_fetch_site=\"\" POSTERN_ORIGIN=\"\"\n" },
	{ "another site's form, as the browser says", "POST", "POSTERN_ORIGIN",
	    "https://example.org", "", "cross-site", "", false, 403,
	    "postern: event=cross_site ip=::1 origin=\"\" host=\"example.org\" "
	    "sec_fetch_site=\"cross-site\" POSTERN_ORIGIN=\"https://example.org\"\n" },
	{ "another site's link", "GET", NULL, NULL, "", "cross-site", "", false, 0, "" },
	{ "wrong settings", "GET", "POSTERN_TOKEN_TTL", "x", "", "", "", false, 503,
	    "postern: event=config reason=\"POSTERN_TOKEN_TTL is not" },
	{ "a wrong state", "GET", "POSTERN_STATE", "state", "", "", "", false, 503,
	    "postern: event=config reason=\"POSTERN_STATE is not an absolute path" },
	{ "a state as a URL of a folder", "GET", "POSTERN_STATE", "file:///tmp", "", "", "", false,
	    503, "postern: event=config reason=\"POSTERN_STATE is not an absolute path" },
	{ "a state of several addresses", "GET", "POSTERN_STATE", "redis://192.0.2.1,192.0.2.2", "",
	    "", "", false, 503, "postern: event=config reason=\"POSTERN_STATE has a comma" },
	{ "wrong pages", "GET", "POSTERN_PAGES", "/nonexistent", "", "", "", false, 503,
	    "postern: event=config reason=\"POSTERN_PAGES: No such" },
	{ "wrong settings come first", "POST", "POSTERN_TOKEN_TTL", "x", "https://evil.example", "",
	    "", true, 503, "postern: event=config reason=\"POSTERN_TOKEN_TTL is not" },
	{ "a user file in the document root", "GET", NULL, NULL, "", "", "/", false, 503,
	    "lies in the document root" },
};

static int
admit(void *argument)
{
	const struct row *row = argument;
	struct http http = visit_http(row->method);
	struct site site;
	const struct request request = { &http, &site, &http.log, NOW };
	bool admitted;

	if (row->variable != NULL)
		setenv(row->variable, row->value, 1);
	site_open(&site, true, NOW);
	http.ended = true;
	http.log = log_stderr();
	http.origin = row->origin;
	http.fetch_site = row->fetch_site;
	http.document_root = row->root;
	http.contradictory = row->contradictory;
	admitted = site_admits(&request) && csrf_admits(&request);
	site_close(&site);
	return admitted == !http.sent ? 0 : 1;
}

static void
test_admits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		static struct child child;
		char status[32] = "";

		if (cases[i].status != 0)
			snprintf(status, sizeof(status), "Status: %d ", cases[i].status);
		child_run(&child, NULL, "", admit, (void *)&cases[i]);
		CHECK(cases[i].name, child.status == 0);
		CHECK(cases[i].name, strncmp(child.out, status, strlen(status)) == 0);
		CHECK(cases[i].name, (child.out[0] == '\0') == (cases[i].status == 0));
		if (strstr(child.err, cases[i].log) == NULL)
			fail_msg("%s: %s", cases[i].name, child.err);
		CHECK(cases[i].name, (child.err[0] == '\0') == (cases[i].log[0] == '\0'));
	}
}

/* -- settings that are mended ---------------------------------------------------------- */

/*
 * Play the steps to one site, and print a letter for each request: `+` let in, `-` refused, `!`
 * refused and told in the log.
 */
static int
mend(void *argument)
{
	static const struct {
		time_t after;
		const char *ttl;
	} steps[] = {
		{ 0, "x" },  /* ! the log of a request hears of it */
		{ 0, "x" },  /* - but not of each */
		{ 59, "x" }, /* - */
		{ 60, "x" }, /* ! once a minute */
		{ 61, "y" }, /* - still the same words */
		{ 61, "1" }, /* - read once a second */
		{ 62, "1" }, /* + mended */
		{ 63, "x" }, /* + right ones are never read again */
	};
	struct unit_log caught;
	struct site site;

	(void)argument;
	setenv("POSTERN_TOKEN_TTL", "x", 1);
	site_open(&site, true, NOW);
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct http http = visit_http("HEAD");
		const struct request request = { &http, &site, &http.log, NOW + steps[i].after };
		int out = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY);
		bool admitted;

		setenv("POSTERN_TOKEN_TTL", steps[i].ttl, 1);
		http.ended = true;
		http.log = unit_log(&caught);
		dup2(null, STDOUT_FILENO);
		admitted = site_admits(&request);
		dup2(out, STDOUT_FILENO);
		close(out);
		close(null);
		if (write(STDOUT_FILENO, admitted ? "+" : caught.lines > 0 ? "!" : "-", 1) != 1)
			return 1;
	}
	site_close(&site);
	return 0;
}

static void
test_mended(void **state)
{
	static struct child child;

	(void)state;
	child_run(&child, NULL, "", mend, NULL);
	assert_int_equal(child.status, 0);
	assert_string_equal(child.out, "!--!--++");
	assert_string_equal(child.err,
	    "postern: event=config reason=\"POSTERN_TOKEN_TTL is not a number of seconds from 1 to "
	    "99999999\"\n");
}

/* -- the program as a command ---------------------------------------------------------- */

static const struct command {
	const char *name, *ttl;
	const char *arguments[4];
	int want;
	const char *err;
} commands[] = {
	{ "settings that are right", "300", { "login.fcgi", "--check" }, 0, "" },
	{ "settings that are wrong", "x", { "login.fcgi", "--check" }, 78,
	    "POSTERN_TOKEN_TTL is not a number" },
	{ "no argument", "300", { "login.fcgi" }, 64, "usage: login.fcgi --check" },
	{ "another argument", "300", { "login.fcgi", "--help" }, 64, "usage: login.fcgi" },
	{ "an argument too many", "300", { "login.fcgi", "--check", "x" }, 64, "usage" },
	{ "not even a name", "300", { NULL }, 64, "usage" },
};

static int
run_command(void *argument)
{
	const struct command *command = argument;
	char *arguments[COUNT(command->arguments)];
	int count = 0;

	for (size_t i = 0; i < COUNT(command->arguments); i++) {
		arguments[i] = (char *)command->arguments[i];
		count += arguments[i] != NULL;
	}
	setenv("POSTERN_TOKEN_TTL", command->ttl, 1);
	return site_command(count, arguments, true, NOW);
}

static void
test_command(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(commands); i++) {
		static struct child child;

		child_run(&child, NULL, "", run_command, (void *)&commands[i]);
		CHECK(commands[i].name, child.status == commands[i].want);
		CHECK(commands[i].name, strstr(child.err, commands[i].err) != NULL);
		CHECK(commands[i].name, (child.err[0] == '\0') == (commands[i].err[0] == '\0'));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_admits),
		cmocka_unit_test(test_mended),
		cmocka_unit_test(test_command),
	};

	return cmocka_run_group_tests_name("site", tests, set_up, unit_remove_folder);
}
