/*
 * test_store: what a store does, wherever it lies: in a folder, on a real redis-server, nowhere.
 */
#include "store/store.h"

#include <pthread.h>

#include "base/text.h"
#include "server.h"
#include "stored.h"

/* Whose URL is the place of the tests that have no folder. */
static struct server server;

/* Open it, empty. */
static void
begin(struct stored *stored, const char *place)
{
	if (place[0] == '/')
		stored_empty(place);
	else
		server_do(&server, "FLUSHALL");
	stored_open(stored, place);
}

/* -- records --------------------------------------------------------------------------------- */

/* Read several keys at once: each has what is its own. */
static void
test_get(void **state)
{
	static char texts[STORE_KEYS_MAX][STORE_VALUE_SIZE];
	static const struct store_key keys[STORE_KEYS_MAX] = { { "k", "ada" }, { "k", "none" },
		{ "other", "ada" }, { "k", "ada" } };
	static const char *const want[STORE_KEYS_MAX] = { "a", "", "b", "a" };
	struct store_value values[STORE_KEYS_MAX];
	struct stored stored;

	begin(&stored, *state);
	assert_string_equal(stored_get(&stored, "ada"), NOTHING);
	stored_put(&stored, "ada", "a");
	assert_int_equal(stored_swap_at(&stored, &keys[2], NOTHING, "b", UNTIL, NOW), STORE_DONE);
	for (size_t count = 1; count <= STORE_KEYS_MAX; count++) {
		for (size_t i = 0; i < STORE_KEYS_MAX; i++) {
			values[i] = (struct store_value){ STORE_DAMAGED, texts[i] };
			strcpy(texts[i], "before");
		}
		assert_true(store_get(stored.store, keys, values, count, NOW, &stored.log));
		for (size_t i = 0; i < count; i++) {
			CHECK_TEXT(want[i], texts[i], want[i]);
			CHECK(want[i], values[i].found == (i == 1 ? STORE_NOTHING : STORE_TEXT));
		}
		for (size_t i = count; i < STORE_KEYS_MAX; i++)
			assert_string_equal(texts[i], "before");
	}
	stored_close(&stored);
}

/* What a swap finds, and what is there then. */
static const struct {
	const char *name, *before, *old, *new;
	enum store_swapped want;
	const char *after;
} swaps[] = {
	{ "nothing to a value", NOTHING, NOTHING, "b", STORE_DONE, "b" },
	{ "a value to another", "a", "a", "b", STORE_DONE, "b" },
	{ "a value to nothing", "a", "a", NOTHING, STORE_DONE, NOTHING },
	{ "nothing to nothing", NOTHING, NOTHING, NOTHING, STORE_DONE, NOTHING },
	{ "a value to itself", "a", "a", "a", STORE_DONE, "a" },
	{ "another value", "a", "c", "b", STORE_CHANGED, "a" },
	{ "a value, not nothing", "a", NOTHING, "b", STORE_CHANGED, "a" },
	{ "nothing, not a value", NOTHING, "a", "b", STORE_CHANGED, NOTHING },
	{ "another value removed", "a", "c", NOTHING, STORE_CHANGED, "a" },
	{ "nothing there to remove", NOTHING, "a", NOTHING, STORE_CHANGED, NOTHING },
	{ "a value, not damaged", "a", DAMAGED, "b", STORE_CHANGED, "a" },
	{ "nothing, not damaged", NOTHING, DAMAGED, "b", STORE_CHANGED, NOTHING },
	{ "whatever: a value", "a", WHATEVER, "b", STORE_DONE, "b" },
	{ "whatever: nothing", NOTHING, WHATEVER, "b", STORE_DONE, "b" },
	{ "whatever: a value removed", "a", WHATEVER, NOTHING, STORE_DONE, NOTHING },
	{ "whatever: nothing removed", NOTHING, WHATEVER, NOTHING, STORE_DONE, NOTHING },
	{ "there already", "b", "a", "b", STORE_DONE, "b" },
	{ "there already, the first one", "b", NOTHING, "b", STORE_DONE, "b" },
	{ "longer than old", "abc", "ab", "b", STORE_CHANGED, "abc" },
	{ "shorter than old", "ab", "abc", "b", STORE_CHANGED, "ab" },
	{ "capital letters", "A", "a", "b", STORE_CHANGED, "A" },
	{ "nothing to an empty text", NOTHING, NOTHING, "", STORE_DONE, "" },
	{ "an empty text is a value", "", NOTHING, "b", STORE_CHANGED, "" },
	{ "an empty text as old", "", "", "b", STORE_DONE, "b" },
	{ "nothing, not an empty text", NOTHING, "", "b", STORE_CHANGED, NOTHING },
	{ "lines", "a\nb\n", "a\nb\n", "\n\n\na", STORE_DONE, "\n\n\na" },
	{ "any bytes", "\x01\xff%s'\"\r\\", "\x01\xff%s'\"\r\\", " \t", STORE_DONE, " \t" },
	{ "a line less", "a\n", "a", "b", STORE_CHANGED, "a\n" },
};

