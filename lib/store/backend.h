/*
 * backend: what a place to store things can do. Each function is that of store.h.
 */
#ifndef POSTERN_BACKEND_H
#define POSTERN_BACKEND_H

#include "store/store.h"

struct store_backend {
	/* NULL, with `close`, where nothing is kept but the place. */
	void *(*open)(const char *place, const char *prefix, const char **wrong);
	void (*close)(void *backend);
	bool (*get)(void *backend, const struct store_key keys[], struct store_value values[],
	    size_t count, time_t now, const struct log *log);
	enum store_swapped (*swap)(void *backend, const struct store_key *key,
	    const struct store_value *old, const char *new, time_t until, time_t now,
	    const struct log *log);
	/* Take back where `wait` is NULL. */
	bool (*count)(void *backend, const struct store_bucket buckets[], size_t count, time_t now,
	    long *wait, const struct log *log);
};

extern const struct store_backend store_folder, store_redis;

enum {
	/* Seconds: how far apart requests of the same moment may be dated; how long a record is
	   kept after it is over, as a clock may be ahead for a while. */
	STORE_SLACK = 60,
	STORE_KEPT = 86400,
};

#endif
