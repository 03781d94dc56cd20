#include "web/setup.h"

#include <ctype.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "auth/password.h"
#include "base/secret.h"
#include "base/text.h"
#include "web/form.h"
#include "web/gate.h"
#include "web/reply.h"

/* With the NUL. */
enum {
	LINE_SIZE = TEXT_NAME_SIZE + PASSWORD_HASH_SIZE, /* of the user file */
	PATHS_SIZE = 4 * CONFIG_TEXT_SIZE,
	SETTINGS_SIZE = PATHS_SIZE + 4 * CONFIG_LONG_SIZE,
};

static const char no_name[] =
    "A name has 1 to 63 bytes of UTF-8, no control character, no space, none of : ; , \" \\ = "
    "and no # or byte order mark at its beginning.";
static const char no_password[] =
    "A password has 1 to 511 bytes of UTF-8, and no control character.";
static const char canary[] =
    "That folder lies in the web root: first open its file users in a browser, as a page of the "
    "site. It must be refused. If not, put the folder beside the web root.";
static const char fault[] = "The hash cannot be made: no memory, or no randomness.";

/* Can a line of the user file begin with it? A `#` begins a comment, and the mark is the file's. */
static bool
is_name(const char *text)
{
	return text_is_name(text) && text[0] != '#' && !text_begins(text, TEXT_BYTE_ORDER_MARK);
}

/* Can somebody sign in with it? */
static bool
is_password(const char *text)
{
	size_t length = strlen(text);

	for (const char *at = text; *at != '\0'; at++) {
		if (iscntrl((unsigned char)*at))
			return false;
	}
	return length > 0 && length < PASSWORD_SIZE && text_is_utf8(text, length);
}

/*
 * Make a line of the user file; without a name it is the hash alone. NULL, or why not, with `out`
 * emptied: for a person to read.
 */
static const char *
make_line(char out[static LINE_SIZE], const char *name, const char *password)
{
	char hash[PASSWORD_HASH_SIZE];
	const char *why = NULL;

	out[0] = '\0';
	if (name != NULL && !is_name(name))
		return no_name;
	if (!is_password(password))
		return no_password;
	if (!password_hash(hash, password) ||
	    !text_format(out, LINE_SIZE, "%s%s%s", name != NULL ? name : "",
		name != NULL ? ":" : "", hash))
		why = fault;
	secret_wipe(hash, sizeof(hash));
	return why;
}

/* -- the page ----------------------------------------------------------------------------- */

/* Is this a browser on this machine, as far as can be told? */
static bool
is_local(const struct http *http)
{
	static const char *const hosts[] = { "localhost", "127.", "[::1]" };
	bool named = false;

	for (size_t i = 0; i < COUNT(hosts); i++)
		named = named || text_begins(http->host, hosts[i]);
	/* A proxy of this machine has its address, too. */
	return named && !http_is_forwarded(http) &&
	    (text_begins(http->remote_addr, "127.") || strcmp(http->remote_addr, "::1") == 0);
}

/* May a secret be shown and a password be sent, with nobody else to read it on its way? */
static bool
is_private(const struct http *http)
{
	return http_is_https(http) || is_local(http);
}

/*
 * Hashing takes long, and anybody may ask for it: one process does it at a time, of all that see
 * this name. It lives as long as the descriptor, which is returned, or -1.
 */
static int
take_turn(void)
{
	static const char name[] = "\0postern-setup"; /* in the abstract namespace: unix(7) */
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int turn = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, name, sizeof(name) - 1);
	if (turn >= 0 &&
	    bind(turn, (struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1)) != 0) {
		close(turn);
		turn = -1;
	}
	return turn;
}

/* Make a line of what was sent. NULL, or why not. */
static const char *
make_line_of(char line[static LINE_SIZE], const struct form *form)
{
	const char *why = "Somebody else's line is being made. Try again in a moment.";
	int turn;

	if (form->username == NULL || form->password == NULL)
		return "A user name and a password are needed.";
	if ((turn = take_turn()) >= 0) {
		why = make_line(line, form->username, form->password);
		close(turn);
	}
	return why;
}

/* Where the two programs are called something else, the server's configuration says so. */
static void
suggest_paths(char out[static PATHS_SIZE], const struct http *http)
{
	const char *script = http->script_name, *slash = strrchr(script, '/');

	/* The visitor has chosen it: nothing gets in that is no path. */
	if (slash != NULL && strcmp(slash, "/login.fcgi") == 0 &&
	    config_accepts("POSTERN_LOGIN", script))
		text_format(out, PATHS_SIZE,
		    "\nPOSTERN_LOGIN=%s\nPOSTERN_LOGOUT=%s/logout\n"
		    "POSTERN_HOME=%.*s/welcome.fcgi",
		    script, script, (int)(slash - script), script);
}

