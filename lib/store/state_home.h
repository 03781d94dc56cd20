/*
 * state_home: what a home of the state can do. Each verb is that of lib/store/state.h.
 *
 * Only lib/store/state.c, which chooses one, is its caller.
 */
#ifndef POSTERN_STATE_HOME_H
#define POSTERN_STATE_HOME_H

#include "store/state.h"

struct state_home {
	/* What begin() returns, or NULL without memory, is `home` of the others; end() frees it. */
	void *(*begin)(const char *place, const char *prefix, long grace);
	void (*end)(void *home);
	bool (*count)(void *home, const struct state_bucket buckets[], size_t count, time_t now,
	    long *wait, const struct log *log);
	bool (*forgive)(void *home, const struct state_bucket buckets[], size_t count, time_t now,
	    const struct log *log);
	bool (*begin_session)(void *home, const char *sid, const char *user, time_t *auth_time,
	    time_t now, long ahead, time_t until, const struct log *log);
	bool (*end_session)(void *home, const char *sid, time_t now, time_t until,
	    const struct log *log);
	bool (*end_user)(void *home, const char *user, time_t now, time_t until,
	    const struct log *log);
	enum state_verdict (*session)(void *home, const char *sid, const char *user,
	    time_t auth_time, time_t now, const struct log *log);
};

extern const struct state_home state_lmdb;  /* a folder of this machine */
extern const struct state_home state_redis; /* Valkey or Redis */

enum {
	/* Seconds: how far apart requests are that come at once; how far a clock is ahead for a
	   while. */
	STATE_SLACK = 60,
	STATE_DAY = 86400,
};

#endif
