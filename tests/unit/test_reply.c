/*
 * test_reply: the headers that every reply has, and what each kind of reply says.
 */
#include "web/reply.h"

#include "child.h"

enum { NOW = 2000000000 };

#define STANDARD                                                                                   \
	"Cache-Control: no-store\r\n"                                                              \
	"Vary: Accept, Cookie, Authorization, Sec-Fetch-Mode\r\n"                                  \
	"X-Content-Type-Options: nosniff\r\n"                                                      \
	"Referrer-Policy: same-origin\r\n"                                                         \
	"Cross-Origin-Opener-Policy: same-origin\r\n"                                              \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                                            \
	"Content-Security-Policy: default-src 'none'; form-action 'self'; base-uri 'none'; "       \
	"frame-ancestors 'none'"
#define CHALLENGE "WWW-Authenticate: Bearer realm=\"postern\""
#define IS_JSON "Content-Type: application/json; charset=utf-8\r\n"
#define IS_HTML "Content-Type: text/html; charset=utf-8\r\n"

static struct site site;

static void
json(const struct request *request)
{
	reply_json(request, 200, "Have a good day");
}

static void
json_401(const struct request *request)
{
	reply_json(request, 401, "Please login");
}

static void
invalid_token(const struct request *request)
{
	reply_invalid_token(request, "Authentication error!");
}

static void
token(const struct request *request)
{
	reply_token(request, "a.b.c");
}

static void
redirect(const struct request *request)
{
	reply_redirect(request, "/welcome?a=b");
}

static void
page(const struct request *request)
{
	static const struct page_slot slots[] = { { "heading", "Hi" }, { "text", "a<b" } };

	http_header(request->http, "X-More", "1");
	reply_page(request, 401, PAGE_MESSAGE, slots, COUNT(slots));
}

static void
large_page(const struct request *request)
{
	static char large[PAGE_SIZE + 1];
	static const struct page_slot slots[] = { { "text", large } };

	memset(large, 'x', PAGE_SIZE);
	http_header(request->http, "Set-Cookie", "token=abc");
	reply_page(request, 200, PAGE_MESSAGE, slots, COUNT(slots));
}

static void
split_headers(const struct request *request)
{
	http_header(request->http, "Set-Cookie", "token=abc");
	http_header(request->http, "Location", "/a\r\nSet-Cookie: b");
	reply_json(request, 200, "Login is successful");
}

static void
error(const struct request *request)
{
	reply_error(request, 405);
}

static const struct row {
	const char *name;
	void (*reply)(const struct request *request);
	const char *accept;
	const char *status, *headers, *body; /* a NULL body is a page */
} cases[] = {
	{ "JSON", json, "", "200 OK", STANDARD "\r\n" IS_JSON,
	    "{\"message\":\"Have a good day\"}" },
	{ "a challenge", json_401, "", "401 Unauthorized", STANDARD "\r\n" CHALLENGE "\r\n" IS_JSON,
	    "{\"message\":\"Please login\"}" },
	{ "a challenge to a bad token", invalid_token, "", "401 Unauthorized",
	    STANDARD "\r\n" CHALLENGE ", error=\"invalid_token\"\r\n" IS_JSON,
	    "{\"message\":\"Authentication error!\"}" },
	{ "a token", token, "", "200 OK",
	    STANDARD "\r\nContent-Type: application/jwt; charset=utf-8\r\n", "a.b.c" },
	{ "a redirect", redirect, "", "303 See Other",
	    "Location: /welcome?a=b\r\n" STANDARD "\r\nContent-Type: text/plain; charset=utf-8\r\n",
	    "" },
	{ "a page", page, "", "401 Unauthorized",
	    "X-More: 1\r\n" STANDARD "; style-src 'sha256-HASH'\r\n" CHALLENGE "\r\n" IS_HTML,
	    NULL },
	{ "a page too large takes the cookie with it", large_page, "", "500 Internal Server Error",
	    STANDARD "\r\n" IS_JSON, "{\"message\":\"Internal Server Error\"}" },
	{ "headers that are wrong do so too", split_headers, "", "500 Internal Server Error",
	    STANDARD "\r\nContent-Type: text/plain; charset=utf-8\r\n", "" },
	{ "an error, to a program", error, "*/*", "405 Method Not Allowed", STANDARD "\r\n" IS_JSON,
	    "{\"message\":\"Method Not Allowed\"}" },
	{ "an error, to a browser", error, "text/html", "405 Method Not Allowed",
	    STANDARD "; style-src 'sha256-HASH'\r\n" IS_HTML, NULL },
};

