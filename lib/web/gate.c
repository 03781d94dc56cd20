#include "web/gate.h"

#include <string.h>

#include "web/csrf.h"
#include "web/redirect.h"
#include "web/reply.h"
#include "web/visitor.h"

enum { REQUIRE_SIZE = 1024 }; /* of POSTERN_REQUIRE, with the NUL */

/* Which web server asks, by what it alone can say: see gate_is_asked(). */
enum asker {
	NOBODY,
	MISTAKE,
	LIGHTTPD, /* mod_fastcgi, "mode" => "authorizer": drops the cookie of a pass */
	APACHE,   /* mod_fcgid, FcgidAccessChecker: makes every denial a 401 */
	SAYS_401, /* nginx, auth_request: takes 401 and 403 only, and `Location` from a 401 */
	SAYS_302, /* Caddy, forward_auth */
};

static enum asker
who_asks(const struct http *http)
{
	if (strcmp(http->role, "AUTHORIZER") == 0) {
		if (http->apache_role[0] == '\0')
			return LIGHTTPD;
		return strcmp(http->apache_role, "ACCESS_CHECKER") == 0 ? APACHE : MISTAKE;
	}
	if (http->role[0] != '\0' && strcmp(http->role, "RESPONDER") != 0)
		return MISTAKE;
	if (strcmp(http->gate, "401") == 0)
		return SAYS_401;
	if (strcmp(http->gate, "302") == 0)
		return SAYS_302;
	return http->gate[0] != '\0' || http->require[0] != '\0' ? MISTAKE : NOBODY;
}

bool
gate_is_asked(const struct http *http)
{
	return who_asks(http) != NOBODY;
}

/* -- who may pass -------------------------------------------------------------------------- */

/*
 * Does the user meet what the server's parameter asks for? It has clauses of a kind and names: one
 * name of one clause is enough. All of it is read, so that an unknown word lets nobody in.
 */
static bool
meets(const struct request *request, const char *user)
{
	const char *require = request->http->require;
	char text[REQUIRE_SIZE], *rest = text, *clause;
	bool understood = text_copy(text, sizeof(text), require), met = false;

	if (text_is_made_of(require, " \t;"))
		return true;
	while ((clause = strsep(&rest, ";")) != NULL) {
		char *kind = NULL, *word;

		while ((word = strsep(&clause, " \t")) != NULL) {
			if (word[0] == '\0')
				continue;
			if (kind == NULL)
				kind = word;
			else if (strcmp(kind, "group") == 0)
				met = met || groups_have(&request->site->groups, word, user);
			else
				met = met || strcmp(word, user) == 0;
		}
		if (kind != NULL && strcmp(kind, "user") != 0 && strcmp(kind, "group") != 0)
			understood = false;
	}
	if (!understood)
		log_event(request->log, "config", "reason=\"POSTERN_REQUIRE is not understood\"");
	return met && understood;
}

/* -- the verdicts -------------------------------------------------------------------------- */

/* A redirect loses nothing of such a request. */
static bool
is_read(const struct http *http)
{
	return strcmp(http->method, "GET") == 0 || strcmp(http->method, "HEAD") == 0;
}

void
gate_send_to_login(const struct request *request)
{
	const char *login = request->site->config.login;
	const struct page_slot slots[] = { { "login", login } };
	char next[REDIRECT_SIZE], location[REDIRECT_LOCATION_SIZE];
	struct http *http = request->http;
	const bool navigates = http_is_browser(http) && is_read(http);
	const enum asker asker = who_asks(http);

	redirect_accept(next, http->uri);
	redirect_location(location, login, next);
	if (navigates && asker != SAYS_401 && asker != APACHE) {
		reply_redirect(request, location);
		return;
	}
	if (navigates && asker == SAYS_401)
		http_header(http, "Location", location);
	if (http_is_browser(http))
		reply_page(request, 401, PAGE_AGAIN, slots, COUNT(slots));
	else
		reply_json(request, 401, "Please login");
}

