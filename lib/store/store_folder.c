/*
 * store_folder: a folder of plain files, of which none is open between two calls.
 *
 *	KIND/NAME	a record: a line of its digest and its key, then the value. It is
 *			written beside its name, synced and renamed. Its mtime says when it is over.
 *	attempts	the buckets, in slots of fixed places; not synced
 *	locks/NUMBER	who changes a record holds one of these; the name chooses which
 *	locks/attempts	who changes a bucket holds this
 *
 * Locks of a network file system may hold on one machine only: a record that must be made once is
 * made with link(2), which fails where the name is taken.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/text.h"
#include "store/backend.h"

enum {
	LOCKS = 64,
	LOCK_MS = 1000, /* how long another process may hold a lock */
	LOCK_STEP_MS = 2,
	PLAIN_MAX = 100, /* bytes of a file name that says all of a key's name */
	PLAIN_BEGIN = 40,
	DIGEST_BYTES = 16,
	DIGEST_SIZE = 2 * DIGEST_BYTES + 1,
	PATH_SIZE = 1024,
	FILE_SIZE = 160, /* of a path below the folder */
	LOCK_SIZE = 24,
	HEAD_SIZE = DIGEST_SIZE + STORE_NAME_SIZE + 64,
	ROWS = 2048,      /* of each kind of bucket */
	SLOTS = 8,        /* of a row */
	SWEEP_EVERY = 64, /* changes */
	SWEEP_MAX = 1000, /* records that are looked at */
	SWEEP_NAMES_MAX = 65536,
	TEMPORARY_SECONDS = 3600,
	FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
};

/* Say in the log what became of a file, by errno. False. */
static bool
fail(const struct log *log, const char *file)
{
	log_event(log, "state", "file=%s reason=\"%s\"", file,
	    errno == ETIMEDOUT ? "another process has it locked" : strerror(errno));
	return false;
}

static void
digest(char out[static DIGEST_SIZE], const char *key, const char *text)
{
	unsigned char bytes[SECRET_DIGEST_BYTES];

	secret_digest(bytes, key, strlen(key), text, strlen(text));
	secret_hex(out, bytes, DIGEST_BYTES);
}

/*
 * KIND/NAME as a path. A byte that is not of [a-z0-9_-] is %XX: some file systems take A for a. A
 * name that is long so ends with a digest.
 */
static void
name_file(char out[static FILE_SIZE], const struct store_key *key)
{
	char escaped[3 * STORE_NAME_SIZE], whole[DIGEST_SIZE];

	text_percent_encode(escaped, sizeof(escaped), key->name,
	    "abcdefghijklmnopqrstuvwxyz0123456789_-");
	if (strlen(escaped) <= PLAIN_MAX) {
		text_format(out, FILE_SIZE, "%s/%s", key->kind, escaped);
		return;
	}
	digest(whole, "", key->name);
	text_format(out, FILE_SIZE, "%s/%.*s=%s", key->kind, PLAIN_BEGIN, escaped, whole);
}

/* The lock of a record, by its file: what sweeps knows no more of it. */
static void
name_lock(char out[static LOCK_SIZE], const char *file)
{
	unsigned char bytes[SECRET_DIGEST_BYTES];

	secret_digest(bytes, "", 0, file, strlen(file));
	text_format(out, LOCK_SIZE, "locks/%02d", bytes[0] % LOCKS);
}

/* A descriptor that holds the lock until it is closed; or -1, and errno says why. */
static int
take_lock(int root, const char *lock, int wait_ms)
{
	const struct timespec step = { 0, LOCK_STEP_MS * 1000000L };
	struct stat held, named;

	for (;; wait_ms -= LOCK_STEP_MS) {
		/* NFS locks no file that is open for reading only: flock(2). */
		int fd = openat(root, lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		/* A folder can be locked as well. */
		if (fd < 0 && errno == EISDIR)
			fd = openat(root, lock, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT && mkdirat(root, "locks", 0700) == 0)
			continue;
		if (fd < 0 && errno != EEXIST)
			return -1;
		errno = EWOULDBLOCK;
		/* A file that was replaced meanwhile locks nothing. */
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 &&
		    fstatat(root, lock, &named, 0) == 0 && held.st_ino == named.st_ino &&
		    held.st_dev == named.st_dev)
			return fd;
		if (fd >= 0 && close(fd) == 0 && errno != EWOULDBLOCK && errno != ENOENT)
			return -1;
		errno = ETIMEDOUT;
		if (wait_ms <= 0)
			return -1;
		nanosleep(&step, NULL);
	}
}

