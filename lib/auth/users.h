/*
 * users: the user file.
 *
 * It is an htpasswd file as it exists in the wild: a `name:hash` a line, `#` comments, what
 * follows a second colon is not ours. A bad line is skipped and named in the log; of a name
 * that stands twice the first line counts.
 */
#ifndef POSTERN_USERS_H
#define POSTERN_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"

/* One usable line of the file; both texts lie in the file's own memory. */
struct users_line {
	const char *name, *hash;
	size_t number; /* of the line, the first being 1 */
};

/* Zero one before the first users_read(); users_forget() ends it. */
struct users {
	struct file file;
	struct users_line *lines; /* sorted by name */
	size_t count;
};

/*
 * Read the file, unless it is the one read before. Call it before each users_find(). False
 * when it cannot be read or is open to others; the log says why, and nobody is in `users`.
 */
bool users_read(struct users *users, const char *path, time_t now, const struct log *log);

/*
 * Find a name. True, with `*hash` the user's. False for an unknown name: then `*hash` is a
 * decoy, another user's, chosen by a digest of the name keyed with `key`, to be checked all the
 * same, so that the answer takes as long; it is NULL when the file has no usable line.
 * The hash lives until the next users_read().
 */
bool users_find(const struct users *users, const char *name,
    const unsigned char key[static SECRET_DIGEST_BYTES], const char **hash);

/* Wipe and free everything, and zero `users`. */
void users_forget(struct users *users);

#endif
