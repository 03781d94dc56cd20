/*
 * throttle: how long must this client wait before it may try again?
 *
 * A try is counted before its password is hashed: for the name and the address together, for
 * the address, and for the name; or, for a browser that has signed in with this name before, for
 * that browser alone, so that no flood of guesses from elsewhere shuts it out.
 */
#ifndef POSTERN_THROTTLE_H
#define POSTERN_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>

#include "secret.h"
#include "state.h"

/* The buckets that a try is counted in, for state_count() and state_forgive(). */
struct throttle {
	struct state_bucket buckets[STATE_BUCKETS_MAX];
	size_t count;
};

/*
 * Say in which buckets a try belongs. `address` is REMOTE_ADDR, of which an IPv6 one counts by
 * its /64, or NULL when it tells nothing; `device` is device_check()'s, or NULL. What is kept are
 * digests keyed with `key`. False on a fault.
 */
bool throttle_begin(struct throttle *throttle, const unsigned char key[static SECRET_DIGEST_BYTES],
    const char *name, const char *address, const char *device);

#endif
