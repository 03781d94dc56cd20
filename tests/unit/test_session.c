/*
 * test_session: who may begin a session, and whose cookie or bearer token is in one.
 */
#include "auth/session.h"

#include "mint.h"
#include "unit.h"

enum { NOW = 1000000, DAY = 86400 };

#define HASH "$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu"

static struct config
settings(const char *secret, const char *previous)
{
	struct config config = { .issuer = "postern",
		.cookie = "token",
		.token_ttl = 300,
		.session_ttl = 28800 };

	assert_true(text_copy(config.secret, sizeof(config.secret), secret));
	assert_true(text_copy(config.secret_previous, sizeof(config.secret_previous), previous));
	return config;
}

static bool
make_policy(struct session_policy *policy, const struct config *config, struct state *state)
{
	char why[CONFIG_WHY_SIZE];

	return session_policy(policy, config, state, NOW, why);
}

/* A policy of a site without a state. */
static struct session_policy
policy_of(const struct config *config)
{
	static struct state *none;
	struct session_policy policy;

	if (none == NULL)
		none = state_new(STATE_NONE, "postern", 0);
	assert_non_null(none);
	assert_true(make_policy(&policy, config, none));
	return policy;
}

/* A token of a new session, begun under these secrets. */
static void
begin(char out[static TOKEN_SIZE], const char *secret, const char *user, time_t now)
{
	const struct config config = settings(secret, "");
	const struct session_policy policy = policy_of(&config);
	struct unit_log caught;
	struct log log = unit_log(&caught);
	long seconds;

	assert_int_equal(session_begin(out, &seconds, &policy, user, HASH, now, &log), 0);
	assert_int_equal(caught.lines, 0);
}

/* A request with these headers; what the log hears of it ends up in `caught`. */
static struct http
request(const char *cookie, const char *second, const char *authorization, struct unit_log *caught)
{
	return (struct http){ .cookies = { cookie, second },
		.cookie_count = 2,
		.authorization = authorization,
		.remote_addr = "::1",
		.log = unit_log(caught) };
}

static void
test_policy(void **state)
{
	const struct config one = settings(MINT_SECRET, ""), none = settings("", ""),
			    two = settings(MINT_SECRET, MINT_PREVIOUS),
			    stranger = settings(MINT_STRANGER, "");
	static const unsigned char zeros[SECRET_DIGEST_BYTES];
	struct session_policy policy, other;
	struct token_key key;

	(void)state;
	assert_false(make_policy(&policy, &none, NULL));
	policy = policy_of(&one);
	assert_int_equal(policy.key_count, 1);
	assert_ptr_equal(policy.config, &one);
	assert_memory_not_equal(policy.pwv_keys[0], policy.device_keys[0], SECRET_DIGEST_BYTES);
	assert_memory_not_equal(policy.device_keys[0], zeros, SECRET_DIGEST_BYTES);
	assert_memory_not_equal(policy.throttle_key, zeros, SECRET_DIGEST_BYTES);
	assert_memory_not_equal(policy.decoy_key, policy.throttle_key, SECRET_DIGEST_BYTES);
	assert_true(token_key_of_secret(&key, MINT_SECRET));
	assert_string_equal(policy.keys[0].kid, key.kid);
	assert_memory_not_equal(policy.pwv_keys[0], policy.decoy_key, SECRET_DIGEST_BYTES);

	other = policy_of(&two);
	assert_int_equal(other.key_count, 2);
	assert_string_equal(other.keys[0].kid, key.kid);
	assert_true(token_key_of_secret(&key, MINT_PREVIOUS));
	assert_string_equal(other.keys[1].kid, key.kid);
	assert_memory_equal(policy.pwv_keys[0], other.pwv_keys[0], SECRET_DIGEST_BYTES);
	assert_memory_equal(policy.decoy_key, other.decoy_key, SECRET_DIGEST_BYTES);

	other = policy_of(&stranger);
	assert_memory_not_equal(policy.pwv_keys[0], other.pwv_keys[0], SECRET_DIGEST_BYTES);
	assert_memory_not_equal(policy.decoy_key, other.decoy_key, SECRET_DIGEST_BYTES);
}

