#include "web/gate.h"

#include <string.h>

#include "base/text.h"
#include "web/redirect.h"
#include "web/reply.h"

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

enum met { NOT_MET, MET, NOT_UNDERSTOOD };

static char *
next_word(char **at)
{
	char *word;

	while ((word = strsep(at, " \t")) != NULL && word[0] == '\0')
		continue;
	return word;
}

/* One clause of POSTERN_REQUIRE: a kind, and names of which one is enough. */
static enum met
meets_clause(const struct gate *gate, char *clause, const char *user)
{
	char *kind = next_word(&clause), *name;
	bool of_groups = kind != NULL && strcmp(kind, "group") == 0;

	if (kind == NULL)
		return NOT_MET;
	if (!of_groups && strcmp(kind, "user") != 0)
		return NOT_UNDERSTOOD;
	while ((name = next_word(&clause)) != NULL) {
		if (of_groups ? groups_have(&gate->groups, name, user) : strcmp(name, user) == 0)
			return MET;
	}
	return NOT_MET;
}

/* Does the user meet what the server's parameter asks for? One clause of it is enough. */
static bool
meets(const struct gate *gate, const struct http *http, const char *user)
{
	char text[1024], *rest = text, *clause;
	enum met met = NOT_MET;

	if (text_is_made_of(http->require, " \t;"))
		return true;
	if (!text_copy(text, sizeof(text), http->require))
		met = NOT_UNDERSTOOD;
	/* All of it is read, so that a word nobody knows lets nobody in. */
	while (met != NOT_UNDERSTOOD && (clause = strsep(&rest, ";")) != NULL) {
		enum met one = meets_clause(gate, clause, user);

		if (one != NOT_MET)
			met = one;
	}
	if (met == NOT_UNDERSTOOD)
		log_event(&http->log, "config", "reason=\"POSTERN_REQUIRE is not understood\"");
	return met == MET;
}

/* -- the verdicts -------------------------------------------------------------------------- */

/* A redirect loses nothing of such a request. */
static bool
is_read(const struct http *http)
{
	return strcmp(http->method, "GET") == 0 || strcmp(http->method, "HEAD") == 0;
}

void
gate_send_to_login(struct http *http, const struct site *site)
{
	char next[REDIRECT_SIZE], location[REDIRECT_LOCATION_SIZE];
	bool navigates = http_is_browser(http) && is_read(http);
	enum asker asker = who_asks(http);

	redirect_accept(next, http->uri);
	redirect_location(location, site->config.login, next);
	if (navigates && asker != SAYS_401 && asker != APACHE) {
		reply_redirect(http, location);
		return;
	}
	if (navigates && asker == SAYS_401)
		http_header(http, "Location", location);
	if (http_is_browser(http)) {
		const struct page_slot slots[] = { { "login", site->config.login } };

		reply_page(http, 401, &site->pages, PAGE_AGAIN, slots, COUNT(slots));
	} else {
		reply_json(http, 401, "Please login");
	}
}

bool
gate_finds_user(struct token *token, struct http *http, const struct site *site, time_t now)
{
	enum session session = session_check(token, &site->policy, http, now);

	if (session == SESSION_NONE || session == SESSION_BAD)
		gate_send_to_login(http, site);
	else if (session == SESSION_BAD_BEARER)
		reply_invalid_token(http, "Authentication error!");
	else if (session != SESSION_GOOD)
		reply_error(http, 503, &site->pages);
	return session == SESSION_GOOD;
}

static void
forbid(struct http *http, const struct site *site, const struct token *token)
{
	const struct page_slot slots[] = {
		{ "user", token->user },
		{ "logout", site->config.logout },
	};

	if (http_is_browser(http))
		reply_page(http, 403, &site->pages, PAGE_FORBIDDEN, slots, COUNT(slots));
	else
		reply_json(http, 403, "Forbidden");
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

/* Was this token sent round before? It is from now on. */
static bool
was_sent(struct gate *gate, const struct token *token)
{
	for (size_t i = 0; i < GATE_SENT_MAX; i++) {
		if (strcmp(gate->sent[i].sid, token->sid) == 0 &&
		    gate->sent[i].expires == token->expires)
			return true;
	}
	text_copy(gate->sent[gate->next].sid, TOKEN_SID_SIZE, token->sid);
	gate->sent[gate->next].expires = token->expires;
	gate->next = (gate->next + 1) % GATE_SENT_MAX;
	return false;
}

/* Renew at the gate. True when the request has been answered: it is to come again. */
static bool
renew(struct gate *gate, const struct site *site, struct users *users, struct http *http,
    const struct token *token, time_t now)
{
	char here[REDIRECT_SIZE];

	if (who_asks(http) != LIGHTTPD) {
		site_renew(site, http, users, token, now);
		return false;
	}
	if (!session_is_due(&site->policy, token, now) || !can_be_sent_round(http) ||
	    !redirect_accept(here, http->uri) || was_sent(gate, token) ||
	    !site_renew(site, http, users, token, now))
		return false;
	reply_redirect(http, here);
	return true;
}

/* Write the user's groups to `out`. False when they cannot be told: the log says why. */
static bool
read_groups(char out[static GATE_GROUPS_SIZE], struct gate *gate, const struct site *site,
    const struct http *http, const struct token *token, time_t now)
{
	char quoted[LOG_TEXT_SIZE];

	if (!groups_read(&gate->groups, site->config.groups, now, &http->log))
		return false;
	if (groups_of(out, GATE_GROUPS_SIZE, &gate->groups, token->user))
		return true;
	log_event(&http->log, "config",
	    "setting=POSTERN_GROUPS user=%s reason=\"too many groups for a header\"",
	    log_text(quoted, token->user));
	return false;
}

/* Somebody is signed in. */
static void
judge(struct gate *gate, const struct site *site, struct users *users, struct http *http,
    const struct token *token, time_t now)
{
	char names[GATE_GROUPS_SIZE] = "";
	bool groups = site->config.groups[0] != '\0';

	if (!token->bearer && !site_sent(site, http))
		return;
	if (groups && !read_groups(names, gate, site, http, token, now)) {
		reply_error(http, 503, &site->pages);
		return;
	}
	if (!meets(gate, http, token->user)) {
		forbid(http, site, token);
		return;
	}
	if (renew(gate, site, users, http, token, now))
		return;
	http_header(http, "Variable-REMOTE_USER", token->user);
	if (groups)
		http_header(http, "Variable-REMOTE_GROUPS", names);
	reply_pass(http);
}

void
gate_answer(struct gate *gate, const struct site *site, struct users *users, struct http *http,
    time_t now)
{
	struct token token;

	if (who_asks(http) == MISTAKE) {
		log_event(&http->log, "config",
		    "reason=\"this is no gate that we know: see POSTERN_GATE\"");
		reply_error(http, 503, &site->pages);
	} else if (gate_finds_user(&token, http, site, now)) {
		judge(gate, site, users, http, &token, now);
	}
}

void
gate_explain(struct http *http, const struct site *site, const struct token *token, time_t now)
{
	const char *path = site->config.groups;
	struct groups groups = { 0 };
	bool groups_known = path[0] == '\0' || groups_read(&groups, path, now, &http->log);

	groups_forget(&groups);
	if (!token->bearer && !site_sent(site, http))
		return;
	if (groups_known)
		forbid(http, site, token);
	else
		reply_error(http, 503, &site->pages);
}

void
gate_close(struct gate *gate)
{
	groups_forget(&gate->groups);
}
