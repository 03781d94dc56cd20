/*
 * test_state: what is counted and what is ended, for how long, and for all processes alike; in a
 * folder, and with a real redis-server.
 */
#include "store/state.h"

#include <limits.h>
#include <lmdb.h>
#include <sys/wait.h>

#include "server.h"
#include "unit.h"

enum {
	FOUNDED = 900000000, /* when the file of ended sessions is new */
	NOW = 1000000000,
	UNTIL = NOW + 600,
	DAY = 24 * 60 * 60,
	ENDED_MAX = 131072,
	SID_SIZE = 33,
};

/* What one test needs. */
struct place {
	const char *folder;
	struct state *state;
	struct unit_log caught;
	struct log log;
};

/* Whose URL is the place of the tests that have no folder. */
static struct server server;

static void
empty(const char *folder)
{
	static const char *const files[] = { "tries", "ended" };
	char path[UNIT_PATH_SIZE];

	if (folder[0] != '/') {
		server_do(&server, "FLUSHALL");
		return;
	}
	for (size_t i = 0; i < COUNT(files); i++) {
		unit_path(path, folder, files[i]);
		(void)!unlink(path);
	}
}

/* Nothing counted, nothing ended; it was founded long ago. */
static void
begin(struct place *place, const char *folder)
{
	empty(folder);
	place->folder = folder;
	place->log = unit_log(&place->caught);
	place->state = state_new(folder, "postern", 0);
	assert_non_null(place->state);
	/* An engine dates that a minute ahead. */
	assert_int_equal(state_session(place->state, "s", "u", FOUNDED + 1,
			     folder[0] == '/' ? FOUNDED : FOUNDED - 60, &place->log),
	    STATE_OPEN);
}

/* Only one of a process may be open. */
static void
reopen(struct place *place)
{
	state_free(place->state);
	place->state = state_new(place->folder, "postern", 0);
	assert_non_null(place->state);
}

/* End, with nothing in the log. */
static void
finish(struct place *place)
{
	state_free(place->state);
	assert_string_equal(place->caught.text, "");
}

/* What `run` returns in a process of its own. */
static int
in_child(int (*run)(const void *), const void *argument)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(run(argument));
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* -- tries ------------------------------------------------------------------------------- */

/* A bucket that holds five tries. Those of one row differ in their last byte. */
static struct state_bucket
bucket(unsigned kind, unsigned row, unsigned n)
{
	return (struct state_bucket){
		.kind = kind,
		.key = { (unsigned char)(row >> 8), (unsigned char)row, [15] = (unsigned char)n },
		.size = 500,
		.cost = 100,
		.back = 100,
	};
}

/* Count a try; how long it must wait. */
static long
count(struct place *place, const struct state_bucket buckets[], size_t n, time_t now)
{
	long wait = -1;

	assert_true(state_count(place->state, buckets, n, now, &wait, &place->log));
	return wait;
}

static void
forgive(struct place *place, struct state_bucket one, time_t now)
{
	assert_true(state_forgive(place->state, &one, 1, now, &place->log));
}

/* Count tries until one is refused, ten at most; how many were not. */
static int
pass(struct place *place, struct state_bucket one, time_t now)
{
	int passed = 0;

	while (passed < 10 && count(place, &one, 1, now) == 0)
		passed++;
	return passed;
}