/* What a new token says, and for how long. */
static void
test_begin(void **state)
{
	static const struct {
		const char *name;
		long token_ttl, session_ttl, want;
	} cases[] = {
		{ "a token's life", 300, 28800, 300 },
		{ "a session shorter than a token", 300, 60, 60 },
		{ "both the same", 300, 300, 300 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config config = settings(MINT_SECRET, MINT_PREVIOUS);
		const struct token_rules rules = { "postern", NOW, 28800 };
		struct session_policy policy = policy_of(&config);
		struct unit_log caught;
		const struct log log = unit_log(&caught);
		char text[TOKEN_SIZE];
		struct token token;
		const char *why;
		long seconds;

		config.token_ttl = cases[i].token_ttl;
		config.session_ttl = cases[i].session_ttl;
		CHECK(cases[i].name,
		    session_begin(text, &seconds, &policy, "ada", HASH, NOW, &log) == 0);
		CHECK(cases[i].name, seconds == cases[i].want);
		CHECK(cases[i].name, token_verify(&token, text, &policy.keys[0], 1, &rules, &why));
		CHECK_TEXT(cases[i].name, token.user, "ada");
		CHECK(cases[i].name, token.issued == NOW && token.auth_time == NOW);
		CHECK(cases[i].name, token.expires == NOW + seconds);
	}
}

static void
test_begin_refuses(void **state)
{
	static const char *const names[] = { "", "a b", "a:b",
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl" };
	const struct config config = settings(MINT_SECRET, "");
	const struct session_policy policy = policy_of(&config);
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	long seconds;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		char text[TOKEN_SIZE] = "unset";

		CHECK(names[i],
		    session_begin(text, &seconds, &policy, names[i], HASH, NOW, &log) == 500);
		CHECK_TEXT(names[i], text, "");
	}
}

static struct token
token_of(const char *secret, const char *user, const char *hash)
{
	const struct token_rules rules = { "postern", NOW, 28800 };
	const struct config config = settings(secret, "");
	const struct session_policy policy = policy_of(&config);
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	char text[TOKEN_SIZE];
	struct token token;
	const char *why;
	long seconds;

	assert_int_equal(session_begin(text, &seconds, &policy, user, hash, NOW, &log), 0);
	assert_true(token_verify(&token, text, policy.keys, 1, &rules, &why));
	return token;
}

/* Each sign-in has a sid of its own; pwv is the same until the user's line or secret changes. */
static void
test_ids(void **state)
{
	const struct token token = token_of(MINT_SECRET, "ada", HASH),
			   again = token_of(MINT_SECRET, "ada", HASH),
			   password = token_of(MINT_SECRET, "ada", HASH "x"),
			   user = token_of(MINT_SECRET, "bob", HASH),
			   secret = token_of(MINT_PREVIOUS, "ada", HASH);

	(void)state;
	assert_string_not_equal(token.sid, again.sid);
	assert_string_equal(token.pwv, again.pwv);
	assert_string_not_equal(token.pwv, password.pwv);
	assert_string_not_equal(token.pwv, user.pwv);
	assert_string_not_equal(token.pwv, secret.pwv);
}

/*
 * Cookie headers and Authorization are written with letters for tokens: G a good one, L a good
 * one that lives longer, of another session, P of the previous secret, X an expired one, S a
 * stranger's.
 */
static void
expand(char *out, size_t size, const char *text, char tokens[][TOKEN_SIZE])
{
	static const char letters[] = "GLPXS";
	size_t length = 0;

	out[0] = '\0';
	for (; *text != '\0'; text++) {
		const char *letter = text[0] == '$' ? strchr(letters, text[1]) : NULL;

		if (letter != NULL)
			text++;
		length += (size_t)snprintf(out + length, size - length, "%.*s",
		    letter != NULL ? TOKEN_SIZE : 1,
		    letter != NULL ? tokens[letter - letters] : text);
	}
}

#define GOOD SESSION_GOOD
#define FOUR "token=a; token=b; token=c; token=d; "

static const struct {
	const char *name, *cookie, *second, *authorization;
	enum session want;
	const char *user, *why;
} cases[] = {
	{ "nothing", "", "", "", SESSION_NONE, "", "" },
	{ "cookies of others", "a=b; tokens=$G; xtoken=$G", "", "", SESSION_NONE, "", "" },
	{ "a good cookie", "token=$G", "", "", GOOD, "ada", "" },
	{ "among others", "a=b; token=$G; c=d", "", "", GOOD, "ada", "" },
	{ "in a second header", "a=b", "token=$G", "", GOOD, "ada", "" },
	{ "of the previous secret", "token=$P", "", "", GOOD, "ada", "" },
	{ "no token", "token=", "", "", SESSION_BAD, "", "form" },
	{ "not a token", "token=abc", "", "", SESSION_BAD, "", "form" },
	{ "in quotes", "token=\"$G\"", "", "", SESSION_BAD, "", "form" },
	{ "over", "token=$X", "", "", SESSION_BAD, "", "expired" },
	{ "a stranger's", "token=$S", "", "", SESSION_BAD, "", "signature" },
	{ "too long for a token", "token=$G$G$G$G$G", "", "", SESSION_BAD, "", "form" },

	{ "a bad one first", "token=abc; token=$G", "", "", GOOD, "ada", "" },
	{ "a bad one last", "token=$G; token=abc", "", "", GOOD, "ada", "" },
	{ "a stranger's before it", "token=$S", "token=$G", "", GOOD, "ada", "" },
	{ "twice the same", "token=$G; token=$G", "", "", GOOD, "ada", "" },
	{ "two sessions", "token=$G; token=$L", "", "", SESSION_BAD, "", "sid" },
	{ "two sessions, in two headers", "token=$L", "token=$G", "", SESSION_BAD, "", "sid" },
	{ "two sessions and a bad one", "token=$G; token=abc; token=$L", "", "", SESSION_BAD, "",
	    "sid" },
	{ "two bad ones", "token=$X; token=abc", "", "", SESSION_BAD, "", "form" },
	{ "the eighth", FOUR "token=e; token=f; token=g; token=$G", "", "", GOOD, "ada", "" },
	{ "the ninth", FOUR FOUR "token=$G", "", "", SESSION_BAD, "", "form" },
	{ "the ninth, in a second header", FOUR FOUR, "token=$G", "", SESSION_BAD, "", "form" },

	{ "a bearer token", "", "", "Bearer $G", GOOD, "ada", "" },
	{ "in lower case", "", "", "bearer $G", GOOD, "ada", "" },
	{ "several spaces", "", "", "Bearer   $G", GOOD, "ada", "" },
	{ "a cookie of another name beside it", "a=$G", "", "Bearer $G", GOOD, "ada", "" },
	{ "a bearer token that is over", "", "", "Bearer $X", SESSION_BAD_BEARER, "", "expired" },
	{ "a stranger's bearer token", "", "", "Bearer $S", SESSION_BAD_BEARER, "", "signature" },
	{ "an empty bearer token", "", "", "Bearer", SESSION_BAD_BEARER, "", "form" },
	{ "spaces for a bearer token", "", "", "Bearer  ", SESSION_BAD_BEARER, "", "form" },
	{ "a space behind it", "", "", "Bearer $G ", SESSION_BAD_BEARER, "", "form" },
	{ "two bearer tokens", "", "", "Bearer $G, Bearer $G", SESSION_BAD_BEARER, "", "form" },
	{ "Basic is not ours", "", "", "Basic YTpi", SESSION_NONE, "", "" },
	{ "a scheme that begins as ours", "", "", "Bearers $G", SESSION_NONE, "", "" },
	{ "a tab behind the scheme", "", "", "Bearer\t$G", SESSION_NONE, "", "" },
	{ "Basic beside a good cookie", "token=$G", "", "Basic YTpi", GOOD, "ada", "" },

	{ "both", "token=$G", "", "Bearer $G", SESSION_BOTH, "", "both" },
	{ "a bad cookie and a good bearer token", "token=abc", "", "Bearer $G", SESSION_BOTH, "",
	    "both" },
	{ "a good cookie and a bad bearer token", "token=$G", "", "Bearer abc", SESSION_BOTH, "",
	    "both" },
	{ "a good cookie and an empty bearer token", "token=$G", "", "Bearer", SESSION_BOTH, "",
	    "both" },
};

static void
test_check(void **state)
{
	const struct config config = settings(MINT_SECRET, MINT_PREVIOUS);
	static const struct token nobody;
	const struct session_policy policy = policy_of(&config);
	char tokens[5][TOKEN_SIZE];

	(void)state;
	begin(tokens[0], MINT_SECRET, "ada", NOW - 10);
	begin(tokens[1], MINT_SECRET, "bob", NOW);
	begin(tokens[2], MINT_PREVIOUS, "ada", NOW);
	begin(tokens[3], MINT_SECRET, "ada", NOW - 300);
	begin(tokens[4], MINT_STRANGER, "ada", NOW);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char first[8192], second[8192], authorization[8192];
		static struct unit_log caught;
		const struct http http = request(first, second, authorization, &caught);
		struct token token;
		char want[128] = "";

		expand(first, sizeof(first), cases[i].cookie, tokens);
		expand(second, sizeof(second), cases[i].second, tokens);
		expand(authorization, sizeof(authorization), cases[i].authorization, tokens);
		CHECK(cases[i].name, session_check(&token, &policy, &http, NOW) == cases[i].want);
		CHECK_TEXT(cases[i].name, token.user, cases[i].user);
		CHECK(cases[i].name,
		    cases[i].want == GOOD || memcmp(&token, &nobody, sizeof(token)) == 0);
		if (cases[i].why[0] != '\0')
			snprintf(want, sizeof(want), "postern: event=token_bad ip=::1 reason=%s\n",
			    cases[i].why);
		CHECK_TEXT(cases[i].name, caught.text, want);
	}
}

