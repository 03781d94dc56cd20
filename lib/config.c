#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "secret.h"
#include "text.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

enum { ENV_FILE_MAX = 65536 };

extern char **environ;

/*
 * Each take_ function stores one value. It returns NULL, or what is wrong with the value
 * and how to mend it, to be read after the name of the setting.
 */

/* Is this what stands in an example, and not a random secret? */
static bool
is_placeholder(const char *secret)
{
	static const char *const words[] = { "change", "example", "password", "placeholder",
		"replace", "secret" };
	bool seen[UCHAR_MAX + 1] = { false };
	int different = 0;

	for (const char *at = secret; *at != '\0'; at++) {
		if (!seen[(unsigned char)*at])
			different++;
		seen[(unsigned char)*at] = true;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strncasecmp(at, words[i], strlen(words[i])) == 0)
				return true;
		}
	}
	return different < 8;
}

static const char *
take_secret_into(char out[static CONFIG_SECRET_SIZE], const char *value)
{
	if (strlen(value) < CONFIG_SECRET_MIN)
		return "is shorter than 32 bytes: make one with `openssl rand -hex 32`";
	if (text_begins(value, "-----BEGIN"))
		return "is a PEM file, not a secret: make one with `openssl rand -hex 32`";
	if (is_placeholder(value))
		return "is a placeholder: make one with `openssl rand -hex 32`";
	if (!text_copy(out, CONFIG_SECRET_SIZE, value))
		return "is longer than 512 bytes";
	return NULL;
}

static const char *
take_secret(struct config *config, const char *value)
{
	return take_secret_into(config->secret, value);
}

static const char *
take_secret_previous(struct config *config, const char *value)
{
	return take_secret_into(config->secret_previous, value);
}

/* Keep the path as it is without symbolic links, to be compared with a document root. */
static const char *
take_file_path(char out[static CONFIG_PATH_SIZE], const char *value)
{
	char real[PATH_MAX];

	if (value[0] != '/')
		return "is not an absolute path";
	if (realpath(value, real) == NULL)
		return strerror(errno);
	if (!text_copy(out, CONFIG_PATH_SIZE, real))
		return "is longer than 1,023 bytes";
	return NULL;
}

static const char *
take_users(struct config *config, const char *value)
{
	return take_file_path(config->users, value);
}

static const char *
take_pages(struct config *config, const char *value)
{
	const char *wrong = take_file_path(config->pages, value);
	struct stat st;

	if (wrong == NULL && (stat(config->pages, &st) != 0 || !S_ISDIR(st.st_mode)))
		wrong = "is not a folder";
	return wrong;
}

/* Decimal digits and nothing else: strtol() would also take signs, spaces and a tail. */
static const char *
take_seconds(long *out, const char *value, long max)
{
	if (strlen(value) > 9 || !text_is_made_of(value, strlen(value), DIGITS))
		return "is not a number of seconds: decimal digits only";
	*out = strtol(value, NULL, 10);
	if (*out < 1 || *out > max)
		return "is out of range: 1 to 86400 for a token, 1 to 31536000 for a session";
	return NULL;
}

static const char *
take_token_ttl(struct config *config, const char *value)
{
	return take_seconds(&config->token_ttl, value, CONFIG_TOKEN_TTL_MAX);
}

static const char *
take_session_ttl(struct config *config, const char *value)
{
	return take_seconds(&config->session_ttl, value, CONFIG_SESSION_TTL_MAX);
}

static const char *
take_issuer(struct config *config, const char *value)
{
	for (const char *at = value; *at != '\0'; at++) {
		if (!isgraph((unsigned char)*at))
			return "has a character that is not printable ASCII";
	}
	return text_copy(config->issuer, sizeof(config->issuer), value)
	    ? NULL
	    : "is longer than 127 bytes";
}

