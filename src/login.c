/*
 * login.fcgi: trades a user name and a password for a token in a cookie, and takes it back.
 *
 *	GET  /login	the form, or who is signed in already
 *	POST /login	username, password, next: 303 or 200 with the cookie, 401, or 429
 *	GET  /logout	the sign-out buttons
 *	POST /logout	everywhere: the session is ended and the cookie cleared, 303 or 200
 *	GET  /.well-known/jwks.json	the public keys, where a key file signs
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/throttle.h"
#include "base/secret.h"
#include "web/csrf.h"
#include "web/form.h"
#include "web/gate.h"
#include "web/redirect.h"
#include "web/reply.h"
#include "web/setup.h"
#include "web/visitor.h"

/*
 * Device cookies of one request that are looked at. A browser keeps some 180 cookies of a site, of
 * which another host below the same domain may have planted all but one.
 */
enum { DEVICES_MAX = 200 };

/* One request, and what it sends. */
struct login {
	struct request request;
	struct form form;
	struct account account;   /* that the name stands for; unknown until it is looked up */
	char next[REDIRECT_SIZE]; /* where to go after signing in, or empty */
	char body[FORM_BODY_MAX + 1];
};

/* Read the fields of the body. False, with the request answered, when they cannot be read. */
static bool
read_body(struct login *login)
{
	struct http *http = login->request.http;
	size_t length;
	int status = http_body(http, login->body, sizeof(login->body), &length);

	if (status == 0)
		status = form_read(&login->form, login->body, length, http->content_type);
	login->request.now = time(NULL); /* a body may take its time */
	if (status == 0) {
		redirect_accept(login->next, login->form.next != NULL ? login->form.next : "");
		return true;
	}
	log_event(&http->log, "input_bad", "ip=%s status=%d", http->remote_addr, status);
	reply_error(&login->request, status);
	return false;
}

static const char *
destination(const struct login *login)
{
	return login->next[0] != '\0' ? login->next : login->request.site->config.home;
}

static void
show_form(struct login *login, int status, const char *error)
{
	const char *name = login->form.username;
	const struct page_slot slots[] = {
		{ "login", login->request.site->config.login },
		{ "next", login->next },
		{ "username", name != NULL && text_is_name(name) ? name : "" },
		{ "error", error },
		{ "invalid", error[0] != '\0' ? "true" : "false" },
	};

	reply_page(&login->request, status, PAGE_LOGIN, slots, COUNT(slots));
}

static void
get_login(struct login *login)
{
	const struct request *request = &login->request;
	struct token token;

	/* A query that is malformed says no place to return to. */
	if (text_copy(login->body, sizeof(login->body), request->http->query) &&
	    form_read(&login->form, login->body, strlen(login->body), FORM_TYPE) == 0)
		redirect_accept(login->next, login->form.next != NULL ? login->form.next : "");
	login->form.username = NULL;
	if (http_is_browser(request->http) && visitor_check(&token, request) == VISITOR_SIGNED_IN) {
		const struct page_slot slots[] = {
			{ "user", token.user },
			{ "next", destination(login) },
			{ "logout", request->site->config.logout },
			{ "note", visitor_notes(request).note },
		};

		reply_page(request, 200, PAGE_SIGNED_IN, slots, COUNT(slots));
	} else {
		show_form(login, 200, "");
	}
}

/* -- signing in --------------------------------------------------------------------------- */

/* What the log says of a name: `?` if it is not in the user file, as it may be a password. */
static const char *
name_of(char out[static LOG_TEXT_SIZE], const struct account *account)
{
	return account->known ? log_text(out, account->user) : "?";
}

/* Nobody is signed in: 401 says no, any other status that it cannot be told. */
static void
refuse(struct login *login, int status, const char *reason)
{
	char name[LOG_TEXT_SIZE];

	log_event(login->request.log, "login_failed", "user=%s ip=%s reason=%s",
	    name_of(name, &login->account), login->request.http->remote_addr, reason);
	if (status != 401)
		reply_error(&login->request, status);
	else if (http_is_browser(login->request.http))
		show_form(login, 401, "The user name or the password is not right.");
	else
		reply_json(&login->request, 401, "Username or password is incorrect");
}

/* Say how long to wait. */
static void
hold_off(struct login *login, long wait)
{
	struct http *http = login->request.http;
	char name[LOG_TEXT_SIZE], text[128];

	log_event(login->request.log, "throttled", "user=%s ip=%s wait=%ld",
	    name_of(name, &login->account), http->remote_addr, wait);
	text_format(text, sizeof(text), "%ld", wait);
	http_header(http, "Retry-After", text);
	text_format(text, sizeof(text), "Too many attempts. Try again in %ld minute%s.",
	    (wait + 59) / 60, wait > 60 ? "s" : "");
	if (http_is_browser(http))
		show_form(login, 429, text);
	else
		reply_json(&login->request, 429, "Too many attempts");
}