/* At a gate a cookie of ours comes first: Authorization may be for what is behind it. */
static void
test_check_at_a_gate(void **state)
{
	static const struct {
		const char *name, *cookie, *authorization;
		enum session want;
	} rows[] = {
		{ "both", "token=$G", "Bearer $G", SESSION_GOOD },
		{ "a token of the application", "token=$G", "Bearer abc", SESSION_GOOD },
		{ "a bad cookie", "token=abc", "Bearer $G", SESSION_BAD },
		{ "no cookie", "a=b", "Bearer $G", SESSION_GOOD },
		{ "no cookie and a bad token", "a=b", "Bearer abc", SESSION_BAD_BEARER },
		{ "nothing", "", "", SESSION_NONE },
	};
	const struct config config = settings(MINT_SECRET, "");
	const struct session_policy policy = policy_of(&config);
	char tokens[1][TOKEN_SIZE];

	(void)state;
	begin(tokens[0], MINT_SECRET, "ada", NOW);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char cookie[2048], authorization[2048];
		struct unit_log caught;
		struct http http = request(cookie, "", authorization, &caught);
		struct token token;

		http.is_gate = true;
		expand(cookie, sizeof(cookie), rows[i].cookie, tokens);
		expand(authorization, sizeof(authorization), rows[i].authorization, tokens);
		CHECK(rows[i].name, session_check(&token, &policy, &http, NOW) == rows[i].want);
		CHECK(rows[i].name,
		    token.bearer == (rows[i].want == SESSION_GOOD && rows[i].cookie[0] == 'a'));
	}
}