/* A bucket of that size and cost, from empty: what passes, and then waits. */
static void
test_one_bucket(void **state)
{
	static const struct {
		const char *name;
		long size, cost;
		int passed;
		long wait;
	} cases[] = {
		{ "an even number", 500, 100, 5, 100 },
		{ "a part of one more", 550, 100, 5, 50 },
		{ "almost one more", 599, 100, 5, 1 },
		{ "only one", 100, 100, 1, 100 },
		{ "seconds", 5, 1, 5, 1 },
		{ "months", 50000000, 10000000, 5, 10000000 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct state_bucket one = bucket(0, 1, 1);
		struct place place;

		one.size = cases[i].size;
		one.cost = cases[i].cost;
		begin(&place, *state);
		CHECK(cases[i].name, pass(&place, one, NOW) == cases[i].passed);
		CHECK(cases[i].name, count(&place, &one, 1, NOW) == cases[i].wait);
		CHECK(cases[i].name, count(&place, &one, 1, NOW + cases[i].wait - 1) == 1);
		CHECK(cases[i].name, count(&place, &one, 1, NOW + cases[i].wait) == 0);
		finish(&place);
	}
}

/* A try of several buckets is counted in all of them or in none, and waits for the last. */
static void
test_several_buckets(void **state)
{
	static const struct {
		const char *name;
		int before[3];
		long wait;
		int after[3]; /* what then passes in each */
	} cases[] = {
		{ "all are empty", { 0, 0, 0 }, 0, { 4, 4, 4 } },
		{ "all have room", { 4, 3, 2 }, 0, { 0, 1, 2 } },
		{ "the first is full", { 5, 0, 0 }, 100, { 0, 5, 5 } },
		{ "the second is full", { 0, 5, 1 }, 200, { 5, 0, 4 } },
		{ "the last is full", { 0, 0, 5 }, 300, { 5, 5, 0 } },
		{ "the first and the last are full", { 5, 2, 5 }, 300, { 0, 3, 0 } },
		{ "the first two are full", { 5, 5, 2 }, 200, { 0, 0, 3 } },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct state_bucket three[3];
		struct place place;

		begin(&place, *state);
		for (unsigned k = 0; k < 3; k++) {
			three[k] = bucket(k, 1, 1);
			three[k].cost *= k + 1;
			three[k].size *= k + 1;
			for (int n = 0; n < cases[i].before[k]; n++)
				count(&place, &three[k], 1, NOW);
		}
		CHECK(cases[i].name, count(&place, three, 3, NOW) == cases[i].wait);
		for (unsigned k = 0; k < 3; k++)
			CHECK(cases[i].name, pass(&place, three[k], NOW) == cases[i].after[k]);
		finish(&place);
	}
}

/* Every bit of a key tells two buckets apart, and so does their kind. */
static void
test_keys(void **state)
{
	struct state_bucket one = bucket(0, 0x1234, 0x56);
	struct place place;

	begin(&place, *state);
	assert_int_equal(pass(&place, one, NOW), 5);
	for (unsigned bit = 0; bit < 8 * STATE_KEY_BYTES; bit++) {
		struct state_bucket other = one;

		other.key[bit / 8] ^= (unsigned char)(1u << bit % 8);
		assert_int_equal(count(&place, &other, 1, NOW), 0);
	}
	for (unsigned kind = 1; kind < STATE_KINDS; kind++)
		assert_int_equal(pass(&place, bucket(kind, 0x1234, 0x56), NOW), 5);
	assert_int_equal(pass(&place, one, NOW), 0);
	finish(&place);
}

/* Of nine buckets in one row the one that is empty soonest is forgotten, whoever is new. */
static void
test_full_row(void **state)
{
	for (unsigned least = 0; least < 8; least++) {
		struct place place;

		begin(&place, *state);
		for (unsigned n = 0; n < 8; n++)
			for (int tries = n == least ? 2 : 3; tries > 0; tries--)
				assert_int_equal(count(&place,
						     (struct state_bucket[]){ bucket(0, 7, n) }, 1,
						     NOW),
				    0);
		for (unsigned n = 100; n < 200; n++)
			assert_int_equal(count(&place, (struct state_bucket[]){ bucket(0, 7, n) },
					     1, NOW),
			    0);
		for (unsigned n = 0; n < 8; n++)
			if (n != least)
				assert_int_equal(pass(&place, bucket(0, 7, n), NOW), 2);
		assert_int_equal(pass(&place, bucket(0, 7, least), NOW), 5);
		finish(&place);
	}
}

/* An empty bucket leaves its place to another before a full one does. */
static void
test_row_of_old_ones(void **state)
{
	struct place place;

	begin(&place, *state);
	for (unsigned n = 1; n < 8; n++)
		assert_int_equal(pass(&place, bucket(0, 7, n), NOW - 1000), 5);
	assert_int_equal(pass(&place, bucket(0, 7, 0), NOW), 5);
	for (unsigned n = 8; n < 15; n++)
		assert_int_equal(pass(&place, bucket(0, 7, n), NOW), 5);
	assert_int_equal(pass(&place, bucket(0, 7, 0), NOW), 0);
	finish(&place);
}

/* A row that a clock which was ahead has filled holds as much as any: its slots go first. */
static void
test_row_of_a_clock_that_was_ahead(void **state)
{
	struct place place;

	begin(&place, *state);
	for (unsigned n = 1; n < 9; n++)
		assert_int_equal(pass(&place, bucket(0, 7, n), NOW + 365 * DAY), 5);
	assert_int_equal(pass(&place, bucket(0, 7, 0), NOW), 5);
	for (unsigned n = 9; n < 16; n++)
		assert_int_equal(pass(&place, bucket(0, 7, n), NOW), 5);
	assert_int_equal(pass(&place, bucket(0, 7, 0), NOW), 0);
	finish(&place);
}

static void
test_forgive(void **state)
{
	static const struct {
		const char *name;
		int before;
		long back;
		time_t later;
		int after;
	} cases[] = {
		{ "one of five", 5, 100, 0, 1 },
		{ "all of five", 5, 500, 0, 5 },
		{ "the only one", 1, 100, 0, 5 },
		{ "more than there is", 2, 500, 0, 5 },
		{ "none there", 0, 500, 0, 5 },
		{ "half of one", 5, 50, 50, 1 },
		{ "what is left of one", 1, 100, 99, 5 },
		{ "when it has just drained", 1, 100, 100, 5 },
		{ "long after", 1, 100, DAY, 5 },
		{ "when the clock was set back", 5, 100, -DAY, 1 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct state_bucket one = bucket(0, 1, 1);
		struct place place;

		one.back = cases[i].back;
		begin(&place, *state);
		for (int n = 0; n < cases[i].before; n++)
			CHECK(cases[i].name, count(&place, &one, 1, NOW) == 0);
		forgive(&place, one, NOW + cases[i].later);
		CHECK(cases[i].name, pass(&place, one, NOW + cases[i].later) == cases[i].after);
		finish(&place);
	}
}

/* A bucket that was forgotten meanwhile drives out no other when it is forgiven. */
static void
test_forgive_what_is_forgotten(void **state)
{
	struct place place;

	begin(&place, *state);
	for (unsigned n = 0; n < 8; n++)
		assert_int_equal(pass(&place, bucket(0, 7, n), NOW), 5);
	forgive(&place, bucket(0, 7, 100), NOW);
	for (unsigned n = 0; n < 8; n++)
		assert_int_equal(pass(&place, bucket(0, 7, n), NOW), 0);
	finish(&place);
}

/* All buckets of a try are forgiven, each by what it says. */
static void
test_forgive_several(void **state)
{
	struct state_bucket three[] = { bucket(0, 1, 1), bucket(1, 1, 1), bucket(2, 1, 1) };
	struct place place;

	three[0].back = 500;
	begin(&place, *state);
	for (int i = 0; i < 5; i++)
		assert_int_equal(count(&place, three, 3, NOW), 0);
	assert_true(state_forgive(place.state, three, 3, NOW, &place.log));
	assert_int_equal(pass(&place, three[0], NOW), 5);
	assert_int_equal(pass(&place, three[1], NOW), 1);
	assert_int_equal(pass(&place, three[2], NOW), 1);
	finish(&place);
}

/* Set back, the clock leaves a bucket full and no fuller; it drains from then on. */
static void
test_clock_set_back(void **state)
{
	const struct state_bucket one = bucket(0, 1, 1);
	struct place place;

	begin(&place, *state);
	assert_int_equal(count(&place, &one, 1, NOW), 0);
	assert_int_equal(count(&place, &one, 1, NOW - DAY), 100);
	assert_int_equal(count(&place, &one, 1, NOW - DAY + 99), 1);
	assert_int_equal(count(&place, &one, 1, NOW - DAY + 100), 0);
	assert_int_equal(count(&place, &one, 1, NOW - DAY + 100), 100);
	assert_int_equal(pass(&place, one, NOW - DAY + 600), 5);
	finish(&place);
}

/* What is refused because of one bucket does not change another, whose place is another's. */
static void
test_refused_in_a_full_row(void **state)
{
	const struct state_bucket both[] = { bucket(0, 7, 100), bucket(1, 1, 1) };
	struct place place;

	begin(&place, *state);
	for (unsigned n = 0; n < 8; n++)
		assert_int_equal(pass(&place, bucket(0, 7, n), NOW), 5);
	assert_int_equal(pass(&place, both[1], NOW), 5);
	assert_int_equal(count(&place, both, 2, NOW), 100);
	for (unsigned n = 0; n < 8; n++)
		assert_int_equal(pass(&place, bucket(0, 7, n), NOW), 0);
	finish(&place);
}

static int
pass_in_child(const void *folder)
{
	struct place place = { .folder = folder, .state = state_new(folder, "postern", 0) };
	const struct state_bucket one = bucket(0, 1, 1);
	int passed = 0;

	place.log = unit_log(&place.caught);
	for (int i = 0; i < 50; i++) {
		long wait = -1;

		if (!state_count(place.state, &one, 1, NOW, &wait, &place.log))
			return 100;
		passed += wait == 0;
	}
	state_free(place.state);
	return passed;
}

/* What one process counts, another one sees, and so does a later one. */
static void
test_processes_share_counts(void **state)
{
	const struct state_bucket one = bucket(0, 1, 1);
	struct place place;

	begin(&place, *state);
	for (int i = 0; i < 3; i++)
		assert_int_equal(count(&place, &one, 1, NOW), 0);
	assert_int_equal(in_child(pass_in_child, *state), 2);
	assert_int_equal(count(&place, &one, 1, NOW), 100);
	forgive(&place, one, NOW);
	assert_int_equal(in_child(pass_in_child, *state), 1);
	reopen(&place);
	assert_int_equal(count(&place, &one, 1, NOW), 100);
	finish(&place);
}

/* Eight processes at once, fifty tries each: five pass, as of one. */
static void
test_processes_at_once(void **state)
{
	enum { PROCESSES = 8 };
	pid_t pids[PROCESSES];
	struct place place;
	int passed = 0;

	begin(&place, *state);
	finish(&place);
	for (int i = 0; i < PROCESSES; i++)
		if ((pids[i] = fork()) == 0)
			_exit(pass_in_child(*state));
	for (int i = 0; i < PROCESSES; i++) {
		int status = 0;

		assert_true(waitpid(pids[i], &status, 0) == pids[i] && WIFEXITED(status));
		passed += WEXITSTATUS(status);
	}
	assert_int_equal(passed, 5);
}

/* -- ended sessions ---------------------------------------------------------------------- */

static void
end_session(struct place *place, const char *sid, time_t now, time_t until)
{
	assert_true(state_end_session(place->state, sid, now, until, &place->log));
}

static void
end_user(struct place *place, const char *user, time_t now, time_t until)
{
	assert_true(state_end_user(place->state, user, now, until, &place->log));
}

static enum state_verdict
verdict(struct place *place, const char *sid, const char *user, time_t auth_time, time_t now)
{
	return state_session(place->state, sid, user, auth_time, now, &place->log);
}

/* Begin a session, which is kept in mind where it must be; when it says that it began. */
static time_t
begin_session(struct place *place, const char *sid, const char *user, time_t now, long ahead)
{
	time_t auth_time = -1;

	assert_true(state_begin_session(place->state, sid, user, &auth_time, now, ahead, UNTIL,
	    &place->log));
	return auth_time;
}

/* Until when all sessions of the user were ended: whatever begins is later. */
static time_t
ended_at(struct place *place, const char *user)
{
	return begin_session(place, "x", user, 0, LONG_MAX) - 1;
}

#define SID_A "0123456789abcdef0123456789abcdef"
#define SID_B "0123456789abcdef0123456789abcdee"
#define LONG_NAME "a12345678901234567890123456789012345678901234567890123456789012"

/* Whose session is ended once SID_A is, and all of bob and of a long name at NOW. */
static const struct {
	const char *name, *sid, *user;
	time_t auth_time;
	enum state_verdict want;
} ended_cases[] = {
	{ "the one that was ended", SID_A, "ada", NOW, STATE_ENDED },
	{ "it, renewed later", SID_A, "ada", NOW + 100, STATE_ENDED },
	{ "another", SID_B, "ada", NOW, STATE_OPEN },
	{ "an older one", SID_B, "ada", NOW - 100, STATE_OPEN },
	{ "one that begins as it", SID_A "0", "ada", NOW, STATE_OPEN },
	{ "a part of it", "0123456789abcdef", "ada", NOW, STATE_OPEN },
	{ "no sid", "", "ada", NOW, STATE_OPEN },
	{ "of a user ended then", SID_B, "bob", NOW, STATE_ENDED },
	{ "of that user, before", SID_B, "bob", NOW - 1, STATE_ENDED },
	{ "of that user, long before", SID_B, "bob", NOW - 86400, STATE_ENDED },
	{ "of that user, after", SID_B, "bob", NOW + 1, STATE_OPEN },
	{ "of a user who begins as that one", SID_B, "bobby", NOW, STATE_OPEN },
	{ "of a user as that one begins", SID_B, "bo", NOW, STATE_OPEN },
	{ "of a user in other case", SID_B, "Bob", NOW, STATE_OPEN },
	{ "of the longest name", SID_B, LONG_NAME "3", NOW, STATE_ENDED },
	{ "of the longest name but for its end", SID_B, LONG_NAME "4", NOW, STATE_OPEN },
	{ "a user who is called as the session", SID_B, SID_A, NOW, STATE_OPEN },
	{ "a session that is called as the user", "bob", "ada", NOW, STATE_OPEN },
	{ "from before all was founded", SID_B, "ada", FOUNDED, STATE_ENDED },
	{ "from just after that", SID_B, "ada", FOUNDED + 1, STATE_OPEN },
};

/* 0, or the number of the row that is not as it should be, counted from 1. */
static int
wrong_case(struct place *place)
{
	for (size_t i = 0; i < COUNT(ended_cases); i++)
		if (verdict(place, ended_cases[i].sid, ended_cases[i].user,
			ended_cases[i].auth_time, NOW + 1) != ended_cases[i].want)
			return (int)i + 1;
	return 0;
}

static int
wrong_case_in_child(const void *folder)
{
	struct place place = { .state = state_new(folder, "postern", 0) };
	int row;

	place.log = unit_log(&place.caught);
	row = wrong_case(&place);
	state_free(place.state);
	return row;
}

static void
check_cases(const char *where, int row)
{
	if (row != 0)
		fail_msg("%s: %s", where, ended_cases[row - 1].name);
}

/* Here, in another process, and after this one was started again. */
static void
test_ended(void **state)
{
	struct place place;

	begin(&place, *state);
	end_session(&place, SID_A, NOW, UNTIL);
	end_user(&place, "bob", NOW, UNTIL);
	end_user(&place, LONG_NAME "3", NOW, UNTIL);
	check_cases("here", wrong_case(&place));
	check_cases("another process", in_child(wrong_case_in_child, *state));
	reopen(&place);
	check_cases("started again", wrong_case(&place));
	finish(&place);
}

static int
end_in_child(const void *folder)
{
	struct state *state = state_new(folder, "postern", 0);
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	bool done = state_end_session(state, SID_A, NOW, UNTIL, &log) &&
	    state_end_user(state, "bob", NOW, UNTIL, &log) &&
	    state_end_user(state, LONG_NAME "3", NOW, UNTIL, &log);

	state_free(state);
	return !done;
}

/* What another process ends is ended here, though all was open already. */
static void
test_ended_elsewhere(void **state)
{
	struct place place;

	begin(&place, *state);
	assert_int_equal(verdict(&place, SID_A, "ada", NOW, NOW), STATE_OPEN);
	assert_int_equal(in_child(end_in_child, *state), 0);
	check_cases("ended elsewhere", wrong_case(&place));
	finish(&place);
}

/* A user who is ended again is ended later than before, whatever the clock says. */
static void
test_ended_again(void **state)
{
	static const struct {
		const char *name;
		time_t first, second, want;
	} cases[] = {
		{ "once", NOW, 0, NOW },
		{ "later", NOW, NOW + 50, NOW + 50 },
		{ "a second later", NOW, NOW + 1, NOW + 1 },
		{ "in the same second", NOW, NOW, NOW + 1 },
		{ "the clock set back", NOW, NOW - 50, NOW + 1 },
		{ "the clock set back by a year", NOW, NOW - 365 * DAY, NOW + 1 },
		{ "before all was founded", FOUNDED - 1, 0, FOUNDED + 1 },
		{ "when all was founded", FOUNDED, 0, FOUNDED + 1 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;

		begin(&place, *state);
		end_user(&place, "ada", cases[i].first, UNTIL);
		if (cases[i].second != 0)
			end_user(&place, "ada", cases[i].second, UNTIL);
		CHECK(cases[i].name, ended_at(&place, "ada") == cases[i].want);
		CHECK(cases[i].name, ended_at(&place, "adam") == FOUNDED);
		CHECK(cases[i].name,
		    verdict(&place, SID_A, "ada", cases[i].want, NOW) == STATE_ENDED);
		CHECK(cases[i].name,
		    verdict(&place, SID_A, "ada", cases[i].want + 1, NOW) == STATE_OPEN);
		finish(&place);
	}
}

/* A session ended says nothing of its user, nor of a user who is called as it. */
static void
test_session_is_no_user(void **state)
{
	struct place place;

	begin(&place, *state);
	end_session(&place, "ada", NOW, UNTIL);
	assert_int_equal(ended_at(&place, "ada"), FOUNDED);
	finish(&place);
}

/* -- sessions that begin ------------------------------------------------------------------- */

static size_t entries(struct place *place);

/* A new session of ada, who was ended at NOW, is open, and kept in mind if it must be. */
static void
test_begin(void **state)
{
	static const struct {
		const char *name, *user;
		time_t now;
		long ahead;
		time_t auth_time;
		size_t kept;
	} cases[] = {
		{ "later", "ada", NOW + 5, 60, NOW + 5, 0 },
		{ "a second later", "ada", NOW + 1, 60, NOW + 1, 0 },
		{ "in the same second", "ada", NOW, 60, NOW + 1, 0 },
		{ "the clock set back a little", "ada", NOW - 59, 60, NOW + 1, 0 },
		{ "the clock set back more", "ada", NOW - 60, 60, NOW - 60, 1 },
		{ "the clock set back by a day", "ada", NOW - DAY, 60, NOW - DAY, 1 },
		{ "in the same second, and no second ahead", "ada", NOW, 0, NOW, 1 },
		{ "another user", "bob", NOW - DAY, 60, NOW - DAY, 0 },
		{ "another user, when all was founded", "bob", FOUNDED, 60, FOUNDED + 1, 0 },
		{ "another user, before that", "bob", FOUNDED - DAY, 60, FOUNDED - DAY, 1 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const time_t now = cases[i].now;
		struct place place;

		begin(&place, *state);
		end_user(&place, "ada", NOW, UNTIL);
		CHECK(cases[i].name,
		    begin_session(&place, SID_A, cases[i].user, now, cases[i].ahead) ==
			cases[i].auth_time);
		CHECK(cases[i].name,
		    verdict(&place, SID_A, cases[i].user, cases[i].auth_time, now) == STATE_OPEN);
		CHECK(cases[i].name,
		    verdict(&place, SID_B, cases[i].user, cases[i].auth_time, now) ==
			(cases[i].kept ? STATE_ENDED : STATE_OPEN));
		CHECK(cases[i].name, entries(&place) == 1 + cases[i].kept);
		finish(&place);
	}
}

/* One that is kept in mind ends as any other. */
static void
test_end_what_is_kept_in_mind(void **state)
{
	static const struct {
		const char *name;
		const char *sid, *user; /* which is ended, or NULL */
		enum state_verdict want;
	} cases[] = {
		{ "nothing", NULL, NULL, STATE_OPEN },
		{ "it", SID_A, NULL, STATE_ENDED },
		{ "its user", NULL, "ada", STATE_ENDED },
		{ "another", SID_B, NULL, STATE_OPEN },
		{ "another user", NULL, "bob", STATE_OPEN },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const time_t now = NOW - DAY;
		struct place place;

		begin(&place, *state);
		end_user(&place, "ada", NOW, UNTIL);
		assert_int_equal(begin_session(&place, SID_A, "ada", now, 60), now);
		if (cases[i].sid != NULL)
			end_session(&place, cases[i].sid, now, UNTIL);
		if (cases[i].user != NULL)
			end_user(&place, cases[i].user, now, UNTIL);
		CHECK(cases[i].name, verdict(&place, SID_A, "ada", now, now) == cases[i].want);
		/* Who signs in after that is in. */
		assert_int_equal(begin_session(&place, "new", "ada", now, 60), now);
		CHECK(cases[i].name, verdict(&place, "new", "ada", now, now) == STATE_OPEN);
		finish(&place);
	}
}

/* -- how long it is kept ------------------------------------------------------------------- */

static MDB_env *
open_file(const char *folder, const char *file)
{
	char path[UNIT_PATH_SIZE];
	MDB_env *env;

	unit_path(path, folder, file);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_mapsize(env, 64 << 20), 0);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
	return env;
}

/* How many entries there are, besides the one for all that is older. The state is closed. */
static size_t
entries(struct place *place)
{
	MDB_env *env;
	MDB_stat stat;
	MDB_txn *txn;
	MDB_dbi database;

	if (place->folder[0] != '/')
		return (size_t)server_do(&server, "DBSIZE") - 1;
	state_free(place->state);
	env = open_file(place->folder, "ended");
	assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &database), 0);
	assert_int_equal(mdb_stat(txn, database, &stat), 0);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	place->state = state_new(place->folder, "postern", 0);
	return stat.ms_entries - 1;
}

/* A sid that is as good as a random one. */
static const char *
sid_of(char out[static SID_SIZE], unsigned n)
{
	snprintf(out, SID_SIZE, "%08x%024x", n * 2654435761u, n);
	return out;
}

/* Write one entry to a file. The state is closed. */
static void
put(struct place *place, const char *file, MDB_val key, MDB_val value)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi database;

	state_free(place->state);
	env = open_file(place->folder, file);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &database), 0);
	assert_int_equal(mdb_put(txn, database, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	place->state = state_new(place->folder, "postern", 0);
}

/* Write so many ended sessions at once. The state is closed. */
static void
put_sessions(struct place *place, unsigned count)
{
	int64_t entry[2] = { NOW, UNTIL };
	char text[SID_SIZE + 1] = "s";
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi database;

	state_free(place->state);
	env = open_file(place->folder, "ended");
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &database), 0);
	for (unsigned n = 0; n < count; n++) {
		MDB_val key = { SID_SIZE, text }, value = { sizeof(entry), entry };

		sid_of(text + 1, n);
		assert_int_equal(mdb_put(txn, database, &key, &value, 0), 0);
	}
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	place->state = state_new(place->folder, "postern", 0);
}

