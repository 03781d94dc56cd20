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

#include "base/secret.h"
#include "store/state.h"

enum { THROTTLE_NETWORK_SIZE = 46 }; /* as text, with the NUL */

/* The buckets that a try is counted in, for state_count() and state_forgive(). */
struct throttle {
	struct state_bucket buckets[STATE_BUCKETS_MAX];
	size_t count;
};

/*
 * Write what counts of a REMOTE_ADDR: all of an IPv4 address, the first 64 bits of an IPv6 one.
 * False, with `out` emptied, when it is neither.
 */
bool throttle_network(char out[static THROTTLE_NETWORK_SIZE], const char *address);

/*
 * Say in which buckets a try belongs. `network` is throttle_network()'s, or NULL when it tells
 * nothing; `device` is device_check()'s, or NULL. What is kept are digests keyed with `key`.
 * False on a fault.
 */
bool throttle_begin(struct throttle *throttle, const unsigned char key[static SECRET_DIGEST_BYTES],
    const char *name, const char *network, const char *device);

#endif
