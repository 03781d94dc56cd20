/*
 * config: the settings, read once before the first request.
 *
 * They come from the process environment and, below it, from an environment file of
 * KEY=value lines and # comments, as systemd's EnvironmentFile and docker's --env-file
 * take them. That file is the one named by POSTERN_ENV; else .htpostern/postern.env in the
 * folder above the program's own, or in the one above that; else /etc/postern/postern.env.
 * Nothing is ever taken from a request.
 */
#ifndef POSTERN_CONFIG_H
#define POSTERN_CONFIG_H

#include <stdbool.h>
#include <time.h>

enum {
	CONFIG_SECRET_MIN = 32,	  /* bytes */
	CONFIG_SECRET_SIZE = 513, /* sizes count the NUL */
	CONFIG_PATH_SIZE = 1024,
	CONFIG_URL_SIZE = 256,
	CONFIG_WORD_SIZE = 128,
	CONFIG_WHY_SIZE = 512,
	CONFIG_TOKEN_TTL_MAX = 86400, /* seconds: a day */
	CONFIG_SESSION_TTL_MAX = 31536000, /* a year */
};

struct config {
	char secret[CONFIG_SECRET_SIZE];
	char secret_previous[CONFIG_SECRET_SIZE]; /* empty when there is none */
	char env[CONFIG_PATH_SIZE];		  /* the environment file, or empty */
	char users[CONFIG_PATH_SIZE];		  /* the user file */
	char pages[CONFIG_PATH_SIZE];		  /* a folder, or empty */
	char issuer[CONFIG_WORD_SIZE];
	char origin[CONFIG_URL_SIZE]; /* scheme and host, or empty */
	char cookie[CONFIG_WORD_SIZE];
	char title[CONFIG_WORD_SIZE];
	char login[CONFIG_URL_SIZE], logout[CONFIG_URL_SIZE], home[CONFIG_URL_SIZE];
	long token_ttl, session_ttl; /* seconds */
	bool secure;		     /* the cookie is Secure, whatever the server says of this request */
};

/*
 * Read the settings. True when all of them are right; else false, `config` is wiped, and
 * `why` names the first wrong one and how to mend it. `now` is the time in seconds.
 */
bool config_load(struct config *config, time_t now, char why[static CONFIG_WHY_SIZE]);

/*
 * Could a web server with this document root hand out one of our files? Then `why` names
 * the setting. An empty root is no root.
 */
bool config_is_served(const struct config *config, const char *document_root,
    char why[static CONFIG_WHY_SIZE]);

#endif
