/*
 * test_state_redis: what is kept for how long, and what is said when the engine is not there, is
 * slow, refuses, or answers nonsense. What it counts and ends: test_state.
 */
#include <arpa/inet.h>

#include "fake.h"
#include "server.h"
#include "store/state.h"

enum { NOW = 1000000000, UNTIL = NOW + 600, DAY = 24 * 60 * 60, SLACK = 60 };

#define SID "0123456789abcdef0123456789abcdef"
#define SID_B "0123456789abcdef0123456789abcdee"

static struct server server;

/* What one test needs. */
struct place {
	struct state *state;
	struct unit_log caught;
	struct log log;
};

static const struct state_bucket one = { .kind = 1, .key = { 0xab }, 500, 100, 100 };

static void
open_at(struct place *place, const char *url, long grace)
{
	place->log = unit_log(&place->caught);
	place->state = state_new(url, "postern", grace);
	assert_non_null(place->state);
}

/* Nothing is known, but it was founded a day ago. */
static void
begin(struct place *place, long grace)
{
	server_do(&server, "FLUSHALL");
	server_do(&server, "SET postern:all %d", NOW - DAY);
	open_at(place, server.url, grace);
}

/* End, with nothing in the log. */
static void
finish(struct place *place)
{
	state_free(place->state);
	assert_string_equal(place->caught.text, "");
}

static long
count(struct place *place)
{
	long wait = -1;

	assert_true(state_count(place->state, &one, 1, NOW, &wait, &place->log));
	return wait;
}

static enum state_verdict
verdict(struct place *place, const char *sid, time_t auth_time)
{
	return state_session(place->state, sid, "ada", auth_time, NOW, &place->log);
}

/* Every verb, by number; what it returns. */
enum { COUNT_TRY, FORGIVE, BEGIN, END_SESSION, END_USER, CHECK_SESSION, VERBS };

static bool
does(struct place *place, int verb)
{
	time_t auth_time = -1;
	long wait = -1;
	bool done = false;

	switch (verb) {
	case COUNT_TRY:
		done = state_count(place->state, &one, 1, NOW, &wait, &place->log);
		assert_true(done || wait == 0);
		return done;
	case FORGIVE:
		return state_forgive(place->state, &one, 1, NOW, &place->log);
	case BEGIN:
		done = state_begin_session(place->state, SID, "ada", &auth_time, NOW, 60, UNTIL,
		    &place->log);
		assert_true(done || auth_time == NOW);
		return done;
	case END_SESSION:
		return state_end_session(place->state, SID_B, NOW, UNTIL, &place->log);
	case END_USER:
		return state_end_user(place->state, "bob", NOW, UNTIL, &place->log);
	default:
		return verdict(place, SID, NOW) == STATE_OPEN;
	}
}

static long long
milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void
check_said(const struct place *place, const char *row, const char *words)
{
	if (strstr(place->caught.text, words) == NULL)
		fail_msg("%s: \"%s\" without \"%s\"", row, place->caught.text, words);
}

/* -- what is kept -------------------------------------------------------------------------- */

/* Each key is below the prefix, and is there as long as it may be needed, and a day. */
static void
test_lifetimes(void **state)
{
	static const struct {
		const char *key;
		long long seconds; /* -1: for ever */
	} keys[] = {
		{ "postern:all", -1 },
		{ "postern:try:1:ab000000000000000000000000000000", 200 + SLACK },
		{ "postern:ended:" SID, 600 + DAY },
		{ "postern:user:ada", 600 + DAY },
		{ "postern:user:bob", 600 + DAY + 101 },
		{ "postern:begun:" SID_B, 600 + DAY },
		{ "postern:ended:late", DAY },
	};
	struct place place;
	time_t auth_time;

	(void)state;
	begin(&place, 0);
	count(&place);
	count(&place);
	assert_true(state_end_session(place.state, SID, NOW, UNTIL, &place.log));
	assert_true(state_end_session(place.state, "late", NOW, NOW - DAY, &place.log));
	assert_true(state_end_user(place.state, "ada", NOW, UNTIL, &place.log));
	assert_true(state_end_user(place.state, "bob", NOW + 100, UNTIL, &place.log));
	assert_true(state_end_user(place.state, "bob", NOW, UNTIL, &place.log));
	assert_true(state_begin_session(place.state, SID_B, "ada", &auth_time, NOW - DAY, 60,
	    UNTIL - DAY, &place.log));
	for (size_t i = 0; i < COUNT(keys); i++) {
		long long left = server_do(&server, "TTL %s", keys[i].key);

		CHECK(keys[i].key, left <= keys[i].seconds && left >= keys[i].seconds - 2);
	}
	assert_int_equal(server_do(&server, "DBSIZE"), COUNT(keys));
	assert_true(state_forgive(place.state, &one, 1, NOW, &place.log));
	assert_in_range(server_do(&server, "TTL %s", keys[1].key), 100 + SLACK - 2, 100 + SLACK);
	finish(&place);
}

/* What was ended is remembered for longer than any process may take it for open. */
static void
test_lifetime_with_grace(void **state)
{
	struct place place;
	long long left;

	(void)state;
	begin(&place, 3 * DAY);
	assert_true(state_end_session(place.state, SID, NOW, UNTIL, &place.log));
	left = server_do(&server, "TTL postern:ended:" SID);
	assert_in_range(left, 600 + 4 * DAY - 2, 600 + 4 * DAY);
	finish(&place);
}