/* Hand out a token: the password was right. */
static void
admit(struct login *login, const struct throttle *throttle, const char *word)
{
	const struct request *request = &login->request;
	const struct account *account = &login->account;
	struct site *site = request->site;
	const bool bearer = http_accepts(request->http, "application/jwt") &&
	    !http_accepts(request->http, "text/html");
	char token[TOKEN_SIZE], quoted[LOG_TEXT_SIZE], device[THROTTLE_DEVICE_SIZE];
	size_t revoked;
	long seconds;
	int status;

	throttle_forgive(throttle, site->store, request->now, request->log);
	/* Who knows the cookie that this browser had before has nothing of this session. */
	visitor_sign_out(&revoked, request, false);
	status = session_begin(token, &seconds, &site->sessions, account,
	    bearer ? LIST_BEARER : LIST_COOKIE, word, request->now, request->log);
	if (status != 0) {
		refuse(login, status, "signing");
		return;
	}
	log_event(request->log, "login_ok", "user=%s ip=%s", log_text(quoted, account->user),
	    request->http->remote_addr);
	if (!bearer)
		visitor_set_cookie(request, "", token, seconds);
	if (bearer) {
		reply_token(request, token);
	} else if (!http_is_browser(request->http)) {
		reply_json(request, 200, "Login is successful");
	} else {
		if (throttle_make_device(device, throttle, &site->config, account, request->now))
			visitor_set_cookie(request, VISITOR_DEVICE, device,
			    THROTTLE_DEVICE_SECONDS);
		reply_redirect(request, destination(login));
	}
	secret_wipe(token, sizeof(token));
}

/* Count the attempt. False, with the request answered, when it must wait. */
static bool
count_attempt(struct login *login, struct throttle *throttle)
{
	const struct request *request = &login->request;
	struct site *site = request->site;
	long wait;
	bool here;

	/* REMOTE_ADDR may be that of a proxy on this machine. */
	if (!throttle_is_address(throttle->address, &here) ||
	    (here && http_is_forwarded(request->http))) {
		log_event(request->log, "config",
		    "reason=\"tries are not counted by address: REMOTE_ADDR does not tell the "
		    "client's\"");
		throttle->address = NULL;
	}
	switch (throttle_count(throttle, site->store, &site->config, request->now, &wait,
	    request->log)) {
	case THROTTLE_GO:
		return true;
	case THROTTLE_WAIT:
		hold_off(login, wait);
		break;
	case THROTTLE_FAULT:
		refuse(login, 503, "state");
		break;
	}
	return false;
}

/* Does the password fit the name? The attempt is counted before the password is hashed. */
static void
check_password(struct login *login)
{
	const struct request *request = &login->request;
	const struct account *account = &login->account;
	struct site *site = request->site;
	struct text_span devices[DEVICES_MAX];
	struct throttle throttle = { .name = login->form.username,
		.account = account,
		.address = request->http->remote_addr,
		.devices = devices,
		.device_count = visitor_devices(devices, COUNT(devices), request) };
	char word[LIST_WORD_SIZE];

	users_find(&login->account, &site->users, login->form.username, &site->config);
	if (!count_attempt(login, &throttle))
		return;
	if (!session_prepare(word, &site->sessions, account->user, request->now, request->log)) {
		refuse(login, 503, "state");
		return;
	}
	/* Again: of a password that was changed before all sessions were revoked, the new one. */
	if (!users_read(&site->users, &site->config, request->now, request->log)) {
		refuse(login, 503, "users");
		return;
	}
	users_find(&login->account, &site->users, login->form.username, &site->config);
	switch (users_check(account, login->form.password)) {
	case PASSWORD_RIGHT:
		admit(login, &throttle, word);
		break;
	case PASSWORD_WRONG:
		refuse(login, 401, account->known ? "password" : "user");
		break;
	case PASSWORD_FAULT:
		/* A fault must not tell an unknown name from a known one either. */
		refuse(login, 503, "crypt");
		break;
	}
}

static void
post_login(struct login *login)
{
	const struct request *request = &login->request;
	const struct form *form = &login->form;

	if (!read_body(login))
		return;
	if (form->username == NULL || form->password == NULL || form->username[0] == '\0' ||
	    form->password[0] == '\0')
		refuse(login, 401, "missing");
	else if (strlen(form->password) >= PASSWORD_SIZE)
		refuse(login, 401, "length");
	else if (!users_read(&request->site->users, &request->site->config, request->now,
		     request->log))
		refuse(login, 503, "users");
	else
		check_password(login);
}

