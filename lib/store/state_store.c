#include "store/state_store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"

enum {
	LOCK_BYTES = 16384, /* of LMDB's lock file: room for some 250 processes */
	WALK_SECONDS = 10,
	MARK_SECONDS = 3600,
};

/*
 * For writing even where it is only read: a file that comes from a lower layer of an overlay is
 * then copied before it is mapped, and what others write to the copy is seen.
 */
static int
open_env(MDB_env **env, const struct store_kind *kind, const char *path)
{
	const unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD;
	int dead, rc = mdb_env_create(env);

	if (rc == 0)
		rc = mdb_env_set_mapsize(*env, kind->max);
	if (rc == 0)
		rc = mdb_env_open(*env, path, kind->synced ? flags : flags | MDB_NOSYNC, 0600);
	/* Readers that were killed leave no room for others. */
	if (rc == 0)
		rc = mdb_reader_check(*env, &dead);
	return rc;
}

/* -- is it damaged? ---------------------------------------------------------------------- */

/* See every entry of a database. No key is empty. */
static int
walk_database(MDB_txn *txn, MDB_dbi database)
{
	MDB_val key = { 1, NULL }, value;
	MDB_stat stat = { 0 };
	MDB_cursor *cursor;
	size_t seen = 0;
	int rc = mdb_cursor_open(txn, database, &cursor);

	for (; rc == 0 && key.mv_size > 0; seen++)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	if (rc == MDB_NOTFOUND)
		rc = mdb_stat(txn, database, &stat);
	return rc == 0 && seen - 1 != stat.ms_entries ? MDB_CORRUPTED : rc;
}

/* Read all that is in use. The environment stays open: the process ends with it. */
static int
walk(const struct store_kind *kind, const char *path)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi database;
	int rc = open_env(&env, kind, path);

	if (rc == 0)
		rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
	if (rc == 0)
		rc = mdb_dbi_open(txn, NULL, 0, &database);
	/* Database 0 lists the free pages. */
	if (rc == 0)
		rc = walk_database(txn, 0);
	return rc != 0 ? rc : walk_database(txn, database);
}

/* What the child does. */
static void
look(const struct store_kind *kind, const char *path)
{
	struct rlimit limit;
	int rc;

	if (getrlimit(RLIMIT_CPU, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max < WALK_SECONDS ? limit.rlim_max : WALK_SECONDS;
		setrlimit(RLIMIT_CPU, &limit);
	}
	rc = walk(kind, path);
	if (rc == MDB_READERS_FULL)
		rc = EAGAIN;
	/* LMDB's other errors are negative, those of the system are not. */
	_exit(rc < 0 ? UINT8_MAX : rc);
}

/* Whoever else ended the child says nothing of the file. */
static bool
is_crash(int signal)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU };
	bool crash = false;

	for (size_t i = 0; i < COUNT(crashes); i++)
		crash = crash || crashes[i] == signal;
	return crash;
}

/*
 * 0, an errno, or MDB_CORRUPTED. LMDB believes what it reads, and a damaged file may crash it or
 * send it round in circles: so a child goes first.
 */
static int
inspect(const struct store_kind *kind, const char *path)
{
	struct stat file;
	pid_t child;
	int status;

	if (stat(path, &file) != 0)
		return errno == ENOENT ? 0 : errno;
	if (file.st_size == 0)
		return 0;
	/* Where it is ignored, what became of a child cannot be learned. */
	signal(SIGCHLD, SIG_DFL);
	if ((child = fork()) == 0)
		look(kind, path);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return errno;
	if (WIFSIGNALED(status))
		return is_crash(WTERMSIG(status)) ? MDB_CORRUPTED : EINTR;
	return WEXITSTATUS(status) == UINT8_MAX ? MDB_CORRUPTED : WEXITSTATUS(status);
}

/*
 * Put a damaged file aside. Whoever has it open sees that at the next begin, and keeps its lock
 * file until then: the new one must not share it.
 */