/* An engine that is emptied lets nobody in who was in before. */
static void
test_emptied(void **state)
{
	struct place place;

	(void)state;
	for (int verb = 0; verb < VERBS; verb++) {
		begin(&place, 100);
		assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
		server_do(&server, "FLUSHALL");
		assert_int_equal(does(&place, verb), verb != CHECK_SESSION);
		assert_int_equal(verdict(&place, "old", NOW), STATE_ENDED);
		/* Nor one that began where the clock is ahead. */
		assert_int_equal(verdict(&place, "old", NOW + SLACK), STATE_ENDED);
		assert_int_equal(verdict(&place, "old", NOW + SLACK + 1), STATE_OPEN);
		assert_int_equal(server_do(&server, "TTL postern:all"), -1);
		assert_true(does(&place, BEGIN));
		assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
		assert_true(state_end_user(place.state, "ada", NOW, UNTIL, &place.log));
		assert_int_equal(verdict(&place, SID, NOW), STATE_ENDED);
		assert_true(does(&place, BEGIN));
		assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
		finish(&place);
	}
}

/* Somebody else may be first to say since when all is new; whoever it is, what he says counts. */
static void
test_emptied_for_two(void **state)
{
	static const struct {
		const char *name, *set, *then;
		enum state_verdict want;
	} cases[] = {
		{ "we are first", "+OK\r\n", "*4\r\n$4\r\n1000\r\n$-1\r\n$-1\r\n$-1\r\n",
		    STATE_OPEN },
		{ "somebody else is", "$-1\r\n", "*4\r\n$4\r\n1000\r\n$-1\r\n$-1\r\n$-1\r\n",
		    STATE_OPEN },
		{ "his time counts", "$-1\r\n", "*4\r\n$10\r\n1000000000\r\n$-1\r\n$-1\r\n$-1\r\n",
		    STATE_ENDED },
		{ "it stays empty", "+OK\r\n", "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n", STATE_FAULT },
		{ "it cannot be set", "-ERR no\r\n", "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n",
		    STATE_FAULT },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;
		struct fake fake;

		fake_start(&fake, *state, "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n");
		snprintf(fake.answers->set, sizeof(fake.answers->set), "%s", cases[i].set);
		snprintf(fake.answers->then, sizeof(fake.answers->then), "%s", cases[i].then);
		open_at(&place, fake.url, 0);
		CHECK(cases[i].name, verdict(&place, SID, NOW) == cases[i].want);
		state_free(place.state);
		fake_stop(&fake);
	}
}