/* Nothing is forgotten while it may be needed; all of it is, a little with each that is new. */
static void
test_forgotten(void **state)
{
	/* A day after they may be forgotten. */
	enum { OLD = 100, NEW = 60, LATE = UNTIL + DAY + 1 };
	struct place place;
	char sid[SID_SIZE];

	begin(&place, *state);
	for (unsigned n = 0; n < OLD; n++)
		end_session(&place, sid_of(sid, n), NOW, UNTIL);
	end_user(&place, "ada", NOW, UNTIL);
	begin_session(&place, SID_B, "ada", NOW - DAY, 60);
	for (unsigned n = OLD; n < OLD + NEW; n++)
		end_session(&place, sid_of(sid, n), LATE - 1, LATE + 600);
	assert_int_equal(entries(&place), OLD + 2 + NEW);
	for (unsigned n = 0; n < OLD; n++)
		assert_int_equal(verdict(&place, sid_of(sid, n), "x", NOW, UNTIL), STATE_ENDED);
	end_session(&place, SID_A, LATE, LATE + 600);
	assert_in_range(entries(&place), OLD + NEW + 3 - 16, OLD + NEW + 2);
	for (unsigned n = OLD; n < OLD + NEW; n++)
		end_session(&place, sid_of(sid, n), LATE, LATE + 600);
	assert_int_equal(entries(&place), NEW + 1);
	for (unsigned n = OLD; n < OLD + NEW; n++)
		assert_int_equal(verdict(&place, sid_of(sid, n), "x", NOW, UNTIL), STATE_ENDED);
	assert_int_equal(ended_at(&place, "ada"), FOUNDED);
	finish(&place);
}