/* -- signing out -------------------------------------------------------------------------- */

static void
get_logout(struct login *login)
{
	const struct request *request = &login->request;
	const struct visitor_notes notes = visitor_notes(request);
	const struct page_slot slots[] = {
		{ "logout", request->site->config.logout },
		{ "note", notes.note },
		{ "everywhere", notes.everywhere },
	};

	reply_page(request, 200, PAGE_LOGOUT, slots, COUNT(slots));
}

static void
post_logout(struct login *login)
{
	static const struct page_slot not_recorded[] = {
		{ "heading", "Signed out in this browser only" },
		{ "text",
		    "The sign-out could not be recorded, so a copy of the cookie may still work. "
		    "The log of the web server says why. Sign in again later, and sign out "
		    "everywhere." },
	};
	const struct request *request = &login->request;
	const bool browser = http_is_browser(request->http);
	bool everywhere;
	size_t revoked;
	int status;

	if (!read_body(login))
		return;
	everywhere = login->form.everywhere != NULL && strcmp(login->form.everywhere, "1") == 0;
	status = visitor_sign_out(&revoked, request, everywhere);
	if (status == 0 && everywhere && revoked == 0) {
		/* Whose sessions? To say that they have ended would not be true. */
		gate_send_to_login(request);
		return;
	}
	visitor_clear_cookie(request);
	http_header(request->http, "Clear-Site-Data", "\"cache\"");
	if (status != 0 && browser)
		reply_page(request, status, PAGE_MESSAGE, not_recorded, COUNT(not_recorded));
	else if (status != 0)
		reply_json(request, status, "Logout could not be recorded");
	else if (browser)
		reply_redirect(request, request->site->config.login);
	else
		reply_json(request, 200, "Logout is successful");
}

/* The public keys, for services that check a token by themselves. A secret is nobody's to know. */
static void
get_keys(struct login *login)
{
	struct key *const *files = login->request.site->sessions.files;
	char keys[2 * KEY_JWK_SIZE + 16];

	if (files[0] != NULL &&
	    text_format(keys, sizeof(keys), "{\"keys\":[%s%s%s]}", files[0]->jwk,
		files[1] != NULL ? "," : "", files[1] != NULL ? files[1]->jwk : ""))
		reply_keys(&login->request, keys);
	else
		reply_error(&login->request, 404);
}

/* A request for one of our own pages, which the last segment of its path tells. */
static void
answer_page(struct login *login)
{
	const struct request *request = &login->request;
	const struct config *config = &request->site->config;
	const char *method = request->http->method;
	const struct {
		const char *path;
		void (*get)(struct login *), (*post)(struct login *);
	} pages[] = {
		{ config->logout, get_logout, post_logout },
		{ "/logout", get_logout, post_logout },
		{ config->login, get_login, post_login },
		{ "/login", get_login, post_login },
		{ "/login.fcgi", get_login, post_login },
		{ "/jwks.json", get_keys, NULL },
	}, *page = NULL;
	char segment[HTTP_SEGMENT_SIZE];

	http_last_segment(request->http, segment);
	for (size_t i = 0; i < COUNT(pages) && page == NULL; i++) {
		if (strcmp(strrchr(pages[i].path, '/') + 1, segment) == 0)
			page = &pages[i];
	}
	if (page == NULL) {
		reply_error(request, 404);
	} else if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
		page->get(login);
	} else if (strcmp(method, "POST") == 0 && page->post != NULL) {
		page->post(login);
	} else {
		http_header(request->http, "Allow",
		    page->post != NULL ? "GET, HEAD, POST" : "GET, HEAD");
		reply_error(request, 405);
	}
}

static void
answer(const struct request *request)
{
	struct login login = { .request = *request };
	struct token token;

	if (gate_is_asked(request->http)) {
		log_event(request->log, "config",
		    "reason=\"login.fcgi is no gate: welcome.fcgi is\"");
		reply_error(request, 403);
	} else if (strcmp(request->http->redirect_status, "401") == 0) {
		/* The error document of a gate's 401 (Apache). */
		if (gate_finds_user(&token, request))
			gate_explain(request, &token);
	} else if (csrf_admits(request)) {
		answer_page(&login);
	}
	secret_wipe(&login, sizeof(login));
}

int
main(int argc, char **argv)
{
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
		const struct request request = { &http, &site, &http.log, time(NULL) };

		if (!setup_answers(&request) && site_admits(&request))
			answer(&request);
		http_finish(&http);
	}
	site_close(&site);
	http_close(&http);
	return EXIT_SUCCESS;
}
