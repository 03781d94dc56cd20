/*
 * welcome.fcgi: says who is signed in.
 *
 *	GET /welcome	200, or 303 to the login page, 401 without and 400 with a bad token
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http.h"
#include "reply.h"
#include "secret.h"
#include "site.h"
#include "target.h"
#include "text.h"
#include "users.h"

/* Somebody who is active stays: a cookie past half of its life is replaced. */
static void
renew(struct http *http, const struct site *site, struct users *users, const struct token *token,
    time_t now)
{
	const struct session_policy *policy = &site->policy;
	char renewed[TOKEN_SIZE];
	const char *hash;
	long seconds;

	if (!session_is_due(policy, token, http, now) ||
	    !users_read(users, site->config.users, now, &http->log) ||
	    !users_find(users, token->user, policy->decoy_key, &hash))
		return;
	if (session_renew(renewed, &seconds, policy, token, hash, now))
		site_set_cookie(site, http, "", renewed, seconds);
	secret_wipe(renewed, sizeof(renewed));
}

static void
show_welcome(struct http *http, const struct site *site, const struct token *token)
{
	const struct site_state state = site_state(site);
	char since[64] = "", machine[32] = "";
	const struct page_slot slots[] = {
		{ "user", token->user },
		{ "since", since },
		{ "since-machine", machine },
		{ "logout", site->config.logout },
		{ "note", state.note },
		{ "everywhere", state.everywhere },
	};
	struct tm utc;

	if (gmtime_r(&token->auth_time, &utc) != NULL) {
		strftime(since, sizeof(since), "%e %B %Y, %H:%M UTC", &utc);
		strftime(machine, sizeof(machine), "%Y-%m-%dT%H:%MZ", &utc);
	}
	reply_page(http, 200, &site->pages, PAGE_WELCOME, slots, COUNT(slots));
}

/* Send a browser to the login page, and from there back to what it wanted. */
static void
send_to_login(struct http *http, const struct site *site)
{
	char next[TARGET_SIZE], location[TARGET_LOCATION_SIZE];

	target_accept(next, http->uri);
	target_location(location, site->config.login, next);
	reply_redirect(http, location);
}

static void
greet(struct http *http, const struct site *site, const struct token *token)
{
	if (http_is_browser(http))
		show_welcome(http, site, token);
	else
		reply_json(http, 200, "Have a good day");
}

/* Nobody is signed in. */
static void
refuse(struct http *http, const struct site *site, int status, const char *message)
{
	if (http_is_browser(http))
		send_to_login(http, site);
	else
		reply_json(http, status, message);
}

static void
answer(struct http *http, const struct site *site, struct users *users, time_t now)
{
	struct token token;

	if (strcmp(http->method, "GET") != 0 && strcmp(http->method, "HEAD") != 0) {
		http_header(http, "Allow", "GET, HEAD");
		reply_error(http, 405, &site->pages);
		return;
	}
	switch (session_check(&token, &site->policy, http, now)) {
	case SESSION_GOOD:
		renew(http, site, users, &token, now);
		greet(http, site, &token);
		break;
	case SESSION_NONE:
		refuse(http, site, 401, "Please login");
		break;
	case SESSION_BAD:
		if (http_is_browser(http))
			site_clear_cookie(site, http);
		refuse(http, site, 400, "Authentication error!");
		break;
	case SESSION_BAD_BEARER:
		reply_invalid_token(http, "Authentication error!");
		break;
	case SESSION_BOTH:
		if (http_is_browser(http))
			reply_error(http, 400, &site->pages);
		else
			reply_json(http, 400, "Authentication error!");
		break;
	case SESSION_FAULT:
		reply_error(http, 500, &site->pages);
		break;
	case SESSION_UNKNOWN:
		reply_error(http, 503, &site->pages);
		break;
	}
}

int
main(int argc, char **argv)
{
	struct users users = { 0 };
	struct site site;
	struct http http;

	if (!secret_begin())
		return EXIT_FAILURE;
	if (!http_is_served())
		return site_command(argc, argv, time(NULL));
	if (!http_open(&http))
		return EXIT_FAILURE;
	site_open(&site, time(NULL));
	while (http_accept(&http)) {
		time_t now = time(NULL);

		if (site_admits(&site, &http, now))
			answer(&http, &site, &users, now);
		http_finish(&http);
	}
	users_forget(&users);
	site_close(&site);
	http_close(&http);
	return EXIT_SUCCESS;
}
