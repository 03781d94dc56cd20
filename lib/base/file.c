#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/text.h"

/* NULL, or what makes this file another user's. */
static const char *
disown(const struct stat *st)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "belongs to another user: chown it to root or to the user that runs this "
		       "program";
	return NULL;
}

/* NULL, or what makes this file one whose secrets others may know or change. */
static const char *
distrust(const struct stat *st)
{
	const char *reason = disown(st);

	if (reason != NULL)
		return reason;
	if ((st->st_mode & S_IRWXO) != 0)
		return "is open to others: chmod 600";
	if ((st->st_mode & (S_IWGRP | S_IXGRP)) != 0)
		return "can be changed by its group: chmod 600";
	if ((st->st_mode & S_IRGRP) != 0 && st->st_uid != 0)
		return "can be read by its group and is not root's: chmod 600";
	return NULL;
}

static bool
is_same(const struct file *file, const struct stat *st)
{
	return file->text != NULL && file->settled && file->device == st->st_dev &&
	    file->inode == st->st_ino && file->length == (size_t)st->st_size &&
	    file->changed.tv_sec == st->st_mtim.tv_sec &&
	    file->changed.tv_nsec == st->st_mtim.tv_nsec;
}

/* Read exactly `length` bytes and find the end there. */
static bool
read_whole(int fd, char *out, size_t length)
{
	size_t have = 0;
	char more;

	while (have < length) {
		ssize_t got = read(fd, out + have, length - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		have += (size_t)got;
	}
	return read(fd, &more, 1) == 0;
}

/* Open a file that may be trusted, and fill `st`. -1, with `reason`, when it may not. */
static int
open_trusted(const char *path, bool secret, struct stat *st, const char **reason)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		*reason = strerror(errno);
		return -1;
	}
	if (fstat(fd, st) != 0)
		*reason = strerror(errno);
	else if (!S_ISREG(st->st_mode))
		*reason = "is not a regular file";
	else if (secret)
		*reason = distrust(st);
	else if ((st->st_mode & S_IWOTH) != 0)
		*reason = "can be changed by others: chmod o-w";
	if (*reason == NULL)
		return fd;
	close(fd);
	return -1;
}

static enum file_read
read_anew(struct file *file, int fd, const struct stat *st, time_t now, const char **reason)
{
	char *text = malloc((size_t)st->st_size + 1);

	if (text == NULL) {
		*reason = strerror(errno);
		return FILE_FAULT;
	}
	file_forget(file);
	*file = (struct file){
		.text = text,
		.length = (size_t)st->st_size,
		.device = st->st_dev,
		.inode = st->st_ino,
		.changed = st->st_mtim,
		/* A file changed just now may change again within one tick and keep its time. */
		.settled = st->st_mtim.tv_sec < now - 1 || st->st_mtim.tv_sec > now + 1,
	};
	text[file->length] = '\0';
	if (!read_whole(fd, text, file->length)) {
		*reason = "changed while it was read";
		return FILE_FAULT;
	}
	return FILE_READ;
}

enum file_read
file_read(struct file *file, const char *path, size_t max, bool secret, time_t now,
    char why[static FILE_WHY_SIZE])
{
	enum file_read result = FILE_FAULT;
	const char *reason = NULL;
	struct stat st;
	int fd = open_trusted(path, secret, &st, &reason);

	why[0] = '\0';
	if (fd >= 0) {
		if (is_same(file, &st))
			result = FILE_UNCHANGED;
		else if ((size_t)st.st_size > max)
			reason = "is too large";
		else
			result = read_anew(file, fd, &st, now, &reason);
		close(fd);
	}
	if (result == FILE_FAULT) {
		file_forget(file);
		text_copy(why, FILE_WHY_SIZE, reason);
	}
	return result;
}

bool
file_is_private(const char *path, char why[static FILE_WHY_SIZE])
{
	const char *reason = NULL;
	struct stat st;
	int fd = open_trusted(path, true, &st, &reason);

	why[0] = '\0';
	if (fd < 0)
		text_copy(why, FILE_WHY_SIZE, reason);
	else
		close(fd);
	return fd >= 0;
}

bool
file_is_ours(const char *path, char why[static FILE_WHY_SIZE])
{
	const char *reason = NULL;
	struct stat st;
	int fd = open_trusted(path, false, &st, &reason);

	if (fd >= 0) {
		reason = disown(&st);
		if (reason == NULL && (st.st_mode & S_IWGRP) != 0)
			reason = "can be changed by its group: chmod g-w";
		close(fd);
	}
	text_copy(why, FILE_WHY_SIZE, reason != NULL ? reason : "");
	return reason == NULL;
}

/* Is it of a network, or, like sshfs, of who knows where? */
static bool
is_remote(const struct statfs *system)
{
	static const unsigned types[] = { NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, 0xff534d42 /* CIFS */,
		0xfe534d42 /* SMB 2 */, CODA_SUPER_MAGIC, AFS_SUPER_MAGIC, AFS_FS_MAGIC, V9FS_MAGIC,
		NCP_SUPER_MAGIC, 0x00c36400 /* Ceph */, 0x65735546 /* FUSE */ };
	bool remote = false;

	for (size_t i = 0; i < COUNT(types); i++)
		remote = remote || types[i] == (unsigned)system->f_type;
	return remote;
}

bool
file_is_private_folder(const char *path, char why[static FILE_WHY_SIZE])
{
	const char *reason = NULL;
	struct statfs system;
	struct stat st;

	if (stat(path, &st) != 0 || statfs(path, &system) != 0)
		reason = strerror(errno);
	else if (!S_ISDIR(st.st_mode))
		reason = "is not a folder";
	else if (is_remote(&system))
		reason = "is on a network file system, where it cannot be shared safely";
	else if (st.st_uid != geteuid())
		reason = "belongs to another user: chown it to the user that runs this program";
	else if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		reason = "is open to others: chmod 700";
	else if (access(path, R_OK | W_OK | X_OK) != 0)
		reason = strerror(errno);
	why[0] = '\0';
	if (reason != NULL)
		text_copy(why, FILE_WHY_SIZE, reason);
	return reason == NULL;
}

void
file_forget(struct file *file)
{
	if (file->text != NULL)
		secret_wipe(file->text, file->length);
	free(file->text);
	*file = (struct file){ 0 };
}

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
	/* What cannot be resolved is judged as it is written. */
	if (realpath(path, real_path) == NULL)
		text_copy(real_path, sizeof(real_path), path);
	if (realpath(root, real_root) == NULL)
		text_copy(real_root, sizeof(real_root), root);
	return is_below(path, root) || is_below(path, real_root) || is_below(real_path, real_root);
}
