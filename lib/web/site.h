/*
 * site: what a program makes of its settings, which are read again while they are wrong; and one
 * request to it.
 */
#ifndef POSTERN_SITE_H
#define POSTERN_SITE_H

#include <stdbool.h>
#include <time.h>

#include "auth/groups.h"
#include "auth/session.h"
#include "auth/users.h"
#include "base/config.h"
#include "store/store.h"
#include "web/http.h"
#include "web/page.h"

/* site_open() fills one, site_close() ends it. Move it nowhere in between. */
struct site {
	struct config config;
	struct store *store;
	struct sessions sessions;
	struct users users;
	struct groups groups;
	struct pages pages; /* the built-in ones while the settings are wrong */
	bool signs;         /* this program has to */
	bool ready;
	time_t tried, told;  /* when the settings were read, and a request's log heard of them */
	struct text_why why; /* what was wrong with them last */
	char root[CONFIG_LONG_SIZE]; /* the last document root that none of our files lies in */
};

/* What everything that answers a request needs. */
struct request {
	struct http *http;
	struct site *site;
	const struct log *log;
	time_t now;
};

/*
 * Read the settings, for a program that signs tokens or for one that may only verify them. False
 * when they are wrong: that is said on file descriptor 2.
 */
bool site_open(struct site *site, bool signs, time_t now);

/*
 * May this request be looked at? Wrong settings are read again first, at most once a second; so
 * are those of a request whose document root exposes one of our files, which is as wrong.
 * If not, it is answered: 503 while the settings are wrong, 400 (at a gate 403) when a header of
 * it contradicts another.
 */
bool site_admits(const struct request *request);

/*
 * The program as a command, started by a person: `--check` reads the settings, says what is
 * wrong with them and returns 0 or 78 (EX_CONFIG of sysexits.h); lines of the user file that
 * nobody can sign in with are named too. Anything else returns 64 (EX_USAGE).
 */
int site_command(int argc, char **argv, bool signs, time_t now);

/* Wipe the secrets and free the rest. */
void site_close(struct site *site);

#endif