/* Another prefix, and another database, is another site. */
static void
test_sites_apart(void **state)
{
	struct place places[2];

	(void)state;
	begin(&places[0], 0);
	server_do(&server, "SET other:all %d", NOW);
	places[1].log = unit_log(&places[1].caught);
	places[1].state = state_new(server.url, "other", 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(count(&places[0]), 0);
	assert_int_equal(count(&places[0]), 100);
	assert_true(state_end_session(places[0].state, SID, NOW, UNTIL, &places[0].log));
	assert_true(state_end_user(places[0].state, "ada", NOW, UNTIL, &places[0].log));
	assert_int_equal(count(&places[1]), 0);
	assert_int_equal(verdict(&places[1], SID_B, NOW + SLACK + 1), STATE_OPEN);
	assert_int_equal(verdict(&places[1], SID, NOW + SLACK + 1), STATE_OPEN);
	assert_int_equal(verdict(&places[0], SID, NOW + SLACK + 1), STATE_ENDED);
	finish(&places[0]);
	finish(&places[1]);
}

/* An entry that is no time is a fault, whoever reads it. */
static void
test_strange_entries(void **state)
{
	static const char *const values[] = { "x", "", " 1", "1 ", "-1", "+1", "0x10", "1e9", "1.5",
		"nan", "inf", "1234567890123456" };
	static const struct {
		const char *key;
		int verbs[3];
	} keys[] = {
		{ "postern:try:1:ab000000000000000000000000000000", { COUNT_TRY, FORGIVE, -1 } },
		{ "postern:all", { BEGIN, END_USER, CHECK_SESSION } },
		{ "postern:user:ada", { BEGIN, CHECK_SESSION, -1 } },
		{ "postern:user:bob", { END_USER, -1, -1 } },
		{ "postern:ended:" SID, { CHECK_SESSION, -1, -1 } },
		{ "postern:begun:" SID, { CHECK_SESSION, -1, -1 } },
	};
	struct place place;

	(void)state;
	for (size_t k = 0; k < COUNT(keys); k++) {
		for (size_t v = 0; v < COUNT(values); v++) {
			begin(&place, 0);
			server_do(&server, "SET %s %s", keys[k].key, values[v]);
			for (size_t i = 0; i < 3 && keys[k].verbs[i] >= 0; i++)
				CHECK(values[v], !does(&place, keys[k].verbs[i]));
			CHECK(values[v], place.caught.lines == 1);
			state_free(place.state);
		}
		/* Read in a script, a list is one, too. */
		begin(&place, 0);
		server_do(&server, "DEL %s", keys[k].key);
		server_do(&server, "LPUSH %s 1", keys[k].key);
		if (keys[k].verbs[0] != CHECK_SESSION)
			CHECK(keys[k].key, !does(&place, keys[k].verbs[0]));
		state_free(place.state);
	}
}

/* -- a connection that breaks --------------------------------------------------------------- */

/* A connection that was closed is made again, and nobody hears of it. */
static void
test_closed_while_idle(void **state)
{
	struct place place;

	(void)state;
	for (int verb = 0; verb < VERBS; verb++) {
		if (verb == FORGIVE)
			continue;
		begin(&place, 0);
		assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
		server_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
		assert_true(does(&place, verb));
		finish(&place);
	}
}

/* What may have been done is not forgiven twice. The rest is said again, once. */
static void
test_lost_reply(void **state)
{
	static const struct {
		const char *name;
		int verb, commands;
		bool refused; /* surely not done */
	} cases[] = {
		{ "count", COUNT_TRY, 2, false },
		{ "forgive", FORGIVE, 1, false },
		{ "begin", BEGIN, 2, false },
		{ "end", END_SESSION, 2, false },
		{ "end a user", END_USER, 2, false },
		{ "check", CHECK_SESSION, 2, false },
		{ "count, refused", COUNT_TRY, 2, true },
		{ "forgive, refused", FORGIVE, 2, true },
		{ "check, refused", CHECK_SESSION, 2, true },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;
		struct fake fake;

		fake_start(&fake, *state, "-LOADING it is\r\n");
		fake.answers->hangs_up = !cases[i].refused;
		open_at(&place, fake.url, 0);
		CHECK(cases[i].name, !does(&place, cases[i].verb));
		CHECK(cases[i].name, fake.answers->commands == cases[i].commands);
		check_said(&place, cases[i].name,
		    cases[i].refused ? "LOADING it is" : "reason=\"Server closed the connection\"");
		CHECK(cases[i].name, place.caught.lines == 1);
		state_free(place.state);
		fake_stop(&fake);
	}
}

/* What fails again for the same reason, or goes on to fail for another, is said once a minute. */
static void
test_now_and_then(void **state)
{
	static const struct {
		const char *reply, *said; /* NULL: nothing */
	} steps[] = {
		{ "-ONE it is\r\n", "reason=\"EVAL: ONE it is\"" },
		{ "-ONE it is\r\n", NULL },
		{ "-TWO it is\r\n", NULL },
		{ ":0\r\n", "reason=\"it answers again\"" },
		{ ":0\r\n", NULL },
		{ "-ONE it is\r\n", NULL },
		{ ":0\r\n", NULL },
		{ "-TWO it is\r\n", "reason=\"EVAL: TWO it is\"" },
		{ ":0\r\n", "reason=\"it answers again\"" },
	};
	struct place place;
	struct fake fake;

	fake_start(&fake, *state, "");
	open_at(&place, fake.url, 0);
	for (size_t i = 0; i < COUNT(steps); i++) {
		char row[32];

		snprintf(row, sizeof(row), "step %zu", i);
		snprintf(fake.answers->reply, sizeof(fake.answers->reply), "%s", steps[i].reply);
		place.log = unit_log(&place.caught);
		CHECK(row, does(&place, COUNT_TRY) == (steps[i].reply[0] == ':'));
		CHECK(row, place.caught.lines == (steps[i].said != NULL));
		if (steps[i].said != NULL)
			check_said(&place, row, steps[i].said);
	}
	state_free(place.state);
	fake_stop(&fake);
}

/* The connection is kept; and who is no master any more is found out within a second or so. */
static void
test_kept_and_doubted(void **state)
{
	const long long end = milliseconds() + 1200;
	struct place place;
	struct fake fake;
	int asked = 0;

	fake_start(&fake, *state, ":0\r\n");
	open_at(&place, fake.url, 0);
	for (; milliseconds() < end; asked++, usleep(20000))
		assert_true(does(&place, COUNT_TRY));
	assert_int_equal(fake.answers->connections, 1);
	assert_int_equal(fake.answers->commands, asked);
	snprintf(fake.answers->role, sizeof(fake.answers->role), "*1\r\n$5\r\nslave\r\n");
	while (does(&place, COUNT_TRY))
		assert_true(milliseconds() < end + 1200);
	check_said(&place, "doubted", "reason=\"it is not the master\"");
	state_free(place.state);
	fake_stop(&fake);
}

/* While it is away every verb says no, and the log one line; another when it is back. */
static void
test_away(void **state)
{
	struct place place;
	char said[512];

	(void)state;
	begin(&place, 0);
	assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
	server_stop(&server);
	for (int i = 0; i < 3; i++)
		for (int verb = 0; verb < VERBS; verb++)
			assert_false(does(&place, verb));
	snprintf(said, sizeof(said),
	    "postern: event=state address=%s reason=\"No such file or directory\"\n",
	    server.socket);
	assert_string_equal(place.caught.text, said);
	place.log = unit_log(&place.caught);
	server_start(&server, NULL);
	assert_int_equal(verdict(&place, SID, NOW), STATE_ENDED);
	for (int verb = 0; verb < CHECK_SESSION; verb++)
		assert_true(does(&place, verb));
	snprintf(said, sizeof(said),
	    "postern: event=state address=%s reason=\"it answers again\"\n", server.socket);
	assert_string_equal(place.caught.text, said);
	state_free(place.state);
}

/* One that hangs costs a moment, and then, for a second, nothing. */
static void
test_hangs(void **state)
{
	struct place place;
	long long begun;

	(void)state;
	for (int verb = 0; verb < VERBS; verb++) {
		for (int kept = 0; kept < 2; kept++) {
			begin(&place, 0);
			if (kept)
				assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
			kill(server.pid, SIGSTOP);
			begun = milliseconds();
			assert_false(does(&place, verb));
			assert_in_range(milliseconds() - begun, 190, 400);
			begun = milliseconds();
			for (int i = 0; i < 20; i++)
				assert_false(does(&place, verb));
			assert_in_range(milliseconds() - begun, 0, 150);
			kill(server.pid, SIGCONT);
			assert_int_equal(place.caught.lines, 1);
			check_said(&place, "hangs", "reason=\"no answer in time\"");
			state_free(place.state);
		}
	}
}

/* So does one that refuses, but takes its time for that. */
static void
test_refuses_slowly(void **state)
{
	struct place place;
	struct fake fake;
	long long begun;

	fake_start(&fake, *state, "-NO\r\n");
	fake.answers->delay = 8;
	open_at(&place, fake.url, 0);
	begun = milliseconds();
	for (int i = 0; i < 8; i++)
		assert_false(does(&place, CHECK_SESSION));
	assert_in_range(milliseconds() - begun, 190, 700);
	state_free(place.state);
	fake_stop(&fake);
}

/* It is asked again after that second, and is back. */
static void
test_hangs_no_more(void **state)
{
	const long long end = milliseconds() + 10000;
	struct place place;

	(void)state;
	begin(&place, 0);
	kill(server.pid, SIGSTOP);
	assert_false(does(&place, CHECK_SESSION));
	kill(server.pid, SIGCONT);
	while (!does(&place, CHECK_SESSION))
		assert_true(milliseconds() < end);
	assert_int_equal(place.caught.lines, 2);
	check_said(&place, "back", "reason=\"it answers again\"");
	state_free(place.state);
}

/* Bytes that come one by one are not waited for longer than a reply. */
static void
test_drips(void **state)
{
	for (int verb = 0; verb < VERBS; verb++) {
		struct place place;
		struct fake fake;
		long long begun;

		fake_start(&fake, *state, ":0\r\n");
		fake.answers->delay = 50;
		open_at(&place, fake.url, 0);
		begun = milliseconds();
		assert_false(does(&place, verb));
		assert_in_range(milliseconds() - begun, 190, 400);
		check_said(&place, "drips", "no answer in time");
		state_free(place.state);
		fake_stop(&fake);
	}
}

/* -- what it may answer -------------------------------------------------------------------- */

static void
test_nonsense(void **state)
{
	static const struct {
		const char *name;
		int verb;
		const char *role, *reply, *said;
	} cases[] = {
		{ "no protocol", COUNT_TRY, FAKE_MASTER, "HTTP/1.1 200 OK\r\n\r\n",
		    "Protocol error" },
		{ "a text for a number", COUNT_TRY, FAKE_MASTER, "$1\r\n0\r\n", "no sense" },
		{ "nothing for a number", COUNT_TRY, FAKE_MASTER, "$-1\r\n", "no sense" },
		{ "a wait below zero", COUNT_TRY, FAKE_MASTER, ":-1\r\n", "no sense" },
		{ "a time below zero", BEGIN, FAKE_MASTER, ":-1\r\n", "no sense" },
		{ "OK for four times", CHECK_SESSION, FAKE_MASTER, "+OK\r\n", "no sense" },
		{ "none", CHECK_SESSION, FAKE_MASTER, "*0\r\n", "no sense" },
		{ "three", CHECK_SESSION, FAKE_MASTER, "*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n",
		    "no sense" },
		{ "five", CHECK_SESSION, FAKE_MASTER,
		    "*5\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n", "no sense" },
		{ "a number among them", CHECK_SESSION, FAKE_MASTER,
		    "*4\r\n$1\r\n1\r\n:1\r\n$-1\r\n$-1\r\n", "no sense" },
		{ "a word among them", CHECK_SESSION, FAKE_MASTER,
		    "*4\r\n$1\r\n1\r\n+1\r\n$-1\r\n$-1\r\n", "no sense" },
		{ "a NUL in one", CHECK_SESSION, FAKE_MASTER,
		    "*4\r\n$2\r\n1x\r\n$-1\r\n$-1\r\n$-1\r\n", "no sense" },
		{ "an error", COUNT_TRY, FAKE_MASTER, "-ERR \"it\" broke\\\r\n",
		    "reason=\"EVAL: ERR ?it? broke?\"" },
		{ "an error that repeats all", COUNT_TRY, FAKE_MASTER,
		    "-ERR unknown command 'EVAL', with args beginning with: 'secret'\r\n",
		    "reason=\"EVAL: ERR unknown command 'EVAL', \"" },
		{ "a replica", COUNT_TRY, "*1\r\n$5\r\nslave\r\n", ":0\r\n",
		    "it is not the master" },
		{ "a sentinel", COUNT_TRY, "*1\r\n$8\r\nsentinel\r\n", ":0\r\n", "not the master" },
		{ "no role", COUNT_TRY, "*0\r\n", ":0\r\n", "it is not the master" },
		{ "a number as role", COUNT_TRY, "*1\r\n:1\r\n", ":0\r\n", "it is not the master" },
		{ "a word as role", COUNT_TRY, "$6\r\nmaster\r\n", ":0\r\n", "not the master" },
		{ "no answer to ROLE", COUNT_TRY, "-NOPERM no\r\n", ":0\r\n", "ROLE: NOPERM no" },
		{ "right", COUNT_TRY, FAKE_MASTER, ":0\r\n", NULL },
		{ "right, too", CHECK_SESSION, FAKE_MASTER,
		    "*4\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$-1\r\n", NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;
		struct fake fake;

		fake_start(&fake, *state, cases[i].reply);
		snprintf(fake.answers->role, sizeof(fake.answers->role), "%s", cases[i].role);
		open_at(&place, fake.url, 0);
		CHECK(cases[i].name, does(&place, cases[i].verb) == (cases[i].said == NULL));
		CHECK(cases[i].name, place.caught.lines == (cases[i].said != NULL));
		if (cases[i].said != NULL)
			check_said(&place, cases[i].name, cases[i].said);
		CHECK(cases[i].name, strstr(place.caught.text, "secret") == NULL);
		state_free(place.state);
		fake_stop(&fake);
	}
}

/* Of a reply that is announced to be long nobody makes room for all. */
static void
test_long_replies(void **state)
{
	static const char *const replies[] = { "*65\r\n", "*50000000\r\n", "*2147483647\r\n",
		"*4\r\n*50000000\r\n", "*1\r\n*1\r\n*1\r\n*50000000\r\n" };

	for (size_t i = 0; i < COUNT(replies); i++) {
		long long begun = milliseconds();
		struct place place;
		struct fake fake;

		fake_start(&fake, *state, replies[i]);
		open_at(&place, fake.url, 0);
		assert_int_equal(verdict(&place, SID, NOW), STATE_FAULT);
		CHECK(replies[i], milliseconds() - begun < 150);
		check_said(&place, replies[i], "Out of memory");
		snprintf(fake.answers->role, sizeof(fake.answers->role), "%s", replies[i]);
		CHECK(replies[i], !does(&place, COUNT_TRY));
		CHECK(replies[i], milliseconds() - begun < 300);
		state_free(place.state);
		fake_stop(&fake);
	}
}

/* A name that fits no key is none that could have been kept. */
static void
test_long_name(void **state)
{
	struct place place;
	char sid[1000];

	(void)state;
	memset(sid, 'a', sizeof(sid) - 1);
	sid[sizeof(sid) - 1] = '\0';
	begin(&place, 0);
	assert_int_equal(verdict(&place, sid, NOW), STATE_FAULT);
	assert_false(state_end_session(place.state, sid, NOW, UNTIL, &place.log));
	assert_int_equal(server_do(&server, "DBSIZE"), 1);
	state_free(place.state);
}

/* -- passwords and rights ------------------------------------------------------------------- */

static void
test_password(void **state)
{
	static const struct {
		const char *name, *user, *said; /* NULL: it is let in */
	} cases[] = {
		{ "the password", ":wo%40rd@", NULL },
		{ "user and password", "postern:wo%40rd@", NULL },
		{ "none", NULL, "NOAUTH" },
		{ "a wrong one", ":secret@", "reason=\"AUTH: WRONGPASS\"" },
		{ "of a wrong user", "ada:wo%40rd@", "reason=\"AUTH: WRONGPASS\"" },
	};

	(void)state;
	server_do(&server, "FLUSHALL");
	server_do(&server, "ACL SETUSER postern on >wo@rd ~postern:* +@all");
	server_do(&server, "CONFIG SET requirepass wo@rd");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;
		char url[512];

		if (cases[i].user == NULL)
			snprintf(url, sizeof(url), "%s", server.url);
		else
			snprintf(url, sizeof(url), "unix://%s%s", cases[i].user, server.socket);
		open_at(&place, url, 0);
		CHECK(cases[i].name, does(&place, COUNT_TRY) == (cases[i].said == NULL));
		if (cases[i].said != NULL)
			check_said(&place, cases[i].name, cases[i].said);
		CHECK(cases[i].name, strstr(place.caught.text, "wo@rd") == NULL);
		CHECK(cases[i].name, strstr(place.caught.text, "secret") == NULL);
		state_free(place.state);
	}
	server_do(&server, "CONFIG SET requirepass %s", "");
}

/* An engine that has no memory left counts nothing, and says so. */
static void
test_out_of_memory(void **state)
{
	struct place place;

	(void)state;
	begin(&place, 0);
	server_do(&server, "CONFIG SET maxmemory 1");
	for (int verb = 0; verb < CHECK_SESSION; verb++)
		if (verb != FORGIVE && verb != BEGIN)
			assert_false(does(&place, verb));
	check_said(&place, "full", "OOM command not allowed");
	assert_int_equal(place.caught.lines, 1);
	assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
	server_do(&server, "CONFIG SET maxmemory 0");
	state_free(place.state);
}

/* -- several addresses ---------------------------------------------------------------------- */

static int
free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(bind(fd, (struct sockaddr *)&address, length) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &length) == 0);
	close(fd);
	return ntohs(address.sin_port);
}

