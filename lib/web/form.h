/*
 * form: the fields of a request body or a query string.
 */
#ifndef POSTERN_FORM_H
#define POSTERN_FORM_H

#include <stdbool.h>
#include <stddef.h>

enum { FORM_BODY_MAX = 8192 }; /* bytes */

/* What a query string is, too. */
#define FORM_TYPE "application/x-www-form-urlencoded"

/* The fields we know; one that was not sent is NULL. The texts lie in the caller's body. */
struct form {
	const char *username, *password, *next, *everywhere;
};

/*
 * Read the fields of a body of `length` bytes and a NUL, which is overwritten. `type` is its
 * Content-Type: application/x-www-form-urlencoded (URL Standard, section 5) or
 * application/json (RFC 8259, nested eight deep at most) with any parameters; an empty body needs
 * none. Fields that we do not know must be well formed too. Of a name that stands twice in a JSON
 * object the last counts.
 *
 * 0, or every field is NULL and the status says why: 415 another type; 400 not what the type
 * says, a field of a form twice, a NUL, not UTF-8; 500 out of memory.
 */
int form_read(struct form *form, char *body, size_t length, const char *type);

#endif