/* What was ended ahead of the clock is kept so much longer. */
static void
test_kept_longer(void **state)
{
	struct place place;
	char sid[SID_SIZE];

	begin(&place, *state);
	end_user(&place, "ada", NOW, NOW);
	end_user(&place, "ada", NOW - 100, NOW);
	for (unsigned n = 0; n < 20; n++)
		end_session(&place, sid_of(sid, n), NOW + DAY + 101, NOW + DAY + 101);
	assert_int_equal(entries(&place), 21);
	assert_int_equal(ended_at(&place, "ada"), NOW + 1);
	end_session(&place, sid_of(sid, 20), NOW + DAY + 102, NOW + DAY + 102);
	assert_int_equal(ended_at(&place, "ada"), FOUNDED);
	finish(&place);
}

/* With no room for one more nothing is forgotten for it, and everything else goes on. */
static void
test_full(void **state)
{
	struct place place;
	char sid[SID_SIZE];
	time_t auth_time;

	begin(&place, *state);
	put_sessions(&place, ENDED_MAX - 2);
	end_session(&place, SID_A, NOW, UNTIL);
	assert_false(state_end_session(place.state, SID_B, UNTIL, UNTIL + 600, &place.log));
	assert_int_equal(place.caught.lines, 1);
	assert_false(state_end_user(place.state, "bob", UNTIL, UNTIL + 600, &place.log));
	assert_int_equal(place.caught.lines, 2);
	assert_non_null(strstr(place.caught.text, "event=state file=ended reason=\"MDB_MAP_FULL"));

	place.log = unit_log(&place.caught);
	assert_int_equal(verdict(&place, SID_A, "ada", NOW, UNTIL), STATE_ENDED);
	assert_int_equal(verdict(&place, sid_of(sid, 7), "ada", NOW, UNTIL), STATE_ENDED);
	assert_int_equal(verdict(&place, SID_B, "bob", NOW, UNTIL), STATE_OPEN);
	assert_int_equal(begin_session(&place, SID_B, "bob", UNTIL, 60), UNTIL);
	assert_int_equal(begin_session(&place, SID_B, "bob", FOUNDED, 60), FOUNDED + 1);
	assert_string_equal(place.caught.text, "");
	assert_false(state_begin_session(place.state, SID_B, "bob", &auth_time, FOUNDED - DAY, 60,
	    UNTIL, &place.log));
	assert_int_equal(place.caught.lines, 1);
	place.log = unit_log(&place.caught);
	assert_int_equal(entries(&place), ENDED_MAX - 1);

	end_session(&place, SID_B, UNTIL + 1, UNTIL + 600);
	assert_int_equal(verdict(&place, SID_B, "bob", NOW, UNTIL), STATE_ENDED);
	assert_int_equal(entries(&place), 1);
	finish(&place);
}