/* Of several tokens of one session the freshest counts, wherever it stands. */
static void
test_freshest(void **state)
{
	const struct config config = settings(MINT_SECRET, "");
	const struct token_rules rules = { "postern", NOW, 28800 };
	struct token token = token_of(MINT_SECRET, "ada", HASH);
	const struct session_policy policy = policy_of(&config);
	char older[TOKEN_SIZE], newer[TOKEN_SIZE], cookie[4096];
	struct unit_log caught;
	const struct http http = request(cookie, "", "", &caught);

	(void)state;
	assert_true(token_sign(older, &token, &policy.keys[0], &rules));
	token.expires += 7;
	assert_true(token_sign(newer, &token, &policy.keys[0], &rules));
	for (int newer_first = 0; newer_first < 2; newer_first++) {
		snprintf(cookie, sizeof(cookie), "token=%s; token=%s", newer_first ? newer : older,
		    newer_first ? older : newer);
		assert_int_equal(session_check(&token, &policy, &http, NOW), SESSION_GOOD);
		assert_int_equal(token.expires, NOW + 307);
	}
}

/* The settings bind a token: its issuer and the length of a session. */
static void
test_settings(void **state)
{
	struct config config = settings(MINT_SECRET, "");
	char text[TOKEN_SIZE], cookie[TOKEN_SIZE + 16];
	const struct session_policy policy = policy_of(&config);
	struct unit_log caught;
	const struct http http = request(cookie, "", "", &caught);
	struct token token;

	(void)state;
	begin(text, MINT_SECRET, "ada", NOW);
	snprintf(cookie, sizeof(cookie), "token=%s", text);
	config.session_ttl = 299;
	assert_int_equal(session_check(&token, &policy, &http, NOW), SESSION_BAD);
	config.session_ttl = 300;
	assert_int_equal(session_check(&token, &policy, &http, NOW), SESSION_GOOD);
	strcpy(config.issuer, "another");
	assert_int_equal(session_check(&token, &policy, &http, NOW), SESSION_BAD);
	assert_non_null(strstr(caught.text, "reason=iss"));
	strcpy(config.cookie, "other");
	assert_int_equal(session_check(&token, &policy, &http, NOW), SESSION_NONE);
}

