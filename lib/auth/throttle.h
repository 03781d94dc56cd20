/*
 * throttle: the rate limit of sign-in, and the device cookie.
 *
 * An attempt is counted before its password is hashed: for the name and the address together, for
 * the address, and for the name. A browser that has signed in with this name before shows a device
 * cookie: its attempts are counted for that browser alone, so that no flood of guesses from
 * elsewhere shuts its owner out. The device cookie signs nobody in. It is signed with a key of its
 * own; a new password or another name makes it worthless.
 */
#ifndef POSTERN_THROTTLE_H
#define POSTERN_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "auth/users.h"
#include "store/store.h"

/* Sizes count the NUL. */
enum {
	THROTTLE_DEVICE_SECONDS = 180 * 24 * 60 * 60,
	THROTTLE_DEVICE_ID_SIZE = 33, /* 128 random bits, hexadecimal */
	THROTTLE_DEVICE_SIZE = 128,
};

/* One attempt to sign in, and where it is counted. */
struct throttle {
	/* The caller's; kept, not copied. */
	const char *name;
	const struct account *account;   /* that the name stands for */
	const char *address;             /* REMOTE_ADDR, or NULL where it tells nothing */
	const struct text_span *devices; /* the values of the device cookies that came */
	size_t device_count;
	/* throttle_count()'s. */
	struct store_bucket buckets[STORE_BUCKETS_MAX];
	size_t count;
	char device[THROTTLE_DEVICE_ID_SIZE]; /* of the browser's good device cookie, or empty */
};

enum throttle_verdict {
	THROTTLE_FAULT, /* it cannot be told: the store is not to be had; the log says why */
	THROTTLE_WAIT,
	THROTTLE_GO,
};

/*
 * Count an attempt; of an IPv6 address the first 64 bits count. On THROTTLE_WAIT nothing is
 * counted, and `*wait` says for how many seconds.
 */
enum throttle_verdict throttle_count(struct throttle *throttle, struct store *store,
    const struct config *config, time_t now, long *wait, const struct log *log);

/*
 * The attempt was right: take it back, and all that were counted for the pair of name and address,
 * or for the device. On a fault the log says why, and the next attempt waits the sooner.
 */
void throttle_forgive(const struct throttle *throttle, struct store *store, time_t now,
    const struct log *log);

/* Is REMOTE_ADDR an address? And is it one of this machine? */
bool throttle_is_address(const char *address, bool *here);

/* Make a device cookie for a user who has just signed in. False, with `out` emptied, on a fault. */
bool throttle_make_device(char out[static THROTTLE_DEVICE_SIZE], const struct throttle *throttle,
    const struct config *config, const struct account *account, time_t now);

#endif