/* Start an engine at this port. */
static void
start_at(struct server *started, int port)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", port);
	server_make(started);
	server_start(started, (const char *[]){ "--port", text, "--bind", "127.0.0.1", NULL });
}

static void
stop_one(struct server *started)
{
	server_stop(started);
	server_remove(started);
}

/* The master is found, wherever it stands, and found again when another becomes it. */
static void
test_master_and_replica(void **state)
{
	struct server servers[2];
	struct place place;
	char url[512], text[2][16];
	int ports[2], dead = free_port();
	long long end;

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(text[i], sizeof(text[i]), "%d", ports[i] = free_port());
		server_make(&servers[i]);
		server_start(&servers[i],
		    (const char *[]){ "--port", text[i], "--bind", "127.0.0.1",
			"--repl-diskless-sync-delay", "0", NULL });
	}
	server_do(&servers[1], "REPLICAOF 127.0.0.1 %d", ports[0]);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/2", dead,
	    ports[1], ports[0]);
	open_at(&place, url, 0);
	assert_int_equal(verdict(&place, SID, NOW + SLACK + 1), STATE_OPEN);
	assert_int_equal(server_do(&servers[0], "EXISTS postern:all"), 0);
	server_do(&servers[0], "SELECT 2");
	assert_int_equal(server_do(&servers[0], "EXISTS postern:all"), 1);

	/* A write finds out at once. */
	server_do(&servers[1], "REPLICAOF NO ONE");
	server_do(&servers[0], "REPLICAOF 127.0.0.1 %d", ports[1]);
	assert_true(does(&place, END_SESSION));
	server_do(&servers[1], "SELECT 2");
	assert_int_equal(server_do(&servers[1], "EXISTS postern:ended:" SID_B), 1);

	/* Reading is believed for a second. */
	server_do(&servers[0], "REPLICAOF NO ONE");
	server_do(&servers[0], "SET postern:ended:" SID " 1");
	server_do(&servers[1], "REPLICAOF 127.0.0.1 %d", dead);
	end = milliseconds() + 1500;
	while (verdict(&place, SID, NOW + SLACK + 1) == STATE_OPEN)
		assert_true(milliseconds() < end);
	finish(&place);

	server_stop(&servers[0]);
	open_at(&place, url, 0);
	assert_false(does(&place, COUNT_TRY));
	assert_int_equal(place.caught.lines, 1);
	state_free(place.state);
	for (int i = 0; i < 2; i++) {
		if (i == 1)
			server_stop(&servers[i]);
		server_remove(&servers[i]);
	}
}