/* The environment file to make, in `folder`. False when it does not fit, or on a fault. */
static bool
suggest(char out[static SETTINGS_SIZE], const char *folder, const struct http *http)
{
	unsigned char random[32] = { 0 };
	char secret[2 * sizeof(random) + 1], paths[PATHS_SIZE] = "", origin[CONFIG_TEXT_SIZE] = "";
	bool made = secret_random(random, sizeof(random));

	secret_hex(secret, random, sizeof(random));
	suggest_paths(paths, http);
	if (http_is_https(http))
		text_format(origin, sizeof(origin), "https://%s", http->host);
	if (!config_accepts("POSTERN_ORIGIN", origin))
		origin[0] = '\0';
	made = made &&
	    text_format(out, SETTINGS_SIZE,
		"POSTERN_SECRET=%s\nPOSTERN_USERS=%s/users\nPOSTERN_STATE=%s/state%s%s%s\n", secret,
		folder, folder, paths, origin[0] != '\0' ? "\nPOSTERN_ORIGIN=" : "", origin);
	secret_wipe(random, sizeof(random));
	secret_wipe(secret, sizeof(secret));
	return made;
}

/* `error` is NULL where there is none. */
static void
show(const struct site *site, struct http *http, const char *env, const char *line,
    const char *error)
{
	bool private = is_private(http);
	char folder[CONFIG_LONG_SIZE], settings[SETTINGS_SIZE] = "";
	const struct page_slot slots[] = {
		{ "env", env },
		{ "folder", folder },
		{ "settings", settings },
		{ "line", line },
		{ "error", error != NULL ? error : "" },
		{ "form", private ? "" : "hidden" },
		{ "note", private ? "" : "Open this page with https:// to have it all made here." },
		{ "canary", file_is_in(env, http->document_root) ? canary : "" },
	};

	text_format(folder, sizeof(folder), "%.*s", (int)(strrchr(env, '/') - env), env);
	if (!private || suggest(settings, folder, http))
		reply_page(http, 503, &site->pages, PAGE_SETUP, slots, COUNT(slots));
	else
		reply_error(http, 503, &site->pages);
	secret_wipe(settings, sizeof(settings));
}

/* Answer what the form sends. */
static void
answer_post(const struct site *site, struct http *http, const char *env)
{
	char body[FORM_BODY_MAX + 1], line[LINE_SIZE] = "";
	struct form form;
	size_t length;
	int status = http_body(http, body, sizeof(body), &length);

	if (status == 0)
		status = form_read(&form, body, length, http->content_type);
	if (status != 0)
		reply_error(http, status, &site->pages);
	else if (!is_private(http))
		show(site, http, env, "", "The password came without https, so it was not used.");
	else
		show(site, http, env, line, make_line_of(line, &form));
	secret_wipe(body, sizeof(body));
	secret_wipe(line, sizeof(line));
}

bool
setup_answers(const struct site *site, struct http *http)
{
	char env[CONFIG_LONG_SIZE];

	if (site->ready || http->contradictory || gate_is_asked(http) ||
	    !config_is_missing(env, http->document_root))
		return false;
	if (!site_sent(site, http))
		return true;
	if (strcmp(http->method, "POST") == 0)
		answer_post(site, http, env);
	else
		show(site, http, env, "", NULL);
	return true;
}

/* -- the command -------------------------------------------------------------------------- */

/* A line of standard input. NULL, or why not. */
static const char *
read_line(char out[static PASSWORD_SIZE + 1])
{
	size_t length = 0;
	int c;

	while (length < PASSWORD_SIZE && (c = getchar()) != EOF && c != '\n')
		out[length++] = (char)c;
	out[length] = '\0';
	return strlen(out) == length ? NULL : no_password;
}

/* The same, typed at a terminal that does not show it. */
static const char *
read_hidden(char out[static PASSWORD_SIZE + 1], const char *prompt)
{
	struct termios shown, hidden;
	sigset_t all, before;
	const char *why = "The terminal cannot be asked.";

	if (tcgetattr(STDIN_FILENO, &shown) != 0)
		return why;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	/* Whatever wants to end us waits until the terminal is as it was. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0) {
		fputs(prompt, stderr);
		why = read_line(out);
		fputs("\n", stderr);
	}
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return why;
}

/* Twice from a terminal. NULL, or why not. */
static const char *
read_password(char out[static PASSWORD_SIZE + 1])
{
	char again[PASSWORD_SIZE + 1] = "";
	const char *why;

	if (!isatty(STDIN_FILENO))
		return read_line(out);
	if ((why = read_hidden(out, "Password: ")) == NULL &&
	    (why = read_hidden(again, "Once more: ")) == NULL && strcmp(out, again) != 0)
		why = "The two are not the same.";
	secret_wipe(again, sizeof(again));
	return why;
}

int
setup_command(const char *name)
{
	char password[PASSWORD_SIZE + 1] = "", line[LINE_SIZE];
	const char *why = NULL;

	if (name != NULL && !is_name(name))
		why = no_name;
	if (why == NULL)
		why = read_password(password);
	if (why == NULL)
		why = make_line(line, name, password);
	secret_wipe(password, sizeof(password));
	if (why == NULL && printf("%s\n", line) > 0 && fflush(stdout) == 0)
		return EX_OK;
	fprintf(stderr, "%s\n", why != NULL ? why : "The line cannot be written.");
	return why == NULL || why == fault ? EX_SOFTWARE : EX_DATAERR;
}
