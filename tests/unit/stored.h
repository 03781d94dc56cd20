/*
 * stored: a store under test, and what its tests do again and again.
 */
#ifndef POSTERN_STORED_H
#define POSTERN_STORED_H

#include <dirent.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "store/store.h"
#include "unit.h"

/* A record in a table of tests: its text, or one of these. */
#define NOTHING "(nothing)"
#define DAMAGED "(damaged)"
#define FAULT "(fault)"
#define WHATEVER "(any old)" /* an `old` that is NULL */

enum { NOW = 1000000000, UNTIL = NOW + 600, DAY = 24 * 60 * 60, STORED_PROCESSES = 16 };

struct stored {
	const char *place;
	struct store *store;
	struct unit_log caught;
	struct log log;
};

static inline void
stored_open(struct stored *stored, const char *place)
{
	const char *wrong = NULL;

	stored->place = place;
	stored->log = unit_log(&stored->caught);
	stored->store = store_open(place, "postern", &wrong);
	assert_non_null(stored->store);
}

/* Close it; nothing was to be said. */
static inline void
stored_close(struct stored *stored)
{
	store_close(stored->store);
	assert_string_equal(stored->caught.text, "");
}

/* What is there, at that time. It lasts until the next call. */
static inline const char *
stored_get_at(struct stored *stored, const char *kind, const char *name, time_t now)
{
	static char text[STORE_VALUE_SIZE];
	const struct store_key key = { kind, name };
	struct store_value value = { .text = text };

	memset(text, 'x', sizeof(text));
	if (!store_get(stored->store, &key, &value, 1, now, &stored->log)) {
		assert_true(value.found == STORE_NOTHING && text[0] == '\0');
		return FAULT;
	}
	if (value.found == STORE_TEXT)
		return text;
	assert_string_equal(text, "");
	return value.found == STORE_DAMAGED ? DAMAGED : NOTHING;
}

static inline const char *
stored_get(struct stored *stored, const char *name)
{
	return stored_get_at(stored, "k", name, NOW);
}

static inline enum store_swapped
stored_swap_at(struct stored *stored, const struct store_key *key, const char *old, const char *new,
    time_t until, time_t now)
{
	const bool is_nothing = strcmp(old, NOTHING) == 0, is_damaged = strcmp(old, DAMAGED) == 0;
	const bool is_text = !is_nothing && !is_damaged;
	const struct store_value value = {
		.found = is_nothing ? STORE_NOTHING
		    : is_damaged    ? STORE_DAMAGED
				    : STORE_TEXT,
		.text = (char *)(is_text ? old : ""),
	};

	return store_swap(stored->store, key, strcmp(old, WHATEVER) == 0 ? NULL : &value,
	    strcmp(new, NOTHING) == 0 ? NULL : new, until, now, &stored->log);
}

static inline enum store_swapped
stored_swap(struct stored *stored, const char *name, const char *old, const char *new)
{
	return stored_swap_at(stored, &(struct store_key){ "k", name }, old, new, UNTIL, NOW);
}

static inline void
stored_put(struct stored *stored, const char *name, const char *text)
{
	assert_int_equal(stored_swap(stored, name, WHATEVER, text), STORE_DONE);
}

/* A bucket that holds five attempts. */
static inline struct store_bucket
stored_bucket(unsigned kind, unsigned n)
{
	struct store_bucket bucket = { .kind = kind, .size = 500, .cost = 100, .back = 100 };
	uint64_t mixed[2] = { n, kind };

	/* As good a key as a digest, and made sooner. */
	for (int i = 0; i < 8; i++) {
		mixed[i % 2] += mixed[1 - i % 2] * 0x9e3779b97f4a7c15;
		mixed[i % 2] ^= mixed[i % 2] >> 29;
	}
	memcpy(bucket.key, mixed, sizeof(bucket.key));
	return bucket;
}

/* Count an attempt; how long it must wait. */
static inline long
stored_count(struct stored *stored, const struct store_bucket buckets[], size_t count, time_t now)
{
	long wait = -1;

	assert_true(store_count(stored->store, buckets, count, now, &wait, &stored->log));
	return wait;
}

/* Count attempts until one is refused, ten at most; how many were not. */
static inline int
stored_pass(struct stored *stored, struct store_bucket one, time_t now)
{
	int passed = 0;

	while (passed < 10 && stored_count(stored, &one, 1, now) == 0)
		passed++;
	return passed;
}

/* -- the folder ---------------------------------------------------------------------------- */

static inline int
stored_remove_in(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type;
	return where->level == 0 ? 0 : remove(path);
}

static inline void
stored_empty(const char *folder)
{
	assert_int_equal(nftw(folder, stored_remove_in, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* The path of a file in the store's folder, which lasts until the next call but three. */
static inline const char *
stored_path(const char *folder, const char *name)
{
	static char paths[4][UNIT_PATH_SIZE];
	static unsigned next;
	char *path = paths[next++ % 4];

	unit_path(path, folder, name);
	return path;
}

/* -- processes ------------------------------------------------------------------------------ */

/* In another process: end it, with what is not as it must be. */
#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(2, "%d: %s\n", __LINE__, #condition);                              \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/* Run that in so many processes at once; their sum of what they return. */
static inline int
stored_at_once(int processes, int (*run)(const char *place, int which), const char *place)
{
	pid_t pids[STORED_PROCESSES];
	int sum = 0;

	assert_in_range(processes, 1, STORED_PROCESSES);
	for (int i = 0; i < processes; i++) {
		if ((pids[i] = fork()) == 0) {
			alarm(60);
			/* Else cmocka would go on with the next test, there too. */
			setenv("CMOCKA_TEST_ABORT", "1", 1);
			_exit(run(place, i));
		}
	}
	for (int i = 0; i < processes; i++) {
		int status = 0;

		assert_true(pids[i] > 0 && waitpid(pids[i], &status, 0) == pids[i]);
		assert_true(WIFEXITED(status));
		sum += WEXITSTATUS(status);
	}
	return sum;
}

/* Memory that processes started later share, of zeros. */
static inline void *
stored_share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

#endif
