#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/backend.h"

struct store {
	const struct store_backend *backend; /* NULL: STORE_NONE */
	void *place;
};

struct store *
store_open(const char *place, const char *prefix, const char **wrong)
{
	struct store *store = calloc(1, sizeof(*store));

	*wrong = store == NULL ? "out of memory" : NULL;
	if (store == NULL || strcmp(place, STORE_NONE) == 0)
		return store;
	if (place[0] == '/') {
		store->backend = &store_folder;
		store->place = (char *)place;
		return store;
	}
	if (!text_begins(place, "redis:") && !text_begins(place, "rediss:") &&
	    !text_begins(place, "unix:")) {
		*wrong = "is not an absolute path, nor like redis://192.0.2.1, nor none";
	} else {
#if STORE_REDIS
		store->backend = &store_redis;
		store->place = store->backend->open(place, prefix, wrong);
#else
		(void)prefix;
		*wrong = "names Valkey or Redis, which these programs were built without: "
			 "name a folder, or build them with hiredis";
#endif
	}
	if (store->place != NULL)
		return store;
	free(store);
	return NULL;
}

void
store_close(struct store *store)
{
	if (store != NULL && store->backend != NULL && store->backend->close != NULL)
		store->backend->close(store->place);
	free(store);
}

bool
store_is_none(const struct store *store)
{
	return store->backend == NULL;
}

static void
find_nothing(struct store_value values[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		values[i].found = STORE_NOTHING;
		values[i].text[0] = '\0';
	}
}

bool
store_get(struct store *store, const struct store_key keys[], struct store_value values[],
    size_t count, time_t now, const struct log *log)
{
	find_nothing(values, count);
	if (store->backend == NULL ||
	    store->backend->get(store->place, keys, values, count, now, log))
		return true;
	find_nothing(values, count);
	return false;
}

enum store_swapped
store_swap(struct store *store, const struct store_key *key, const struct store_value *old,
    const char *new, time_t until, time_t now, const struct log *log)
{
	if (store->backend == NULL)
		log_event(log, "state", "reason=\"POSTERN_STATE is none: nothing can be kept\"");
	else if (new != NULL && strlen(new) >= STORE_VALUE_SIZE)
		log_event(log, "state", "reason=\"a value is too long\"");
	else
		return store->backend->swap(store->place, key, old, new, until, now, log);
	return STORE_FAULT;
}

bool
store_count(struct store *store, const struct store_bucket buckets[], size_t count, time_t now,
    long *wait, const struct log *log)
{
	*wait = 0;
	return store->backend == NULL ||
	    store->backend->count(store->place, buckets, count, now, wait, log);
}

bool
store_uncount(struct store *store, const struct store_bucket buckets[], size_t count, time_t now,
    const struct log *log)
{
	return store->backend == NULL ||
	    store->backend->count(store->place, buckets, count, now, NULL, log);
}