static const char *
take_title(struct config *config, const char *value)
{
	if (!text_is_utf8(value, strlen(value)))
		return "is not UTF-8";
	return text_copy(config->title, sizeof(config->title), value)
	    ? NULL
	    : "is longer than 127 bytes";
}

static const char *
take_origin(struct config *config, const char *value)
{
	const char *host = strstr(value, "://");

	if (strncasecmp(value, "http://", 7) != 0 && strncasecmp(value, "https://", 8) != 0)
		return "is not an origin such as https://example.org";
	host += strlen("://");
	if (!text_is_made_of(host, strlen(host), LETTERS DIGITS ".-:[]") || host[0] == '\0')
		return "is not an origin such as https://example.org, without a path or a slash";
	return text_copy(config->origin, sizeof(config->origin), value)
	    ? NULL
	    : "is longer than 255 bytes";
}

static const char *
take_cookie(struct config *config, const char *value)
{
	if (!text_is_made_of(value, strlen(value), LETTERS DIGITS "!#$%&'*+-.^_`|~"))
		return "is not a cookie name: RFC 6265, section 4.1.1";
	return text_copy(config->cookie, sizeof(config->cookie), value)
	    ? NULL
	    : "is longer than 127 bytes";
}

static const char *
take_url(char out[static CONFIG_URL_SIZE], const char *value)
{
	if (value[0] != '/' || value[1] == '/' ||
	    !text_is_made_of(value, strlen(value), LETTERS DIGITS "-._~/!$&'()*+,;=:@%"))
		return "is not the path of a URL such as /login";
	return text_copy(out, CONFIG_URL_SIZE, value) ? NULL : "is longer than 255 bytes";
}

static const char *
take_login(struct config *config, const char *value)
{
	return take_url(config->login, value);
}

static const char *
take_logout(struct config *config, const char *value)
{
	return take_url(config->logout, value);
}

static const char *
take_home(struct config *config, const char *value)
{
	return take_url(config->home, value);
}

static const struct setting {
	const char *name;
	const char *(*take)(struct config *config, const char *value);
	bool required;
} settings[] = {
	{ "POSTERN_SECRET", take_secret, true },
	{ "POSTERN_SECRET_PREVIOUS", take_secret_previous, false },
	{ "POSTERN_USERS", take_users, true },
	{ "POSTERN_TOKEN_TTL", take_token_ttl, false },
	{ "POSTERN_SESSION_TTL", take_session_ttl, false },
	{ "POSTERN_ISSUER", take_issuer, false },
	{ "POSTERN_ORIGIN", take_origin, false },
	{ "POSTERN_COOKIE", take_cookie, false },
	{ "POSTERN_LOGIN", take_login, false },
	{ "POSTERN_LOGOUT", take_logout, false },
	{ "POSTERN_HOME", take_home, false },
	{ "POSTERN_PAGES", take_pages, false },
	{ "POSTERN_TITLE", take_title, false },
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

/* Names that begin like a setting and are none: the first says where, the others are of a request. */
static const char *const not_settings[] = { "POSTERN_ENV", "POSTERN_GATE", "POSTERN_REQUIRE" };

/* The place of a setting in the table, or SETTINGS. */
static size_t
find_setting(const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < SETTINGS; i++) {
		if (strlen(settings[i].name) == length &&
		    memcmp(settings[i].name, name, length) == 0)
			break;
	}
	return i;
}

/* Has the process environment a POSTERN_ name that we do not know? */
static bool
environment_is_known(char why[static CONFIG_WHY_SIZE])
{
	for (char **entry = environ; *entry != NULL; entry++) {
		size_t length = strcspn(*entry, "=");
		bool known = !text_begins(*entry, "POSTERN_") ||
		    find_setting(*entry, length) < SETTINGS;

		for (size_t i = 0; i < sizeof(not_settings) / sizeof(not_settings[0]); i++)
			known = known ||
			    (strlen(not_settings[i]) == length &&
				text_begins(*entry, not_settings[i]));
		if (!known) {
			text_format(why, CONFIG_WHY_SIZE,
			    "%.*s is not a setting: see postern.env(5)",
			    length > 60 ? 60 : (int)length, *entry);
			return false;
		}
	}
	return true;
}

