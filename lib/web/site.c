#include "web/site.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "auth/users.h"
#include "base/secret.h"
#include "base/text.h"
#include "web/cookie.h"
#include "web/csrf.h"
#include "web/reply.h"

enum {
	TELL_EVERY = 60, /* seconds */
	USUAL = 468, /* bytes of what a token signs: with the longest name and issuer it is more */
};

static void
unload(struct site *site)
{
	state_free(site->policy.state);
	verified_free(site->policy.verified);
	session_forget(&site->policy);
}

static bool
load(struct site *site, time_t now)
{
	char reason[PAGE_WHY_SIZE];
	struct state *state;

	if (!config_load(&site->config, now, site->why))
		return false;
	if (!pages_load(&site->pages, site->config.pages, site->config.title, reason)) {
		text_format(site->why, sizeof(site->why), "POSTERN_PAGES: %s", reason);
		return false;
	}
	unload(site);
	if ((state = state_new(site->config.state, site->config.issuer,
		 site->config.state_grace)) == NULL) {
		text_copy(site->why, sizeof(site->why), "out of memory");
		return false;
	}
	if (!session_policy(&site->policy, &site->config, state, now, site->why))
		return false;
	site->policy.verified = verified_new(USUAL + site->policy.keys[0].signature_length);
	if (site->signs && site->policy.keys[0].signing == NULL) {
		text_copy(site->why, sizeof(site->why),
		    "POSTERN_PUBLIC_KEY_FILE: login.fcgi signs, and needs POSTERN_KEY_FILE");
		return false;
	}
	return true;
}

static void
say_why(const struct site *site, const struct log *log)
{
	char why[CONFIG_WHY_SIZE];

	/* It may name a path with a quote in it, and that would end the text. */
	text_copy(why, sizeof(why), site->why);
	for (char *at = why; (at = strpbrk(at, "\"\\")) != NULL;)
		*at = '?';
	log_event(log, "config", "reason=\"%s\"", why);
}

/* Read the settings. What is wrong is told on fd 2 when it is not what was wrong before. */
static void
try(struct site *site, time_t now)
{
	const struct log log = log_stderr();
	char before[CONFIG_WHY_SIZE], ignored[PAGE_WHY_SIZE];

	text_copy(before, sizeof(before), site->why);
	site->tried = now;
	site->ready = load(site, now);
	if (site->ready)
		return;
	pages_load(&site->pages, "", "Sign in", ignored);
	if (strcmp(before, site->why) != 0) {
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
	if (config_is_served(&site->config, root, site->why)) {
		if (site->tried != now)
			try(site, now);
		/* If it still lies there, requests with another root are served all the same. */
		if (!site->ready || config_is_served(&site->config, root, site->why))
			return false;
	}
	text_copy(site->root, sizeof(site->root), root);
	return true;
}

static void
tell(struct site *site, struct http *http, time_t now)
{
	if (site->told != 0 && now >= site->told && now - site->told < TELL_EVERY)
		return;
	say_why(site, &http->log);
	site->told = now;
}

bool
site_sent(const struct site *site, struct http *http)
{
	const struct csrf request = {
		.method = http->method,
		.fetch_site = http->fetch_site,
		.origin = http->origin,
		.host = http->host,
		.upgrade = http->upgrade,
	};
	char origin[LOG_TEXT_SIZE], host[LOG_TEXT_SIZE], fetch_site[LOG_TEXT_SIZE];

	if (csrf_allows(&request, site->config.origin))
		return true;
	log_event(&http->log, "cross_site",
	    "ip=%s origin=%s host=%s sec_fetch_site=%s POSTERN_ORIGIN=\"%s\"", http->remote_addr,
	    log_text(origin, http->origin), log_text(host, http->host),
	    log_text(fetch_site, http->fetch_site), site->config.origin);
	reply_error(http, 403, &site->pages);
	return false;
}

bool
site_admits(struct site *site, struct http *http, time_t now)
{
	if (!is_ready(site, http->document_root, now)) {
		tell(site, http, now);
		reply_error(http, 503, &site->pages);
		return false;
	}
	if (http->contradictory) {
		log_event(&http->log, "input_bad", "ip=%s reason=contradiction", http->remote_addr);
		reply_error(http, http->is_gate ? 403 : 400, &site->pages);
		return false;
	}
	return true;
}

void
site_set_cookie(const struct site *site, struct http *http, const char *suffix, const char *value,
    long seconds)
{
	char name[CONFIG_TEXT_SIZE + 8], header[COOKIE_SET_SIZE];

	text_format(name, sizeof(name), "%s%s", site->config.cookie, suffix);
	if (cookie_set(header, name, value, seconds, site->config.secure || http_is_https(http)))
		http_header(http, "Set-Cookie", header);
	secret_wipe(header, sizeof(header));
}

void
site_clear_cookie(const struct site *site, struct http *http)
{
	/*
	 * Chromium brings a page back from its back/forward cache, no-store or not, unless a
	 * cookie has changed since; and the first change after a sign-in it takes for the
	 * sign-in's own. So there are two. The one that matters comes last: curl forgets to
	 * take a cookie out of its jar when another one follows.
	 */
	if (http_is_browser(http))
		site_set_cookie(site, http, "-out", "", 1);
	site_set_cookie(site, http, "", "", 0);
}

bool
site_renew(const struct site *site, struct http *http, struct users *users,
    const struct token *token, time_t now)
{
	const struct session_policy *policy = &site->policy;
	char renewed[TOKEN_SIZE];
	const char *hash;
	long seconds;
	bool made;

	if (!session_is_due(policy, token, now) ||
	    !users_read(users, site->config.users, now, &http->log) ||
	    !users_find(users, token->user, policy->decoy_key, &hash))
		return false;
	made = session_renew(renewed, &seconds, policy, token, hash, now);
	if (made)
		site_set_cookie(site, http, "", renewed, seconds);
	secret_wipe(renewed, sizeof(renewed));
	return made;
}

struct site_state
site_state(const struct site *site)
{
	if (strcmp(site->config.state, STATE_NONE) != 0)
		return (struct site_state){ "", "" };
	return (struct site_state){ "Signing out clears this browser only.", "hidden" };
}

int
site_command(int argc, char **argv, bool signs, time_t now)
{
	const struct log log = log_stderr();
	struct users users = { 0 };
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
		users_read(&users, site.config.users, now, &log);
	users_forget(&users);
	site_close(&site);
	return right ? EX_OK : EX_CONFIG;
}

void
site_close(struct site *site)
{
	pages_forget(&site->pages);
	unload(site);
	secret_wipe(site, sizeof(*site));
}
