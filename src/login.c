/*
 * login.fcgi: trades a user name and a password for a token in a cookie, and takes it back.
 *
 *	GET  /login	the form, or who is signed in already
 *	POST /login	username, password, next: 303 or 200 with the cookie, 401, or 429
 *	GET  /logout	the sign-out buttons
 *	POST /logout	everywhere: the session is ended and the cookie cleared, 303 or 200
 *	GET  /.well-known/jwks.json	the public keys, where a key file signs
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/device.h"
#include "auth/password.h"
#include "auth/throttle.h"
#include "auth/users.h"
#include "base/secret.h"
#include "base/text.h"
#include "web/cookie.h"
#include "web/form.h"
#include "web/gate.h"
#include "web/http.h"
#include "web/redirect.h"
#include "web/reply.h"
#include "web/setup.h"
#include "web/site.h"

/* One request and what is needed to answer it. */
struct login {
	struct http *http;
	const struct site *site;
	struct users *users;
	time_t now;
	struct form form;
	char next[REDIRECT_SIZE]; /* where to go after signing in, or empty */
	char body[FORM_BODY_MAX + 1];
	struct throttle throttle; /* where this try is counted */
	char network[THROTTLE_NETWORK_SIZE];
	/* Of a browser that signed in with this name before, or empty. */
	char device[DEVICE_ID_SIZE];
};

static void
take_next(struct login *login)
{
	redirect_accept(login->next, login->form.next != NULL ? login->form.next : "");
}

/* Read the fields of the body. False, with the request answered, when they cannot be read. */
static bool
read_body(struct login *login)
{
	struct http *http = login->http;
	size_t length;
	int status = http_body(http, login->body, sizeof(login->body), &length);

	if (status == 0)
		status = form_read(&login->form, login->body, length, http->content_type);
	login->now = time(NULL); /* a body may take its time */
	if (status == 0) {
		take_next(login);
		return true;
	}
	log_event(&http->log, "input_bad", "ip=%s status=%d", http->remote_addr, status);
	reply_error(http, status, &login->site->pages);
	return false;
}

static const char *
destination(const struct login *login)
{
	return login->next[0] != '\0' ? login->next : login->site->config.home;
}

static void
show_form(struct login *login, int status, const char *error)
{
	const char *name = login->form.username;
	const struct page_slot slots[] = {
		{ "login", login->site->config.login },
		{ "next", login->next },
		{ "username", name != NULL && text_is_name(name) ? name : "" },
		{ "error", error },
		{ "invalid", error[0] != '\0' ? "true" : "false" },
	};

	reply_page(login->http, status, &login->site->pages, PAGE_LOGIN, slots, COUNT(slots));
}

static void
show_signed_in(struct login *login, const struct token *token)
{
	const struct page_slot slots[] = {
		{ "user", token->user },
		{ "next", destination(login) },
		{ "logout", login->site->config.logout },
		{ "note", site_state(login->site).note },
	};

	reply_page(login->http, 200, &login->site->pages, PAGE_SIGNED_IN, slots, COUNT(slots));
}

static void
get_login(struct login *login)
{
	struct token token;

	/* A query that is malformed says no place to return to. */
	if (text_copy(login->body, sizeof(login->body), login->http->query) &&
	    form_read(&login->form, login->body, strlen(login->body), FORM_TYPE) == 0)
		take_next(login);
	login->form.username = NULL;
	if (http_is_browser(login->http) &&
	    session_check(&token, &login->site->policy, login->http, login->now) == SESSION_GOOD)
		show_signed_in(login, &token);
	else
		show_form(login, 200, "");
}

/* Who it was, for the log: `?` for a name not in the user file, as it may be a password. */
static const char *
name_of(char out[static LOG_TEXT_SIZE], const char *user)
{
	return user != NULL ? log_text(out, user) : "?";
}

/* One line of the log. */
static void
log_failure(struct login *login, const char *user, const char *reason)
{
	char name[LOG_TEXT_SIZE];

	log_event(&login->http->log, "login_failed", "user=%s ip=%s reason=%s", name_of(name, user),
	    login->http->remote_addr, reason);
}

