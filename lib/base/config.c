#include "base/config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"

#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LETTERS CAPITALS "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define PLACE_SIZE 512

enum { ENV_FILE_MAX = 65536, SECONDS_MAX = 99999999 };

extern char **environ;

/*
 * Each check_ function returns NULL, or what is wrong with a value and how to mend it, to be
 * read after the name of the setting.
 */

/* systemd and docker disagree on quotes, spaces at the ends and backslashes. */
static const char *
check_spelling(const char *value)
{
	size_t length = strlen(value);

	if (value[0] == '"' || value[0] == '\'')
		return "has quotes around its value: take them away";
	if (length > 0 &&
	    (isspace((unsigned char)value[0]) || isspace((unsigned char)value[length - 1])))
		return "has a space before or after its value: take it away";
	return strchr(value, '\\') != NULL ? "has a backslash in its value" : NULL;
}

static const char *
check_secret(const char *value)
{
	static const char *const examples[] = { "change", "example", "password", "placeholder",
		"replace", "secret" };
	bool placeholder = false, seen[UCHAR_MAX + 1] = { false };
	int different = 0;

	for (const char *at = value; *at != '\0'; at++) {
		different += !seen[(unsigned char)*at];
		seen[(unsigned char)*at] = true;
	}
	for (size_t i = 0; i < COUNT(examples); i++)
		placeholder = placeholder || strcasestr(value, examples[i]) != NULL;
	if (strlen(value) < CONFIG_SECRET_MIN)
		return "is shorter than 32 bytes: make one with `openssl rand -hex 32`";
	if (text_begins(value, "-----BEGIN"))
		return "is a PEM file, not a secret: make one with `openssl rand -hex 32`";
	if (strpbrk(value, " \t") != NULL)
		return "has a space in it: a comment needs a line of its own";
	if (placeholder || different < 8)
		return "is a placeholder: make one with `openssl rand -hex 32`";
	return NULL;
}

static const char *
check_path(const char *value)
{
	return value[0] == '/' ? NULL : "is not an absolute path";
}

static const char *
check_title(const char *value)
{
	return text_is_utf8(value, strlen(value)) ? NULL : "is not UTF-8";
}

static const char *
check_origin(const char *value)
{
	const char *host = strstr(value, "://");

	/* strchr() finds the NUL too: then there is no host at all. */
	if ((strncasecmp(value, "http://", 7) != 0 && strncasecmp(value, "https://", 8) != 0) ||
	    strchr(".-:]", host[3]) != NULL || !text_is_made_of(host + 3, LETTERS DIGITS ".-:[]"))
		return "is not an origin such as https://example.org, with nothing after the host";
	return NULL;
}

/* Browsers are sent there, so it is less than redirect_accept() takes: nothing is encoded. */
static const char *
check_url(const char *value)
{
	if (value[0] != '/' || value[1] == '/' ||
	    !text_is_made_of(value, LETTERS DIGITS "-._~/!$&'()*+,;=:@"))
		return "is not a path such as /login, of letters, digits and the like";
	return NULL;
}

static const char *
check_mount(const char *value)
{
	if (value[strlen(value) - 1] == '/')
		return "ends with a slash: take it away";
	return check_url(value);
}

#define FIELD(field) offsetof(struct config, field), sizeof(((struct config *)0)->field)