/* Where two say that they are the master, nobody can tell which one knows what was ended. */
static void
test_two_masters(void **state)
{
	struct server servers[2];
	struct place place;
	char url[512], text[2][16];
	int ports[2];
	long long end;

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(text[i], sizeof(text[i]), "%d", ports[i] = free_port());
		server_make(&servers[i]);
		server_start(&servers[i],
		    (const char *[]){ "--port", text[i], "--bind", "127.0.0.1", NULL });
	}
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d,127.0.0.1:%d", ports[0], ports[1]);
	open_at(&place, url, 0);
	for (int verb = 0; verb < VERBS; verb++)
		assert_false(does(&place, verb));
	assert_int_equal(place.caught.lines, 1);
	check_said(&place, "two", "reason=\"another says that it is the master, too\"");
	assert_int_equal(server_do(&servers[0], "DBSIZE") + server_do(&servers[1], "DBSIZE"), 0);
	server_do(&servers[0], "REPLICAOF 127.0.0.1 %d", ports[1]);
	end = milliseconds() + 5000;
	while (!does(&place, COUNT_TRY))
		assert_true(milliseconds() < end);
	state_free(place.state);
	for (int i = 0; i < 2; i++) {
		server_stop(&servers[i]);
		server_remove(&servers[i]);
	}
}