/* -- another file --------------------------------------------------------------------------- */

/* Where nothing is known, all that began before is ended. */
static void
check_founded(struct place *place, const char *row, time_t at)
{
	CHECK(row, verdict(place, SID_B, "ada", at - DAY, at) == STATE_ENDED);
	CHECK(row, verdict(place, SID_B, "ada", at, at) == STATE_ENDED);
	CHECK(row, verdict(place, SID_B, "ada", at + 1, at) == STATE_OPEN);
	CHECK(row, ended_at(place, "ada") == at);
}

static void
test_new_file(void **state)
{
	struct place place;
	char path[UNIT_PATH_SIZE];

	begin(&place, *state);
	check_founded(&place, "founded by a check", FOUNDED);
	reopen(&place);
	check_founded(&place, "started again", FOUNDED);
	state_free(place.state);

	unit_path(path, *state, "ended");
	assert_int_equal(unlink(path), 0);
	place.state = state_new(*state, "postern", 0);
	end_session(&place, SID_A, NOW, UNTIL);
	check_founded(&place, "founded by an end", NOW);
	assert_int_equal(verdict(&place, SID_A, "ada", NOW + 1, NOW), STATE_ENDED);

	state_free(place.state);
	unit_write(path, "");
	place.state = state_new(*state, "postern", 0);
	check_founded(&place, "emptied", NOW);
	finish(&place);
}