/* A setting that has no fallback is required, some of them only by who signs: the first tells. */
static const struct setting {
	const char *name;
	size_t offset, size;
	const char *fallback;
	const char *(*check)(const char *value);
	const char *bytes; /* that its value is of; NULL: any */
	long min, max;     /* of a number */
	const char *wrong; /* with a value of other bytes, or another number */
} settings[] = {
	{ "POSTERN_PUBLIC_KEY_FILE", FIELD(public_key), "", .check = check_path },
	{ "POSTERN_SECRET", FIELD(secret), NULL, .check = check_secret },
	{ "POSTERN_SECRET_PREVIOUS", FIELD(secret_previous), "", .check = check_secret },
	{ "POSTERN_KEY_FILE", FIELD(key), "", .check = check_path },
	{ "POSTERN_KEY_FILE_PREVIOUS", FIELD(key_previous), "", .check = check_path },
	{ "POSTERN_USERS", FIELD(users), NULL, .check = check_path },
	{ "POSTERN_GROUPS", FIELD(groups), "", .check = check_path },
	{ "POSTERN_STATE", FIELD(state), .fallback = NULL },
	{ "POSTERN_STATE_GRACE", FIELD(state_grace), "0", NULL, DIGITS, 0, SECONDS_MAX,
	    "is not a number of seconds from 0 to 99999999" },
	{ "POSTERN_SESSIONS", FIELD(sessions), "100", NULL, DIGITS, 1, CONFIG_SESSIONS_MAX,
	    "is not a number from 1 to 1000" },
	{ "POSTERN_TOKEN_TTL", FIELD(token_ttl), "300", NULL, DIGITS, 1, SECONDS_MAX,
	    "is not a number of seconds from 1 to 99999999" },
	{ "POSTERN_SESSION_TTL", FIELD(session_ttl), "28800", NULL, DIGITS, 1, SECONDS_MAX,
	    "is not a number of seconds from 1 to 99999999" },
	{ "POSTERN_ISSUER", FIELD(issuer), "postern",
	    .bytes = LETTERS DIGITS "-._~:/?#[]@!$&'()*+,;=%",
	    .wrong = "has a character that no URI has" },
	{ "POSTERN_ORIGIN", FIELD(origin), "", .check = check_origin },
	{ "POSTERN_COOKIE", FIELD(cookie), "", .bytes = LETTERS DIGITS "!#$%&'*+-.^_`|~",
	    .wrong = "is not a cookie name: RFC 6265, section 4.1.1" },
	{ "POSTERN_LOGIN", FIELD(login), "/login", .check = check_mount },
	{ "POSTERN_LOGOUT", FIELD(logout), "/logout", .check = check_mount },
	{ "POSTERN_HOME", FIELD(home), "/welcome", .check = check_url },
	{ "POSTERN_PAGES", FIELD(pages), "", .check = check_path },
	{ "POSTERN_TITLE", FIELD(title), "Sign in", .check = check_title },
};

enum { SETTINGS = COUNT(settings) };

/* NULL, or what is wrong with a value that is not empty. */
static const char *
check(const struct setting *setting, const char *value)
{
	const bool is_number = setting->size == sizeof(long);
	const char *wrong = check_spelling(value);

	if (wrong != NULL)
		return wrong;
	if (setting->check != NULL && (wrong = setting->check(value)) != NULL)
		return wrong;
	/* strtol() alone would also take signs, spaces and a tail. */
	if (setting->bytes != NULL && !text_is_made_of(value, setting->bytes))
		return setting->wrong;
	if (is_number &&
	    (strlen(value) > 8 || strtol(value, NULL, 10) < setting->min ||
		strtol(value, NULL, 10) > setting->max))
		return setting->wrong;
	return !is_number && strlen(value) >= setting->size ? "is too long" : NULL;
}

/* The place of the setting whose name is these bytes, or SETTINGS. */
static size_t
find_setting(const char *name, size_t length)
{
	size_t i = 0;

	while (i < SETTINGS &&
	    (strlen(settings[i].name) != length || memcmp(settings[i].name, name, length) != 0))
		i++;
	return i;
}

/* Is there a POSTERN_ name in the process environment that we do not know? */
static bool
environment_is_known(struct text_why *why)
{
	for (char **entry = environ; *entry != NULL; entry++) {
		int length = (int)strcspn(*entry, "=");

		/* POSTERN_ENV says where the settings are, the others are parameters of a request.
		 */
		if (text_begins(*entry, "POSTERN_") && !text_begins(*entry, "POSTERN_ENV=") &&
		    !text_begins(*entry, "POSTERN_GATE=") &&
		    !text_begins(*entry, "POSTERN_REQUIRE=") &&
		    find_setting(*entry, (size_t)length) == SETTINGS)
			return text_refuse(why, "%.*s is not a setting", length > 60 ? 60 : length,
			    *entry);
	}
	return true;
}

/* Remember the value of one line of the environment file. NULL, or what is wrong with it. */
static const char *
read_line(const struct file_line *line, const char *values[static SETTINGS])
{
	size_t name = strspn(line->text, LETTERS DIGITS "_");
	size_t place = find_setting(line->text, name);

	if (line->has_nul)
		return "has a NUL byte";
	if (name == 0 || line->text[name] != '=')
		return "is neither KEY=value nor a # comment";
	if (place == SETTINGS)
		return text_begins(line->text, "POSTERN_") ? "is not a setting" : NULL;
	if (values[place] != NULL)
		return "is set twice";
	values[place] = line->text + name + 1;
	return check_spelling(values[place]);
}

