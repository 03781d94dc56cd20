/*
 * users: the user file: who exists, and whether this is the password.
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

#include "auth/password.h"
#include "auth/token.h"
#include "base/config.h"
#include "base/file.h"
#include "base/log.h"

/* Zero one before the first users_read(); users_forget() ends it. */
struct users {
	struct file file;
	struct users_line *lines; /* sorted by name */
	size_t count;
};

/* What is known of the account that a name stands for. */
struct account {
	const struct users_line *line; /* users' own; NULL where there are no users */
	char user[TEXT_NAME_SIZE];
	bool known;
	/* A digest of the user's line, keyed with each secret: it changes with the password. */
	char pwv[2][TOKEN_PWV_SIZE];
	size_t pwv_count;
};

/*
 * Read the file that POSTERN_USERS names, unless it is the one read before. Call it before each of
 * the others. False when it cannot be read or is open to others; the log says why, and nobody is in
 * `users`.
 */
bool users_read(struct users *users, const struct config *config, time_t now,
    const struct log *log);

/*
 * Find the account of a name. An unknown name stands for another user's account, chosen by a digest
 * of the name that is keyed with the secret: all that is asked of it costs the work of a known one.
 * The account lives until the next users_read().
 */
void users_find(struct account *account, const struct users *users, const char *name,
    const struct config *config);

/*
 * Is this the password (1 to 511 bytes) of the account? Never of an unknown one, though it is
 * hashed all the same.
 */
enum password users_check(const struct account *account, const char *password);

/* Is this the pwv of the account? */
bool users_has_pwv(const struct account *account, const char pwv[static TOKEN_PWV_SIZE]);

void users_forget(struct users *users);

#endif