/* NULL, or what would make systemd and docker disagree about this value. */
static const char *
ambiguous(const char *value)
{
	size_t length = strlen(value);

	if (value[0] == '"' || value[0] == '\'')
		return "has quotes around its value: take them away";
	if (length > 0 && (isspace((unsigned char)value[0]) || isspace((unsigned char)value[length - 1])))
		return "has a space before or after its value: take it away";
	if (strchr(value, '\\') != NULL)
		return "has a backslash in its value";
	return NULL;
}

/* Remember the value of one line of the environment file. */
static const char *
read_line(char *line, const char *values[static SETTINGS])
{
	char *equals = strchr(line, '=');
	size_t place;

	if (line[0] == '\0' || line[0] == '#')
		return NULL;
	if (equals == NULL)
		return "is neither KEY=value nor a # comment";
	place = find_setting(line, (size_t)(equals - line));
	if (place == SETTINGS)
		return text_begins(line, "POSTERN_") ? "is not a setting: see postern.env(5)" : NULL;
	if (values[place] != NULL)
		return "is set twice";
	values[place] = equals + 1;
	return ambiguous(values[place]);
}

static bool
read_lines(struct file *file, const char *path, const char *values[static SETTINGS],
    char why[static CONFIG_WHY_SIZE])
{
	char *line = file->text;
	const char *wrong = NULL;

	if (strlen(file->text) != file->length) {
		text_format(why, CONFIG_WHY_SIZE, "%s has a NUL byte", path);
		return false;
	}
	/* Editors of Windows begin a file with a byte order mark and end lines with CR LF. */
	if (text_begins(line, "\xef\xbb\xbf"))
		line += 3;
	for (int number = 1; line != NULL && wrong == NULL; number++) {
		char *next = strchr(line, '\n');
		size_t length;

		if (next != NULL)
			*next++ = '\0';
		length = strlen(line);
		if (length > 0 && line[length - 1] == '\r')
			line[length - 1] = '\0';
		/* Not a byte of the line but a key of ours: it may be a secret in the wrong place. */
		if ((wrong = read_line(line, values)) != NULL)
			text_format(why, CONFIG_WHY_SIZE, "line %d of %.300s: %.*s %s", number, path,
			    text_begins(line, "POSTERN_") ? (int)strcspn(line, "= ") : 0, line, wrong);
		line = next;
	}
	return wrong == NULL;
}

/* The folder `up` levels above the program's own, followed by `tail`. */
static bool
beside_program(char out[static CONFIG_PATH_SIZE], int up, const char *tail)
{
	char program[CONFIG_PATH_SIZE];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (length <= 0)
		return false;
	program[length] = '\0';
	for (; up >= 0; up--) {
		char *slash = strrchr(program, '/');

		if (slash == NULL)
			return false;
		*slash = '\0';
	}
	return text_format(out, CONFIG_PATH_SIZE, "%s%s", program, tail);
}

/* The `i`th place to look for the environment file. */
static bool
env_place(char out[static CONFIG_PATH_SIZE], int i)
{
	switch (i) {
	case 0:
	case 1:
		return beside_program(out, i + 1, "/.htpostern/postern.env");
	default:
		return text_copy(out, CONFIG_PATH_SIZE, "/etc/postern/postern.env");
	}
}

/*
 * Find the environment file. False when there is none: then `hidden` names one that is there
 * but not for us to read, as where systemd reads it and hands us what it says.
 */
