/*
 * welcome.fcgi: says who is signed in, and is the gate to what a web server guards.
 *
 *	GET /welcome	200, or 303 to the login page, 401 without and 400 with a bad token
 *	a gate asks	200, or 302, 401, 403, 503: lib/web/gate.h
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/secret.h"
#include "web/csrf.h"
#include "web/gate.h"
#include "web/reply.h"
#include "web/visitor.h"

static void
show_welcome(const struct request *request, const struct token *token)
{
	const struct visitor_notes notes = visitor_notes(request);
	char since[64] = "", machine[32] = "";
	const struct page_slot slots[] = {
		{ "user", token->user },
		{ "since", since },
		{ "since-machine", machine },
		{ "logout", request->site->config.logout },
		{ "note", notes.note },
		{ "everywhere", notes.everywhere },
	};
	struct tm utc;

	if (gmtime_r(&token->auth_time, &utc) != NULL) {
		strftime(since, sizeof(since), "%e %B %Y, %H:%M UTC", &utc);
		strftime(machine, sizeof(machine), "%Y-%m-%dT%H:%MZ", &utc);
	}
	reply_page(request, 200, PAGE_WELCOME, slots, COUNT(slots));
}

/* Answer for the page. */
static void
answer(const struct request *request)
{
	const bool browser = http_is_browser(request->http);
	const char *method = request->http->method;
	struct token token;

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		http_header(request->http, "Allow", "GET, HEAD");
		reply_error(request, 405);
		return;
	}
	switch (visitor_check(&token, request)) {
	case VISITOR_SIGNED_IN:
		visitor_renew(request, &token);
		if (browser)
			show_welcome(request, &token);
		else
			reply_json(request, 200, "Have a good day");
		break;
	case VISITOR_BAD:
		if (!browser) {
			reply_json(request, 400, "Authentication error!");
			break;
		}
		visitor_clear_cookie(request);
		/* fall through */
	case VISITOR_NO_TOKEN:
		gate_send_to_login(request);
		break;
	case VISITOR_BAD_BEARER:
		reply_invalid_token(request, "Authentication error!");
		break;
	case VISITOR_BOTH:
		if (browser)
			reply_error(request, 400);
		else
			reply_json(request, 400, "Authentication error!");
		break;
	case VISITOR_FAULT:
		reply_error(request, 500);
		break;
	case VISITOR_UNKNOWN:
		reply_error(request, 503);
		break;
	}
}

int
main(int argc, char **argv)
{
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
		const struct request request = { &http, &site, &http.log, time(NULL) };

		if (site_admits(&request)) {
			if (gate_is_asked(&http))
				gate_answer(&gate, &request);
			else if (csrf_admits(&request))
				answer(&request);
		}
		http_finish(&http);
	}
	site_close(&site);
	http_close(&http);
	return EXIT_SUCCESS;
}