/* A name that no record has. */
static bool
make_name(char out[static DIGEST_SIZE])
{
	unsigned char random[DIGEST_BYTES / 2];

	if (!secret_random(random, sizeof(random)))
		return false;
	out[0] = '.';
	secret_hex(out + 1, random, sizeof(random));
	return true;
}

/* Rename what errno says is a folder in the place of a file. */
static bool
put_aside(int dir, const char *name)
{
	char aside[DIGEST_SIZE];

	return errno == EISDIR && make_name(aside) && renameat(dir, name, dir, aside) == 0;
}

/* -- records ------------------------------------------------------------------------------- */

static size_t
make_head(char head[static HEAD_SIZE], const struct store_key *key, const char *text)
{
	char of_text[DIGEST_SIZE];

	digest(of_text, key->name, text);
	return (size_t)snprintf(head, HEAD_SIZE, "%s %s/%s\n", of_text, key->kind, key->name);
}

/*
 * Read a record whole. False on a fault, and errno says why. A record that is damaged is none: a
 * folder in its place, bytes that are not what was written, the record of another key.
 */
static bool
read_record(int root, const char *file, const struct store_key *key, struct store_value *value,
    time_t now)
{
	char head[HEAD_SIZE], seen[HEAD_SIZE];
	/* A digest, a space, the key's slash and a line feed. */
	const size_t length = DIGEST_SIZE + strlen(key->kind) + strlen(key->name) + 2;
	const struct iovec parts[] = { { seen, length }, { value->text, STORE_VALUE_SIZE } };
	int fd = openat(root, file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st = { 0 };
	ssize_t got = -1;

	value->found = STORE_NOTHING;
	value->text[0] = '\0';
	if (fd < 0)
		return errno == ENOENT;
	if (fstat(fd, &st) == 0)
		got = readv(fd, parts, COUNT(parts));
	close(fd);
	if (got < 0 && errno != EISDIR)
		return false;
	value->found = STORE_DAMAGED;
	if (got >= (ssize_t)length && got < (ssize_t)length + STORE_VALUE_SIZE) {
		value->text[(size_t)got - length] = '\0';
		make_head(head, key, value->text);
		if (memcmp(head, seen, length) == 0 && strlen(value->text) == (size_t)got - length)
			value->found = st.st_mtime > now ? STORE_TEXT : STORE_NOTHING;
	}
	if (value->found != STORE_TEXT)
		value->text[0] = '\0';
	return true;
}

static bool
get(void *folder, const struct store_key keys[], struct store_value values[], size_t count,
    time_t now, const struct log *log)
{
	char file[FILE_SIZE], path[PATH_SIZE];

	for (size_t i = 0; i < count; i++) {
		name_file(file, &keys[i]);
		errno = ENAMETOOLONG;
		/* Where there is no record, is there a folder? */
		if (!text_format(path, sizeof(path), "%s/%s", (char *)folder, file) ||
		    !read_record(AT_FDCWD, path, &keys[i], &values[i], now) ||
		    (values[i].found == STORE_NOTHING && access(folder, X_OK) != 0))
			return fail(log, file);
		if (values[i].found == STORE_DAMAGED)
			log_event(log, "state", "file=%s reason=\"it is damaged\"", file);
	}
	return true;
}

/*
 * Make the record `new`, which was `current`. False on a fault, and errno says why: EEXIST where
 * there was none, and a process that does not see our lock was faster.
 */
static bool
change_record(int dir, const char *name, const struct store_key *key,
    const struct store_value *current, const char *new, time_t until, time_t now)
{
	const struct timespec times[2] = { { .tv_sec = until }, { .tv_sec = until } };
	char head[HEAD_SIZE], beside[DIGEST_SIZE];
	struct iovec parts[2];
	struct stat st;
	ssize_t length;
	bool done;
	int fd, why;

	if (new == NULL && current->found == STORE_NOTHING)
		return true;
	if (new == NULL)
		return (unlinkat(dir, name, 0) == 0 || put_aside(dir, name)) && fsync(dir) == 0;
	if (!make_name(beside) ||
	    (fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		return false;
	parts[0] = (struct iovec){ head, make_head(head, key, new) };
	parts[1] = (struct iovec){ (char *)new, strlen(new) };
	length = (ssize_t)(parts[0].iov_len + parts[1].iov_len);
	errno = ENOSPC;
	done =
	    writev(fd, parts, COUNT(parts)) == length && futimens(fd, times) == 0 && fsync(fd) == 0;
	done = close(fd) == 0 && done;
	if (done && current->found == STORE_NOTHING) {
		/* A record that is over still has the name. */
		if (fstatat(dir, name, &st, 0) == 0 && st.st_mtime <= now)
			unlinkat(dir, name, 0);
		done = linkat(dir, beside, dir, name, 0) == 0;
	} else if (done) {
		done = renameat(dir, beside, dir, name) == 0 ||
		    (put_aside(dir, name) && renameat(dir, beside, dir, name) == 0);
	}
	done = done && fsync(dir) == 0;
	why = errno;
	unlinkat(dir, beside, 0);
	errno = why;
	return done;
}

static bool
is_same(const struct store_value *old, const struct store_value *current)
{
	return old == NULL ||
	    (old->found == current->found && strcmp(old->text, current->text) == 0);
}

/* What swap() does while it holds the lock; `current` is room for a value. */
static enum store_swapped
swap_locked(int root, int dir, const char *file, const struct store_key *key,
    const struct store_value *old, struct store_value *current, const char *new, time_t until,
    time_t now)
{
	const struct store_value wanted = { STORE_TEXT, (char *)new };

	if (!read_record(root, file, key, current, now))
		return STORE_FAULT;
	/* A command whose reply was lost comes again. */
	if (!is_same(old, current))
		return new == NULL || !is_same(&wanted, current) ? STORE_CHANGED : STORE_DONE;
	if (!change_record(dir, strrchr(file, '/') + 1, key, current, new, until, now))
		return errno == EEXIST ? STORE_CHANGED : STORE_FAULT;
	/* Read again: another machine may not see our lock. */
	if (new == NULL || until <= now)
		return STORE_DONE;
	if (!read_record(root, file, key, current, now))
		return STORE_FAULT;
	return is_same(&wanted, current) ? STORE_DONE : STORE_CHANGED;
}

/* Is this file of no use any more: a record long over, or what a killed process has left? */
static bool
is_litter(int dir, const char *name, time_t now)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(st.st_mode))
		return false;
	/* The mtime of a temporary file is that of its record. */
	return name[0] == '.' ? st.st_ctime <= now - TEMPORARY_SECONDS
			      : st.st_mtime <= now - STORE_KEPT;
}

/* Remove litter of one kind: look at some of the files, from a place that chance chooses. */
static void
sweep(int root, int dir, const char *kind, time_t now)
{
	char file[FILE_SIZE + NAME_MAX], lock[LOCK_SIZE];
	const int copy = dup(dir);
	DIR *files = copy >= 0 ? fdopendir(copy) : NULL;
	unsigned random = 0;
	struct dirent *entry;
	long count = 0, start;

	if (files == NULL) {
		close(copy);
		return;
	}
	while (count < SWEEP_NAMES_MAX && readdir(files) != NULL)
		count++;
	rewinddir(files);
	secret_random(&random, sizeof(random));
	/* Each has the same chance, the first ones too. */
	start = count > SWEEP_MAX ? random % (count + SWEEP_MAX - 1) - (SWEEP_MAX - 1) : 0;
	for (long i = 0; i < start + SWEEP_MAX && (entry = readdir(files)) != NULL; i++) {
		int fd;

		if (i < start || !is_litter(dir, entry->d_name, now))
			continue;
		text_format(file, sizeof(file), "%s/%s", kind, entry->d_name);
		name_lock(lock, file);
		if ((fd = take_lock(root, lock, 0)) < 0)
			continue;
		/* A record may have been renewed before it was locked. */
		if (is_litter(dir, entry->d_name, now))
			unlinkat(dir, entry->d_name, 0);
		close(fd);
	}
	closedir(files);
}

static enum store_swapped
swap(void *folder, const struct store_key *key, const struct store_value *old, const char *new,
    time_t until, time_t now, const struct log *log)
{
	struct store_value current = { .text = malloc(STORE_VALUE_SIZE) };
	char file[FILE_SIZE], lock[LOCK_SIZE];
	enum store_swapped swapped = STORE_FAULT;
	int root = -1, fd = -1, dir = -1;
	unsigned char chance = 1;

	name_file(file, key);
	name_lock(lock, file);
	if (current.text != NULL && (root = open(folder, FOLDER)) >= 0 &&
	    (fd = take_lock(root, lock, LOCK_MS)) >= 0)
		dir = openat(root, key->kind, FOLDER);
	if (fd >= 0 && dir < 0 && errno == ENOENT &&
	    (mkdirat(root, key->kind, 0700) == 0 || errno == EEXIST)) {
		fsync(root);
		dir = openat(root, key->kind, FOLDER);
	}
	if (dir >= 0)
		swapped = swap_locked(root, dir, file, key, old, &current, new, until, now);
	if (swapped == STORE_FAULT)
		fail(log, fd < 0 && current.text != NULL ? lock : file);
	close(fd);
	if (swapped == STORE_DONE && secret_random(&chance, 1) && chance % SWEEP_EVERY == 0)
		sweep(root, dir, key->kind, now);
	if (dir >= 0)
		secret_wipe(current.text, strlen(current.text));
	close(dir);
	close(root);
	free(current.text);
	return swapped;
}

/* -- attempts ------------------------------------------------------------------------------ */

struct slot {
	unsigned char key[STORE_BUCKET_KEY_BYTES];
	int64_t empty_at; /* 0: free */
};

/* A bucket, and where it is in the file. */
struct found {
	off_t at;
	struct slot slot; /* that is empty now, if it was before */
	bool is_there;
	bool ahead; /* more than full: the clock was set back */
};

/*
 * Find the slot of a bucket, else the one of its row that will be empty soonest; but a time that no
 * attempt can have made goes first. What is not in the file is zero.
 */
static bool
find_bucket(struct found *found, int fd, const struct store_bucket *bucket, time_t now)
{
	const time_t latest = now + bucket->size + STORE_SLACK;
	const unsigned number = (unsigned)(bucket->key[0] << 8 | bucket->key[1]) % ROWS;
	struct slot row[SLOTS] = { 0 }, *slot = row;
	const off_t at = (off_t)(bucket->kind * ROWS + number) * (off_t)sizeof(row);

	*found = (struct found){ .slot.empty_at = now };
	memcpy(found->slot.key, bucket->key, sizeof(bucket->key));
	if (pread(fd, row, sizeof(row), at) < 0)
		return false;
	for (size_t i = 0; i < SLOTS && !found->is_there; i++) {
		found->is_there = memcmp(row[i].key, bucket->key, sizeof(bucket->key)) == 0;
		if (found->is_there ||
		    (slot->empty_at <= latest &&
			(row[i].empty_at > latest || row[i].empty_at < slot->empty_at)))
			slot = &row[i];
	}
	found->at = at + (slot - row) * (off_t)sizeof(*slot);
	found->ahead = found->is_there && slot->empty_at > latest;
	if (found->ahead)
		found->slot.empty_at = now + bucket->size;
	else if (found->is_there && slot->empty_at > now)
		found->slot.empty_at = slot->empty_at;
	return true;
}

/* What change_buckets() does while it holds the lock. */
static bool
change_locked(int fd, const struct store_bucket buckets[], size_t count, time_t now, long *wait)
{
	struct found found[STORE_BUCKETS_MAX];

	for (size_t i = 0; i < count; i++) {
		long over;

		if (!find_bucket(&found[i], fd, &buckets[i], now))
			return false;
		over = found[i].slot.empty_at + buckets[i].cost - now - buckets[i].size;
		if (wait != NULL && over > *wait)
			*wait = over;
	}
	for (size_t i = 0; i < count; i++) {
		struct slot *slot = &found[i].slot;

		/* What is forgotten must not drive out another. */
		if (wait == NULL && !found[i].is_there)
			continue;
		/* A bucket that was ahead drains from now on, or it would stay full until then. */
		if (wait != NULL && *wait > 0 && !found[i].ahead)
			continue;
		if (wait == NULL)
			slot->empty_at -= buckets[i].back;
		else if (*wait == 0)
			slot->empty_at += buckets[i].cost;
		/* An empty bucket has no time: it is empty though the clock be set back. */
		if (wait == NULL && (buckets[i].back >= buckets[i].size || slot->empty_at <= now))
			slot->empty_at = 0;
		errno = ENOSPC;
		if (pwrite(fd, slot, sizeof(*slot), found[i].at) != sizeof(*slot))
			return false;
	}
	return true;
}

/* Count, or take back where `wait` is NULL. */
static bool
change_buckets(void *folder, const struct store_bucket buckets[], size_t count, time_t now,
    long *wait, const struct log *log)
{
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC, root = open(folder, FOLDER);
	int lock = -1, fd = -1;
	bool right = false;

	if (root >= 0 && (lock = take_lock(root, "locks/attempts", LOCK_MS)) >= 0) {
		fd = openat(root, "attempts", flags, 0600);
		if (fd < 0 && put_aside(root, "attempts"))
			fd = openat(root, "attempts", flags, 0600);
		right = fd >= 0 && change_locked(fd, buckets, count, now, wait);
	}
	if (!right)
		fail(log, lock < 0 ? "locks/attempts" : "attempts");
	close(fd);
	close(lock);
	close(root);
	return right;
}

const struct store_backend store_folder = { .get = get, .swap = swap, .count = change_buckets };