static void
test_swap(void **state)
{
	struct stored stored;

	for (size_t i = 0; i < COUNT(swaps); i++) {
		begin(&stored, *state);
		CHECK(swaps[i].name,
		    stored_swap(&stored, "ada", WHATEVER, swaps[i].before) == STORE_DONE);
		CHECK(swaps[i].name,
		    stored_swap(&stored, "ada", swaps[i].old, swaps[i].new) == swaps[i].want);
		CHECK_TEXT(swaps[i].name, stored_get(&stored, "ada"), swaps[i].after);
		stored_close(&stored);
	}
}

/* What was read is what must still be there, in all its length. */
static void
test_long_values(void **state)
{
	static char value[STORE_VALUE_SIZE + 1], old[STORE_VALUE_SIZE];
	const size_t lengths[] = { 1, 4000, 65536, STORE_VALUE_SIZE - 1 };
	struct stored stored;

	begin(&stored, *state);
	stored_put(&stored, "ada", "a");
	strcpy(old, "a");
	for (size_t i = 0; i < COUNT(lengths); i++) {
		for (size_t k = 0; k < lengths[i]; k++)
			value[k] = (char)(1 + (k * 31 + i) % 255);
		value[lengths[i]] = '\0';
		assert_int_equal(stored_swap(&stored, "ada", old, value), STORE_DONE);
		assert_string_equal(stored_get(&stored, "ada"), value);
		memcpy(old, value, lengths[i] + 1);
		old[lengths[i] - 1] ^= 1;
		assert_int_equal(stored_swap(&stored, "ada", old, "b"), STORE_CHANGED);
		old[lengths[i] - 1] ^= 1;
	}
	store_close(stored.store);
	assert_string_equal(stored.caught.text, "");
}

/* One that is too long is not taken, and what was there is not lost. */
static void
test_too_long_a_value(void **state)
{
	static char value[STORE_VALUE_SIZE + 1];
	struct stored stored;

	begin(&stored, *state);
	stored_put(&stored, "ada", "a");
	memset(value, 'x', STORE_VALUE_SIZE);
	assert_int_equal(stored_swap(&stored, "ada", "a", value), STORE_FAULT);
	assert_int_equal(stored.caught.lines, 1);
	assert_string_equal(stored_get(&stored, "ada"), "a");
	store_close(stored.store);
}

enum { NAMES_OF_LENGTHS = 10 };

/* The name of that number: odd ones from a list, or long ones. NULL behind the last. */
static const char *
name_of(size_t n)
{
	static const char *const names[] = { "ada", "Ada", "ADA", "a da", " ada", ".", "..", ".ada",
		"../ada", "/", "/ada", "a/b", "a//b", "a%2fb", "a%2Fb", "%", "%25", "%2525", "-",
		"_", "--", "a:b", "a:", "*", "{a}", "a\nb", "\xc3\xa9", "e\xcc\x81", "\xff\xfe",
		"\x01", "a\\b", "lock", "attempts", "'", "\"", "0" };
	static const struct {
		size_t length;
		char byte, last;
	} longs[NAMES_OF_LENGTHS] = { { 40, 'x', 'x' }, { 99, 'x', 'x' }, { 100, 'x', 'x' },
		{ 101, 'x', 'x' }, { 101, 'x', 'y' }, { 101, 'x', 'X' }, { 255, 'x', 'x' },
		{ 255, 'x', 'y' }, { 255, '/', '/' }, { 255, '\xff', '\xff' } };
	static char name[STORE_NAME_SIZE];

	if (n < COUNT(names))
		return names[n];
	n -= COUNT(names);
	if (n >= COUNT(longs))
		return NULL;
	memset(name, longs[n].byte, longs[n].length);
	name[longs[n].length - 1] = longs[n].last;
	name[longs[n].length] = '\0';
	return name;
}