/* Say no. */
static void
refuse(struct login *login, const char *user, const char *reason)
{
	log_failure(login, user, reason);
	if (http_is_browser(login->http))
		show_form(login, 401, "The user name or the password is not right.");
	else
		reply_json(login->http, 401, "Username or password is incorrect");
}

/* Say that it cannot be told. */
static void
fail(struct login *login, const char *user, int status, const char *reason)
{
	log_failure(login, user, reason);
	reply_error(login->http, status, &login->site->pages);
}

/* Say how long to wait. */
static void
hold_off(struct login *login, const char *user, long wait)
{
	char name[LOG_TEXT_SIZE], seconds[24], words[128];

	log_event(&login->http->log, "throttled", "user=%s ip=%s wait=%ld", name_of(name, user),
	    login->http->remote_addr, wait);
	snprintf(seconds, sizeof(seconds), "%ld", wait);
	http_header(login->http, "Retry-After", seconds);
	snprintf(words, sizeof(words), "Too many attempts. Try again in %ld minute%s.",
	    (wait + 59) / 60, wait > 60 ? "s" : "");
	if (http_is_browser(login->http))
		show_form(login, 429, words);
	else
		reply_json(login->http, 429, "Too many attempts");
}

/* -- signing in --------------------------------------------------------------------------- */

/* Is one of the cookies a device cookie for this line of the user file? Then `device` is set. */
static bool
find_device_by(struct login *login, size_t secret, const char *pwv)
{
	const struct session_policy *policy = &login->site->policy;
	char name[CONFIG_TEXT_SIZE + 8], value[COOKIE_VALUE_SIZE];
	bool found = false;

	text_format(name, sizeof(name), "%s" SITE_DEVICE, login->site->config.cookie);
	for (size_t i = 0; i < login->http->cookie_count; i++) {
		const char *at = login->http->cookies[i];

		while (!found && cookie_next(&at, name, value))
			found = device_check(login->device, value, pwv, policy->device_keys[secret],
			    login->now);
	}
	return found;
}

/* Has this browser signed in with this name, and this password, before? */
static bool
find_device(struct login *login, const char *user, const char *hash)
{
	const struct session_policy *policy = &login->site->policy;
	char pwv[TOKEN_PWV_SIZE];
	bool found = false;

	for (size_t k = 0; k < policy->secret_count && !found; k++)
		found = session_pwv(pwv, policy, k, user, hash) && find_device_by(login, k, pwv);
	return found;
}

/*
 * What counts of REMOTE_ADDR, or NULL where that tells nothing: it is that of a proxy on this
 * machine, or none.
 */
static const char *
client_network(struct login *login)
{
	const struct http *http = login->http;
	bool address = throttle_network(login->network, http->remote_addr);
	/* Of ::1 its first half, too. */
	bool here = text_begins(login->network, "127.") || strcmp(login->network, "::") == 0;

	if (address && (!here || !http_is_forwarded(http)))
		return login->network;
	log_event(&http->log, "config",
	    "reason=\"tries are not counted by address: REMOTE_ADDR does not tell the client's\"");
	return NULL;
}

/* Count this try before it is made. False, with the request answered, when it must not be. */
static bool
count(struct login *login, const char *name, bool known, const char *hash)
{
	const char *user = known ? name : NULL;
	bool device = hash != NULL && find_device(login, name, hash);
	long wait;

	if (!throttle_begin(&login->throttle, login->site->policy.throttle_key, name,
		client_network(login), known && device ? login->device : NULL)) {
		fail(login, user, 500, "throttle");
		return false;
	}
	if (!state_count(login->site->policy.state, login->throttle.buckets, login->throttle.count,
		login->now, &wait, &login->http->log)) {
		fail(login, user, 503, "state");
		return false;
	}
	if (wait > 0)
		hold_off(login, user, wait);
	return wait == 0;
}

/* Remember this browser. */
static void
set_device(struct login *login, const char *user, const char *hash)
{
	const struct session_policy *policy = &login->site->policy;
	char value[DEVICE_SIZE], pwv[TOKEN_PWV_SIZE];

	if (session_pwv(pwv, policy, 0, user, hash) &&
	    device_make(value, login->device, pwv, policy->device_keys[0], login->now))
		site_set_cookie(login->site, login->http, SITE_DEVICE, value, DEVICE_SECONDS);
}

