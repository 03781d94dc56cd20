#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

/* NULL, or why this file is not to be trusted so far. */
static const char *
distrust(const struct stat *st, enum file_trust trust)
{
	static const struct {
		enum file_trust trust;
		mode_t bits;
		const char *wrong;
	} rules[] = {
		{ FILE_ANYBODYS, S_IWOTH, "can be changed by others: chmod o-w" },
		{ FILE_OURS, S_IWOTH, "can be changed by others: chmod o-w" },
		{ FILE_OURS, S_IWGRP, "can be changed by its group: chmod g-w" },
		{ FILE_SECRET, S_IRWXO, "is open to others: chmod 600" },
		{ FILE_SECRET, S_IWGRP | S_IXGRP, "can be changed by its group: chmod 600" },
	};

	if (trust != FILE_ANYBODYS && st->st_uid != 0 && st->st_uid != geteuid())
		return "belongs to another user: chown it to root or to the user that runs this "
		       "program";
	for (size_t i = 0; i < COUNT(rules); i++) {
		if (trust == rules[i].trust && (st->st_mode & rules[i].bits) != 0)
			return rules[i].wrong;
	}
	if (trust == FILE_SECRET && (st->st_mode & S_IRGRP) != 0 && st->st_uid != 0)
		return "can be read by its group and is not root's: chmod 600";
	return NULL;
}

/* Open a file that may be trusted, and fill `st`. -1, with `why`, when it may not. */
static int
open_trusted(const char *path, enum file_trust trust, struct stat *st, struct text_why *why)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *reason = NULL;

	why->text[0] = '\0';
	if (fd < 0 || fstat(fd, st) != 0)
		reason = strerror(errno);
	else if (!S_ISREG(st->st_mode))
		reason = "is not a regular file";
	else
		reason = distrust(st, trust);
	if (reason == NULL)
		return fd;
	text_refuse(why, "%s", reason);
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool
is_same(const struct file *file, const struct stat *st)
{
	return file->text != NULL && file->settled && file->device == st->st_dev &&
	    file->inode == st->st_ino && file->length == (size_t)st->st_size &&
	    file->changed.tv_sec == st->st_mtim.tv_sec &&
	    file->changed.tv_nsec == st->st_mtim.tv_nsec;
}

static bool
read_anew(struct file *file, int fd, const struct stat *st, time_t now, struct text_why *why)
{
	const size_t length = (size_t)st->st_size;
	char *text = malloc(length + 1);
	ssize_t got = 1;
	size_t have = 0;

	if (text == NULL)
		return text_refuse(why, "%s", strerror(errno));
	file_forget(file);
	*file = (struct file){
		.text = text,
		.length = length,
		.device = st->st_dev,
		.inode = st->st_ino,
		.changed = st->st_mtim,
		/* A file changed just now may change again within one tick and keep its time. */
		.settled = st->st_mtim.tv_sec < now - 1 || st->st_mtim.tv_sec > now + 1,
	};
	/* The byte for the NUL takes one that a file has too many. */
	while (have <= length && got != 0) {
		got = read(fd, text + have, length + 1 - have);
		if (got < 0 && errno != EINTR)
			break;
		have += got > 0 ? (size_t)got : 0;
	}
	text[length] = '\0';
	return (got == 0 && have == length) || text_refuse(why, "changed while it was read");
}

enum file_read
file_read(struct file *file, const char *path, size_t max, enum file_trust trust, time_t now,
    struct text_why *why)
{
	enum file_read result = FILE_FAULT;
	struct stat st;
	int fd = open_trusted(path, trust, &st, why);

	if (fd >= 0 && is_same(file, &st))
		result = FILE_UNCHANGED;
	else if (fd >= 0 && (size_t)st.st_size > max)
		text_refuse(why, "is too large");
	else if (fd >= 0 && read_anew(file, fd, &st, now, why))
		result = FILE_READ;
	if (fd >= 0)
		close(fd);
	if (result == FILE_FAULT)
		file_forget(file);
	return result;
}

bool
file_is_trusted(const char *path, enum file_trust trust, struct text_why *why)
{
	struct stat st;
	int fd = open_trusted(path, trust, &st, why);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool
file_is_private_folder(const char *path, struct text_why *why)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return text_refuse(why, "%s", strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return text_refuse(why, "is not a folder");
	if (st.st_uid != geteuid())
		return text_refuse(why,
		    "belongs to another user: chown it to the user that runs this program");
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return text_refuse(why, "is open to others: chmod 700");
	return access(path, R_OK | W_OK | X_OK) == 0 || text_refuse(why, "%s", strerror(errno));
}

void
file_forget(struct file *file)
{
	if (file->text != NULL)
		secret_wipe(file->text, file->length);
	free(file->text);
	*file = (struct file){ 0 };
}

/* -- lines --------------------------------------------------------------------------------- */

struct file_line
file_first_line(struct file *file)
{
	struct file_line line = { .rest = file->text, .end = file->text + file->length };

	if (text_begins(line.rest, TEXT_BYTE_ORDER_MARK))
		line.rest += strlen(TEXT_BYTE_ORDER_MARK);
	return line;
}

bool
file_next_line(struct file_line *line)
{
	while (line->rest < line->end) {
		char *stop = memchr(line->rest, '\n', (size_t)(line->end - line->rest));

		if (stop == NULL)
			stop = line->end;
		line->text = line->rest;
		line->rest = stop + 1;
		line->number++;
		*stop = '\0';
		if (stop > line->text && stop[-1] == '\r')
			*--stop = '\0';
		line->has_nul = line->text + strlen(line->text) < stop;
		if (line->has_nul || (line->text[0] != '\0' && line->text[0] != '#'))
			return true;
	}
	return false;
}

/* -- where it lies ------------------------------------------------------------------------- */

/* What follows `root` in `path`, or NULL where it does not begin so. */
static const char *
after(const char *path, const char *root)
{
	size_t length = strlen(root);

	while (length > 0 && root[length - 1] == '/')
		length--;
	return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0')
	    ? path + length
	    : NULL;
}

static bool
is_below(const char *path, const char *root)
{
	const char *rest = after(path, root);

	return rest != NULL && strstr(rest, "/.ht") == NULL && strstr(rest, "/../") == NULL;
}

bool
file_is_in(const char *path, const char *root)
{
	return root[0] != '\0' && after(path, root) != NULL;
}

bool
file_is_served(const char *path, const char *root)
{
	char real_path[PATH_MAX], real_root[PATH_MAX];

	if (path[0] == '\0' || root[0] == '\0')
		return false;
	/* A path that cannot be resolved is judged as it is written. */
	if (realpath(path, real_path) == NULL)
		text_copy(real_path, sizeof(real_path), path);
	if (realpath(root, real_root) == NULL)
		text_copy(real_root, sizeof(real_root), root);
	return is_below(path, root) || is_below(path, real_root) || is_below(real_path, real_root);
}
