/*
 * welcome.fcgi: says who is signed in, and is the gate to what a web server guards.
 *
 *	GET /welcome	200, or 303 to the login page, 401 without and 400 with a bad token
 *	a gate asks	200, or 302, 401, 403, 503: lib/web/gate.h
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/users.h"
#include "base/secret.h"
#include "base/text.h"
#include "web/gate.h"
#include "web/http.h"
#include "web/reply.h"
#include "web/site.h"

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

static void
greet(struct http *http, const struct site *site, const struct token *token)
{
	if (http_is_browser(http))
		show_welcome(http, site, token);
	else
		reply_json(http, 200, "Have a good day");
}

/* The page. */
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
		site_renew(site, http, users, &token, now);
		greet(http, site, &token);
		break;
	case SESSION_NONE:
		gate_send_to_login(http, site);
		break;
	case SESSION_BAD:
		if (http_is_browser(http)) {
			site_clear_cookie(site, http);
			gate_send_to_login(http, site);
			break;
		}
		reply_json(http, 400, "Authentication error!");
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
	struct gate gate = { 0 };
	struct site site;
	struct http http;

	if (!secret_begin())
		return EXIT_FAILURE;
	if (!http_is_served())
		return site_command(argc, argv, false, time(NULL));
	if (!http_open(&http))
		return EXIT_FAILURE;
	site_open(&site, false, time(NULL));
	while (http_accept(&http)) {
		time_t now = time(NULL);

		if (site_admits(&site, &http, now)) {
			if (gate_is_asked(&http))
				gate_answer(&gate, &site, &users, &http, now);
			else if (site_sent(&site, &http))
				answer(&http, &site, &users, now);
		}
		http_finish(&http);
	}
	gate_close(&gate);
	users_forget(&users);
	site_close(&site);
	http_close(&http);
	return EXIT_SUCCESS;
}