/* Any bytes are a name, and no two names or kinds are one record. */
static void
test_names(void **state)
{
	static const char *const kinds[] = { "k", "kk", "other" };
	struct stored stored;
	const char *name;
	char value[32];

	begin(&stored, *state);
	for (int round = 0; round < 3; round++) {
		for (size_t n = 0; (name = name_of(n)) != NULL; n++) {
			for (size_t k = 0; k < COUNT(kinds); k++) {
				const struct store_key key = { kinds[k], name };

				snprintf(value, sizeof(value), "%zu of %s", n, kinds[k]);
				if (round == 0)
					CHECK(name,
					    stored_swap_at(&stored, &key, NOTHING, value, UNTIL,
						NOW) == STORE_DONE);
				CHECK_TEXT(name, stored_get_at(&stored, kinds[k], name, NOW),
				    value);
				if (round == 2)
					CHECK(name,
					    stored_swap_at(&stored, &key, value, NOTHING, UNTIL,
						NOW) == STORE_DONE);
			}
		}
	}
	stored_close(&stored);
}

/* -- processes --------------------------------------------------------------------------------- */

static int
add_a_letter(const char *place, int which)
{
	struct stored stored;

	(void)which;
	stored_open(&stored, place);
	return strcmp(stored_get(&stored, "ada"), "a") != 0 ||
	    stored_swap(&stored, "ada", "a", "ab") != STORE_DONE;
}

/* What one process does, another one sees at once, though both have the store open. */
static void
test_another_process(void **state)
{
	struct stored stored;

	begin(&stored, *state);
	stored_put(&stored, "ada", "a");
	assert_int_equal(stored_at_once(1, add_a_letter, *state), 0);
	assert_int_equal(stored_swap(&stored, "ada", "a", "b"), STORE_CHANGED);
	assert_string_equal(stored_get(&stored, "ada"), "ab");
	stored_close(&stored);
}

enum { ROUNDS = 200, SHARES = 25, TRIES = 20 };

/* What the takers share: when all are at a round, and how often each was taken. */
static struct {
	pthread_barrier_t ready;
	int taken[ROUNDS];
} * rounds;

/* After a fault: where Redis was too slow it is not asked for some seconds of `now`. */
static void
begin_afresh(struct stored *stored)
{
	store_close(stored->store);
	stored_open(stored, stored->place);
}

/* Swap until it is known what became of it: a lock may be taken for long on a busy machine. */
static enum store_swapped
swap_surely(struct stored *stored, const char *name, const char *old, const char *new)
{
	enum store_swapped swapped = STORE_FAULT;

	for (int i = 0; i < TRIES && swapped == STORE_FAULT; i++) {
		swapped = stored_swap(stored, name, old, new);
		if (swapped == STORE_FAULT)
			begin_afresh(stored);
	}
	return swapped;
}

static int
take_rounds(const char *place, int which)
{
	struct stored stored;
	char name[32], mine[32];

	stored_open(&stored, place);
	for (int i = 0; i < ROUNDS; i++) {
		enum store_swapped swapped;

		snprintf(name, sizeof(name), "round%d", i);
		snprintf(mine, sizeof(mine), "taken by %d", which);
		pthread_barrier_wait(&rounds->ready);
		swapped = swap_surely(&stored, name, i % 3 == 0 ? NOTHING : "free",
		    i % 3 == 2 ? NOTHING : mine);
		if (swapped == STORE_DONE)
			__atomic_add_fetch(&rounds->taken[i], 1, __ATOMIC_SEQ_CST);
		if (swapped == STORE_FAULT)
			return 1;
		if (i % 3 != 2 &&
		    (strcmp(stored_get(&stored, name), mine) == 0) != (swapped == STORE_DONE))
			return 1;
	}
	store_close(stored.store);
	return 0;
}

/*
 * Of sixteen who take the same at once exactly one succeeds: where there was nothing, where there
 * was a value, and where it is removed.
 */
static void
test_takers(void **state)
{
	pthread_barrierattr_t shared;
	struct stored stored;
	char name[32];

	begin(&stored, *state);
	for (int i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "round%d", i);
		if (i % 3 != 0)
			stored_put(&stored, name, "free");
	}
	stored_close(&stored);
	rounds = stored_share(sizeof(*rounds));
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&rounds->ready, &shared, STORED_PROCESSES);
	assert_int_equal(stored_at_once(STORED_PROCESSES, take_rounds, *state), 0);
	for (int i = 0; i < ROUNDS; i++)
		assert_int_equal(rounds->taken[i], 1);
	munmap(rounds, sizeof(*rounds));
}

static int
add_shares(const char *place, int which)
{
	struct stored stored;
	char old[4096], new[4096 + 16];

	stored_open(&stored, place);
	for (int i = 0; i < SHARES; i++) {
		enum store_swapped swapped;

		do {
			text_copy(old, sizeof(old), stored_get(&stored, "list"));
			snprintf(new, sizeof(new), "%s %d:%d;",
			    strcmp(old, NOTHING) == 0 ? "" : old, which, i);
			swapped = swap_surely(&stored, "list", old, new);
		} while (swapped == STORE_CHANGED);
		if (swapped != STORE_DONE)
			return 1;
	}
	store_close(stored.store);
	return 0;
}

