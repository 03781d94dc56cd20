/*
 * redirect: is this a safe place to return to?
 *
 * Everything that a request wants to become a Location goes through here, the raw REQUEST_URI
 * too: a target is a path of this site, never a host.
 */
#ifndef POSTERN_REDIRECT_H
#define POSTERN_REDIRECT_H

#include <stdbool.h>

enum {
	REDIRECT_SIZE = 1025,          /* the longest target, with the NUL */
	REDIRECT_LOCATION_SIZE = 2048, /* so that a whole reply's header fits nginx's 4 KiB */
};

/*
 * Copy `in` to `out`, bytes above 0x7e percent-encoded, when it is a target: `/`, then neither
 * `/` nor `\`; no control character, space or `\` anywhere; its path, percent-decoded once,
 * still begins so and has no control character. Else false, and `out` is emptied.
 */
bool redirect_accept(char out[static REDIRECT_SIZE], const char *in);

/*
 * Make `login`?next=`target`, encoded as a query (RFC 3986, section 3.4). Where that does not
 * fit, or `target` is empty, it is `login` alone, which is shorter than `out`.
 */
void redirect_location(char out[static REDIRECT_LOCATION_SIZE], const char *login,
    const char *target);

#endif
