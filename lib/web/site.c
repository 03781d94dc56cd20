#include "web/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/secret.h"
#include "web/reply.h"

enum { TELL_EVERY = 60 }; /* seconds */

static bool
load(struct site *site, time_t now)
{
	const struct config *config = &site->config;
	struct text_why reason;
	const char *wrong;

	session_close(&site->sessions);
	store_close(site->store);
	site->store = NULL;
	if (!config_load(&site->config, now, &site->why))
		return false;
	if (!pages_load(&site->pages, config->pages, config->title, &reason))
		return text_refuse(&site->why, "POSTERN_PAGES: %s", reason.text);
	site->store = store_open(config->state, config->issuer, &wrong);
	if (site->store == NULL)
		return text_refuse(&site->why, "POSTERN_STATE %s", wrong);
	if (!session_open(&site->sessions, config, site->store, now, &site->why))
		return false;
	/* Plain CGI answers one request. */
	if (getenv("GATEWAY_INTERFACE") == NULL)
		token_keys_remember(&site->sessions.keys);
	return !site->signs || site->sessions.keys.keys[0].signing != NULL ||
	    text_refuse(&site->why,
		"POSTERN_PUBLIC_KEY_FILE: login.fcgi signs, and needs POSTERN_KEY_FILE");
}

static void
say_why(const struct site *site, const struct log *log)
{
	struct text_why why = site->why;

	/* It may name a path with a quote in it, and that would end the text. */
	for (char *at = why.text; (at = strpbrk(at, "\"\\")) != NULL;)
		*at = '?';
	log_event(log, "config", "reason=\"%s\"", why.text);
}

/* Read the settings. What is wrong is told on fd 2 when it is not what was wrong before. */
static void
try(struct site *site, time_t now)
{
	const struct text_why before = site->why;
	const struct log log = log_stderr();
	struct text_why ignored;

	site->tried = now;
	site->root[0] = '\0';
	site->ready = load(site, now);
	if (site->ready)
		return;
	pages_load(&site->pages, "", "Sign in", &ignored);
	if (strcmp(before.text, site->why.text) != 0) {
		say_why(site, &log);
		site->told = 0;
	}
}

bool
site_open(struct site *site, bool signs, time_t now)
{
	*site = (struct site){ .signs = signs };
	try(site, now);
	return site->ready;
}

/* Are the settings right, for a server with this document root? */
static bool
is_ready(struct site *site, const char *root, time_t now)
{
	if (!site->ready && site->tried != now)
		try(site, now);
	/* The root is the same for request after request, and looking it up takes system calls. */
	if (!site->ready || strcmp(site->root, root) == 0)
		return site->ready;
	if (config_is_served(&site->config, root, &site->why)) {
		if (site->tried != now)
			try(site, now);
		/* If it still lies there, requests with another root are served all the same. */
		if (!site->ready || config_is_served(&site->config, root, &site->why))
			return false;
	}
	text_copy(site->root, sizeof(site->root), root);
	return true;
}

bool
site_admits(const struct request *request)
{
	const struct http *http = request->http;
	struct site *site = request->site;

	if (!is_ready(site, http->document_root, request->now)) {
		if (site->told == 0 || request->now < site->told ||
		    request->now - site->told >= TELL_EVERY) {
			say_why(site, request->log);
			site->told = request->now;
		}
		reply_error(request, 503);
		return false;
	}
	if (http->contradictory) {
		log_event(request->log, "input_bad", "ip=%s reason=contradiction",
		    http->remote_addr);
		reply_error(request, http->is_gate ? 403 : 400);
		return false;
	}
	return true;
}

int
site_command(int argc, char **argv, bool signs, time_t now)
{
	const struct log log = log_stderr();
	struct site site;
	bool right;

	if (argc != 2 || strcmp(argv[1], "--check") != 0) {
		fprintf(stderr,
		    "usage: login.fcgi --check | --hash [NAME]\n"
		    "       welcome.fcgi --check\n"
		    "A web server starts these programs, as FastCGI or CGI: see login.fcgi(8).\n");
		return EX_USAGE;
	}
	right = site_open(&site, signs, now);
	if (right && site.config.users[0] != '\0')
		users_read(&site.users, &site.config, now, &log);
	site_close(&site);
	return right ? EX_OK : EX_CONFIG;
}

void
site_close(struct site *site)
{
	pages_forget(&site->pages);
	users_forget(&site->users);
	groups_forget(&site->groups);
	session_close(&site->sessions);
	store_close(site->store);
	secret_wipe(site, sizeof(*site));
}