static bool
find_env(char path[static CONFIG_PATH_SIZE], char hidden[static CONFIG_PATH_SIZE])
{
	const char *named = getenv("POSTERN_ENV");

	hidden[0] = '\0';
	if (named != NULL && named[0] != '\0')
		return text_copy(path, CONFIG_PATH_SIZE, named);
	for (int i = 0; i < 3; i++) {
		if (!env_place(path, i))
			continue;
		if (access(path, R_OK) == 0)
			return true;
		if (errno != ENOENT && errno != ENOTDIR)
			text_copy(hidden, CONFIG_PATH_SIZE, path);
	}
	return false;
}

static void
set_defaults(struct config *config)
{
	*config = (struct config){
		.token_ttl = 300,
		.session_ttl = 28800,
		.issuer = "postern",
		.login = "/login",
		.logout = "/logout",
		.home = "/welcome",
		.title = "Sign in",
	};
}

/* What follows from the values of more than one setting. */
static void
conclude(struct config *config)
{
	bool https = strncasecmp(config->origin, "https:", 6) == 0;

	if (config->cookie[0] == '\0')
		text_copy(config->cookie, sizeof(config->cookie), https ? "__Host-token" : "token");
	config->secure = https || text_begins(config->cookie, "__");
}

static bool
take_all(struct config *config, const char *values[static SETTINGS], const char *hidden,
    char why[static CONFIG_WHY_SIZE])
{
	for (size_t i = 0; i < SETTINGS; i++) {
		const char *own = getenv(settings[i].name);
		const char *value = own != NULL && own[0] != '\0' ? own : values[i];
		const char *wrong = NULL;

		if (value != NULL && value[0] != '\0')
			wrong = settings[i].take(config, value);
		else if (settings[i].required)
			wrong = "is missing: set it in the environment file, see postern.env(5)";
		if (wrong != NULL) {
			text_format(why, CONFIG_WHY_SIZE, "%s %s%s%s", settings[i].name, wrong,
			    hidden[0] != '\0' ? "; not allowed to read " : "", hidden);
			return false;
		}
	}
	return true;
}

static bool
load(struct config *config, struct file *file, time_t now, char why[static CONFIG_WHY_SIZE])
{
	char path[CONFIG_PATH_SIZE], hidden[CONFIG_PATH_SIZE], reason[FILE_WHY_SIZE];
	const char *values[SETTINGS] = { NULL };

	if (!environment_is_known(why))
		return false;
	if (find_env(path, hidden)) {
		if (file_read(file, path, ENV_FILE_MAX, true, now, reason) != FILE_READ) {
			text_format(why, CONFIG_WHY_SIZE, "the environment file %.300s: %s", path, reason);
			return false;
		}
		if (take_file_path(config->env, path) != NULL ||
		    !read_lines(file, path, values, why))
			return false;
	}
	if (!take_all(config, values, hidden, why))
		return false;
	if (!file_is_private(config->users, reason)) {
		text_format(why, CONFIG_WHY_SIZE, "POSTERN_USERS: %.300s: %s", config->users, reason);
		return false;
	}
	conclude(config);
	return true;
}

bool
config_load(struct config *config, time_t now, char why[static CONFIG_WHY_SIZE])
{
	struct file file = { 0 };
	bool right;

	/* Never without a reason, not even where a text below did not fit. */
	text_copy(why, CONFIG_WHY_SIZE, "the environment file cannot be read");
	set_defaults(config);
	right = load(config, &file, now, why);
	file_forget(&file);
	if (right)
		why[0] = '\0';
	else
		secret_wipe(config, sizeof(*config));
	return right;
}

bool
config_is_served(const struct config *config, const char *document_root,
    char why[static CONFIG_WHY_SIZE])
{
	bool env = file_is_served(config->env, document_root);

	if (!env && !file_is_served(config->users, document_root))
		return false;
	text_format(why, CONFIG_WHY_SIZE,
	    "%s lies in the document root, where the web server hands it out: move it away",
	    env ? "the environment file" : "POSTERN_USERS");
	return true;
}