/* -- renewal ----------------------------------------------------------------------------- */

/* A token of a session that began at NOW is shown `age` seconds later. */
static void
test_due(void **state)
{
	static const struct {
		const char *name;
		long token_ttl, session_ttl, age;
		bool bearer, want;
	} rows[] = {
		{ "new", 300, 28800, 0, false, false },
		{ "half its life", 300, 28800, 150, false, false },
		{ "past half", 300, 28800, 151, false, true },
		{ "past half, for a bearer", 300, 28800, 151, true, false },
		{ "the last second", 300, 28800, 299, false, true },
		{ "the session is not longer", 300, 300, 299, false, false },
		{ "the session is a second longer", 300, 301, 299, false, true },
		{ "the clock was set back", 300, 28800, -50, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config config = settings(MINT_SECRET, "");
		struct session_policy policy = policy_of(&config);
		const struct token token = { .auth_time = NOW,
			.issued = NOW,
			.expires = NOW + rows[i].token_ttl,
			.bearer = rows[i].bearer };

		config.token_ttl = rows[i].token_ttl;
		config.session_ttl = rows[i].session_ttl;
		CHECK(rows[i].name,
		    session_is_due(&policy, &token, NOW + rows[i].age) == rows[i].want);
	}
}

static void
test_renewed(void **state)
{
	const struct config config = settings(MINT_SECRET, MINT_PREVIOUS);
	const struct session_policy policy = policy_of(&config);
	const struct token_rules rules = { "postern", NOW + 200, 28800 };
	const char *const secrets[] = { MINT_SECRET, MINT_PREVIOUS };
	const char *why;
	long seconds;

	(void)state;
	for (size_t i = 0; i < COUNT(secrets); i++) {
		char first[TOKEN_SIZE], second[TOKEN_SIZE] = "unset";
		struct token old, new;

		begin(first, secrets[i], "ada", NOW);
		assert_true(token_verify(&old, first, policy.keys, 2, &rules, &why));
		assert_true(session_renew(second, &seconds, &policy, &old, HASH, NOW + 200));
		assert_int_equal(seconds, 300);
		/* The current key signs it, whichever signed the one before. */
		assert_true(token_verify(&new, second, policy.keys, 1, &rules, &why));
		assert_string_equal(new.sid, old.sid);
		assert_string_equal(new.user, "ada");
		assert_true(new.auth_time == NOW &&new.issued == NOW + 200);
		assert_true(new.expires == NOW + 500);
		/* And it can be renewed again. */
		assert_true(session_renew(second, &seconds, &policy, &new, HASH, NOW + 400));
		assert_false(session_renew(second, &seconds, &policy, &new, HASH "x", NOW + 400));
		assert_string_equal(second, "");
	}
}

/* The last token of a session ends with it. */
static void
test_renewed_to_the_end(void **state)
{
	struct config config = settings(MINT_SECRET, "");
	const struct session_policy policy = policy_of(&config);
	struct token token = token_of(MINT_SECRET, "ada", HASH);
	char text[TOKEN_SIZE];
	long seconds;

	(void)state;
	config.session_ttl = 450;
	assert_true(session_renew(text, &seconds, &policy, &token, HASH, NOW + 200));
	assert_int_equal(seconds, 250);
}

/* -- ending ------------------------------------------------------------------------------ */

/* Is the session of this token good? A bad one is named in the log, and no other. */
static enum session
check(const struct session_policy *policy, const char *token, time_t now)
{
	char cookie[TOKEN_SIZE + 16];
	static struct unit_log caught;
	enum session session;
	const struct http http = request(cookie, "", "", &caught);
	struct token read;

	snprintf(cookie, sizeof(cookie), "token=%s", token);
	session = session_check(&read, policy, &http, now);
	assert_true((strstr(caught.text, "token_bad") != NULL) == (session == SESSION_BAD));
	return session;
}

/* Sign out with these tokens as cookies; how many sessions it ended, or -status. */
static int
sign_out(const struct session_policy *policy, const char *one, const char *two,
    const char *authorization, bool everywhere, time_t now, struct unit_log *caught)
{
	char cookie[2 * TOKEN_SIZE + 64];
	const struct http http = request(cookie, "", authorization, caught);
	size_t ended;
	int status;

	snprintf(cookie, sizeof(cookie), "a=b; token=%s; token=; token=x; token=%s", one, two);
	status = session_end(&ended, policy, &http, everywhere, now);
	return status != 0 ? -status : (int)ended;
}

/* Whatever another site has put beside the cookie, whoever signs out is out. */
static void
test_all_tokens_are_ended(void **state)
{
	const struct config config = settings(MINT_SECRET, MINT_PREVIOUS);
	char folder[UNIT_PATH_SIZE], one[TOKEN_SIZE], bob[TOKEN_SIZE],
	    authorization[TOKEN_SIZE + 16];
	struct session_policy policy;
	struct state *kept;
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	long seconds;

	unit_path(folder, *state, "all");
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_non_null(kept = state_new(folder, "postern", 0));
	assert_true(make_policy(&policy, &config, kept));
	/* The state is older than the sessions. */
	assert_int_equal(session_begin(bob, &seconds, &policy, "bob", HASH, NOW, &log), 0);
	for (int everywhere = 0; everywhere < 2; everywhere++) {
		for (int way = 0; way < 2; way++) {
			const time_t now = NOW + 100 * (1 + 2 * everywhere + way);

			begin(one, way == 0 ? MINT_SECRET : MINT_PREVIOUS, "ada", now);
			assert_int_equal(session_begin(bob, &seconds, &policy, "bob", HASH, now,
					     &log),
			    0);
			snprintf(authorization, sizeof(authorization), "Bearer %s", one);
			assert_int_equal(sign_out(&policy, way == 0 ? one : "y", bob,
					     way == 0 ? "" : authorization, everywhere, now,
					     &caught),
			    2);
			assert_int_equal(caught.lines, 2);
			assert_non_null(strstr(caught.text,
			    everywhere ? "event=logout_everywhere user=\"ada\" ip=::1"
				       : "event=logout user=\"ada\" ip=::1"));
			assert_int_equal(check(&policy, one, now), SESSION_BAD);
			assert_int_equal(check(&policy, bob, now), SESSION_BAD);
			assert_int_equal(sign_out(&policy, one, bob, "", everywhere, now, &caught),
			    0);
		}
	}
	state_free(kept);
}

static void
test_ended(void **state)
{
	const struct config config = settings(MINT_SECRET, "");
	struct state *kept = state_new(*state, "postern", 0);
	char one[TOKEN_SIZE], two[TOKEN_SIZE], bob[TOKEN_SIZE], later[TOKEN_SIZE];
	struct session_policy policy;
	struct unit_log caught, heard;
	const struct log log = unit_log(&caught);
	struct token token;
	const char *why;
	long seconds;

	assert_true(make_policy(&policy, &config, kept));
	assert_int_equal(session_begin(one, &seconds, &policy, "ada", HASH, NOW, &log), 0);
	assert_int_equal(session_begin(two, &seconds, &policy, "ada", HASH, NOW, &log), 0);
	assert_int_equal(session_begin(bob, &seconds, &policy, "bob", HASH, NOW, &log), 0);
	assert_int_equal(check(&policy, one, NOW), SESSION_GOOD);
	assert_int_equal(sign_out(&policy, one, "", "", false, NOW, &heard), 1);
	assert_int_equal(check(&policy, one, NOW), SESSION_BAD);
	assert_int_equal(check(&policy, two, NOW), SESSION_GOOD);

	assert_int_equal(sign_out(&policy, two, "", "", true, NOW + 1, &heard), 1);
	assert_int_equal(check(&policy, two, NOW + 1), SESSION_BAD);
	assert_int_equal(check(&policy, bob, NOW + 1), SESSION_GOOD);

	/* Somebody who signs in again in that second is in a session of the next one. */
	assert_int_equal(session_begin(later, &seconds, &policy, "ada", HASH, NOW + 1, &log), 0);
	assert_int_equal(check(&policy, later, NOW + 1), SESSION_GOOD);
	assert_int_equal(caught.lines, 0);

	/* All within one second: signed out everywhere once more, and in again. */
	assert_int_equal(sign_out(&policy, later, "", "", true, NOW + 1, &heard), 1);
	assert_int_equal(check(&policy, later, NOW + 1), SESSION_BAD);
	assert_int_equal(session_begin(later, &seconds, &policy, "ada", HASH, NOW + 1, &log), 0);
	assert_int_equal(check(&policy, later, NOW + 1), SESSION_GOOD);

	/* The clock was set back by a day: a session that begins now can be told from the others.
	 */
	assert_int_equal(session_begin(one, &seconds, &policy, "ada", HASH, NOW - DAY, &log), 0);
	assert_int_equal(check(&policy, one, NOW - DAY), SESSION_GOOD);
	assert_true(token_verify(&token, one, policy.keys, 1,
	    &(struct token_rules){ "postern", NOW - DAY, 28800 }, &why));
	assert_int_equal(token.auth_time, NOW - DAY);
	assert_int_equal(check(&policy, later, NOW + 1), SESSION_GOOD);
	assert_int_equal(sign_out(&policy, one, "", "", true, NOW - DAY, &heard), 1);
	assert_int_equal(check(&policy, one, NOW - DAY), SESSION_BAD);
	assert_int_equal(check(&policy, later, NOW + 1), SESSION_BAD);
	assert_int_equal(session_begin(one, &seconds, &policy, "ada", HASH, NOW - DAY, &log), 0);
	assert_int_equal(check(&policy, one, NOW - DAY), SESSION_GOOD);
	assert_int_equal(caught.lines, 0);
	state_free(kept);
}

/* Whatever life the tokens had that were begun before, none outlives the end of all of them. */
static void
test_ended_for_as_long_as_need_be(void **state)
{
	struct config config = settings(MINT_SECRET, "");
	char folder[UNIT_PATH_SIZE], old[TOKEN_SIZE], one[TOKEN_SIZE];
	struct session_policy policy;
	struct state *kept;
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	long seconds;

	unit_path(folder, *state, "long");
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_non_null(kept = state_new(folder, "postern", 0));
	config.session_ttl = 30 * DAY;
	config.token_ttl = 10 * DAY;
	assert_true(make_policy(&policy, &config, kept));
	assert_int_equal(session_begin(old, &seconds, &policy, "ada", HASH, NOW, &log), 0);
	config.token_ttl = 300;
	assert_int_equal(session_begin(one, &seconds, &policy, "ada", HASH, NOW, &log), 0);
	assert_int_equal(sign_out(&policy, one, "", "", true, NOW + 1, &caught), 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(session_begin(one, &seconds, &policy, "bob", HASH, NOW + 3 * DAY,
				     &log),
		    0);
		assert_int_equal(sign_out(&policy, one, "", "", false, NOW + 3 * DAY, &caught), 1);
	}
	assert_int_equal(check(&policy, old, NOW + 3 * DAY), SESSION_BAD);
	state_free(kept);
}

/* Without its folder nothing is known of a session: neither yes nor no. */
static void
test_no_state(void **state)
{
	const struct config config = settings(MINT_SECRET, "");
	struct state *lost = state_new("/nonexistent/state", "postern", 0);
	struct session_policy policy;
	char text[TOKEN_SIZE];
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	long seconds;

	(void)state;
	begin(text, MINT_SECRET, "ada", NOW);
	assert_true(make_policy(&policy, &config, lost));
	assert_int_equal(check(&policy, text, NOW), SESSION_UNKNOWN);
	assert_int_equal(check(&policy, "x", NOW), SESSION_BAD);
	assert_int_equal(session_begin(text, &seconds, &policy, "ada", HASH, NOW, &log), 503);
	assert_string_equal(text, "");
	assert_int_equal(caught.lines, 1);
	begin(text, MINT_SECRET, "ada", NOW);
	assert_int_equal(sign_out(&policy, text, "", "", false, NOW, &caught), -503);
	assert_int_equal(sign_out(&policy, text, "", "", true, NOW, &caught), -503);
	assert_int_equal(sign_out(&policy, "x", "", "", false, NOW, &caught), 0);
	state_free(lost);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_begin_refuses),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_at_a_gate),
		cmocka_unit_test(test_freshest),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_renewed_to_the_end),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_all_tokens_are_ended),
		cmocka_unit_test(test_ended_for_as_long_as_need_be),
		cmocka_unit_test(test_no_state),
	};

	return cmocka_run_group_tests_name("session", tests, unit_make_folder, unit_remove_folder);
}
