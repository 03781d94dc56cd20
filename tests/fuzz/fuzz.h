/*
 * fuzz: what the harnesses share: a check that is never compiled away, texts in memory of just
 * their size, a file in memory.
 */
#ifndef POSTERN_FUZZ_H
#define POSTERN_FUZZ_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* A harness: run one input. It returns 0; a finding ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A finding, unless `condition` holds. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/*
 * A copy of `length` bytes and a NUL, so placed that a sanitizer sees one byte too far. The
 * caller frees it.
 */
static inline char *
fuzz_text(const void *bytes, size_t length)
{
	char *text = malloc(length + 1);

	CHECK(text != NULL);
	if (length > 0)
		memcpy(text, bytes, length);
	text[length] = '\0';
	return text;
}

/* Take what stands before the next NUL, or all there is, as a text. The caller frees it. */
static inline char *
fuzz_part(const uint8_t **data, size_t *size)
{
	size_t length = strnlen((const char *)*data, *size);
	char *text = fuzz_text(*data, length);

	*data += length;
	*size -= length;
	if (*size > 0) {
		++*data;
		--*size;
	}
	return text;
}

/* Take the first byte, or 0 where there is none. */
static inline uint8_t
fuzz_byte(const uint8_t **data, size_t *size)
{
	if (*size == 0)
		return 0;
	--*size;
	return *(*data)++;
}

enum { FUZZ_PATH_SIZE = 32 };

/* Make a private file in memory as the descriptor `fd`; `path` is where it can be opened. */
static inline void
fuzz_file(char path[static FUZZ_PATH_SIZE], int fd)
{
	int made = memfd_create("postern-fuzz", MFD_CLOEXEC);

	CHECK(made >= 0 && fchmod(made, 0600) == 0 && dup3(made, fd, O_CLOEXEC) == fd);
	close(made);
	snprintf(path, FUZZ_PATH_SIZE, "/proc/self/fd/%d", fd);
}

/* Make these bytes all that is in the file. */
static inline void
fuzz_write(int fd, const void *bytes, size_t length)
{
	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, length, 0) == (ssize_t)length);
}

/* What a log line must be, whatever it tells of. */
static inline void
fuzz_check_line(void *to, const char *line, size_t length)
{
	(void)to;
	CHECK(length > 1 && line[length - 1] == '\n' && strncmp(line, "postern: event=", 15) == 0);
	for (size_t i = 0; i + 1 < length; i++)
		CHECK(line[i] >= ' ' && line[i] <= '~');
}

#endif