static void
reply_signed_in(struct login *login, const char *token, long seconds, const char *user,
    const char *hash)
{
	struct http *http = login->http;

	if (http_accepts(http, "application/jwt") && !http_accepts(http, "text/html")) {
		reply_token(http, token);
		return;
	}
	site_set_cookie(login->site, http, "", token, seconds);
	if (!http_is_browser(http)) {
		reply_json(http, 200, "Login is successful");
		return;
	}
	set_device(login, user, hash);
	reply_redirect(http, destination(login));
}

/* Hand out a token to a user whose line of the user file has `hash`. */
static void
admit(struct login *login, const char *user, const char *hash)
{
	struct http *http = login->http;
	char token[TOKEN_SIZE], quoted[LOG_TEXT_SIZE];
	size_t ended;
	long seconds;
	int status;

	/* Should this fail, the log knows, and the user waits the sooner next time. */
	state_forgive(login->site->policy.state, login->throttle.buckets, login->throttle.count,
	    login->now, &http->log);
	/* Whoever knows the cookie that this browser had before has nothing of this session. */
	session_end(&ended, &login->site->policy, http, false, login->now);
	status = session_begin(token, &seconds, &login->site->policy, user, hash, login->now,
	    &http->log);
	if (status != 0) {
		fail(login, user, status, "signing");
		return;
	}
	log_event(&http->log, "login_ok", "user=%s ip=%s", log_text(quoted, user),
	    http->remote_addr);
	reply_signed_in(login, token, seconds, user, hash);
	secret_wipe(token, sizeof(token));
}

/* Does the password fit the name? An unknown name costs the work of a known one. */
static void
check_password(struct login *login, const char *name, const char *password)
{
	const char *hash;
	bool known = users_find(login->users, name, login->site->policy.decoy_key, &hash);
	enum password match;

	if (!count(login, name, known, hash))
		return;
	match = hash != NULL ? password_check(password, hash) : PASSWORD_WRONG;
	/* A fault must not tell an unknown name from a known one either. */
	if (match == PASSWORD_FAULT)
		fail(login, known ? name : NULL, 503, "crypt");
	else if (known && match == PASSWORD_RIGHT)
		admit(login, name, hash);
	else
		refuse(login, known ? name : NULL, known ? "password" : "user");
}

static void
post_login(struct login *login)
{
	const struct form *form = &login->form;

	if (!read_body(login))
		return;
	if (form->username == NULL || form->password == NULL || form->username[0] == '\0' ||
	    form->password[0] == '\0')
		refuse(login, NULL, "missing");
	else if (strlen(form->password) >= PASSWORD_SIZE)
		refuse(login, NULL, "length");
	else if (!users_read(login->users, login->site->config.users, login->now,
		     &login->http->log))
		fail(login, NULL, 503, "users");
	else
		check_password(login, form->username, form->password);
}

/* -- signing out -------------------------------------------------------------------------- */

static void
get_logout(struct login *login)
{
	const struct site_state state = site_state(login->site);
	const struct page_slot slots[] = {
		{ "logout", login->site->config.logout },
		{ "note", state.note },
		{ "everywhere", state.everywhere },
	};

	reply_page(login->http, 200, &login->site->pages, PAGE_LOGOUT, slots, COUNT(slots));
}

static void
post_logout(struct login *login)
{
	struct http *http = login->http;
	bool everywhere;
	size_t ended;
	int status;

	if (!read_body(login))
		return;
	everywhere = login->form.everywhere != NULL && strcmp(login->form.everywhere, "1") == 0;
	status = session_end(&ended, &login->site->policy, http, everywhere, login->now);
	if (status != 0) {
		reply_error(http, status, &login->site->pages);
		return;
	}
	if (everywhere && ended == 0) {
		/* Whose sessions? To say that they have ended would not be true. */
		gate_send_to_login(http, login->site);
		return;
	}
	site_clear_cookie(login->site, http);
	http_header(http, "Clear-Site-Data", "\"cache\"");
	if (http_is_browser(http))
		reply_redirect(http, login->site->config.login);
	else
		reply_json(http, 200, "Logout is successful");
}

