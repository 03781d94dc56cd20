/*
 * site: what a program makes of its settings; tried again while they are wrong.
 */
#ifndef POSTERN_SITE_H
#define POSTERN_SITE_H

#include <stdbool.h>
#include <time.h>

#include "auth/session.h"
#include "auth/users.h"
#include "base/config.h"
#include "web/http.h"
#include "web/page.h"

/* site_open() fills one, site_close() ends it. Move it nowhere in between. */
struct site {
	struct config config;
	struct session_policy policy;
	struct pages pages; /* the built-in ones while the settings are wrong */
	bool signs;         /* this program has to */
	bool ready;
	time_t tried, told; /* when the settings were read, and a request's log heard of them */
	char why[CONFIG_WHY_SIZE];   /* what was wrong with them last */
	char root[CONFIG_LONG_SIZE]; /* the last document root that none of our files lies in */
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
bool site_admits(struct site *site, struct http *http, time_t now);

/* Did a page of this site send it, or is it safe? If not, it is answered with 403. */
bool site_sent(const struct site *site, struct http *http);

/* What a cookie's name ends with that is not the token's. */
#define SITE_DEVICE "-device"

/* Add a Set-Cookie header, for so many seconds. `suffix` is SITE_DEVICE or empty. */
void site_set_cookie(const struct site *site, struct http *http, const char *suffix,
    const char *value, long seconds);

/*
 * What the pages that sign out say of the state: `note` is for a person, `everywhere` is the
 * attribute of the button that signs out everywhere.
 */
struct site_state {
	const char *note, *everywhere;
};
struct site_state site_state(const struct site *site);

/*
 * Somebody who is active stays: replace a cookie that is past half of its life, if its user is
 * still in the user file. True when the header was added.
 */
bool site_renew(const struct site *site, struct http *http, struct users *users,
    const struct token *token, time_t now);

/* Add the headers that take the cookie away, and with it the pages that a browser keeps. */
void site_clear_cookie(const struct site *site, struct http *http);

/*
 * The program as a command, started by a person: `--check` reads the settings, says what is
 * wrong with them and returns 0 or 78 (EX_CONFIG of sysexits.h); lines of the user file that
 * nobody can sign in with are named too. Anything else returns 64 (EX_USAGE).
 */
int site_command(int argc, char **argv, bool signs, time_t now);

/* Wipe the secrets and free the rest. */
void site_close(struct site *site);

#endif
