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
#include "base/text.h"
#include "store/state.h"

#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LETTERS CAPITALS "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define PLACE_SIZE 512

enum { ENV_FILE_MAX = 65536 };

extern char **environ;

/*
 * Each check_ function returns NULL, or what is wrong with a value and how to mend it, to be
 * read after the name of the setting.
 */

/* NULL, or why nobody knows what is meant: systemd and docker would not read the same. */
static const char *
check_spelling(const char *value)
{
	size_t length = strlen(value);

	if (value[0] == '"' || value[0] == '\'')
		return "has quotes around its value: take them away";
	if (isspace((unsigned char)value[0]) ||
	    (length > 0 && isspace((unsigned char)value[length - 1])))
		return "has a space before or after its value: take it away";
	return strchr(value, '\\') != NULL ? "has a backslash in its value" : NULL;
}

/* Is this what stands in an example, and not a random secret? */
static bool
is_placeholder(const char *secret)
{
	static const char *const words[] = { "change", "example", "password", "placeholder",
		"replace", "secret" };
	bool seen[UCHAR_MAX + 1] = { false };
	int different = 0;

	for (const char *at = secret; *at != '\0'; at++) {
		different += !seen[(unsigned char)*at];
		seen[(unsigned char)*at] = true;
		for (size_t i = 0; i < COUNT(words); i++) {
			if (strncasecmp(at, words[i], strlen(words[i])) == 0)
				return true;
		}
	}
	return different < 8;
}

static const char *
check_secret(const char *value)
{
	if (strlen(value) < CONFIG_SECRET_MIN)
		return "is shorter than 32 bytes: make one with `openssl rand -hex 32`";
	if (text_begins(value, "-----BEGIN"))
		return "is a PEM file, not a secret: make one with `openssl rand -hex 32`";
	if (strpbrk(value, " \t") != NULL)
		return "has a space in it: a comment needs a line of its own";
	if (is_placeholder(value))
		return "is a placeholder: make one with `openssl rand -hex 32`";
	return NULL;
}

static const char *
check_path(const char *value)
{
	return value[0] == '/' ? NULL : "is not an absolute path";
}

static const char *
check_seconds(const char *value)
{
	/* strtol() alone would also take signs, spaces and a tail. */
	if (strlen(value) > 8 || !text_is_made_of(value, DIGITS) || strtol(value, NULL, 10) < 1)
		return "is not a number of seconds from 1 to 99999999";
	return NULL;
}

static const char *
check_grace(const char *value)
{
	return strcmp(value, "0") == 0 || check_seconds(value) == NULL
	    ? NULL
	    : "is not a number of seconds from 0 to 99999999";
}

