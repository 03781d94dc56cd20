/*
 * test_visitor: whose cookie or bearer token is in a session; which cookies a reply sets.
 */
#include "web/visitor.h"

#include "visit.h"

enum { NOW = VISIT_NOW };

/* A request with these headers to a site. What the log hears of it ends up in `caught`. */
struct visit {
	struct http http;
	struct request request;
	char cookies[2][8192], authorization[8192];
	struct unit_log caught;
};

static void
begin(struct visit *visit, struct site *site, time_t now)
{
	visit->http = visit_http("GET");
	visit->http.log = unit_log(&visit->caught);
	visit->http.cookies[0] = visit->cookies[0];
	visit->http.cookies[1] = visit->cookies[1];
	visit->http.cookie_count = 2;
	visit->http.authorization = visit->authorization;
	visit->request = (struct request){ &visit->http, site, &visit->http.log, now };
	visit->cookies[0][0] = visit->cookies[1][0] = visit->authorization[0] = '\0';
}

static void
make_tokens(char tokens[static 5][TOKEN_SIZE], const char *folder)
{
	static const struct {
		const char *secret, *user;
		time_t when;
	} rows[] = {
		{ MINT_SECRET, "ada", NOW - 10 },
		{ MINT_SECRET, "bob", NOW },
		{ MINT_PREVIOUS, "ada", NOW },
		{ MINT_SECRET, "ada", NOW - 300 },
		{ MINT_STRANGER, "ada", NOW },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct site site;

		visit_open(&site, folder, rows[i].secret, "", STORE_NONE);
		visit_sign_in(tokens[i], &site, rows[i].user, LIST_COOKIE, rows[i].when);
		site_close(&site);
	}
}

/* -- who it is --------------------------------------------------------------------------- */

#define GOOD VISITOR_SIGNED_IN
#define FOUR "token=a; token=b; token=c; token=d; "

static const struct {
	const char *name, *cookie, *second, *authorization;
	enum visitor want;
	const char *user, *why;
} cases[] = {
	{ "nothing", "", "", "", VISITOR_NO_TOKEN, "", "" },
	{ "cookies of others", "a=b; tokens=$G; xtoken=$G", "", "", VISITOR_NO_TOKEN, "", "" },
	{ "a good cookie", "token=$G", "", "", GOOD, "ada", "" },
	{ "among others", "a=b; token=$G; c=d", "", "", GOOD, "ada", "" },
	{ "in a second header", "a=b", "token=$G", "", GOOD, "ada", "" },
	{ "of the previous secret", "token=$P", "", "", GOOD, "ada", "" },
	{ "no token", "token=", "", "", VISITOR_BAD, "", "form" },
	{ "not a token", "token=abc", "", "", VISITOR_BAD, "", "form" },
	{ "in quotes", "token=\"$G\"", "", "", VISITOR_BAD, "", "form" },
	{ "over", "token=$X", "", "", VISITOR_BAD, "", "expired" },
	{ "a stranger's", "token=$S", "", "", VISITOR_BAD, "", "signature" },
	{ "too long for a token", "token=$G$G$G$G$G$G$G", "", "", VISITOR_BAD, "", "form" },

	{ "a bad one first", "token=abc; token=$G", "", "", GOOD, "ada", "" },
	{ "a bad one last", "token=$G; token=abc", "", "", GOOD, "ada", "" },
	{ "a stranger's before it", "token=$S", "token=$G", "", GOOD, "ada", "" },
	{ "twice the same", "token=$G; token=$G", "", "", GOOD, "ada", "" },
	{ "two sessions", "token=$G; token=$L", "", "", VISITOR_BAD, "", "sid" },
	{ "two sessions, in two headers", "token=$L", "token=$G", "", VISITOR_BAD, "", "sid" },
	{ "two sessions and a bad one", "token=$G; token=abc; token=$L", "", "", VISITOR_BAD, "",
	    "sid" },
	{ "two bad ones", "token=$X; token=abc", "", "", VISITOR_BAD, "", "form" },
	{ "the eighth", FOUR "token=e; token=f; token=g; token=$G", "", "", GOOD, "ada", "" },
	{ "the ninth", FOUR FOUR "token=$G", "", "", VISITOR_BAD, "", "form" },
	{ "the ninth, in a second header", FOUR FOUR, "token=$G", "", VISITOR_BAD, "", "form" },

	{ "a bearer token", "", "", "Bearer $G", GOOD, "ada", "" },
	{ "in lower case", "", "", "bearer $G", GOOD, "ada", "" },
	{ "several spaces", "", "", "Bearer   $G", GOOD, "ada", "" },
	{ "a cookie of another name beside it", "a=$G", "", "Bearer $G", GOOD, "ada", "" },
	{ "a bearer token that is over", "", "", "Bearer $X", VISITOR_BAD_BEARER, "", "expired" },
	{ "a stranger's bearer token", "", "", "Bearer $S", VISITOR_BAD_BEARER, "", "signature" },
	{ "an empty bearer token", "", "", "Bearer", VISITOR_BAD_BEARER, "", "form" },
	{ "spaces for a bearer token", "", "", "Bearer  ", VISITOR_BAD_BEARER, "", "form" },
	{ "a space behind it", "", "", "Bearer $G ", VISITOR_BAD_BEARER, "", "form" },
	{ "two bearer tokens", "", "", "Bearer $G, Bearer $G", VISITOR_BAD_BEARER, "", "form" },
	{ "Basic is not ours", "", "", "Basic YTpi", VISITOR_NO_TOKEN, "", "" },
	{ "a scheme that begins as ours", "", "", "Bearers $G", VISITOR_NO_TOKEN, "", "" },
	{ "a scheme that is as long", "", "", "Digest $G", VISITOR_NO_TOKEN, "", "" },
	{ "a tab behind the scheme", "", "", "Bearer\t$G", VISITOR_NO_TOKEN, "", "" },
	{ "Basic beside a good cookie", "token=$G", "", "Basic YTpi", GOOD, "ada", "" },

	{ "both", "token=$G", "", "Bearer $G", VISITOR_BOTH, "", "both" },
	{ "a bad cookie and a good bearer token", "token=abc", "", "Bearer $G", VISITOR_BOTH, "",
	    "both" },
	{ "a good cookie and a bad bearer token", "token=$G", "", "Bearer abc", VISITOR_BOTH, "",
	    "both" },
	{ "a good cookie and an empty bearer token", "token=$G", "", "Bearer", VISITOR_BOTH, "",
	    "both" },
};