/* -- the keys ------------------------------------------------------------------------------ */

/* The public keys, for services that check a token by themselves. */
static void
get_keys(struct login *login)
{
	const struct session_policy *policy = &login->site->policy;
	const char *second = policy->files[1] != NULL ? policy->files[1]->jwk : "";
	char keys[2 * KEY_JWK_SIZE + 16];

	/* A secret is nobody's to know. */
	if (policy->files[0] == NULL ||
	    !text_format(keys, sizeof(keys), "{\"keys\":[%s%s%s]}", policy->files[0]->jwk,
		second[0] != '\0' ? "," : "", second))
		reply_error(login->http, 404, &login->site->pages);
	else
		reply_keys(login->http, keys);
}

/* -- beside a gate ------------------------------------------------------------------------- */

/* Named as the error document of a gate's 401 (Apache), it is told so: REDIRECT_STATUS. */
static void
answer_denied(struct login *login)
{
	struct token token;

	if (gate_finds_user(&token, login->http, login->site, login->now))
		gate_explain(login->http, login->site, &token, login->now);
}

/* Put in a gate's place it lets nobody pass. */
static void
refuse_gate(struct login *login)
{
	log_event(&login->http->log, "config", "reason=\"login.fcgi is no gate: welcome.fcgi is\"");
	reply_error(login->http, 403, &login->site->pages);
}

/* ------------------------------------------------------------------------------------------ */

/* Is this the last segment of that path? */
static bool
ends(const char *path, const char *segment)
{
	return strcmp(strrchr(path, '/') + 1, segment) == 0;
}

typedef void answer_method(struct login *login);

/* What is at an address: `post` is NULL where nothing is. */
struct route {
	answer_method *get, *post;
};

/* Which of our pages is meant; `get` is NULL where none is. */
static struct route
find_route(const struct login *login)
{
	const struct config *config = &login->site->config;
	char segment[HTTP_SEGMENT_SIZE];

	http_last_segment(login->http, segment);
	if (ends("/logout", segment) || ends(config->logout, segment))
		return (struct route){ get_logout, post_logout };
	if (ends("/login", segment) || ends("/login.fcgi", segment) || ends(config->login, segment))
		return (struct route){ get_login, post_login };
	if (ends("/jwks.json", segment))
		return (struct route){ get_keys, NULL };
	return (struct route){ NULL, NULL };
}

/* A request for one of our own pages. */
static void
answer_page(struct login *login)
{
	const struct route route = find_route(login);
	const char *method = login->http->method;

	if (route.get == NULL) {
		reply_error(login->http, 404, &login->site->pages);
	} else if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
		route.get(login);
	} else if (strcmp(method, "POST") == 0 && route.post != NULL) {
		route.post(login);
	} else {
		http_header(login->http, "Allow",
		    route.post != NULL ? "GET, HEAD, POST" : "GET, HEAD");
		reply_error(login->http, 405, &login->site->pages);
	}
}

static void
answer(struct login *login)
{
	if (gate_is_asked(login->http))
		refuse_gate(login);
	else if (strcmp(login->http->redirect_status, "401") == 0)
		answer_denied(login);
	else if (site_sent(login->site, login->http))
		answer_page(login);
	secret_wipe(login, sizeof(*login));
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
		return (argc == 2 || argc == 3) && strcmp(argv[1], "--hash") == 0
		    ? setup_command(argv[2])
		    : site_command(argc, argv, true, time(NULL));
	if (!http_open(&http))
		return EXIT_FAILURE;
	site_open(&site, true, time(NULL));
	while (http_accept(&http)) {
		struct login login = { &http, &site, &users, time(NULL), .next = "" };

		if (!setup_answers(&site, &http) && site_admits(&site, &http, login.now))
			answer(&login);
		http_finish(&http);
	}
	users_forget(&users);
	site_close(&site);
	http_close(&http);
	return EXIT_SUCCESS;
}