static const char *
check_issuer(const char *value)
{
	if (!text_is_made_of(value, LETTERS DIGITS "-._~:/?#[]@!$&'()*+,;=%"))
		return "has a character that no URI has";
	return NULL;
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

static const char *
check_cookie(const char *value)
{
	if (!text_is_made_of(value, LETTERS DIGITS "!#$%&'*+-.^_`|~"))
		return "is not a cookie name: RFC 6265, section 4.1.1";
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
	const char *(*check)(const char *value);
	const char *fallback;
} settings[] = {
	{ "POSTERN_PUBLIC_KEY_FILE", FIELD(public_key), check_path, "" },
	{ "POSTERN_SECRET", FIELD(secret), check_secret, NULL },
	{ "POSTERN_SECRET_PREVIOUS", FIELD(secret_previous), check_secret, "" },
	{ "POSTERN_KEY_FILE", FIELD(key), check_path, "" },
	{ "POSTERN_KEY_FILE_PREVIOUS", FIELD(key_previous), check_path, "" },
	{ "POSTERN_USERS", FIELD(users), check_path, NULL },
	{ "POSTERN_GROUPS", FIELD(groups), check_path, "" },
	{ "POSTERN_STATE", FIELD(state), state_is_wrong, NULL },
	{ "POSTERN_STATE_GRACE", FIELD(state_grace), check_grace, "0" },
	{ "POSTERN_TOKEN_TTL", FIELD(token_ttl), check_seconds, "300" },
	{ "POSTERN_SESSION_TTL", FIELD(session_ttl), check_seconds, "28800" },
	{ "POSTERN_ISSUER", FIELD(issuer), check_issuer, "postern" },
	{ "POSTERN_ORIGIN", FIELD(origin), check_origin, "" },
	{ "POSTERN_COOKIE", FIELD(cookie), check_cookie, "" },
	{ "POSTERN_LOGIN", FIELD(login), check_mount, "/login" },
	{ "POSTERN_LOGOUT", FIELD(logout), check_mount, "/logout" },
	{ "POSTERN_HOME", FIELD(home), check_url, "/welcome" },
	{ "POSTERN_PAGES", FIELD(pages), check_path, "" },
	{ "POSTERN_TITLE", FIELD(title), check_title, "Sign in" },
};

enum { SETTINGS = COUNT(settings) };

/* Store a value that is not empty. NULL, or what is wrong with it. */
static const char *
take(struct config *config, const struct setting *setting, const char *value)
{
	char *field = (char *)config + setting->offset;
	const char *wrong = check_spelling(value);

	if (wrong == NULL)
		wrong = setting->check(value);
	if (wrong == NULL && (setting->check == check_seconds || setting->check == check_grace))
		*(long *)(void *)field = strtol(value, NULL, 10);
	else if (wrong == NULL && !text_copy(field, setting->size, value))
		wrong = "is too long";
	return wrong;
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
environment_is_known(char why[static CONFIG_WHY_SIZE])
{
	for (char **entry = environ; *entry != NULL; entry++) {
		int length = (int)strcspn(*entry, "=");

		/* One says where the settings are, two are parameters of a request. */
		if (!text_begins(*entry, "POSTERN_") || text_begins(*entry, "POSTERN_ENV=") ||
		    text_begins(*entry, "POSTERN_GATE=") ||
		    text_begins(*entry, "POSTERN_REQUIRE=") ||
		    find_setting(*entry, (size_t)length) < SETTINGS)
			continue;
		text_format(why, CONFIG_WHY_SIZE, "%.*s is not a setting",
		    length > 60 ? 60 : length, *entry);
		return false;
	}
	return true;
}

/* Remember the value of one line of the environment file. NULL, or what is wrong with it. */
static const char *
read_line(char *line, const char *values[static SETTINGS])
{
	size_t name = strspn(line, LETTERS DIGITS "_"), place = find_setting(line, name);

	if (line[0] == '\0' || line[0] == '#')
		return NULL;
	if (name == 0 || line[name] != '=')
		return "is neither KEY=value nor a # comment";
	if (place == SETTINGS)
		return text_begins(line, "POSTERN_") ? "is not a setting" : NULL;
	if (values[place] != NULL)
		return "is set twice";
	values[place] = line + name + 1;
	return check_spelling(values[place]);
}

static bool
read_lines(struct file *file, const char *path, const char *values[static SETTINGS],
    char why[static CONFIG_WHY_SIZE])
{
	char *rest = file->text, *line;
	const char *wrong = strlen(file->text) == file->length ? NULL : "has a NUL byte";
	int number = 0, shown = 0;

	if (text_begins(rest, TEXT_BYTE_ORDER_MARK))
		rest += strlen(TEXT_BYTE_ORDER_MARK);
	while (wrong == NULL && (line = strsep(&rest, "\n")) != NULL) {
		size_t length = strlen(line);

		if (length > 0 && line[length - 1] == '\r')
			line[length - 1] = '\0';
		number++;
		/* Only a name of ours is shown: the rest may be a secret in the wrong place. */
		shown = text_begins(line, "POSTERN_") ? (int)strspn(line, CAPITALS "_") : 0;
		wrong = read_line(line, values);
	}
	if (wrong != NULL)
		text_format(why, CONFIG_WHY_SIZE, "%s, line %d: %.*s%s%s", path, number, shown,
		    shown > 0 ? line : "", shown > 0 ? " " : "", wrong);
	return wrong == NULL;
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

/* Can it do without this setting? */
static bool
is_dispensable(const struct config *config, const struct setting *setting)
{
	return config->public_key[0] != '\0' && setting->check != state_is_wrong;
}

/* Take each setting from the process environment, else from the file, else its fallback. */
static bool
take_all(struct config *config, const char *values[static SETTINGS], const char *hidden,
    char why[static CONFIG_WHY_SIZE])
{
	for (size_t i = 0; i < SETTINGS; i++) {
		const char *value = getenv(settings[i].name);
		const char *wrong = NULL;

		if (value == NULL || value[0] == '\0')
			value = values[i];
		if (value == NULL || value[0] == '\0')
			value = settings[i].fallback;
		if (value == NULL && is_dispensable(config, &settings[i]))
			value = "";
		if (value == NULL)
			wrong = "is missing: set it in the environment file, see postern.env(5)";
		else if (value[0] != '\0')
			wrong = take(config, &settings[i], value);
		if (wrong != NULL) {
			text_format(why, CONFIG_WHY_SIZE, "%s %s%s%s", settings[i].name, wrong,
			    hidden[0] != '\0' ? "; cannot read " : "", hidden);
			return false;
		}
	}
	return true;
}

/* See to what follows from several settings together. */
static bool
conclude(struct config *config, char why[static CONFIG_WHY_SIZE])
{
	const char *login = strrchr(config->login, '/'), *logout = strrchr(config->logout, '/');
	bool https = strncasecmp(config->origin, "https:", 6) == 0;

	/* By the last part of the path login.fcgi tells which of the two is meant. */
	if (strcmp(login, logout) == 0 || strcmp(login, "/logout") == 0) {
		text_copy(why, CONFIG_WHY_SIZE,
		    "POSTERN_LOGIN ends as the path of signing out does");
		return false;
	}
	if (config->public_key[0] != '\0' && config->key[0] != '\0') {
		text_copy(why, CONFIG_WHY_SIZE,
		    "POSTERN_PUBLIC_KEY_FILE is for who only verifies, POSTERN_KEY_FILE for who "
		    "signs: take one of them away");
		return false;
	}
	if (config->key_previous[0] != '\0' && config->key[0] == '\0' &&
	    config->public_key[0] == '\0') {
		text_copy(why, CONFIG_WHY_SIZE,
		    "POSTERN_KEY_FILE_PREVIOUS is of no use without POSTERN_KEY_FILE");
		return false;
	}
	if (config->cookie[0] == '\0')
		text_copy(config->cookie, sizeof(config->cookie), https ? "__Host-token" : "token");
	config->secure = https || text_begins(config->cookie, "__");
	return true;
}

static bool
load(struct config *config, struct file *file, time_t now, char why[static CONFIG_WHY_SIZE])
{
	char path[PLACE_SIZE], hidden[PLACE_SIZE], reason[FILE_WHY_SIZE];
	const char *values[SETTINGS] = { NULL };

	if (!environment_is_known(why))
		return false;
	if (find_env(path, hidden)) {
		text_copy(config->env, sizeof(config->env), path);
		if (file_read(file, path, ENV_FILE_MAX, true, now, reason) == FILE_FAULT) {
			text_format(why, CONFIG_WHY_SIZE, "the environment file %s: %s", path,
			    reason);
			return false;
		}
		if (!read_lines(file, path, values, why))
			return false;
	}
	if (!take_all(config, values, hidden, why))
		return false;
	if (config->users[0] != '\0' && !file_is_private(config->users, reason)) {
		text_format(why, CONFIG_WHY_SIZE, "POSTERN_USERS: %s: %s", config->users, reason);
		return false;
	}
	if (config->groups[0] != '\0' && !file_is_private(config->groups, reason)) {
		text_format(why, CONFIG_WHY_SIZE, "POSTERN_GROUPS: %s: %s", config->groups, reason);
		return false;
	}
	if (config->state[0] == '/' && !file_is_private_folder(config->state, reason)) {
		text_format(why, CONFIG_WHY_SIZE, "POSTERN_STATE: %s: %s", config->state, reason);
		return false;
	}
	return conclude(config, why);
}

bool
config_load(struct config *config, time_t now, char why[static CONFIG_WHY_SIZE])
{
	struct file file = { 0 };
	bool right;

	*config = (struct config){ 0 };
	why[0] = '\0';
	right = load(config, &file, now, why);
	file_forget(&file);
	if (!right)
		secret_wipe(config, sizeof(*config));
	return right;
}

static bool
has_folder(const char *place)
{
	char folder[PLACE_SIZE];

	return text_format(folder, sizeof(folder), "%.*s", (int)(strrchr(place, '/') - place),
		   place) &&
	    !is_absent(folder);
}

static void
choose_place(char out[static PLACE_SIZE], const char *document_root)
{
	for (int i = 0; i < 3; i++) {
		if (env_place(out, i) && has_folder(out))
			return;
	}
	/* The last one is of the system, and known whatever happens. */
	for (int i = 0; i < 3; i++) {
		if (env_place(out, i) && !file_is_in(out, document_root))
			return;
	}
}

static bool
environment_has(const char *setting)
{
	const char *value = getenv(setting);

	return value != NULL && value[0] != '\0';
}

bool
config_is_missing(char path[static CONFIG_LONG_SIZE], const char *document_root)
{
	char place[PLACE_SIZE], hidden[PLACE_SIZE];
	bool found = find_env(place, hidden);

	if (environment_has("POSTERN_SECRET") || environment_has("POSTERN_PUBLIC_KEY_FILE") ||
	    hidden[0] != '\0' || (found && !is_absent(place)))
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

	return i < SETTINGS && value[0] != '\0' && strlen(value) < settings[i].size &&
	    check_spelling(value) == NULL && settings[i].check(value) == NULL;
}

bool
config_is_served(const struct config *config, const char *document_root,
    char why[static CONFIG_WHY_SIZE])
{
	/* An engine is no file. */
	const char *state = config->state[0] == '/' ? config->state : "";
	const char *const paths[] = { config->env, config->users, config->groups, state,
		config->key, config->key_previous };
	size_t i = 0;

	while (i < COUNT(paths) && (paths[i][0] != '/' || !file_is_served(paths[i], document_root)))
		i++;
	if (i == COUNT(paths))
		return false;
	text_format(why, CONFIG_WHY_SIZE,
	    "%s lies in the document root, where the web server hands it out: move it away",
	    paths[i]);
	return true;
}
