/*
 * test_csrf: what another site's page sends is refused, and nothing else.
 */
#include "web/csrf.h"

#include "unit.h"

#define OURS "https://example.org"

/* With POSTERN_ORIGIN, or without it, where Host says who we are. */
static const struct {
	const char *name, *method, *fetch_site, *origin, *host, *upgrade, *configured;
	bool want;
} cases[] = {
	/* Safe methods. */
	{ "GET from another site", "GET", "cross-site", "https://evil.example", "example.org", "",
	    "", true },
	{ "HEAD from another site", "HEAD", "cross-site", "", "example.org", "", "", true },
	{ "OPTIONS from another site", "OPTIONS", "cross-site", "", "example.org", "", "", true },
	{ "get in lower case is not safe", "get", "cross-site", "", "example.org", "", "", false },
	{ "an unknown method", "PROPFIND", "cross-site", "", "example.org", "", "", false },
	{ "TRACE", "TRACE", "cross-site", "", "example.org", "", "", false },
	{ "no method", "", "cross-site", "", "example.org", "", "", false },

	/* Fetch Metadata, which rules where it was sent. */
	{ "from our page", "POST", "same-origin", "https://example.org", "example.org", "", "",
	    true },
	{ "typed by the user", "POST", "none", "", "example.org", "", "", true },
	{ "from another site", "POST", "cross-site", "https://evil.example", "example.org", "", "",
	    false },
	{ "from a sibling host", "POST", "same-site", "https://b.example.org", "example.org", "",
	    "", false },
	{ "an unknown word", "POST", "same-origin, none", "", "example.org", "", "", false },
	{ "in capitals", "POST", "Same-Origin", "", "example.org", "", "", false },
	{ "the browser's word over Origin", "POST", "same-origin", "https://evil.example",
	    "example.org", "", "", true },
	{ "the browser's word over an Origin of ours", "POST", "cross-site", "https://example.org",
	    "example.org", "", "", false },

	/* Neither: not a browser. */
	{ "no browser", "POST", "", "", "example.org", "", "", true },
	{ "no browser, no host", "DELETE", "", "", "", "", OURS, true },

	/* Origin against Host. */
	{ "the host that was asked", "POST", "", "https://example.org", "example.org", "", "",
	    true },
	{ "over plain HTTP", "POST", "", "http://example.org", "example.org", "", "", true },
	{ "in another case", "POST", "", "https://Example.ORG", "eXample.org", "", "", true },
	{ "with a port", "POST", "", "http://example.org:8080", "example.org:8080", "", "", true },
	{ "the usual port in Host", "POST", "", "https://example.org", "example.org:443", "", "",
	    true },
	{ "the usual port in Origin", "POST", "", "http://example.org:80", "example.org", "", "",
	    true },
	{ "the usual port in both", "POST", "", "http://example.org:80", "example.org:80", "", "",
	    true },
	{ "an IPv6 address", "POST", "", "http://[::1]:8080", "[::1]:8080", "", "", true },
	{ "another host", "POST", "", "https://evil.example", "example.org", "", "", false },
	{ "another port", "POST", "", "http://example.org:8081", "example.org:8080", "", "",
	    false },
	{ "a port against none", "POST", "", "http://example.org:8080", "example.org", "", "",
	    false },
	{ "the port of the other scheme", "POST", "", "https://example.org:80", "example.org", "",
	    "", false },
	{ "the port of the other scheme in Host", "POST", "", "http://example.org",
	    "example.org:443", "", "", false },
	{ "a host that ends with ours", "POST", "", "https://evilexample.org", "example.org", "",
	    "", false },
	{ "a host that begins with ours", "POST", "", "https://example.org.evil.example",
	    "example.org", "", "", false },
	{ "a sibling host", "POST", "", "https://b.example.org", "example.org", "", "", false },
	{ "the opaque origin", "POST", "", "null", "example.org", "", "", false },
	{ "the opaque origin against no host", "POST", "", "null", "", "", "", false },
	{ "no host", "POST", "", "https://example.org", "", "", "", false },
	{ "a scheme and no host", "POST", "", "https://", "", "", "", false },
	{ "a path", "POST", "", "https://example.org/", "example.org", "", "", false },
	{ "user information", "POST", "", "https://example.org@evil.example", "example.org", "", "",
	    false },
	{ "two origins", "POST", "", "https://example.org https://evil.example", "example.org", "",
	    "", false },

	/* Origin against the setting: what Host says is worth nothing then. */
	{ "the configured origin", "POST", "", OURS, "127.0.0.1:8080", "", OURS, true },
	{ "its usual port", "POST", "", OURS ":443", "127.0.0.1", "", OURS, true },
	{ "its usual port configured", "POST", "", OURS, "127.0.0.1", "", OURS ":443", true },
	{ "its scheme in capitals", "POST", "", "HTTPS://EXAMPLE.ORG", "", "", OURS, true },
	{ "another scheme", "POST", "", "http://example.org", "example.org", "", OURS, false },
	{ "another scheme of the same length", "POST", "", "ftps://example.org", "", "",
	    "http://example.org", false },
	{ "a longer scheme", "POST", "", "httpsx://example.org", "example.org", "", OURS, false },
	{ "a scheme cut short", "POST", "", "http://example.org:443", "", "", OURS, false },
	{ "another host than configured", "POST", "", "https://evil.example", "evil.example", "",
	    OURS, false },
	{ "another port than configured", "POST", "", OURS ":8443", "example.org", "", OURS,
	    false },
	{ "the opaque origin against the setting", "POST", "", "null", "", "", OURS, false },

	/* WebSockets, which come as a GET. */
	{ "a WebSocket from our page", "GET", "same-origin", OURS, "example.org", "websocket", "",
	    true },
	{ "a WebSocket from our page, configured", "GET", "", OURS, "", "websocket", OURS, true },
	{ "a WebSocket from another site", "GET", "", "https://evil.example", "example.org",
	    "websocket", "", false },
	{ "a WebSocket of any spelling", "GET", "", "https://evil.example", "example.org",
	    "WebSocket", "", false },
	{ "a WebSocket among other upgrades", "GET", "", "https://evil.example", "example.org",
	    "h2c, websocket", "", false },
	{ "a WebSocket without an origin", "GET", "", "", "example.org", "websocket", "", false },
	{ "a WebSocket without an origin, typed", "GET", "same-origin", "", "example.org",
	    "websocket", "", false },
	{ "another upgrade", "GET", "cross-site", "https://evil.example", "example.org", "h2c", "",
	    true },
	{ "another upgrade of an unsafe method", "POST", "cross-site", "", "example.org", "h2c", "",
	    false },
};

static void
test_allows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct http http = {
			.method = cases[i].method,
			.fetch_site = cases[i].fetch_site,
			.origin = cases[i].origin,
			.host = cases[i].host,
			.upgrade = cases[i].upgrade,
		};
		bool allowed = csrf_allows(&http, cases[i].configured);

		if (allowed != cases[i].want)
			fail_msg("%s: %s", cases[i].name, allowed ? "allowed" : "refused");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allows),
	};

	return cmocka_run_group_tests_name("csrf", tests, NULL, NULL);
}