static void
test_check(void **state)
{
	static const struct token nobody;
	static struct visit visit;
	static struct site site;
	char tokens[5][TOKEN_SIZE];

	make_tokens(tokens, *state);
	visit_open(&site, *state, MINT_SECRET, MINT_PREVIOUS, STORE_NONE);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct token token;
		char want[128] = "";

		begin(&visit, &site, NOW);
		mint_expand(visit.cookies[0], sizeof(visit.cookies[0]), cases[i].cookie, tokens);
		mint_expand(visit.cookies[1], sizeof(visit.cookies[1]), cases[i].second, tokens);
		mint_expand(visit.authorization, sizeof(visit.authorization),
		    cases[i].authorization, tokens);
		CHECK(cases[i].name, visitor_check(&token, &visit.request) == cases[i].want);
		CHECK_TEXT(cases[i].name, token.user, cases[i].user);
		CHECK(cases[i].name,
		    cases[i].want == GOOD || memcmp(&token, &nobody, sizeof(token)) == 0);
		CHECK(cases[i].name,
		    token.bearer ==
			(cases[i].want == GOOD && cases[i].cookie[0] != 't' &&
			    cases[i].authorization[0] != '\0'));
		if (cases[i].why[0] != '\0')
			snprintf(want, sizeof(want), "postern: event=token_bad ip=::1 reason=%s\n",
			    cases[i].why);
		CHECK_TEXT(cases[i].name, visit.caught.text, want);
	}
	/* The settings name the cookie. */
	strcpy(site.config.cookie, "other");
	begin(&visit, &site, NOW);
	mint_expand(visit.cookies[0], sizeof(visit.cookies[0]), "token=$G", tokens);
	assert_int_equal(visitor_check(&(struct token){ 0 }, &visit.request), VISITOR_NO_TOKEN);
	mint_expand(visit.cookies[0], sizeof(visit.cookies[0]), "other=$G", tokens);
	assert_int_equal(visitor_check(&(struct token){ 0 }, &visit.request), VISITOR_SIGNED_IN);
	site_close(&site);
}