/* A list that several make longer at once loses nothing. */
static void
test_list(void **state)
{
	struct stored stored;
	const char *list;
	char item[32];

	begin(&stored, *state);
	assert_int_equal(stored_at_once(8, add_shares, *state), 0);
	list = stored_get(&stored, "list");
	for (int which = 0; which < 8; which++) {
		for (int i = 0; i < SHARES; i++) {
			snprintf(item, sizeof(item), " %d:%d;", which, i);
			CHECK(item, strstr(list, item) != NULL);
		}
	}
	stored_close(&stored);
}

enum { KILLS = 200, KILLED_BYTES = 3000 };

/* Swap a text of one letter for one of the next, until killed; say when it began. */
static void
swap_for_ever(const char *place, int begun)
{
	char old[KILLED_BYTES + 1] = "", new[KILLED_BYTES + 1] = "";
	struct stored stored;

	stored_open(&stored, place);
	strcpy(old, stored_get(&stored, "ada"));
	for (int i = 0;; i++) {
		memset(new, 'a' + (old[0] - 'a' + 1) % 26, KILLED_BYTES);
		if (stored_swap(&stored, "ada", old, new) != STORE_DONE)
			_exit(1);
		if (i == 0)
			(void)!write(begun, "b", 1);
		memcpy(old, new, sizeof(old));
	}
}

/* Killed at any time a swap leaves the old value or the new one, and locks out nobody. */
static void
test_killed(void **state)
{
	char text[KILLED_BYTES + 1] = "", byte;
	struct stored stored;

	begin(&stored, *state);
	memset(text, 'a', KILLED_BYTES);
	stored_put(&stored, "ada", text);
	for (int i = 0; i < KILLS; i++) {
		int begun[2], status;
		pid_t pid;

		assert_int_equal(pipe(begun), 0);
		if ((pid = fork()) == 0)
			swap_for_ever(*state, begun[1]);
		assert_int_equal(read(begun[0], &byte, 1), 1);
		/* Another moment each time. */
		for (volatile int spin = 0; spin < i * 500; spin++)
			;
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		close(begun[0]);
		close(begun[1]);
		text_copy(text, sizeof(text), stored_get(&stored, "ada"));
		assert_int_equal(strlen(text), KILLED_BYTES);
		assert_int_equal(strspn(text, (char[]){ text[0], '\0' }), KILLED_BYTES);
		assert_int_equal(stored_swap(&stored, "ada", text, text), STORE_DONE);
	}
	stored_close(&stored);
}

/* -- time ----------------------------------------------------------------------------------------
 */

/* A record is there until its time, and then it is nothing, which another can follow. */
static void
test_over(void **state)
{
	static const struct store_key key = { "k", "ada" };
	struct stored stored;

	begin(&stored, *state);
	assert_int_equal(stored_swap_at(&stored, &key, NOTHING, "a", NOW + 10, NOW), STORE_DONE);
	assert_string_equal(stored_get_at(&stored, "k", "ada", NOW + 9), "a");
	assert_string_equal(stored_get_at(&stored, "k", "ada", NOW + 10), NOTHING);
	assert_int_equal(stored_swap_at(&stored, &key, "a", "b", UNTIL, NOW + 10), STORE_CHANGED);
	assert_int_equal(stored_swap_at(&stored, &key, NOTHING, "a", NOW + 30, NOW + 10),
	    STORE_DONE);
	assert_string_equal(stored_get_at(&stored, "k", "ada", NOW + 29), "a");
	/* The same value again lasts longer. */
	assert_int_equal(stored_swap_at(&stored, &key, "a", "a", NOW + 50, NOW + 20), STORE_DONE);
	assert_string_equal(stored_get_at(&stored, "k", "ada", NOW + 49), "a");
	assert_string_equal(stored_get_at(&stored, "k", "ada", NOW + 50), NOTHING);
	/* And shorter. */
	assert_int_equal(stored_swap_at(&stored, &key, WHATEVER, "b", NOW + 40, NOW + 20),
	    STORE_DONE);
	assert_string_equal(stored_get_at(&stored, "k", "ada", NOW + 39), "b");
	assert_string_equal(stored_get_at(&stored, "k", "ada", NOW + 40), NOTHING);
	stored_close(&stored);
}