static int
put_aside(const struct store *store, const struct log *log)
{
	char damaged[STORE_PATH_SIZE];

	if (!text_format(damaged, sizeof(damaged), "%s.damaged", store->paths[0]))
		return ENAMETOOLONG;
	if (rename(store->paths[0], damaged) != 0 || unlink(store->paths[1]) != 0)
		return errno;
	log_event(log, "state", "file=%s reason=\"damaged: %s\"", store->kind->file,
	    store->kind->loss);
	return 0;
}

/* -- opening ----------------------------------------------------------------------------- */

/* LMDB writes its lock file as memory, and where the disk is full that kills the process. */
static int
reserve_lock_file(const char *path)
{
	int rc, fd;

	if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
		return errno;
	rc = posix_fallocate(fd, 0, LOCK_BYTES);
	close(fd);
	return rc;
}

/* Fill in what others would open now. */
static bool
identify(const struct store *store, struct stat files[static 2])
{
	return stat(store->paths[0], &files[0]) == 0 && stat(store->paths[1], &files[1]) == 0;
}

/* Are the open files still those that others would open, and have they not been cut? */
static bool
is_current(struct store *store)
{
	struct stat now[2];
	bool same = store->env != NULL && identify(store, now);

	for (size_t i = 0; i < COUNT(now) && same; i++)
		same = now[i].st_ino == store->files[i].st_ino &&
		    now[i].st_dev == store->files[i].st_dev &&
		    now[i].st_size >= store->files[i].st_size;
	if (same)
		memcpy(store->files, now, sizeof(now));
	return same;
}

