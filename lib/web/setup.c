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
#include "web/csrf.h"
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

/*
 * Make a line of the user file; without a name it is the hash alone. NULL, or why not, with `out`
 * emptied: for a person to read.
 */
static const char *
make_line(char out[static LINE_SIZE], const char *name, const char *password)
{
	const size_t length = strlen(password);
	char hash[PASSWORD_HASH_SIZE];
	bool made;

	out[0] = '\0';
	if (name != NULL && !is_name(name))
		return no_name;
	if (length == 0 || length >= PASSWORD_SIZE || !text_is_utf8(password, length))
		return no_password;
	for (const char *at = password; *at != '\0'; at++) {
		if (iscntrl((unsigned char)*at))
			return no_password;
	}
	made = password_hash(hash, password) &&
	    text_format(out, LINE_SIZE, "%s%s%s", name != NULL ? name : "", name != NULL ? ":" : "",
		hash);
	secret_wipe(hash, sizeof(hash));
	return made ? NULL : fault;
}

/*
 * Can nobody else read what is sent either way: over TLS, or to a browser on this machine, as far
 * as can be told?
 */
static bool
is_private(const struct http *http)
{
	const char *host = http->host, *client = http->remote_addr;

	if (http_is_https(http))
		return true;
	/* A proxy of this machine has its address, too. */
	if (http_is_forwarded(http))
		return false;
	return (text_begins(client, "127.") || strcmp(client, "::1") == 0) &&
	    (text_begins(host, "localhost") || text_begins(host, "127.") ||
		text_begins(host, "[::1]"));
}

/*
 * Hashing takes long, and anybody may ask for it: one process does it at a time, of all that see
 * this name. It lives as long as the descriptor, which is returned, or -1.
 */
static int
take_turn(void)
{
	/* In the abstract namespace: unix(7). */
	static const struct sockaddr_un address = { AF_UNIX, "\0postern-setup" };
	const size_t size = offsetof(struct sockaddr_un, sun_path) + strlen("?postern-setup");
	int turn = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (turn < 0 || bind(turn, (const struct sockaddr *)&address, (socklen_t)size) == 0)
		return turn;
	close(turn);
	return -1;
}

/* The environment file to make, in `folder`. False when it does not fit, or on a fault. */
static bool
suggest(char out[static SETTINGS_SIZE], const char *folder, const struct http *http)
{
	const char *script = http->script_name, *slash = strrchr(script, '/');
	unsigned char random[32] = { 0 };
	char secret[2 * sizeof(random) + 1], paths[PATHS_SIZE] = "", origin[CONFIG_TEXT_SIZE] = "";
	bool made = secret_random(random, sizeof(random));

	/*
	 * An address that ends otherwise is one that the server's configuration names. The visitor
	 * has chosen this one: nothing gets in that is no path.
	 */
	if (slash != NULL && strcmp(slash, "/login.fcgi") == 0 &&
	    config_accepts("POSTERN_LOGIN", script))
		text_format(paths, sizeof(paths),
		    "\nPOSTERN_LOGIN=%s\nPOSTERN_LOGOUT=%s/logout\n"
		    "POSTERN_HOME=%.*s/welcome.fcgi",
		    script, script, (int)(slash - script), script);
	if (http_is_https(http))
		text_format(origin, sizeof(origin), "https://%s", http->host);
	if (!config_accepts("POSTERN_ORIGIN", origin))
		origin[0] = '\0';
	secret_hex(secret, random, sizeof(random));
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
show(const struct request *request, const char *env, const char *line, const char *error)
{
	const bool private = is_private(request->http);
	char folder[CONFIG_LONG_SIZE], settings[SETTINGS_SIZE] = "";
	const struct page_slot slots[] = {
		{ "env", env },
		{ "folder", folder },
		{ "settings", settings },
		{ "line", line },
		{ "error", error != NULL ? error : "" },
		{ "form", private ? "" : "hidden" },
		{ "note", private ? "" : "Open this page with https:// to have it all made here." },
		{ "canary", file_is_in(env, request->http->document_root) ? canary : "" },
	};

	text_format(folder, sizeof(folder), "%.*s", (int)(strrchr(env, '/') - env), env);
	if (!private || suggest(settings, folder, request->http))
		reply_page(request, 503, PAGE_SETUP, slots, COUNT(slots));
	else
		reply_error(request, 503);
	secret_wipe(settings, sizeof(settings));
}

/* Make a line of what the form sends, and show it. */
static void
answer_post(const struct request *request, const char *env)
{
	const char *error = "Somebody else's line is being made. Try again in a moment.";
	char body[FORM_BODY_MAX + 1], line[LINE_SIZE] = "";
	struct form form;
	size_t length;
	int turn, status = http_body(request->http, body, sizeof(body), &length);

	if (status == 0)
		status = form_read(&form, body, length, request->http->content_type);
	if (status != 0) {
		reply_error(request, status);
		secret_wipe(body, sizeof(body));
		return;
	}
	if (!is_private(request->http)) {
		error = "The password came without https, so it was not used.";
	} else if (form.username == NULL || form.password == NULL) {
		error = "A user name and a password are needed.";
	} else if ((turn = take_turn()) >= 0) {
		error = make_line(line, form.username, form.password);
		close(turn);
	}
	show(request, env, line, error);
	secret_wipe(body, sizeof(body));
	secret_wipe(line, sizeof(line));
}

bool
setup_answers(const struct request *request)
{
	const struct http *http = request->http;
	char env[CONFIG_LONG_SIZE];

	if (request->site->ready || http->contradictory || gate_is_asked(http) ||
	    !config_is_missing(env, http->document_root))
		return false;
	if (!csrf_admits(request))
		return true;
	if (strcmp(http->method, "POST") == 0)
		answer_post(request, env);
	else
		show(request, env, "", NULL);
	return true;
}

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

int
setup_command(const char *name)
{
	char password[PASSWORD_SIZE + 1] = "", again[PASSWORD_SIZE + 1] = "", line[LINE_SIZE];
	const char *why = name == NULL || is_name(name) ? NULL : no_name;

	if (why == NULL && !isatty(STDIN_FILENO)) {
		why = read_line(password);
	} else if (why == NULL) {
		why = read_hidden(password, "Password: ");
		if (why == NULL)
			why = read_hidden(again, "Once more: ");
		if (why == NULL && strcmp(password, again) != 0)
			why = "The two are not the same.";
	}
	if (why == NULL)
		why = make_line(line, name, password);
	secret_wipe(password, sizeof(password));
	secret_wipe(again, sizeof(again));
	if (why == NULL && printf("%s\n", line) > 0 && fflush(stdout) == 0)
		return EX_OK;
	fprintf(stderr, "%s\n", why != NULL ? why : "The line cannot be written.");
	return why == NULL || why == fault ? EX_SOFTWARE : EX_DATAERR;
}
