/*
 * state: what must outlive a request: tries that were counted, sessions that were ended.
 *
 * All processes of a site share it, and nothing that kills one of them loses what a verb has
 * returned true for. It lies in a folder of this machine; or, for many machines, with Valkey or
 * Redis, which keeps it as long as that was told to. A site may do without: then nothing is
 * counted and nothing ended.
 *
 * A verb that fails says why in the log, and the next one begins afresh.
 */
#ifndef POSTERN_STATE_H
#define POSTERN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/log.h"

enum {
	STATE_KINDS = 4,
	STATE_BUCKETS_MAX = 3, /* that one try is counted in */
	STATE_KEY_BYTES = 16,
};

/* The place that means: no state. */
#define STATE_NONE "none"

/*
 * A leaky bucket: a try pours seconds into it, and each second one of them drains away. There
 * is room for 65,536 in a folder; of those that are too many the ones that will be empty soonest
 * go.
 */
struct state_bucket {
	unsigned kind;                      /* below STATE_KINDS; each has a room of its own */
	unsigned char key[STATE_KEY_BYTES]; /* of a digest, so that nobody can choose it */
	long size;                          /* what it holds */
	long cost;                          /* what a try adds */
	long back;                          /* what a success takes away again */
};

enum state_verdict {
	STATE_FAULT, /* it cannot be told */
	STATE_ENDED,
	STATE_OPEN,
};

struct state;

/*
 * What is wrong with a place and how to mend it, to be read after the name of the setting; or
 * NULL. Whether there is such a folder, or somebody who answers, is not seen here.
 */
const char *state_is_wrong(const char *place);

/*
 * Begin. `place` is a folder, or the URL of Valkey or Redis (lib/store/state_url.h), or STATE_NONE.
 * What other sites keep in the same place has another `prefix`. Both are kept, not copied. `grace`
 * is how many seconds a session that was open may be taken for open while nobody can be asked.
 * Nothing is opened yet. NULL without memory; the caller ends it with state_free().
 */
struct state *state_new(const char *place, const char *prefix, long grace);

void state_free(struct state *state);

/*
 * Count a try in each of `count` buckets of different kinds, or in none of them if one would
 * overflow: then `*wait` says after how many seconds it would not, else it is 0. False on a fault.
 */
bool state_count(struct state *state, const struct state_bucket buckets[], size_t count, time_t now,
    long *wait, const struct log *log);

/* The try that was counted in these buckets was right. False on a fault. */
bool state_forgive(struct state *state, const struct state_bucket buckets[], size_t count,
    time_t now, const struct log *log);

/*
 * A session of `user` begins. `*auth_time` becomes `now`; or, where all sessions of the user until
 * then or later were ended, a second after that, so that this one is not among them. Where that
 * is more than `ahead` seconds from now, for the clock was set back, it is `now` all the same, and
 * kept in mind until `until`. False on a fault.
 */
bool state_begin_session(struct state *state, const char *sid, const char *user, time_t *auth_time,
    time_t now, long ahead, time_t until, const struct log *log);

/*
 * End a session, or all sessions of a user that have begun. In a folder it is on disk when this
 * returns true; it may be forgotten after `until`. False on a fault, without room for one more (of
 * some 131,000 in a folder), or, for a user, without a state.
 */
bool state_end_session(struct state *state, const char *sid, time_t now, time_t until,
    const struct log *log);
bool state_end_user(struct state *state, const char *user, time_t now, time_t until,
    const struct log *log);

/* Has this session of `user`, which began at `auth_time`, been ended? */
enum state_verdict state_session(struct state *state, const char *sid, const char *user,
    time_t auth_time, time_t now, const struct log *log);

#endif