/* Deleted while it is open, by whoever thinks that it does no harm. */
static void
test_deleted(void **state)
{
	const struct state_bucket one = bucket(0, 1, 1);
	struct place place;
	char path[UNIT_PATH_SIZE];

	begin(&place, *state);
	end_session(&place, SID_A, NOW, UNTIL);
	assert_int_equal(pass(&place, one, NOW), 5);
	for (time_t now = NOW + 1; now < NOW + 5; now++) {
		unit_path(path, *state, "ended");
		assert_int_equal(unlink(path), 0);
		assert_int_equal(verdict(&place, SID_A, "ada", NOW, now), STATE_ENDED);
		check_founded(&place, "deleted", now);
		end_session(&place, SID_A, now, now + 600);
		assert_int_equal(verdict(&place, SID_A, "ada", now + 1, now), STATE_ENDED);
		unit_path(path, *state, "tries");
		assert_int_equal(unlink(path), 0);
		assert_int_equal(pass(&place, one, NOW), 5);
	}
	finish(&place);
}

/* Another one in its place counts at once. */
static void
test_replaced(void **state)
{
	char here[UNIT_PATH_SIZE], there[UNIT_PATH_SIZE], folder[UNIT_PATH_SIZE];
	struct place place, other;

	unit_path(folder, *state, "other");
	assert_int_equal(mkdir(folder, 0700), 0);
	begin(&other, folder);
	end_session(&other, SID_B, NOW, UNTIL);
	finish(&other);

	begin(&place, *state);
	end_session(&place, SID_A, NOW, UNTIL);
	unit_path(here, *state, "ended");
	unit_path(there, folder, "ended");
	assert_int_equal(rename(there, here), 0);
	assert_int_equal(verdict(&place, SID_B, "ada", NOW, NOW), STATE_ENDED);
	assert_int_equal(verdict(&place, SID_A, "ada", NOW, NOW), STATE_OPEN);
	finish(&place);
}