/* Nor where one does not say what it is, as it has too many clients. */
static void
test_another_refuses(void **state)
{
	struct server servers[2];
	struct place place;
	char url[512];
	int ports[2] = { free_port(), free_port() };
	long long end;

	(void)state;
	start_at(&servers[0], ports[0]);
	start_at(&servers[1], ports[1]);
	server_do(&servers[1], "REPLICAOF 127.0.0.1 %d", ports[0]);
	server_do(&servers[0], "SET postern:all %d", NOW - DAY);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d,127.0.0.1:%d", ports[0], ports[1]);
	open_at(&place, url, 0);
	assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
	server_do(&servers[1], "CONFIG SET maxclients 1");
	end = milliseconds() + 2000;
	while (verdict(&place, SID, NOW) == STATE_OPEN)
		assert_true(milliseconds() < end);
	check_said(&place, "refuses", "reason=\"ROLE: ERR max number of clients reached\"");
	snprintf(url, sizeof(url), "address=127.0.0.1:%d ", ports[1]);
	check_said(&place, "refuses", url);
	for (int verb = 0; verb < VERBS; verb++)
		assert_false(does(&place, verb));
	server_do(&servers[1], "CONFIG SET maxclients 100");
	assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
	state_free(place.state);
	stop_one(&servers[0]);
	stop_one(&servers[1]);
}