static bool
read_lines(struct file *file, const char *path, const char *values[static SETTINGS],
    struct text_why *why)
{
	struct file_line line = file_first_line(file);

	while (file_next_line(&line)) {
		const char *wrong = read_line(&line, values);
		/* Only a name of ours is shown: the rest may be a secret in the wrong place. */
		int shown =
		    text_begins(line.text, "POSTERN_") ? (int)strspn(line.text, CAPITALS "_") : 0;

		if (wrong != NULL)
			return text_refuse(why, "%s, line %zu: %.*s%s%s", path, line.number, shown,
			    line.text, shown > 0 ? " " : "", wrong);
	}
	return true;
}

/* The `i`th place to look for the environment file: the last one is of the system. */
static bool
env_place(char out[static PLACE_SIZE], int i)
{
	char program[PLACE_SIZE] = "";
	ssize_t length;

	if (i == 2)
		return text_copy(out, PLACE_SIZE, "/etc/postern/postern.env");
	length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (length <= 0 || length == PLACE_SIZE - 1)
		return false;
	for (int up = 0; up < i + 2; up++) {
		char *slash = strrchr(program, '/');

		if (slash == NULL)
			return false;
		*slash = '\0';
	}
	return text_format(out, PLACE_SIZE, "%s/.htpostern/postern.env", program);
}

/* Is there nothing of that name, not even a symbolic link that leads nowhere? */
static bool
is_absent(const char *path)
{
	struct stat status;

	return lstat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/*
 * Find the environment file. False when there is none: then `hidden` names one that is there
 * but not for us to read, as where systemd reads it and hands us what it says.
 */
static bool
find_env(char path[static PLACE_SIZE], char hidden[static PLACE_SIZE])
{
	const char *named = getenv("POSTERN_ENV");

	hidden[0] = '\0';
	if (named != NULL && named[0] != '\0') {
		text_copy(path, PLACE_SIZE, named); /* one that does not fit is not found */
		return true;
	}
	for (int i = 0; i < 3 && hidden[0] == '\0'; i++) {
		if (!env_place(path, i))
			continue;
		if (access(path, R_OK) == 0)
			return true;
		if (!is_absent(path))
			text_copy(hidden, PLACE_SIZE, path);
	}
	return false;
}

/* Take each setting from the process environment, else from the file, else its fallback. */
static bool
take_all(struct config *config, const char *values[static SETTINGS], const char *hidden,
    struct text_why *why)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		char *field = (char *)config + settings[i].offset;
		const char *value = getenv(settings[i].name);
		const char *wrong = NULL;

		if (value == NULL || value[0] == '\0')
			value = values[i];
		if (value == NULL || value[0] == '\0')
			value = settings[i].fallback;
		/* A program that only verifies needs to know where sessions are listed, no more. */
		if (value == NULL && config->public_key[0] != '\0' &&
		    strcmp(settings[i].name, "POSTERN_STATE") != 0)
			value = "";
		if (value == NULL)
			wrong = "is missing: set it in the environment file, see postern.env(5)";
		else if (value[0] != '\0')
			wrong = check(&settings[i], value);
		if (wrong == NULL && settings[i].size == sizeof(long))
			*(long *)(void *)field = strtol(value, NULL, 10);
		else if (wrong == NULL)
			text_copy(field, settings[i].size, value);
		if (wrong != NULL)
			return text_refuse(why, "%s %s%s%s", settings[i].name, wrong,
			    hidden[0] != '\0' ? "; cannot read " : "", hidden);
	}
	return true;
}

/* See to what follows from several settings together. */
static bool
conclude(struct config *config, struct text_why *why)
{
	const char *login = strrchr(config->login, '/'), *logout = strrchr(config->logout, '/');
	const bool https = strncasecmp(config->origin, "https:", 6) == 0;

	/* By the last part of the path login.fcgi tells which of the two is meant. */
	if (strcmp(login, logout) == 0 || strcmp(login, "/logout") == 0)
		return text_refuse(why, "POSTERN_LOGIN ends as the path of signing out does");
	if (config->public_key[0] != '\0' && config->key[0] != '\0')
		return text_refuse(why,
		    "POSTERN_PUBLIC_KEY_FILE is for who only verifies, POSTERN_KEY_FILE for who "
		    "signs: take one of them away");
	if (config->key_previous[0] != '\0' && config->key[0] == '\0' &&
	    config->public_key[0] == '\0')
		return text_refuse(why,
		    "POSTERN_KEY_FILE_PREVIOUS is of no use without POSTERN_KEY_FILE");
	if (config->cookie[0] == '\0')
		text_copy(config->cookie, sizeof(config->cookie), https ? "__Host-token" : "token");
	config->secure = https || text_begins(config->cookie, "__");
	return true;
}

