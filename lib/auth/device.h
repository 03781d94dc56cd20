/*
 * device: the cookie of a browser that has signed in before.
 *
 * It says that somebody knew the password here once, and lets the browser's tries be counted by
 * themselves. It signs nobody in. It is signed with a key of its own; a new password or another
 * name makes it worthless.
 */
#ifndef POSTERN_DEVICE_H
#define POSTERN_DEVICE_H

#include <stdbool.h>
#include <time.h>

#include "base/secret.h"

/* Sizes count the NUL. */
enum {
	DEVICE_SECONDS = 180 * 24 * 60 * 60,
	DEVICE_ID_SIZE = 33, /* 128 random bits, hexadecimal */
	DEVICE_SIZE = 128,
};

/*
 * Make the value of the cookie for somebody who has just signed in: `line` is a digest of that
 * user's name and hash, such as "pwv". `id` is that of the cookie before, or empty for a new one.
 * False, with `out` emptied, on a fault.
 */
bool device_make(char out[static DEVICE_SIZE], const char *id, const char *line,
    const unsigned char key[static SECRET_DIGEST_BYTES], time_t now);

/*
 * Is `text` such a value, for this line and not over? Then `id` tells the browser. False, with
 * `id` emptied, if not.
 */
bool device_check(char id[static DEVICE_ID_SIZE], const char *text, const char *line,
    const unsigned char key[static SECRET_DIGEST_BYTES], time_t now);

#endif