/* One that is over from the first is not there. */
static void
test_over_at_once(void **state)
{
	static const struct store_key key = { "k", "ada" };
	const time_t untils[] = { NOW, NOW - 1, NOW - DAY, 1, 0 };
	struct stored stored;

	for (size_t i = 0; i < COUNT(untils); i++) {
		begin(&stored, *state);
		stored_put(&stored, "ada", "a");
		assert_int_equal(stored_swap_at(&stored, &key, "a", "b", untils[i], NOW),
		    STORE_DONE);
		assert_string_equal(stored_get(&stored, "ada"), NOTHING);
		assert_int_equal(stored_swap(&stored, "ada", NOTHING, "c"), STORE_DONE);
		assert_string_equal(stored_get(&stored, "ada"), "c");
		stored_close(&stored);
	}
}

/* One that is for ever is there after fifty years. */
static void
test_for_ever(void **state)
{
	static const struct store_key key = { "k", "ada" };
	struct stored stored;

	begin(&stored, *state);
	assert_int_equal(stored_swap_at(&stored, &key, NOTHING, "a", STORE_FOREVER, NOW),
	    STORE_DONE);
	assert_string_equal(stored_get_at(&stored, "k", "ada", NOW + 50L * 365 * DAY), "a");
	assert_int_equal(stored_swap_at(&stored, &key, "a", "b", STORE_FOREVER, NOW), STORE_DONE);
	assert_string_equal(stored_get(&stored, "ada"), "b");
	stored_close(&stored);
}

/* Redis drops a record by its own clock, so many seconds later. */
static void
test_over_on_redis(void **state)
{
	static const struct store_key key = { "k", "ada" };
	const time_t end = time(NULL) + SERVER_SECONDS;
	struct stored stored;

	begin(&stored, *state);
	assert_int_equal(stored_swap_at(&stored, &key, NOTHING, "a", NOW + 100, NOW), STORE_DONE);
	assert_in_range(server_do(&server, "PTTL postern:k:ada"), 90000, 100000);
	assert_int_equal(stored_swap_at(&stored, &key, "a", "a", NOW + 200, NOW), STORE_DONE);
	assert_in_range(server_do(&server, "PTTL postern:k:ada"), 190000, 200000);
	assert_int_equal(stored_swap_at(&stored, &key, "a", "b", NOW + 1, NOW), STORE_DONE);
	assert_in_range(server_do(&server, "PTTL postern:k:ada"), 0, 1000);
	while (strcmp(stored_get(&stored, "ada"), NOTHING) != 0) {
		assert_true(time(NULL) < end);
		usleep(10000);
		begin_afresh(&stored);
	}
	assert_int_equal(stored_swap(&stored, "ada", NOTHING, "c"), STORE_DONE);
	stored_close(&stored);
}

/* What no caller can have put there is damaged, and mended as that. */
static void
test_damaged_on_redis(void **state)
{
	static const char *const scripts[] = {
		"return redis.call('SET', KEYS[1], 'a\\0b')",
		"return redis.call('SET', KEYS[1], string.rep('x', ARGV[1]))",
		"return redis.call('SET', KEYS[1], string.rep('x', ARGV[1] + 1))",
	};
	struct stored stored;

	begin(&stored, *state);
	for (size_t i = 0; i < COUNT(scripts); i++) {
		server_do(&server, "EVAL %s 1 postern:k:ada %d", scripts[i], STORE_VALUE_SIZE);
		CHECK_TEXT(scripts[i], stored_get(&stored, "ada"), DAMAGED);
		CHECK(scripts[i], stored_swap(&stored, "ada", NOTHING, "b") == STORE_CHANGED);
		CHECK(scripts[i], stored_swap(&stored, "ada", "a", "b") == STORE_CHANGED);
		CHECK_TEXT(scripts[i], stored_get(&stored, "ada"), DAMAGED);
		CHECK(scripts[i], stored_swap(&stored, "ada", DAMAGED, "b") == STORE_DONE);
		CHECK_TEXT(scripts[i], stored_get(&stored, "ada"), "b");
	}
	store_close(stored.store);
}

/* -- attempts ------------------------------------------------------------------------------------
 */

static void
uncount(struct stored *stored, struct store_bucket one, time_t now)
{
	assert_true(store_uncount(stored->store, &one, 1, now, &stored->log));
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
		struct store_bucket one = stored_bucket(0, 1);
		struct stored stored;

		one.size = cases[i].size;
		one.cost = cases[i].cost;
		begin(&stored, *state);
		CHECK(cases[i].name, stored_pass(&stored, one, NOW) == cases[i].passed);
		CHECK(cases[i].name, stored_count(&stored, &one, 1, NOW) == cases[i].wait);
		CHECK(cases[i].name, stored_count(&stored, &one, 1, NOW + cases[i].wait - 1) == 1);
		CHECK(cases[i].name, stored_count(&stored, &one, 1, NOW + cases[i].wait) == 0);
		stored_close(&stored);
	}
}

