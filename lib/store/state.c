#include "store/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "store/state_home.h"
#include "store/state_url.h"

struct state {
	const struct state_home *home; /* NULL: none */
	void *here;
};

static const struct state_home *
home_of(const char *place)
{
#if STATE_REDIS
	if (state_url_is_meant(place))
		return &state_redis;
#endif
	return strcmp(place, STATE_NONE) == 0 ? NULL : &state_lmdb;
}

const char *
state_is_wrong(const char *place)
{
	struct state_url url;
	const char *wrong;

	if (strcmp(place, STATE_NONE) == 0 || place[0] == '/')
		return NULL;
	if (!state_url_is_meant(place))
		return "is not an absolute path, nor like redis://192.0.2.1, nor none";
	if (!STATE_REDIS)
		return "names Valkey or Redis, which these programs were built without: "
		       "name a folder, or build them with hiredis";
	wrong = state_url_read(&url, place);
	if (wrong == NULL && url.tls && !STATE_TLS)
		wrong = "is for TLS, which the hiredis of this system has not: run stunnel, "
			"and write redis:// with its address";
	secret_wipe(&url, sizeof(url));
	return wrong;
}

struct state *
state_new(const char *place, const char *prefix, long grace)
{
	struct state *state = calloc(1, sizeof(*state));

	if (state == NULL || home_of(place) == NULL)
		return state;
	state->home = home_of(place);
	state->here = state->home->begin(place, prefix, grace);
	if (state->here != NULL)
		return state;
	free(state);
	return NULL;
}

void
state_free(struct state *state)
{
	if (state != NULL && state->home != NULL)
		state->home->end(state->here);
	free(state);
}

bool
state_count(struct state *state, const struct state_bucket buckets[], size_t count, time_t now,
    long *wait, const struct log *log)
{
	*wait = 0;
	return state->home == NULL ||
	    state->home->count(state->here, buckets, count, now, wait, log);
}

bool
state_forgive(struct state *state, const struct state_bucket buckets[], size_t count, time_t now,
    const struct log *log)
{
	return state->home == NULL || state->home->forgive(state->here, buckets, count, now, log);
}

bool
state_begin_session(struct state *state, const char *sid, const char *user, time_t *auth_time,
    time_t now, long ahead, time_t until, const struct log *log)
{
	*auth_time = now;
	return state->home == NULL ||
	    state->home->begin_session(state->here, sid, user, auth_time, now, ahead, until, log);
}

bool
state_end_session(struct state *state, const char *sid, time_t now, time_t until,
    const struct log *log)
{
	return state->home == NULL || state->home->end_session(state->here, sid, now, until, log);
}

bool
state_end_user(struct state *state, const char *user, time_t now, time_t until,
    const struct log *log)
{
	if (state->home != NULL)
		return state->home->end_user(state->here, user, now, until, log);
	log_event(log, "state", "reason=\"POSTERN_STATE is none: no session but this ends\"");
	return false;
}

enum state_verdict
state_session(struct state *state, const char *sid, const char *user, time_t auth_time, time_t now,
    const struct log *log)
{
	if (state->home == NULL)
		return STATE_OPEN;
	return state->home->session(state->here, sid, user, auth_time, now, log);
}