static int
open_database(struct store *store, size_t *entries)
{
	MDB_stat stat = { 0 };
	MDB_txn *txn;
	int fd, rc = mdb_env_get_fd(store->env, &fd);

	/* Of the file that is open: another may have its name by now. */
	if (rc == 0 && (!identify(store, store->files) || fstat(fd, &store->files[0]) != 0))
		rc = ENOENT;
	if (rc == 0)
		rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return rc;
	if ((rc = mdb_dbi_open(txn, NULL, 0, &store->database)) == 0)
		rc = mdb_stat(txn, store->database, &stat);
	*entries = stat.ms_entries;
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static struct change
begin(struct store *store, bool write, const struct log *log)
{
	struct change change = { .store = store, .log = log };
	const unsigned flags = write ? 0 : MDB_RDONLY;
	int dead;

	/* Readers that were killed would also keep old pages from being used again. */
	if (write)
		mdb_reader_check(store->env, &dead);
	change.rc = mdb_txn_begin(store->env, NULL, flags, &change.txn);
	if (change.rc == MDB_READERS_FULL && mdb_reader_check(store->env, &dead) == 0)
		change.rc = mdb_txn_begin(store->env, NULL, flags, &change.txn);
	return change;
}

/* End a transaction. */
static int
finish(struct change *change)
{
	if (change->rc == 0)
		change->rc = mdb_txn_commit(change->txn);
	else if (change->txn != NULL)
		mdb_txn_abort(change->txn);
	return change->rc;
}

/* Only one process at a time may find out that a file is damaged. A descriptor to close, or -1. */
static int
lock_folder(const struct store *store)
{
	char lock[STORE_PATH_SIZE];
	int fd;

	if (!text_format(lock, sizeof(lock), "%s/lock", store->folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* What the lock file of the folder remembers of a file that was looked at. */
struct mark {
	int64_t device, inode, size, seconds, nanoseconds;
};

/* Nobody can put back the time of a change, as one can that of writing. */
static struct mark
mark_of(const struct store *store)
{
	struct stat file;

	if (stat(store->paths[0], &file) != 0)
		return (struct mark){ 0 };
	return (struct mark){ (int64_t)file.st_dev, (int64_t)file.st_ino, file.st_size,
		file.st_ctim.tv_sec, file.st_ctim.tv_nsec };
}

/* Was the file looked at as it is now, and not long ago? A disk may lose what it holds. */
static bool
is_marked(int lock, const struct mark *mark, time_t now)
{
	struct stat file;
	struct mark seen;

	return pread(lock, &seen, sizeof(seen), 0) == sizeof(seen) &&
	    memcmp(&seen, mark, sizeof(seen)) == 0 && fstat(lock, &file) == 0 &&
	    file.st_mtim.tv_sec <= now && now - file.st_mtim.tv_sec < MARK_SECONDS;
}

/*
 * Look for damage, unless somebody has: in plain CGI every request opens the file anew. One that is
 * not synced may be torn when the machine stops, and be no other by what is remembered of it.
 */
static int
inspect_unmarked(const struct store *store, int lock, time_t now)
{
	const struct mark mark = mark_of(store);
	int rc;

	if (is_marked(lock, &mark, now))
		return 0;
	rc = inspect(store->kind, store->paths[0]);
	/* Where it cannot be marked the next one looks again. */
	if (rc == 0 && store->kind->synced)
		(void)!pwrite(lock, &mark, sizeof(mark), 0);
	return rc;
}

/*
 * While the folder is locked: with a newer LMDB the last one to close it takes the locks apart, and
 * whoever opened it meanwhile would have them so.
 */
static void
close_env(struct store *store)
{
	if (store->env != NULL)
		mdb_env_close(store->env);
	store->env = NULL;
}

static int
open_file(struct store *store, int lock, time_t now)
{
	int rc = reserve_lock_file(store->paths[1]);

	if (rc == 0)
		rc = inspect_unmarked(store, lock, now);
	return rc != 0 ? rc : open_env(&store->env, store->kind, store->paths[0]);
}

static int
open_store(struct store *store, int lock, time_t now, const struct log *log)
{
	size_t entries = 0;
	int rc = open_file(store, lock, now);

	/* LMDB's own errors are negative; of these all but one are of the files. */
	if (rc < 0 && rc != MDB_READERS_FULL) {
		close_env(store);
		if ((rc = put_aside(store, log)) == 0)
			rc = open_file(store, lock, now);
	}
	if (rc == 0)
		rc = open_database(store, &entries);
	if (rc == 0 && entries == 0 && store->kind->fill != NULL) {
		struct change change = begin(store, true, log);

		store->kind->fill(&change, now);
		rc = finish(&change);
	}
	return rc;
}

static int
ensure_open(struct store *store, time_t now, const struct log *log)
{
	int rc, fd;

	if (is_current(store))
		return 0;
	if (!text_format(store->paths[0], STORE_PATH_SIZE, "%s/%s", store->folder,
		store->kind->file) ||
	    !text_format(store->paths[1], STORE_PATH_SIZE, "%s-lock", store->paths[0]))
		return ENAMETOOLONG;
	fd = lock_folder(store);
	rc = errno;
	close_env(store);
	if (fd < 0)
		return rc;
	rc = open_store(store, fd, now, log);
	close(fd);
	return rc;
}

struct change
store_begin(struct store *store, bool write, time_t now, const struct log *log)
{
	struct change change = { .store = store, .log = log };

	while ((change.rc = ensure_open(store, now, log)) == 0) {
		change = begin(store, write, log);
		/* Whoever waited to write may have a file by now that others no longer open. */
		if (!write || change.rc != 0 || is_current(store))
			break;
		mdb_txn_abort(change.txn);
		store_close(store);
	}
	return change;
}

/* The walk has seen no damage, and yet there is some. */
static void
put_aside_current(struct store *store, const struct log *log)
{
	int fd = lock_folder(store);

	if (fd < 0)
		return;
	if (is_current(store))
		put_aside(store, log);
	close(fd);
}

bool
store_finish(struct change *change)
{
	if (finish(change) == 0)
		return true;
	log_event(change->log, "state", "file=%s reason=\"%s\"", change->store->kind->file,
	    mdb_strerror(change->rc));
	if (change->rc == MDB_CORRUPTED || change->rc == MDB_PAGE_NOTFOUND)
		put_aside_current(change->store, change->log);
	store_close(change->store);
	return false;
}

void
store_close(struct store *store)
{
	int fd = store->env != NULL ? lock_folder(store) : -1;

	close_env(store);
	if (fd >= 0)
		close(fd);
}