static int
answer(void *argument)
{
	const struct row *row = argument;
	struct http http;
	const struct request request = { &http, &site, &http.log, NOW };

	if (!http_open(&http) || !http_accept(&http))
		return 1;
	row->reply(&request);
	http_finish(&http);
	http_close(&http);
	return 0;
}

static void
check(const struct row *row, const struct child *child)
{
	const char *body = strstr(child->out, "\r\n\r\n");
	char want[4096], *hash;

	CHECK(row->name, body != NULL);
	body += 4;
	snprintf(want, sizeof(want), "Status: %s\r\n%sContent-Length: %zu\r\n\r\n", row->status,
	    row->headers, strlen(body));
	if ((hash = strstr(want, "HASH")) != NULL) {
		memmove(hash + strlen(site.pages.style_hash), hash + 4, strlen(hash + 4) + 1);
		memcpy(hash, site.pages.style_hash, strlen(site.pages.style_hash));
	}
	if (strncmp(child->out, want, strlen(want)) != 0)
		fail_msg("%s: %s, not %s", row->name, child->out, want);
	if (row->body != NULL)
		CHECK_TEXT(row->name, body, row->body);
	else
		CHECK(row->name, strncmp(body, "<!DOCTYPE html>", 15) == 0);
	if (row->reply == page)
		CHECK(row->name, strstr(body, "<p>a&lt;b</p>") != NULL);
}

static void
test_replies(void **state)
{
	static struct child child;
	struct text_why why;

	(void)state;
	assert_true(pages_load(&site.pages, "", "Sign in", &why));
	for (size_t i = 0; i < COUNT(cases); i++) {
		char accept[64];
		const char *const environment[] = { "REQUEST_METHOD=GET", accept, NULL };

		snprintf(accept, sizeof(accept), "HTTP_ACCEPT=%s", cases[i].accept);
		child_run(&child, environment, "", answer, (void *)&cases[i]);
		CHECK(cases[i].name, child.status == 0);
		check(&cases[i], &child);
		CHECK(cases[i].name,
		    (child.err[0] != '\0') == (strncmp(cases[i].status, "500", 3) == 0));
	}
	pages_forget(&site.pages);
}

static int
answer_error(void *argument)
{
	const int *status = argument;
	struct http http;
	const struct request request = { &http, &site, &http.log, NOW };

	if (!http_open(&http) || !http_accept(&http))
		return 1;
	reply_error(&request, *status);
	http_finish(&http);
	http_close(&http);
	return 0;
}

/* A page says the error in words. */
static void
test_words(void **state)
{
	static const struct {
		int code;
		const char *heading;
	} errors[] = {
		{ 400, "<h1>Bad Request</h1>" }, { 403, "<h1>Forbidden</h1>" },
		{ 404, "<h1>Not Found</h1>" }, { 405, "<h1>Method Not Allowed</h1>" },
		{ 408, "<h1>Request Timeout</h1>" }, { 413, "<h1>Content Too Large</h1>" },
		{ 415, "<h1>Unsupported Media Type</h1>" },
		{ 500, "<h1>Internal Server Error</h1>" }, { 503, "<h1>Service Unavailable</h1>" },
		{ 299, "<h1>Internal Server Error</h1>" }, /* one that nobody knows */
	};
	static const char *const environment[] = { "REQUEST_METHOD=GET", "HTTP_ACCEPT=text/html",
		NULL };
	static struct child child;
	struct text_why why;

	(void)state;
	assert_true(pages_load(&site.pages, "", "Sign in", &why));
	for (size_t i = 0; i < COUNT(errors); i++) {
		child_run(&child, environment, "", answer_error, (void *)&errors[i].code);
		CHECK(errors[i].heading, strstr(child.out, errors[i].heading) != NULL);
		CHECK(errors[i].heading, strstr(child.out, "<p></p>") == NULL);
		CHECK(errors[i].heading, strstr(child.out, "{{") == NULL);
	}
	pages_forget(&site.pages);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