/* Entries that are not as we write them. */
static void
test_strange_entries(void **state)
{
	static const struct {
		const char *name;
		char *key;
		size_t length;
		enum state_verdict want;
	} cases[] = {
		{ "a session, shorter", "s" SID_A, 8, STATE_FAULT },
		{ "a session, longer", "s" SID_A, 24, STATE_FAULT },
		{ "a session without a value", "s" SID_A, 0, STATE_FAULT },
		{ "a user, shorter", "uada", 15, STATE_FAULT },
		{ "all, shorter", "a", 1, STATE_FAULT },
		{ "another session", "s" SID_B, 8, STATE_OPEN },
		{ "what nobody knows", "x", 8, STATE_OPEN },
	};
	char zeros[32] = "";

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;

		begin(&place, *state);
		put(&place, "ended", (MDB_val){ strlen(cases[i].key), cases[i].key },
		    (MDB_val){ cases[i].length, zeros });
		CHECK(cases[i].name, verdict(&place, SID_A, "ada", NOW, NOW) == cases[i].want);
		/* What is wrong, and that it is begun anew. */
		CHECK(cases[i].name, place.caught.lines == (cases[i].want == STATE_FAULT ? 2 : 0));
		state_free(place.state);
	}
}

/* A row of tries that is not as long as we write it counts for nothing. */
static void
test_strange_row(void **state)
{
	/* The one bucket, full, again and again. */
	struct {
		unsigned char key[STATE_KEY_BYTES];
		int64_t empty_at;
	} slots[12];
	const struct state_bucket one = bucket(0, 1, 1);
	const size_t lengths[] = { 0, 24, 7 * 24, 8 * 24, 9 * 24, 12 * 24 };

	for (size_t i = 0; i < COUNT(slots); i++) {
		memcpy(slots[i].key, one.key, STATE_KEY_BYTES);
		slots[i].empty_at = NOW + one.size;
	}
	for (size_t i = 0; i < COUNT(lengths); i++) {
		char row[2] = { 0, 1 };
		struct place place;

		begin(&place, *state);
		assert_int_equal(count(&place, &one, 1, NOW), 0);
		put(&place, "tries", (MDB_val){ 2, row }, (MDB_val){ lengths[i], slots });
		assert_int_equal(pass(&place, one, NOW),
		    lengths[i] == sizeof(slots) / 12 * 8 ? 0 : 5);
		finish(&place);
	}
}

