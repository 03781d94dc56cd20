/*
 * cookie: the Cookie header and Set-Cookie (RFC 6265).
 */
#ifndef POSTERN_COOKIE_H
#define POSTERN_COOKIE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

enum { COOKIE_SET_SIZE = 2604 };

/*
 * Find the next cookie called `name` in the header text at `*at`, and move `*at` past it; `value`
 * lies in the header. False when there is none. Only `;` separates pairs: a value may have a comma
 * in it, and `__Host-` would protect nothing if a neighbour could hide a cookie of that name behind
 * one.
 */
bool cookie_next(struct text_span *value, const char **at, const char *name);

/*
 * Make the text of a Set-Cookie header for the whole site and this browser only. `max_age` in
 * seconds; 0 takes the cookie away. False, with `out` emptied, when it does not fit.
 */
bool cookie_set(char out[static COOKIE_SET_SIZE], const char *name, const char *value, long max_age,
    bool secure);

#endif
