/*
 * file: a file read whole, if it can be trusted.
 */
#ifndef POSTERN_FILE_H
#define POSTERN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

enum { FILE_WHY_SIZE = 96 };

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

/*
 * Read the regular file `path` of at most `max` bytes into `file`, unless it is the one read
 * before: same inode, size and time of change. `now` tells whether that time can be trusted.
 *
 * No others may write to it. A `secret` file must belong to root or to the effective user, give
 * nothing to others, nothing but reading to its group, and that only if it is root's.
 *
 * The caller ends it with file_forget().
 */
enum file_read file_read(struct file *file, const char *path, size_t max, bool secret, time_t now,
    char why[static FILE_WHY_SIZE]);

/* Could file_read() read `path` as a secret file now? Else `why` says what is the matter. */
bool file_is_private(const char *path, char why[static FILE_WHY_SIZE]);

/*
 * Can nobody change the file `path` but root and the effective user? Others may read it. Else
 * `why` says what is the matter.
 */
bool file_is_ours(const char *path, char why[static FILE_WHY_SIZE]);

/*
 * Could this program, and no other user, write to the folder `path`, and is it on a file system
 * of this machine, so that its processes can share memory through a file? Else `why` says what
 * is the matter.
 */
bool file_is_private_folder(const char *path, char why[static FILE_WHY_SIZE]);

/* Wipe and free what was read, and zero `file`. */
void file_forget(struct file *file);

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
