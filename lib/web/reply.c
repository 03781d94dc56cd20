#include "web/reply.h"

#include <string.h>

#include "base/secret.h"
#include "base/text.h"

#define CHALLENGE "Bearer realm=\"postern\""
#define TEXT_TYPE "text/plain; charset=utf-8"

/* The headers of every reply that shut it off from other sites. */
#define SHUT_OFF                                                                                   \
	"X-Content-Type-Options: nosniff\r\n"                                                      \
	"Referrer-Policy: same-origin\r\n"                                                         \
	"Cross-Origin-Opener-Policy: same-origin\r\n"                                              \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                                            \
	"Content-Security-Policy: default-src 'none'; form-action 'self'; base-uri 'none'; "       \
	"frame-ancestors 'none'"

/* What the protocol calls a status (RFC 9110, section 15), and what a person is told. */
static const struct status {
	int code;
	const char *phrase, *words;
} statuses[] = {
	{ 500, "Internal Server Error", "Something went wrong here. Try again in a moment." },
	{ 200, "OK", "" },
	{ 302, "Found", "" },
	{ 303, "See Other", "" },
	{ 400, "Bad Request", "The request was not well formed. Go back and try again." },
	{ 401, "Unauthorized", "" },
	{ 403, "Forbidden", "The request came from another site, so it was not carried out." },
	{ 404, "Not Found", "There is no page at this address." },
	{ 405, "Method Not Allowed", "This address does not take requests of that kind." },
	{ 408, "Request Timeout", "The request took too long to arrive. Go back and try again." },
	{ 413, "Content Too Large", "The request was too large." },
	{ 415, "Unsupported Media Type", "The request was in a format not understood here." },
	{ 429, "Too Many Requests", "" },
	{ 503, "Service Unavailable",
	    "Signing in does not work just now. The log of the web server says why." },
};

/* A status that we do not know is a fault of ours, the first. */
static const struct status *
find_status(int code)
{
	size_t i = COUNT(statuses) - 1;

	while (i > 0 && statuses[i].code != code)
		i--;
	return &statuses[i];
}

/* `style` is what the policy says of it besides, or empty. */
static void
send_with(const struct request *request, int code, const char *challenge, const char *type,
    const char *style, const char *body)
{
	const struct status *status = find_status(code);
	struct http *http = request->http;
	char line[64];

	text_format(line, sizeof(line), "%d %s", status->code, status->phrase);
	/* Apache adds what a gate says to the headers of its error document, which has them all. */
	if (http->is_gate && http->apache_role[0] != '\0') {
		http_clear_headers(http);
		http_send(http, line, NULL, 0);
		return;
	}
	http_headers(http,
	    "Cache-Control: no-store\r\n"
	    "Vary: Accept, Cookie, Authorization, Sec-Fetch-Mode\r\n" SHUT_OFF);
	http_headers(http, style);
	http_headers(http, "\r\n");
	if (code == 401)
		http_header(http, "WWW-Authenticate", challenge);
	http_header(http, "Content-Type", type);
	if (http_send(http, line, body, strlen(body)) || http->sent)
		return;
	/* What was to be granted is not: no cookie goes out. */
	log_event(&http->log, "config", "reason=\"the headers of a reply do not fit\"");
	http_clear_headers(http);
	send_with(request, http->is_gate ? 503 : 500, "", TEXT_TYPE, "", "");
}

static void
send_json(const struct request *request, int status, const char *challenge, const char *message)
{
	char body[128];

	/* Every message is a literal of ours, with nothing in it to escape. */
	text_format(body, sizeof(body), "{\"message\":\"%s\"}", message);
	send_with(request, status, challenge, "application/json; charset=utf-8", "", body);
}

void
reply_json(const struct request *request, int status, const char *message)
{
	send_json(request, status, CHALLENGE, message);
}

void
reply_invalid_token(const struct request *request, const char *message)
{
	send_json(request, 401, CHALLENGE ", error=\"invalid_token\"", message);
}

void
reply_keys(const struct request *request, const char *keys)
{
	/* They are the same for everybody. */
	http_headers(request->http,
	    "Cache-Control: public, max-age=300\r\n" SHUT_OFF "\r\n"
	    "Content-Type: application/jwk-set+json; charset=utf-8\r\n");
	http_send(request->http, "200 OK", keys, strlen(keys));
}

void
reply_token(const struct request *request, const char *token)
{
	send_with(request, 200, "", "application/jwt; charset=utf-8", "", token);
}

void
reply_page(const struct request *request, int status, enum page page,
    const struct page_slot slots[], size_t count)
{
	const struct pages *pages = &request->site->pages;
	struct http *http = request->http;
	char html[PAGE_SIZE], style[32 + PAGE_STYLE_HASH_SIZE];

	if (page_fill(html, pages, page, slots, count)) {
		text_format(style, sizeof(style), "; style-src 'sha256-%s'", pages->style_hash);
		send_with(request, status, CHALLENGE, "text/html; charset=utf-8", style, html);
		secret_wipe(html, strlen(html));
		return;
	}
	log_event(&http->log, "config", "setting=POSTERN_PAGES reason=\"a page is too large\"");
	http_clear_headers(http);
	reply_json(request, http->is_gate ? 503 : 500, "Internal Server Error");
}

void
reply_redirect(const struct request *request, const char *location)
{
	http_header(request->http, "Location", location);
	send_with(request, request->http->is_gate ? 302 : 303, "", TEXT_TYPE, "", "");
}

void
reply_pass(const struct request *request)
{
	/* Some servers hand every header of a pass to the client. */
	if (http_send(request->http, "200 OK", NULL, 0) || request->http->sent)
		return;
	http_clear_headers(request->http);
	send_with(request, 503, "", TEXT_TYPE, "", "");
}

void
reply_error(const struct request *request, int status)
{
	const struct status *found = find_status(status);
	const struct page_slot slots[] = {
		{ "heading", found->phrase },
		{ "text", found->words },
	};

	if (http_is_browser(request->http))
		reply_page(request, status, PAGE_MESSAGE, slots, COUNT(slots));
	else
		reply_json(request, status, found->phrase);
}
