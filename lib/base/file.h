/*
 * file: a file read whole, if it can be trusted; its lines; where it lies.
 */
#ifndef POSTERN_FILE_H
#define POSTERN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "base/text.h"

/* Zero one before the first file_read(). Only `text` and `length` are for the caller. */
struct file {
	char *text; /* the bytes and a NUL; NULL until something was read */
	size_t length;
	dev_t device;
	ino_t inode;
	struct timespec changed;
	bool settled; /* its time is old enough to tell the next change */
};

enum file_read {
	FILE_FAULT,     /* `why` says what is the matter; `file` is emptied */
	FILE_UNCHANGED, /* `file` holds it already */
	FILE_READ,      /* `file` holds it now */
};

/* Who may read and write a file that is read. */
enum file_trust {
	FILE_ANYBODYS, /* others may not write to it */
	FILE_OURS,     /* it is root's or ours, and nobody else may write to it */
	/* It is root's or ours and gives others nothing; its group may read it if it is root's. */
	FILE_SECRET,
};

/*
 * Read the regular file `path` of at most `max` bytes into `file`, unless it is the one read
 * before: same inode, size and time of change. `now` tells whether that time can be trusted.
 * The caller ends it with file_forget().
 */
enum file_read file_read(struct file *file, const char *path, size_t max, enum file_trust trust,
    time_t now, struct text_why *why);

/* Could file_read() read `path` now, with this trust? Else `why` says what is the matter. */
bool file_is_trusted(const char *path, enum file_trust trust, struct text_why *why);

/*
 * Could this program, and no other user, write to the folder `path`? Else `why` says what is the
 * matter.
 */
bool file_is_private_folder(const char *path, struct text_why *why);

/* Wipe and free what was read, and zero `file`. */
void file_forget(struct file *file);

/* A line of a file that was read. */
struct file_line {
	char *text;    /* in the file's own memory: without LF or CR LF, and a NUL at its end */
	size_t number; /* of the line, the first being 1 */
	bool has_nul;  /* the text has a NUL byte before its end */
	/* The rest is file_next_line()'s own. */
	char *rest, *end;
};

/* Before the first line. A byte order mark is skipped. */
struct file_line file_first_line(struct file *file);

/* Take the next line that is neither empty nor a `#` comment. False when there is none. */
bool file_next_line(struct file_line *line);

/* Is `path`, as it is written, in the folder `root`, or that itself? An empty root is none. */
bool file_is_in(const char *path, const char *root);

/*
 * Could a web server whose document root is `root` hand out the file `path`, or what is in the
 * folder `path`? It could if that is the root, or it or a symbolic link on the way to it lies
 * below the root, and no part of its path from there on begins with `.ht`. An empty path or root
 * is none.
 */
bool file_is_served(const char *path, const char *root);

#endif