/* An attempt is counted in all of its buckets or in none, and waits for the last. */
static void
test_several_buckets(void **state)
{
	static const struct {
		const char *name;
		int before[STORE_BUCKETS_MAX];
		long wait;
		int after[STORE_BUCKETS_MAX]; /* what then passes in each */
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
		struct store_bucket three[STORE_BUCKETS_MAX];
		struct stored stored;

		begin(&stored, *state);
		for (unsigned k = 0; k < STORE_BUCKETS_MAX; k++) {
			three[k] = stored_bucket(k + 1, 1);
			three[k].cost *= k + 1;
			three[k].size *= k + 1;
			for (int n = 0; n < cases[i].before[k]; n++)
				stored_count(&stored, &three[k], 1, NOW);
		}
		CHECK(cases[i].name, stored_count(&stored, three, 3, NOW) == cases[i].wait);
		for (unsigned k = 0; k < STORE_BUCKETS_MAX; k++)
			CHECK(cases[i].name,
			    stored_pass(&stored, three[k], NOW) == cases[i].after[k]);
		stored_close(&stored);
	}
}

/* Every bit of a key tells two buckets apart, and so does their kind. */
static void
test_keys(void **state)
{
	struct store_bucket one = stored_bucket(0, 1);
	struct stored stored;

	begin(&stored, *state);
	assert_int_equal(stored_pass(&stored, one, NOW), 5);
	for (unsigned bit = 0; bit < 8 * STORE_BUCKET_KEY_BYTES; bit++) {
		struct store_bucket other = one;

		other.key[bit / 8] ^= (unsigned char)(1u << bit % 8);
		assert_int_equal(stored_count(&stored, &other, 1, NOW), 0);
	}
	for (unsigned kind = 1; kind < STORE_BUCKET_KINDS; kind++) {
		struct store_bucket other = one;

		other.kind = kind;
		assert_int_equal(stored_pass(&stored, other, NOW), 5);
	}
	memset(one.key, 0, sizeof(one.key));
	assert_int_equal(stored_pass(&stored, one, NOW), 5);
	assert_int_equal(stored_pass(&stored, stored_bucket(0, 1), NOW), 0);
	stored_close(&stored);
}

/* What an attempt that was taken back leaves to pass. */
static void
test_uncount(void **state)
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
		{ "more than there is", 2, 300, 0, 5 },
		{ "none there", 0, 500, 0, 5 },
		{ "half of one", 5, 50, 50, 1 },
		{ "what is left of one", 1, 100, 99, 5 },
		{ "when it has just drained", 1, 100, 100, 5 },
		{ "long after", 1, 100, DAY, 5 },
		{ "when the clock was set back", 5, 100, -DAY, 1 },
		{ "all, when the clock was set back", 5, 500, -DAY, 5 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store_bucket one = stored_bucket(0, 1);
		struct stored stored;

		one.back = cases[i].back;
		begin(&stored, *state);
		for (int n = 0; n < cases[i].before; n++)
			CHECK(cases[i].name, stored_count(&stored, &one, 1, NOW) == 0);
		uncount(&stored, one, NOW + cases[i].later);
		CHECK(cases[i].name,
		    stored_pass(&stored, one, NOW + cases[i].later) == cases[i].after);
		stored_close(&stored);
	}
}

/* A bucket that success has emptied is empty at whatever time it is asked next. */
static void
test_emptied_for_good(void **state)
{
	const time_t times[] = { 0, 1, DAY, -1, -DAY, -365 * DAY };

	for (size_t i = 0; i < COUNT(times); i++) {
		struct store_bucket one = stored_bucket(0, 1);
		struct stored stored;

		one.back = one.size;
		begin(&stored, *state);
		assert_int_equal(stored_pass(&stored, one, NOW), 5);
		uncount(&stored, one, NOW);
		assert_int_equal(stored_pass(&stored, one, NOW + times[i]), 5);
		stored_close(&stored);
	}
}