/* The log names the address as it may stand in the URL. */
static void
test_address_that_is_named(void **state)
{
	static const struct {
		const char *url, *said;
	} cases[] = {
		{ "redis://127.0.0.1:1", "event=state address=127.0.0.1:1 reason=" },
		{ "redis://[::1]:1", "event=state address=[::1]:1 reason=" },
		{ "redis://127.0.0.1:1,127.0.0.2:2", "event=state address=127.0.0.2:2 reason=" },
		{ "unix:/nonexistent/socket", "event=state address=/nonexistent/socket reason=" },
		{ "unix:/nonexistent:1/a \"b\"",
		    "event=state address=/nonexistent:1/a??b? reason=" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;

		open_at(&place, cases[i].url, 0);
		CHECK(cases[i].url, !does(&place, COUNT_TRY));
		check_said(&place, cases[i].url, cases[i].said);
		state_free(place.state);
	}
}

/* A socket at which the kernel accepts, and nobody answers. */
static int
hang_at(int *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 8) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &length) == 0);
	*port = ntohs(address.sin_port);
	return fd;
}

/* One that hangs keeps nobody from the next. */
static void
test_first_address_hangs(void **state)
{
	struct server other;
	struct place place;
	char url[512];
	int port = free_port(), hung, hanging = hang_at(&hung);
	long long begun;

	(void)state;
	start_at(&other, port);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d,127.0.0.1:%d", hung, port);
	open_at(&place, url, 0);
	begun = milliseconds();
	assert_true(does(&place, COUNT_TRY));
	assert_in_range(milliseconds() - begun, 190, 300);
	begun = milliseconds();
	for (int verb = 0; verb < CHECK_SESSION; verb++)
		assert_true(does(&place, verb));
	assert_in_range(milliseconds() - begun, 0, 150);
	finish(&place);
	stop_one(&other);
	close(hanging);
}

/* Nor do two keep a process that has just begun. */
static void
test_two_of_three_hang(void **state)
{
	struct server third;
	char url[512];
	int port = free_port(), hung[2], hanging[2] = { hang_at(&hung[0]), hang_at(&hung[1]) };

	(void)state;
	start_at(&third, port);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d", hung[0],
	    hung[1], port);
	for (int i = 0; i < 2; i++) {
		struct place place;

		open_at(&place, url, 0);
		assert_true(does(&place, COUNT_TRY));
		finish(&place);
	}
	stop_one(&third);
	close(hanging[0]);
	close(hanging[1]);
}

/* One that hung, and is back as the master, is noticed within a second or so. */
static void
test_back_as_the_master(void **state)
{
	struct server old, new;
	struct place place;
	char url[512];
	int port = free_port(), hung, hanging = hang_at(&hung);
	long long begun, end;

	(void)state;
	start_at(&old, port);
	server_do(&old, "SET postern:all %d", NOW - DAY);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d,127.0.0.1:%d", port, hung);
	open_at(&place, url, 0);
	assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
	usleep(1100000);
	begun = milliseconds();
	assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
	assert_in_range(milliseconds() - begun, 15, 150);
	/* Whoever begins anew waits for it. */
	server_do(&old, "CLIENT KILL TYPE normal SKIPME yes");
	begun = milliseconds();
	assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
	assert_in_range(milliseconds() - begun, 190, 400);
	close(hanging);
	start_at(&new, hung);
	end = milliseconds() + 2000;
	while (verdict(&place, SID, NOW) == STATE_OPEN)
		assert_true(milliseconds() < end);
	check_said(&place, "back", "another says that it is the master, too");
	state_free(place.state);
	stop_one(&old);
	stop_one(&new);
}

/* However many hang, a verb is over in half a second. */
static void
test_all_addresses_hang(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	struct place place;
	char url[512];
	long long begun;
	int port;

	(void)state;
	address.sin_addr.s_addr = htonl(INADDR_ANY);
	assert_true(bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 64) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &length) == 0);
	port = ntohs(address.sin_port);
	snprintf(url, sizeof(url),
	    "redis://127.0.0.1:%d,127.0.0.2:%d,127.0.0.3:%d,127.0.0.4:%d,127.0.0.5:%d", port, port,
	    port, port, port);
	open_at(&place, url, 0);
	begun = milliseconds();
	assert_false(does(&place, COUNT_TRY));
	assert_in_range(milliseconds() - begun, 490, 700);
	assert_int_equal(place.caught.lines, 1);
	state_free(place.state);
	close(fd);
}

/* -- grace ---------------------------------------------------------------------------------- */

