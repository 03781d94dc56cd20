#include "state_store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text.h"

enum {
	PATH_SIZE = 640,
	LOCK_BYTES = 16384, /* of LMDB's lock file: room for some 250 processes */
	WALK_SECONDS = 10,
};

static int
open_env(MDB_env **env, const struct store_kind *kind, const char *path)
{
	const unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD;
	int rc = mdb_env_create(env);

	if (rc == 0)
		rc = mdb_env_set_mapsize(*env, kind->max);
	if (rc == 0)
		rc = mdb_env_open(*env, path, kind->synced ? flags : flags | MDB_NOSYNC, 0600);
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
	const struct rlimit limit = { WALK_SECONDS, WALK_SECONDS + 1 };
	int rc = setrlimit(RLIMIT_CPU, &limit) == 0 ? walk(kind, path) : errno;

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
put_aside(const struct store_kind *kind, const char *path, const struct log *log)
{
	char damaged[PATH_SIZE], lock[PATH_SIZE];

	if (!text_format(damaged, sizeof(damaged), "%s.damaged", path) ||
	    !text_format(lock, sizeof(lock), "%s-lock", path))
		return ENAMETOOLONG;
	if (rename(path, damaged) != 0 || unlink(lock) != 0)
		return errno;
	log_event(log, "state", "file=%s reason=\"damaged: %s\"", kind->file, kind->loss);
	return 0;
}

/* -- opening ----------------------------------------------------------------------------- */

/* LMDB writes its lock file as memory, and where the disk is full that kills the process. */
static int
reserve_lock_file(const char *path)
{
	char lock[PATH_SIZE];
	int rc, fd;

	if (!text_format(lock, sizeof(lock), "%s-lock", path))
		return ENAMETOOLONG;
	if ((fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
		return errno;
	rc = posix_fallocate(fd, 0, LOCK_BYTES);
	close(fd);
	return rc;
}

static int
open_database(struct store *store, size_t *entries)
{
	MDB_stat stat = { 0 };
	struct stat file;
	MDB_txn *txn;
	int fd, dead, rc = mdb_env_get_fd(store->env, &fd);

	if (rc == 0 && fstat(fd, &file) != 0)
		rc = errno;
	/* Readers that were killed would keep old pages from being used again. */
	if (rc != 0 || (rc = mdb_reader_check(store->env, &dead)) != 0 ||
	    (rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn)) != 0)
		return rc;
	store->file = file;
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
	struct change change = { .store = store, .log = log, .database = store->database };

	change.rc = mdb_txn_begin(store->env, NULL, write ? 0 : MDB_RDONLY, &change.txn);
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

static int
open_store(struct store *store, const char *path, time_t now, const struct log *log)
{
	size_t entries = 0;
	int rc = reserve_lock_file(path);

	if (rc == 0)
		rc = inspect(store->kind, path);
	if (rc == MDB_CORRUPTED && (rc = put_aside(store->kind, path, log)) == 0)
		rc = reserve_lock_file(path);
	if (rc == 0)
		rc = open_env(&store->env, store->kind, path);
	if (rc == 0)
		rc = open_database(store, &entries);
	if (rc == 0 && entries == 0 && store->kind->fill != NULL) {
		struct change change = begin(store, true, log);

		store->kind->fill(&change, now);
		rc = finish(&change);
	}
	return rc;
}

/* Is the open file still the one that others would open, and has it not been cut? */
static bool
is_current(struct store *store, const char *path)
{
	struct stat file;

	if (store->env == NULL || stat(path, &file) != 0 || file.st_ino != store->file.st_ino ||
	    file.st_dev != store->file.st_dev || file.st_size < store->file.st_size)
		return false;
	store->file = file;
	return true;
}

/* Have it open. Of several processes only one at a time may find out that it is damaged. */
static int
ensure_open(struct store *store, time_t now, const struct log *log)
{
	char path[PATH_SIZE], lock[PATH_SIZE];
	int rc, fd;

	if (!text_format(path, sizeof(path), "%s/%s", store->folder, store->kind->file) ||
	    !text_format(lock, sizeof(lock), "%s/lock", store->folder))
		return ENAMETOOLONG;
	if (is_current(store, path))
		return 0;
	store_close(store);
	if ((fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
		return errno;
	rc = flock(fd, LOCK_EX) == 0 ? open_store(store, path, now, log) : errno;
	close(fd);
	return rc;
}

struct change
store_begin(struct store *store, bool write, time_t now, const struct log *log)
{
	int rc = ensure_open(store, now, log);

	return rc == 0 ? begin(store, write, log)
		       : (struct change){ .store = store, .log = log, .rc = rc };
}

bool
store_finish(struct change *change)
{
	if (finish(change) == 0)
		return true;
	log_event(change->log, "state", "file=%s reason=\"%s\"", change->store->kind->file,
	    mdb_strerror(change->rc));
	store_close(change->store);
	return false;
}

void
store_close(struct store *store)
{
	if (store->env != NULL)
		mdb_env_close(store->env);
	store->env = NULL;
}