/* -- without -------------------------------------------------------------------------------- */

static void
test_none(void **state)
{
	struct place place = { .folder = STATE_NONE, .state = state_new(STATE_NONE, "postern", 0) };
	const struct state_bucket one = bucket(0, 1, 1);

	(void)state;
	place.log = unit_log(&place.caught);
	assert_int_equal(pass(&place, one, NOW), 10);
	forgive(&place, one, NOW);
	end_session(&place, SID_A, NOW, UNTIL);
	assert_int_equal(verdict(&place, SID_A, "ada", NOW, NOW), STATE_OPEN);
	assert_int_equal(begin_session(&place, SID_A, "ada", NOW, 60), NOW);
	assert_int_equal(place.caught.lines, 0);
	assert_false(state_end_user(place.state, "ada", NOW, UNTIL, &place.log));
	assert_int_equal(place.caught.lines, 1);
	assert_non_null(strstr(place.caught.text, "event=state reason=\"POSTERN_STATE is none"));
	assert_int_equal(access(STATE_NONE, F_OK), -1);
	state_free(place.state);
	state_free(NULL);
}

/* In a folder that is not there every verb says no, and why, once. */
static void
test_no_folder(void **state)
{
	const struct state_bucket one = bucket(0, 1, 1);
	char folder[UNIT_PATH_SIZE];
	struct place place = { .folder = folder };
	time_t auth_time = -1;
	long wait = -1;

	unit_path(folder, *state, "missing");
	place.state = state_new(folder, "postern", 0);
	place.log = unit_log(&place.caught);
	assert_false(state_count(place.state, &one, 1, NOW, &wait, &place.log));
	assert_int_equal(wait, 0);
	assert_false(state_forgive(place.state, &one, 1, NOW, &place.log));
	assert_false(state_end_session(place.state, SID_A, NOW, UNTIL, &place.log));
	assert_false(state_end_user(place.state, "ada", NOW, UNTIL, &place.log));
	assert_int_equal(verdict(&place, SID_A, "ada", NOW, NOW), STATE_FAULT);
	assert_false(
	    state_begin_session(place.state, SID_A, "ada", &auth_time, NOW, 60, UNTIL, &place.log));
	assert_int_equal(auth_time, NOW);
	assert_int_equal(place.caught.lines, 6);
	assert_non_null(strstr(place.caught.text,
	    "event=state file=tries reason=\"No such file or directory\""));

	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(pass(&place, one, NOW), 5);
	check_founded(&place, "made at last", NOW);
	state_free(place.state);
}

static int
start_server(void **state)
{
	server_make(&server);
	server_start(&server, NULL);
	*state = server.url;
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	server_stop(&server);
	server_remove(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest both[] = {
		cmocka_unit_test(test_one_bucket),
		cmocka_unit_test(test_several_buckets),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_forgive),
		cmocka_unit_test(test_forgive_what_is_forgotten),
		cmocka_unit_test(test_forgive_several),
		cmocka_unit_test(test_clock_set_back),
		cmocka_unit_test(test_refused_in_a_full_row),
		cmocka_unit_test(test_processes_share_counts),
		cmocka_unit_test(test_processes_at_once),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_ended_elsewhere),
		cmocka_unit_test(test_ended_again),
		cmocka_unit_test(test_session_is_no_user),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_end_what_is_kept_in_mind),
	};
	const struct CMUnitTest of_a_folder[] = {
		cmocka_unit_test(test_full_row),
		cmocka_unit_test(test_row_of_old_ones),
		cmocka_unit_test(test_row_of_a_clock_that_was_ahead),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_kept_longer),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_new_file),
		cmocka_unit_test(test_deleted),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_strange_entries),
		cmocka_unit_test(test_strange_row),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_no_folder),
	};
	int failed = cmocka_run_group_tests_name("state in a folder", both, unit_make_memory_folder,
	    unit_remove_folder);

	failed += cmocka_run_group_tests_name("state in a folder only", of_a_folder,
	    unit_make_memory_folder, unit_remove_folder);
	failed +=
	    cmocka_run_group_tests_name("state with redis-server", both, start_server, stop_server);
	return failed;
}
