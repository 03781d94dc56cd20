#include "web/visitor.h"

#include <string.h>
#include <strings.h>

#include "base/secret.h"
#include "web/cookie.h"

/* The values of the cookies whose name is that of the token's and this suffix. Their number. */
static size_t
find_cookies(struct text_span values[], size_t max, const struct request *request,
    const char *suffix)
{
	char name[CONFIG_TEXT_SIZE + 8];
	size_t count = 0;

	text_format(name, sizeof(name), "%s%s", request->site->config.cookie, suffix);
	for (size_t i = 0; i < request->http->cookie_count; i++) {
		const char *at = request->http->cookies[i];

		while (count < max && cookie_next(&values[count], &at, name))
			count++;
	}
	return count;
}

size_t
visitor_devices(struct text_span devices[], size_t max, const struct request *request)
{
	return find_cookies(devices, max, request, VISITOR_DEVICE);
}

/* Find the token of `Bearer TOKEN` (RFC 6750, section 2.1). False where it is another scheme. */
static bool
find_bearer(struct text_span *token, const struct request *request)
{
	const char *text = request->http->authorization;
	const size_t scheme = strcspn(text, " ");

	if (scheme != strlen("Bearer") || strncasecmp(text, "Bearer", scheme) != 0)
		return false;
	token->at = text + scheme + strspn(text + scheme, " ");
	token->length = strlen(token->at);
	return true;
}

enum visitor
visitor_check(struct token *token, const struct request *request)
{
	static const enum visitor visitors[] = { [SESSION_BAD] = VISITOR_BAD,
		[SESSION_FAULT] = VISITOR_FAULT,
		[SESSION_UNKNOWN] = VISITOR_UNKNOWN,
		[SESSION_GOOD] = VISITOR_SIGNED_IN };
	struct text_span tokens[SESSION_TOKENS_MAX], bearer_token;
	size_t count = find_cookies(tokens, COUNT(tokens), request, "");
	bool bearer = find_bearer(&bearer_token, request);
	enum visitor visitor = VISITOR_BOTH;
	const char *why = "both";

	*token = (struct token){ 0 };
	/* An application behind a gate may use Authorization for itself. */
	if (count > 0 && request->http->is_gate)
		bearer = false;
	if (count == 0 && !bearer)
		return VISITOR_NO_TOKEN;
	if (count == 0 || !bearer) {
		visitor = visitors[session_check(token, &why, &request->site->sessions,
		    bearer ? &bearer_token : tokens, bearer ? 1 : count, request->now,
		    request->log)];
		if (visitor == VISITOR_BAD && bearer)
			visitor = VISITOR_BAD_BEARER;
	}
	token->bearer = visitor == VISITOR_SIGNED_IN && bearer;
	if (visitor != VISITOR_SIGNED_IN && visitor != VISITOR_UNKNOWN)
		log_event(request->log, "token_bad", "ip=%s reason=%s", request->http->remote_addr,
		    why);
	return visitor;
}

void
visitor_set_cookie(const struct request *request, const char *suffix, const char *value,
    long seconds)
{
	const struct config *config = &request->site->config;
	char name[CONFIG_TEXT_SIZE + 8], header[COOKIE_SET_SIZE];

	text_format(name, sizeof(name), "%s%s", config->cookie, suffix);
	if (cookie_set(header, name, value, seconds,
		config->secure || http_is_https(request->http)))
		http_header(request->http, "Set-Cookie", header);
	secret_wipe(header, sizeof(header));
}

void
visitor_clear_cookie(const struct request *request)
{
	/*
	 * Chromium brings a page back from its back/forward cache, no-store or not, unless a
	 * cookie has changed since; and the first change after a sign-in it takes for the
	 * sign-in's own. So there are two. The one that matters comes last: curl forgets to
	 * take a cookie out of its jar when another one follows.
	 */
	if (http_is_browser(request->http))
		visitor_set_cookie(request, "-out", "", 1);
	visitor_set_cookie(request, "", "", 0);
}

bool
visitor_renew(const struct request *request, const struct token *token)
{
	struct site *site = request->site;
	char renewed[TOKEN_SIZE];
	struct account account;
	long seconds;
	bool made;

	if (!session_is_due(&site->sessions, token, request->now) ||
	    !users_read(&site->users, &site->config, request->now, request->log))
		return false;
	users_find(&account, &site->users, token->user, &site->config);
	made = session_renew(renewed, &seconds, &site->sessions, token, &account, request->now,
	    request->log);
	if (made)
		visitor_set_cookie(request, "", renewed, seconds);
	secret_wipe(renewed, sizeof(renewed));
	return made;
}

/* Revoke what one token stands for. The worse of `status` and what came of it. */
static int
revoke(size_t *revoked, int status, const struct request *request, const struct text_span *text,
    bool everywhere)
{
	char quoted[LOG_TEXT_SIZE];
	struct token token;
	int one;

	if (session_revoke(&token, &one, &request->site->sessions, text, everywhere, request->now,
		request->log)) {
		++*revoked;
		log_event(request->log, everywhere ? "logout_everywhere" : "logout",
		    "user=%s ip=%s", log_text(quoted, token.user), request->http->remote_addr);
	}
	return one > status ? one : status;
}

int
visitor_sign_out(size_t *revoked, const struct request *request, bool everywhere)
{
	const struct http *http = request->http;
	struct text_span token;
	int status = 0;

	*revoked = 0;
	if (find_bearer(&token, request))
		status = revoke(revoked, status, request, &token, everywhere);
	/* All of them: another site may have planted one, or many, beside the one that is meant. */
	for (size_t i = 0; i < http->cookie_count; i++) {
		const char *at = http->cookies[i];

		while (cookie_next(&token, &at, request->site->config.cookie))
			status = revoke(revoked, status, request, &token, everywhere);
	}
	return status;
}

struct visitor_notes
visitor_notes(const struct request *request)
{
	if (!store_is_none(request->site->store))
		return (struct visitor_notes){ "", "" };
	return (struct visitor_notes){ "Signing out clears this browser only.", "hidden" };
}