/* All buckets of an attempt are given back, each by what it says. */
static void
test_uncount_several(void **state)
{
	struct store_bucket three[] = { stored_bucket(0, 1), stored_bucket(1, 1),
		stored_bucket(2, 1) };
	struct stored stored;

	three[0].back = 500;
	begin(&stored, *state);
	for (int i = 0; i < 5; i++)
		assert_int_equal(stored_count(&stored, three, 3, NOW), 0);
	assert_true(store_uncount(stored.store, three, 3, NOW, &stored.log));
	assert_int_equal(stored_pass(&stored, three[0], NOW), 5);
	assert_int_equal(stored_pass(&stored, three[1], NOW), 1);
	assert_int_equal(stored_pass(&stored, three[2], NOW), 1);
	stored_close(&stored);
}

/* Set back, the clock leaves a bucket full and no fuller; it drains from then on. */
static void
test_clock_set_back(void **state)
{
	const struct store_bucket one = stored_bucket(0, 1);
	struct stored stored;

	begin(&stored, *state);
	assert_int_equal(stored_count(&stored, &one, 1, NOW), 0);
	assert_int_equal(stored_count(&stored, &one, 1, NOW - DAY), 100);
	assert_int_equal(stored_count(&stored, &one, 1, NOW - DAY + 99), 1);
	assert_int_equal(stored_count(&stored, &one, 1, NOW - DAY + 100), 0);
	assert_int_equal(stored_count(&stored, &one, 1, NOW - DAY + 100), 100);
	assert_int_equal(stored_pass(&stored, one, NOW - DAY + 600), 5);
	stored_close(&stored);
}

/* No bucket is no limit. */
static void
test_no_buckets(void **state)
{
	struct stored stored;

	begin(&stored, *state);
	assert_int_equal(stored_count(&stored, NULL, 0, NOW), 0);
	assert_true(store_uncount(stored.store, NULL, 0, NOW, &stored.log));
	stored_close(&stored);
}

static int
count_fifty(const char *place, int which)
{
	struct store_bucket three[] = { stored_bucket(0, 1), stored_bucket(1, 1),
		stored_bucket(2, (unsigned)which) };
	struct stored stored;
	int passed = 0;

	for (int i = 0; i < 3; i++)
		three[i].cost = 1;
	stored_open(&stored, place);
	for (int i = 0; i < 50; i++) {
		long wait = -1;
		bool counted = false;

		for (int n = 0; n < TRIES && !counted; n++) {
			counted = store_count(stored.store, three, 3, NOW, &wait, &stored.log);
			if (!counted)
				begin_afresh(&stored);
		}
		if (!counted)
			_exit(255);
		passed += wait == 0;
	}
	store_close(stored.store);
	return passed;
}

/* What sixteen processes count at once is counted exactly. */
static void
test_count_at_once(void **state)
{
	const struct store_bucket one = stored_bucket(0, 1);
	struct stored stored;

	begin(&stored, *state);
	stored_close(&stored);
	assert_int_equal(stored_at_once(STORED_PROCESSES, count_fifty, *state), 500);
	stored_open(&stored, *state);
	assert_int_equal(stored_pass(&stored, one, NOW), 0);
	assert_int_equal(stored_pass(&stored, one, NOW + 100), 1);
	stored_close(&stored);
}

static int
fill_and_leave(const char *place, int which)
{
	struct stored stored;

	stored_open(&stored, place);
	return stored_pass(&stored, stored_bucket(0, (unsigned)which), NOW);
}

/* What one process counts, another one sees, and so does a later one. */
static void
test_processes_share_counts(void **state)
{
	const struct store_bucket one = stored_bucket(0, 0);
	struct stored stored;

	begin(&stored, *state);
	for (int i = 0; i < 3; i++)
		assert_int_equal(stored_count(&stored, &one, 1, NOW), 0);
	assert_int_equal(stored_at_once(1, fill_and_leave, *state), 2);
	assert_int_equal(stored_count(&stored, &one, 1, NOW), 100);
	uncount(&stored, one, NOW);
	assert_int_equal(stored_at_once(1, fill_and_leave, *state), 1);
	stored_close(&stored);
	stored_open(&stored, *state);
	assert_int_equal(stored_count(&stored, &one, 1, NOW), 100);
	stored_close(&stored);
}

/* -- places ---------------------------------------------------------------------------------------
 */

/* Sites of other prefixes share a Redis, and see nothing of each other. */
static void
test_prefix(void **state)
{
	static const struct store_key key = { "k", "ada" };
	static char text[STORE_VALUE_SIZE];
	const struct store_bucket one = stored_bucket(0, 1);
	struct store_value value = { .text = text };
	struct stored stored;
	const char *wrong;
	struct store *other;
	long wait = -1;

	begin(&stored, *state);
	stored_put(&stored, "ada", "a");
	assert_int_equal(stored_pass(&stored, one, NOW), 5);
	other = store_open(*state, "other", &wrong);
	assert_non_null(other);
	assert_true(store_get(other, &key, &value, 1, NOW, &stored.log));
	assert_int_equal(value.found, STORE_NOTHING);
	assert_int_equal(store_swap(other, &key, &value, "b", UNTIL, NOW, &stored.log), STORE_DONE);
	assert_true(store_count(other, &one, 1, NOW, &wait, &stored.log));
	assert_int_equal(wait, 0);
	assert_string_equal(stored_get(&stored, "ada"), "a");
	assert_int_equal(server_do(&server, "EXISTS postern:k:ada other:k:ada"), 2);
	store_close(other);
	stored_close(&stored);
}

