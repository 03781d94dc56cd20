/*
 * unit: what the unit tests share: checks that name their row, a temporary folder, a caught log.
 */
#ifndef POSTERN_UNIT_H
#define POSTERN_UNIT_H

/* cmocka.h wants the first four. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Fail, with the name of the row, unless `condition` holds. */
#define CHECK(row, condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("%s: %s", row, #condition);                                       \
	} while (0)

/* Fail, with the name of the row, unless the two texts are the same. */
#define CHECK_TEXT(row, got, want)                                                                 \
	do {                                                                                       \
		const char *got_ = (got), *want_ = (want);                                         \
		if (strcmp(got_, want_) != 0)                                                      \
			fail_msg("%s: %s is \"%s\", not \"%s\"", row, #got, got_, want_);          \
	} while (0)

/* -- a temporary folder --------------------------------------------------------------- */

enum { UNIT_PATH_SIZE = 256 };

/* Make a new folder in another one. */
static inline int
unit_make_folder_in(void **state, const char *place)
{
	char *folder = malloc(UNIT_PATH_SIZE);

	*state = folder;
	if (folder == NULL)
		return -1;
	snprintf(folder, UNIT_PATH_SIZE, "%s/postern-unit-%s", place, "XXXXXX");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

/* A group's setup: `*state` is the path of a new folder. */
static inline int
unit_make_folder(void **state)
{
	return unit_make_folder_in(state, "/tmp");
}

/* The same, in memory where there is such a place. */
static inline int
unit_make_memory_folder(void **state)
{
	return unit_make_folder_in(state, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline int
unit_remove(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return remove(path);
}

/* A group's teardown. */
static inline int
unit_remove_folder(void **state)
{
	int result = nftw(*state, unit_remove, 8, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return result;
}

static inline void
unit_path(char out[static UNIT_PATH_SIZE], const char *folder, const char *name)
{
	assert_in_range(snprintf(out, UNIT_PATH_SIZE, "%s/%s", folder, name), 1,
	    UNIT_PATH_SIZE - 1);
}

static inline void
unit_write_bytes(const char *path, const char *bytes, size_t length, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_true(write(fd, bytes, length) == (ssize_t)length);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static inline void
unit_write(const char *path, const char *text)
{
	unit_write_bytes(path, text, strlen(text), 0600);
}

/* Give a file a time of its last change. */
static inline void
unit_date(const char *path, time_t when)
{
	const struct timespec times[2] = { { .tv_sec = when }, { .tv_sec = when } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* -- a log that is caught -------------------------------------------------------------- */

struct unit_log {
	char text[16384];
	size_t length, lines;
};

static inline void
unit_catch(void *to, const char *line, size_t length)
{
	struct unit_log *caught = to;

	assert_true(caught->length + length < sizeof(caught->text));
	memcpy(caught->text + caught->length, line, length);
	caught->length += length;
	caught->text[caught->length] = '\0';
	caught->lines++;
}

/* A log whose lines end up in `caught`, emptied first. */
static inline struct log
unit_log(struct unit_log *caught)
{
	*caught = (struct unit_log){ .length = 0 };
	return (struct log){ unit_catch, caught };
}

#endif