static void
test_check_at_a_gate(void **state)
{
	static const struct {
		const char *name, *cookie, *authorization;
		enum visitor want;
	} rows[] = {
		{ "both", "token=$G", "Bearer $G", VISITOR_SIGNED_IN },
		{ "a token of the application", "token=$G", "Bearer abc", VISITOR_SIGNED_IN },
		{ "a bad cookie", "token=abc", "Bearer $G", VISITOR_BAD },
		{ "no cookie", "a=b", "Bearer $G", VISITOR_SIGNED_IN },
		{ "no cookie and a bad token", "a=b", "Bearer abc", VISITOR_BAD_BEARER },
		{ "nothing", "", "", VISITOR_NO_TOKEN },
	};
	static struct visit visit;
	static struct site site;
	char tokens[5][TOKEN_SIZE];

	make_tokens(tokens, *state);
	visit_open(&site, *state, MINT_SECRET, "", STORE_NONE);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct token token;

		begin(&visit, &site, NOW);
		visit.http.is_gate = true;
		mint_expand(visit.cookies[0], sizeof(visit.cookies[0]), rows[i].cookie, tokens);
		mint_expand(visit.authorization, sizeof(visit.authorization), rows[i].authorization,
		    tokens);
		CHECK(rows[i].name, visitor_check(&token, &visit.request) == rows[i].want);
		CHECK(rows[i].name,
		    token.bearer == (rows[i].want == GOOD && rows[i].cookie[0] == 'a'));
	}
	site_close(&site);
}

/* While the store is not to be had, a good token says neither yes nor no. */
static void
test_unknown(void **state)
{
	static struct visit visit;
	static struct site site;
	char tokens[5][TOKEN_SIZE];
	struct token token;

	make_tokens(tokens, *state);
	visit_open(&site, *state, MINT_SECRET, "", "/nonexistent/state");
	begin(&visit, &site, NOW);
	mint_expand(visit.cookies[0], sizeof(visit.cookies[0]), "token=$G", tokens);
	assert_int_equal(visitor_check(&token, &visit.request), VISITOR_UNKNOWN);
	assert_string_equal(token.user, "");
	assert_null(strstr(visit.caught.text, "token_bad"));
	/* A bad one is bad all the same. */
	begin(&visit, &site, NOW);
	mint_expand(visit.cookies[0], sizeof(visit.cookies[0]), "token=$X", tokens);
	assert_int_equal(visitor_check(&token, &visit.request), VISITOR_BAD);
	site_close(&site);
}

static void
test_devices(void **state)
{
	static struct visit visit;
	static struct site site;
	struct text_span devices[4];

	visit_open(&site, *state, MINT_SECRET, "", STORE_NONE);
	begin(&visit, &site, NOW);
	assert_int_equal(visitor_devices(devices, 4, &visit.request), 0);
	strcpy(visit.cookies[0], "token=x; token-device=a; token-devices=b; token-device=c");
	strcpy(visit.cookies[1], "token-device=d; token-device=e; token-device=f");
	assert_int_equal(visitor_devices(devices, 4, &visit.request), 4);
	assert_true(text_is(&devices[0], "a") && text_is(&devices[1], "c"));
	assert_true(text_is(&devices[2], "d") && text_is(&devices[3], "e"));
	assert_int_equal(visitor_devices(devices, 3, &visit.request), 3);
	site_close(&site);
}

/* -- cookies ------------------------------------------------------------------------------ */

#define ENDS "; HttpOnly; SameSite=Lax"

