/*
 * groups: the group file.
 *
 * Like Apache's AuthGroupFile: a `group: name name` a line, `#` comments. A bad line is skipped
 * and named in the log; a group may have several lines.
 */
#ifndef POSTERN_GROUPS_H
#define POSTERN_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/config.h"
#include "base/file.h"
#include "base/log.h"

/* Zero one before the first groups_read(); groups_forget() ends it. */
struct groups {
	struct file file;
	size_t length; /* of the lines that are right: a name, a NUL, members, a NUL */
};

/*
 * Read the file that POSTERN_GROUPS names, if it names one, unless it is the one read before. Call
 * it before each of the others. False when it cannot be read or is open to others; the log says
 * why, and there are no groups.
 */
bool groups_read(struct groups *groups, const struct config *config, time_t now,
    const struct log *log);

/* Is `user` in `group`? Not where no file was read. */
bool groups_have(const struct groups *groups, const char *group, const char *user);

/*
 * Write the names of the groups that `user` is in, with commas between them. False, with `out`
 * emptied, when they do not fit.
 */
bool groups_of(char *out, size_t size, const struct groups *groups, const char *user);

void groups_forget(struct groups *groups);

#endif
