/*
 * store: what must outlive a request: records, and counted attempts.
 *
 * All processes of a site share it. It lies in a folder, on Valkey or Redis, or nowhere: a store
 * that is STORE_NONE has nothing, takes nothing and counts nothing. It knows keys, values and
 * times; what a record means is known in lib/auth.
 *
 * A function that fails says why in the log, and the next call begins afresh.
 */
#ifndef POSTERN_STORE_H
#define POSTERN_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/log.h"

enum {
	STORE_KEYS_MAX = 4, /* that are read at once */
	STORE_NAME_SIZE = 256,
	STORE_VALUE_SIZE = 163840, /* of the longest value, with the NUL */
	STORE_BUCKETS_MAX = 3,     /* that one attempt is counted in */
	STORE_BUCKET_KINDS = 4,
	STORE_BUCKET_KEY_BYTES = 16,
};

/* The place that means: no store. */
#define STORE_NONE "none"

/* A time that no record reaches: 2100. */
#define STORE_FOREVER ((time_t)4102444800)

/* `kind` is a word of ours, of a-z; `name` is 1 to 255 bytes of anybody. */
struct store_key {
	const char *kind, *name;
};

/* What is found at a key. */
struct store_value {
	enum {
		STORE_NOTHING, /* no record, or one that is over */
		STORE_TEXT,
		STORE_DAMAGED, /* a record that cannot be what was written; its text is lost */
	} found;
	char *text; /* room of the caller's, of STORE_VALUE_SIZE bytes; empty unless STORE_TEXT */
};

enum store_swapped {
	STORE_FAULT,   /* it is not known whether the record was changed */
	STORE_CHANGED, /* the record was not `old` any more, and is as it was */
	STORE_DONE,    /* it is on disk, or as safe as Redis was told to keep it */
};

/*
 * A leaky bucket: an attempt pours seconds into it, and each second one of them drains away. A
 * folder has room for 16,384 buckets of each kind; the ones that will be empty soonest go first.
 */
struct store_bucket {
	unsigned kind;                             /* below STORE_BUCKET_KINDS */
	unsigned char key[STORE_BUCKET_KEY_BYTES]; /* of a digest: nobody can choose it */
	long size;                                 /* seconds that it holds */
	long cost;                                 /* what an attempt adds */
	long back; /* what a success takes away again; as much as `size` empties it for good */
};

struct store;

/*
 * Begin. `place` is an absolute path of a folder, an address of Valkey or Redis, or STORE_NONE.
 * Sites that share one Redis have different prefixes. Both texts are kept, not copied. No file is
 * opened and no connection made yet. NULL when the place is not well formed or without memory:
 * `*wrong` says what to mend, to be read after the name of the setting. store_close() ends it.
 */
struct store *store_open(const char *place, const char *prefix, const char **wrong);

void store_close(struct store *store);

bool store_is_none(const struct store *store);

/* Read `count` keys at once. False on a fault: then every value is STORE_NOTHING. */
bool store_get(struct store *store, const struct store_key keys[], struct store_value values[],
    size_t count, time_t now, const struct log *log);

/*
 * Make the record at `key` `new`, until the time `until`, if it still is `old`, as store_get()
 * found it. A NULL `old` is whatever it is; a NULL `new` removes it. Where two callers must not
 * both succeed their values must differ, by random bytes: a value that is there already counts as
 * done, so that a command whose reply was lost can be repeated. A record that is gone already
 * counts as changed: nothing tells who removed it.
 */
enum store_swapped store_swap(struct store *store, const struct store_key *key,
    const struct store_value *old, const char *new, time_t until, time_t now,
    const struct log *log);

/*
 * Count an attempt in each of `count` buckets of different kinds, or in none of them where one
 * would overflow: then `*wait` says after how many seconds it would not, else it is 0. A bucket
 * that is more than full, as the clock was set back, is full. False on a fault.
 */
bool store_count(struct store *store, const struct store_bucket buckets[], size_t count, time_t now,
    long *wait, const struct log *log);

/* Take back the attempt that was counted in these buckets. False on a fault. */
bool store_uncount(struct store *store, const struct store_bucket buckets[], size_t count,
    time_t now, const struct log *log);

#endif