static void
test_set_cookie(void **state)
{
	static const struct {
		const char *name, *cookie;
		bool secure;
		const char *https, *suffix, *want;
	} rows[] = {
		{ "over HTTP", "token", false, "", "",
		    "Set-Cookie: token=abc; Path=/; Max-Age=300" ENDS "\r\n" },
		{ "HTTPS is off", "token", false, "off", "",
		    "Set-Cookie: token=abc; Path=/; Max-Age=300" ENDS "\r\n" },
		{ "HTTPS is Off", "token", false, "Off", "",
		    "Set-Cookie: token=abc; Path=/; Max-Age=300" ENDS "\r\n" },
		{ "over HTTPS", "token", false, "on", "",
		    "Set-Cookie: token=abc; Path=/; Max-Age=300" ENDS "; Secure\r\n" },
		{ "over HTTPS, as some servers say it", "token", false, "1", "",
		    "Set-Cookie: token=abc; Path=/; Max-Age=300" ENDS "; Secure\r\n" },
		{ "behind a proxy that speaks HTTPS", "__Host-token", true, "", "",
		    "Set-Cookie: __Host-token=abc; Path=/; Max-Age=300" ENDS "; Secure\r\n" },
		{ "of a device", "token", false, "", VISITOR_DEVICE,
		    "Set-Cookie: token-device=abc; Path=/; Max-Age=300" ENDS "\r\n" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		static struct visit visit;
		static struct site site;

		visit_open(&site, *state, MINT_SECRET, "", STORE_NONE);
		strcpy(site.config.cookie, rows[i].cookie);
		site.config.secure = rows[i].secure;
		begin(&visit, &site, NOW);
		visit.http.https = rows[i].https;
		visitor_set_cookie(&visit.request, rows[i].suffix, "abc", 300);
		CHECK_TEXT(rows[i].name, visit.http.headers, rows[i].want);
		site_close(&site);
	}
}

static void
test_clear_cookie(void **state)
{
	static struct visit visit;
	static struct site site;

	visit_open(&site, *state, MINT_SECRET, "", STORE_NONE);
	begin(&visit, &site, NOW);
	visitor_clear_cookie(&visit.request);
	assert_string_equal(visit.http.headers,
	    "Set-Cookie: token=; Path=/; Max-Age=0" ENDS "\r\n");
	/* A browser gets two, and the token's comes last. */
	begin(&visit, &site, NOW);
	visit.http.accept = "text/html";
	visitor_clear_cookie(&visit.request);
	assert_string_equal(visit.http.headers,
	    "Set-Cookie: token-out=; Path=/; Max-Age=1" ENDS "\r\n"
	    "Set-Cookie: token=; Path=/; Max-Age=0" ENDS "\r\n");
	site_close(&site);
}

/* A session that began at NOW is seen `age` seconds later. */
static void
test_renew(void **state)
{
	static const struct {
		const char *name;
		long age;
		const char *users;
		bool bearer, want;
	} rows[] = {
		{ "half its life", 150, VISIT_USERS, false, false },
		{ "past half", 151, VISIT_USERS, false, true },
		{ "past half, for a bearer", 151, VISIT_USERS, true, false },
		{ "not in the user file any more", 151, "bob:" VISIT_HASH "\n", false, false },
		{ "with a new password", 151,
		    "ada:$2y$05$bcdefghijklmnopqrstuvuWG29KuyeAicPCJODk1zjyGvyQUU2awu\n", false,
		    false },
		{ "no user file", 151, NULL, false, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		static struct visit visit;
		static struct site site;
		char text[TOKEN_SIZE];
		struct token token, renewed;

		visit_open(&site, *state, MINT_SECRET, "", STORE_NONE);
		visit_sign_in(text, &site, "ada", LIST_COOKIE, NOW);
		begin(&visit, &site, NOW + rows[i].age);
		snprintf(visit.cookies[0], sizeof(visit.cookies[0]), "token=%s", text);
		assert_int_equal(visitor_check(&token, &visit.request), VISITOR_SIGNED_IN);
		token.bearer = rows[i].bearer;
		if (rows[i].users != NULL)
			unit_write(site.config.users, rows[i].users);
		else
			assert_int_equal(unlink(site.config.users), 0);
		CHECK(rows[i].name, visitor_renew(&visit.request, &token) == rows[i].want);
		CHECK(rows[i].name, (visit.http.headers[0] != '\0') == rows[i].want);
		if (rows[i].want) {
			const char *value = strstr(visit.http.headers, "token=");

			CHECK(rows[i].name, strstr(value, "; Path=/; Max-Age=300") != NULL);
			snprintf(visit.cookies[0], sizeof(visit.cookies[0]), "%.*s",
			    (int)strcspn(value, ";"), value);
			CHECK(rows[i].name,
			    visitor_check(&renewed, &visit.request) == VISITOR_SIGNED_IN);
			CHECK_TEXT(rows[i].name, renewed.sid, token.sid);
			CHECK(rows[i].name, renewed.expires == NOW + rows[i].age + 300);
		}
		site_close(&site);
	}
}

/* -- signing out -------------------------------------------------------------------------- */

/* Is the bearer of this token signed in? */
static enum visitor
check(struct site *site, const char *text, time_t now)
{
	static struct visit visit;
	struct token token;

	begin(&visit, site, now);
	snprintf(visit.cookies[1], sizeof(visit.cookies[1]), "token=%s", text);
	return visitor_check(&token, &visit.request);
}

/* Sign out with these tokens as cookies; how many sessions it revoked, or -status. */
static int
sign_out(struct visit *visit, struct site *site, const char *one, const char *two,
    const char *bearer, bool everywhere)
{
	size_t revoked;
	int status;

	begin(visit, site, NOW);
	snprintf(visit->cookies[0], sizeof(visit->cookies[0]), "a=b; token=%s; token=; token=x",
	    one);
	snprintf(visit->cookies[1], sizeof(visit->cookies[1]), "token=%s", two);
	if (bearer[0] != '\0')
		snprintf(visit->authorization, sizeof(visit->authorization), "Bearer %s", bearer);
	status = visitor_sign_out(&revoked, &visit->request, everywhere);
	return status != 0 ? -status : (int)revoked;
}

/* Whatever another site has put beside the cookie, whoever signs out is out. */
static void
test_sign_out_of_all_tokens(void **state)
{
	static struct visit visit;
	static struct site site;
	char one[TOKEN_SIZE], more[TOKEN_SIZE], bob[TOKEN_SIZE], folder[UNIT_PATH_SIZE];

	unit_path(folder, *state, "all");
	assert_int_equal(mkdir(folder, 0700), 0);
	visit_open(&site, *state, MINT_SECRET, "", folder);
	for (int everywhere = 0; everywhere < 2; everywhere++) {
		for (int bearer = 0; bearer < 2; bearer++) {
			visit_sign_in(one, &site, "ada", LIST_COOKIE, NOW);
			visit_sign_in(more, &site, "ada", LIST_COOKIE, NOW);
			visit_sign_in(bob, &site, "bob", LIST_COOKIE, NOW);
			assert_int_equal(check(&site, one, NOW), VISITOR_SIGNED_IN);
			assert_int_equal(sign_out(&visit, &site, bearer ? "y" : one, bob,
					     bearer ? one : "", everywhere),
			    2);
			assert_int_equal(visit.caught.lines, 2);
			assert_non_null(strstr(visit.caught.text,
			    everywhere ? "event=logout_everywhere user=\"ada\" ip=::1\n"
				       : "event=logout user=\"ada\" ip=::1\n"));
			assert_int_equal(check(&site, one, NOW), VISITOR_BAD);
			assert_int_equal(check(&site, bob, NOW), VISITOR_BAD);
			assert_int_equal(check(&site, more, NOW),
			    everywhere ? VISITOR_BAD : VISITOR_SIGNED_IN);
			assert_int_equal(sign_out(&visit, &site, one, bob, "", everywhere), 0);
		}
	}
	site_close(&site);
}

/* Nobody is told that a session was revoked that may go on. */
static void
test_sign_out_not_recorded(void **state)
{
	static struct visit visit;
	static struct site site;
	char tokens[5][TOKEN_SIZE];

	make_tokens(tokens, *state);
	visit_open(&site, *state, MINT_SECRET, "", "/nonexistent/state");
	assert_int_equal(sign_out(&visit, &site, tokens[0], "y", "", false), -503);
	assert_int_equal(sign_out(&visit, &site, "y", tokens[1], "", true), -503);
	assert_int_equal(sign_out(&visit, &site, "y", "z", tokens[0], true), -503);
	assert_null(strstr(visit.caught.text, "event=logout"));
	/* A bad token has no session to revoke. */
	assert_int_equal(sign_out(&visit, &site, "y", tokens[4], tokens[3], false), 0);
	site_close(&site);
}

static void
test_notes(void **state)
{
	static struct visit visit;
	static struct site site;

	visit_open(&site, *state, MINT_SECRET, "", STORE_NONE);
	begin(&visit, &site, NOW);
	assert_string_equal(visitor_notes(&visit.request).everywhere, "hidden");
	assert_string_equal(visitor_notes(&visit.request).note,
	    "Signing out clears this browser only.");
	site_close(&site);
	visit_open(&site, *state, MINT_SECRET, "", "/nonexistent/state");
	begin(&visit, &site, NOW);
	assert_string_equal(visitor_notes(&visit.request).everywhere, "");
	assert_string_equal(visitor_notes(&visit.request).note, "");
	site_close(&site);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_at_a_gate),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_set_cookie),
		cmocka_unit_test(test_clear_cookie),
		cmocka_unit_test(test_renew),
		cmocka_unit_test(test_sign_out_of_all_tokens),
		cmocka_unit_test(test_sign_out_not_recorded),
		cmocka_unit_test(test_notes),
	};

	return cmocka_run_group_tests_name("visitor", tests, unit_make_folder, unit_remove_folder);
}