/* A store that is none has nothing, takes nothing and counts nothing. */
static void
test_none(void **state)
{
	const struct store_bucket one = stored_bucket(0, 1);
	struct stored stored;

	(void)state;
	stored_open(&stored, STORE_NONE);
	assert_true(store_is_none(stored.store));
	assert_string_equal(stored_get(&stored, "ada"), NOTHING);
	assert_int_equal(stored_pass(&stored, one, NOW), 10);
	uncount(&stored, one, NOW);
	assert_string_equal(stored.caught.text, "");
	assert_int_equal(stored_swap(&stored, "ada", NOTHING, "a"), STORE_FAULT);
	assert_int_equal(stored.caught.lines, 1);
	assert_string_equal(stored_get(&stored, "ada"), NOTHING);
	assert_int_equal(access(STORE_NONE, F_OK), -1);
	store_close(stored.store);
}

static void
test_is_none(void **state)
{
	struct stored stored;

	stored_open(&stored, *state);
	assert_false(store_is_none(stored.store));
	stored_close(&stored);
}

/* What is no place is refused with a word on why; and closing nothing does nothing. */
static void
test_wrong_places(void **state)
{
	static const struct {
		const char *place, *wrong;
	} cases[] = {
		{ "", "is not an absolute path" },
		{ "folder", "is not an absolute path" },
		{ "./folder", "is not an absolute path" },
		{ "NONE", "is not an absolute path" },
		{ "none ", "is not an absolute path" },
		{ "ftp://127.0.0.1", "is not an absolute path" },
		{ "redis:", "is not like redis://" },
		{ "redis://", "names a host" },
		{ "rediss:", "is not like redis://" },
		{ "unix:", "is not like unix:/path" },
		{ "unix:folder", "is not like unix:/path" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *wrong = NULL;

		CHECK(cases[i].place, store_open(cases[i].place, "postern", &wrong) == NULL);
		CHECK(cases[i].place, wrong != NULL && text_begins(wrong, cases[i].wrong));
	}
	store_close(NULL);
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

#define OF_EVERY_STORE                                                                             \
	cmocka_unit_test(test_get), cmocka_unit_test(test_swap),                                   \
	    cmocka_unit_test(test_long_values), cmocka_unit_test(test_too_long_a_value),           \
	    cmocka_unit_test(test_names), cmocka_unit_test(test_another_process),                  \
	    cmocka_unit_test(test_takers), cmocka_unit_test(test_list),                            \
	    cmocka_unit_test(test_killed), cmocka_unit_test(test_over_at_once),                    \
	    cmocka_unit_test(test_for_ever), cmocka_unit_test(test_one_bucket),                    \
	    cmocka_unit_test(test_several_buckets), cmocka_unit_test(test_keys),                   \
	    cmocka_unit_test(test_uncount), cmocka_unit_test(test_emptied_for_good),               \
	    cmocka_unit_test(test_uncount_several), cmocka_unit_test(test_clock_set_back),         \
	    cmocka_unit_test(test_no_buckets), cmocka_unit_test(test_count_at_once),               \
	    cmocka_unit_test(test_processes_share_counts), cmocka_unit_test(test_is_none)

int
main(void)
{
	const struct CMUnitTest of_a_folder[] = { OF_EVERY_STORE, cmocka_unit_test(test_over) };
	const struct CMUnitTest of_redis[] = { OF_EVERY_STORE, cmocka_unit_test(test_over_on_redis),
		cmocka_unit_test(test_damaged_on_redis), cmocka_unit_test(test_prefix) };
	const struct CMUnitTest of_none[] = { cmocka_unit_test(test_none),
		cmocka_unit_test(test_wrong_places) };
	int failed = cmocka_run_group_tests_name("a store in a folder", of_a_folder,
	    unit_make_memory_folder, unit_remove_folder);

	failed += cmocka_run_group_tests_name("a store on redis-server", of_redis, start_server,
	    stop_server);
	return failed + cmocka_run_group_tests_name("no store", of_none, NULL, NULL);
}