/* Are the files that the settings name there, and nobody else's? */
static bool
files_are_private(const struct config *config, struct text_why *why)
{
	const struct {
		const char *setting, *path;
	} files[] = { { "POSTERN_USERS", config->users }, { "POSTERN_GROUPS", config->groups } };
	struct text_why reason;

	for (size_t i = 0; i < COUNT(files); i++) {
		if (files[i].path[0] != '\0' &&
		    !file_is_trusted(files[i].path, FILE_SECRET, &reason))
			return text_refuse(why, "%s: %s: %s", files[i].setting, files[i].path,
			    reason.text);
	}
	if (config->state[0] == '/' && !file_is_private_folder(config->state, &reason))
		return text_refuse(why, "POSTERN_STATE: %s: %s", config->state, reason.text);
	return true;
}

static bool
load(struct config *config, struct file *file, time_t now, struct text_why *why)
{
	char path[PLACE_SIZE], hidden[PLACE_SIZE];
	const char *values[SETTINGS] = { NULL };
	struct text_why reason;

	if (!environment_is_known(why))
		return false;
	if (find_env(path, hidden)) {
		text_copy(config->env, sizeof(config->env), path);
		if (file_read(file, path, ENV_FILE_MAX, FILE_SECRET, now, &reason) == FILE_FAULT)
			return text_refuse(why, "the environment file %s: %s", path, reason.text);
		if (!read_lines(file, path, values, why))
			return false;
	}
	return take_all(config, values, hidden, why) && files_are_private(config, why) &&
	    conclude(config, why);
}

bool
config_load(struct config *config, time_t now, struct text_why *why)
{
	struct file file = { 0 };
	bool right;

	*config = (struct config){ 0 };
	why->text[0] = '\0';
	right = load(config, &file, now, why);
	file_forget(&file);
	if (!right)
		secret_wipe(config, sizeof(*config));
	return right;
}

static void
choose_place(char out[static PLACE_SIZE], const char *document_root)
{
	char folder[PLACE_SIZE];

	for (int i = 0; i < 3; i++) {
		if (env_place(out, i) &&
		    text_format(folder, sizeof(folder), "%.*s", (int)(strrchr(out, '/') - out),
			out) &&
		    !is_absent(folder))
			return;
	}
	/* The last one is of the system, and known whatever happens. */
	for (int i = 0; i < 3; i++) {
		if (env_place(out, i) && !file_is_in(out, document_root))
			return;
	}
}

bool
config_is_missing(char path[static CONFIG_LONG_SIZE], const char *document_root)
{
	static const char *const enough[] = { "POSTERN_SECRET", "POSTERN_PUBLIC_KEY_FILE" };
	char place[PLACE_SIZE], hidden[PLACE_SIZE];
	bool found = find_env(place, hidden);

	for (size_t i = 0; i < COUNT(enough); i++) {
		const char *value = getenv(enough[i]);

		if (value != NULL && value[0] != '\0')
			return false;
	}
	if (hidden[0] != '\0' || (found && !is_absent(place)))
		return false;
	if (!found)
		choose_place(place, document_root);
	/* A path that is relative, or empty as it was too long, is a wrong setting. */
	return text_copy(path, CONFIG_LONG_SIZE, place) && path[0] == '/';
}

bool
config_accepts(const char *setting, const char *value)
{
	size_t i = find_setting(setting, strlen(setting));

	return i < SETTINGS && value[0] != '\0' && check(&settings[i], value) == NULL;
}

bool
config_is_served(const struct config *config, const char *document_root, struct text_why *why)
{
	const char *const paths[] = { config->env, config->users, config->groups, config->state,
		config->key, config->key_previous };

	for (size_t i = 0; i < COUNT(paths); i++) {
		/* POSTERN_STATE may be an address. */
		if (paths[i][0] != '/' || !file_is_served(paths[i], document_root))
			continue;
		text_refuse(why,
		    "%s lies in the document root, where the web server hands it out: "
		    "move it away",
		    paths[i]);
		return true;
	}
	return false;
}