/* Who was in a moment ago may stay while nobody can be asked, and nobody else. */
static void
test_grace(void **state)
{
	static const struct {
		const char *name;
		long grace;
		bool asked; /* was it, before */
		enum { NOTHING, HERE, USER, OTHER_USER, EMPTIED, ELSEWHERE } ended;
		enum state_verdict want;
	} cases[] = {
		{ "known", 100, true, NOTHING, STATE_OPEN },
		{ "without grace", 0, true, NOTHING, STATE_FAULT },
		{ "not asked before", 100, false, NOTHING, STATE_FAULT },
		{ "ended here", 100, true, HERE, STATE_FAULT },
		{ "its user ended here", 100, true, USER, STATE_FAULT },
		{ "another user ended here", 100, true, OTHER_USER, STATE_OPEN },
		{ "seen to be ended", 100, true, ELSEWHERE, STATE_FAULT },
		{ "seen to be emptied", 100, true, EMPTIED, STATE_FAULT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;

		begin(&place, cases[i].grace);
		if (cases[i].asked)
			CHECK(cases[i].name, verdict(&place, SID, NOW) == STATE_OPEN);
		CHECK(cases[i].name, verdict(&place, SID_B, NOW) == STATE_OPEN);
		if (cases[i].ended == HERE)
			assert_true(state_end_session(place.state, SID, NOW, UNTIL, &place.log));
		if (cases[i].ended == USER || cases[i].ended == OTHER_USER)
			assert_true(state_end_user(place.state,
			    cases[i].ended == USER ? "ada" : "bob", NOW, UNTIL, &place.log));
		if (cases[i].ended == ELSEWHERE)
			server_do(&server, "SET postern:ended:" SID " 1");
		if (cases[i].ended == EMPTIED)
			server_do(&server, "FLUSHALL");
		if (cases[i].ended == ELSEWHERE || cases[i].ended == EMPTIED)
			CHECK(cases[i].name, verdict(&place, SID, NOW) == STATE_ENDED);
		server_stop(&server);
		CHECK(cases[i].name, verdict(&place, SID, NOW) == cases[i].want);
		CHECK(cases[i].name, !does(&place, COUNT_TRY) && !does(&place, BEGIN));
		CHECK(cases[i].name, place.caught.lines == 1);
		server_start(&server, NULL);
		state_free(place.state);
	}
}

/* Ending it here ends the grace too where the engine heard nothing of that. */
static void
test_no_grace_for_what_was_to_end(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct place place;

		begin(&place, 100);
		assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
		server_stop(&server);
		assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
		if (i == 0)
			assert_false(state_end_session(place.state, SID, NOW, UNTIL, &place.log));
		else
			assert_false(state_end_user(place.state, "ada", NOW, UNTIL, &place.log));
		assert_int_equal(verdict(&place, SID, NOW), STATE_FAULT);
		server_start(&server, NULL);
		state_free(place.state);
	}
}

/* It ends so many seconds after the engine was last heard of, whatever time the caller says. */
static void
test_grace_ends(void **state)
{
	struct place place;
	long long begun;

	(void)state;
	begin(&place, 1);
	begun = milliseconds();
	assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
	server_stop(&server);
	while (state_session(place.state, SID, "ada", NOW, NOW - DAY, &place.log) == STATE_OPEN)
		assert_true(milliseconds() - begun < 1500);
	assert_in_range(milliseconds() - begun, 900, 1500);
	server_start(&server, NULL);
	state_free(place.state);
}

/* An engine that answers, but refuses, is one that fails. */
static void
test_grace_while_it_refuses(void **state)
{
	struct place place;
	struct fake fake;

	fake_start(&fake, *state, "*4\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$-1\r\n");
	open_at(&place, fake.url, 100);
	assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
	snprintf(fake.answers->reply, sizeof(fake.answers->reply), "-LOADING it is\r\n");
	assert_int_equal(verdict(&place, SID, NOW), STATE_OPEN);
	assert_int_equal(verdict(&place, SID_B, NOW), STATE_FAULT);
	/* It has nothing, and cannot note that. */
	snprintf(fake.answers->reply, sizeof(fake.answers->reply),
	    "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n");
	assert_int_equal(verdict(&place, SID, NOW), STATE_FAULT);
	state_free(place.state);
	fake_stop(&fake);
}

/* ------------------------------------------------------------------------------------------ */

static int
start(void **state)
{
	/* As lib/web/http does. */
	signal(SIGPIPE, SIG_IGN);
	server_make(&server);
	server_start(&server, NULL);
	*state = server.folder;
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	server_stop(&server);
	server_remove(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lifetimes),
		cmocka_unit_test(test_lifetime_with_grace),
		cmocka_unit_test(test_emptied),
		cmocka_unit_test(test_emptied_for_two),
		cmocka_unit_test(test_sites_apart),
		cmocka_unit_test(test_strange_entries),
		cmocka_unit_test(test_closed_while_idle),
		cmocka_unit_test(test_lost_reply),
		cmocka_unit_test(test_now_and_then),
		cmocka_unit_test(test_kept_and_doubted),
		cmocka_unit_test(test_away),
		cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_refuses_slowly),
		cmocka_unit_test(test_hangs_no_more),
		cmocka_unit_test(test_drips),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_long_replies),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_master_and_replica),
		cmocka_unit_test(test_two_masters),
		cmocka_unit_test(test_another_refuses),
		cmocka_unit_test(test_address_that_is_named),
		cmocka_unit_test(test_first_address_hangs),
		cmocka_unit_test(test_two_of_three_hang),
		cmocka_unit_test(test_back_as_the_master),
		cmocka_unit_test(test_all_addresses_hang),
		cmocka_unit_test(test_grace),
		cmocka_unit_test(test_no_grace_for_what_was_to_end),
		cmocka_unit_test(test_grace_ends),
		cmocka_unit_test(test_grace_while_it_refuses),
	};

	return cmocka_run_group_tests_name("state_redis", tests, start, stop);
}