bool
gate_finds_user(struct token *token, const struct request *request)
{
	const enum visitor visitor = visitor_check(token, request);

	if (visitor == VISITOR_NO_TOKEN || visitor == VISITOR_BAD)
		gate_send_to_login(request);
	else if (visitor == VISITOR_BAD_BEARER)
		reply_invalid_token(request, "Authentication error!");
	else if (visitor != VISITOR_SIGNED_IN)
		reply_error(request, 503);
	return visitor == VISITOR_SIGNED_IN;
}

static void
forbid(const struct request *request, const struct token *token)
{
	const struct page_slot slots[] = {
		{ "user", token->user },
		{ "logout", request->site->config.logout },
	};

	if (http_is_browser(request->http))
		reply_page(request, 403, PAGE_FORBIDDEN, slots, COUNT(slots));
	else
		reply_json(request, 403, "Forbidden");
}

/* Would a browser that is sent to where it already is come back, and with the new cookie? */
static bool
can_be_sent_round(const struct http *http)
{
	if (!is_read(http) || http->upgrade[0] != '\0')
		return false;
	if (http->fetch_mode[0] == '\0')
		return http_accepts(http, "text/html");
	return strcmp(http->fetch_dest, "serviceworker") != 0;
}

/* Renew at the gate. True when the request has been answered: it is to come again. */
static bool
renew(struct gate *gate, const struct request *request, const struct token *token)
{
	char here[REDIRECT_SIZE];

	if (who_asks(request->http) != LIGHTTPD) {
		visitor_renew(request, token);
		return false;
	}
	if (!session_is_due(&request->site->sessions, token, request->now) ||
	    !can_be_sent_round(request->http) || !redirect_accept(here, request->http->uri))
		return false;
	/* A browser that refuses the cookie is sent round once. */
	for (size_t i = 0; i < GATE_SENT_MAX; i++) {
		if (strcmp(gate->sent[i].sid, token->sid) == 0 &&
		    gate->sent[i].expires == token->expires)
			return false;
	}
	text_copy(gate->sent[gate->next].sid, TOKEN_SID_SIZE, token->sid);
	gate->sent[gate->next].expires = token->expires;
	gate->next = (gate->next + 1) % GATE_SENT_MAX;
	if (!visitor_renew(request, token))
		return false;
	reply_redirect(request, here);
	return true;
}

void
gate_answer(struct gate *gate, const struct request *request)
{
	struct site *site = request->site;
	char names[GATE_GROUPS_SIZE], quoted[LOG_TEXT_SIZE];
	struct token token;

	if (who_asks(request->http) == MISTAKE) {
		log_event(request->log, "config",
		    "reason=\"this is no gate that we know: see POSTERN_GATE\"");
		reply_error(request, 503);
		return;
	}
	if (!gate_finds_user(&token, request) || (!token.bearer && !csrf_admits(request)))
		return;
	if (!groups_read(&site->groups, &site->config, request->now, request->log)) {
		reply_error(request, 503);
	} else if (!groups_of(names, sizeof(names), &site->groups, token.user)) {
		log_event(request->log, "config",
		    "setting=POSTERN_GROUPS user=%s reason=\"too many groups for a header\"",
		    log_text(quoted, token.user));
		reply_error(request, 503);
	} else if (!meets(request, token.user)) {
		forbid(request, &token);
	} else if (!renew(gate, request, &token)) {
		http_header(request->http, "Variable-REMOTE_USER", token.user);
		if (site->config.groups[0] != '\0')
			http_header(request->http, "Variable-REMOTE_GROUPS", names);
		reply_pass(request);
	}
}

void
gate_explain(const struct request *request, const struct token *token)
{
	struct site *site = request->site;

	if (!token->bearer && !csrf_admits(request))
		return;
	if (groups_read(&site->groups, &site->config, request->now, request->log))
		forbid(request, token);
	else
		reply_error(request, 503);
}
