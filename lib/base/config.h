/*
 * config: the settings, read once before the first request.
 *
 * They come from the process environment and, below it, from an environment file of
 * KEY=value lines and # comments, as systemd's EnvironmentFile and docker's --env-file
 * take them. That file is the one named by POSTERN_ENV; else .htpostern/postern.env in the
 * folder above the program's own, or in the one above that; else /etc/postern/postern.env.
 * Nothing is ever taken from a request. An empty value is none.
 */
#ifndef POSTERN_CONFIG_H
#define POSTERN_CONFIG_H

#include <stdbool.h>
#include <time.h>

#include "base/text.h"

/* Sizes count the NUL. */
enum {
	CONFIG_SECRET_MIN = 32, /* bytes */
	CONFIG_SESSIONS_MAX = 1000,
	CONFIG_TEXT_SIZE = 128,
	CONFIG_LONG_SIZE = 513,
};

struct config {
	char secret[CONFIG_LONG_SIZE];
	char secret_previous[CONFIG_LONG_SIZE]; /* or empty */
	char env[CONFIG_LONG_SIZE];             /* the environment file, or empty */
	/* Key files, or empty; the last one is for who only verifies, and then a secret and a user
	   file may be missing. */
	char key[CONFIG_LONG_SIZE], key_previous[CONFIG_LONG_SIZE], public_key[CONFIG_LONG_SIZE];
	char users[CONFIG_LONG_SIZE];  /* the user file */
	char groups[CONFIG_LONG_SIZE]; /* the group file, or empty */
	char state[CONFIG_LONG_SIZE];  /* see store_open() */
	char pages[CONFIG_LONG_SIZE];  /* a folder, or empty */
	char issuer[CONFIG_TEXT_SIZE];
	char origin[CONFIG_TEXT_SIZE]; /* scheme and host, or empty */
	char cookie[CONFIG_TEXT_SIZE];
	char login[CONFIG_TEXT_SIZE], logout[CONFIG_TEXT_SIZE], home[CONFIG_TEXT_SIZE];
	char title[CONFIG_TEXT_SIZE];
	long token_ttl, session_ttl; /* seconds */
	long state_grace;            /* seconds, or 0 */
	long sessions;               /* of each kind that a user may have open */
	bool secure;                 /* the cookie is Secure, however this request came */
};

/*
 * Read the settings. True when all of them are right; else false, `config` is wiped, and
 * `why` names the first wrong one and how to mend it. `now` is the time in seconds. Whether
 * POSTERN_STATE is well formed is seen by store_open().
 */
bool config_load(struct config *config, time_t now, struct text_why *why);

/*
 * Is there no environment file, nor a secret or a public key in the process environment? Then
 * `path` says where to make the file: where POSTERN_ENV points, else in the first of those places
 * whose folder is there, else in the first that is not in the document root.
 */
bool config_is_missing(char path[static CONFIG_LONG_SIZE], const char *document_root);

/* Would this value of this setting be a right one? */
bool config_accepts(const char *setting, const char *value);

/*
 * Could a web server with this document root, or with none if it is empty, hand out one of
 * our files? Then `why` names it.
 */
bool config_is_served(const struct config *config, const char *document_root, struct text_why *why);

#endif
