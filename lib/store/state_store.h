/*
 * state_store: an LMDB environment in one file of a folder.
 *
 * It is opened when it is first needed, opened again when the file was replaced or anything went
 * wrong, and begun anew when the file is damaged. Only lib/store/state_lmdb.c is its caller.
 */
#ifndef POSTERN_STATE_STORE_H
#define POSTERN_STATE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"

struct MDB_env;
struct MDB_txn;
struct change;

enum { STORE_PATH_SIZE = 640 };

struct store_kind {
	const char *file;                                /* its name */
	const char *loss;                                /* what begins anew with it, for the log */
	bool synced;                                     /* on disk when a change is finished */
	size_t max;                                      /* bytes that it may grow to */
	void (*fill)(struct change *change, time_t now); /* what a new one has in it, or NULL */
};

/* Zero one before its first use, but for `kind` and `folder`; store_close() ends it. */
struct store {
	const struct store_kind *kind;
	const char *folder;
	struct MDB_env *env; /* NULL while it is not open */
	unsigned database;
	/* What is open: its own, and LMDB's lock file, which goes with it. */
	char paths[2][STORE_PATH_SIZE];
	struct stat files[2];
};

/* A transaction: steps are taken while `rc` is 0, and one that goes wrong sets it. */
struct change {
	struct store *store;
	const struct log *log;
	struct MDB_txn *txn; /* NULL when it could not begin */
	int rc;              /* an errno or an error of LMDB */
};

/* Begin a transaction; one that only reads waits for no writer. */
struct change store_begin(struct store *store, bool write, time_t now, const struct log *log);

/*
 * End it: keep what was written, or undo it all if a step went wrong. False when one did: the
 * log says what, and the store is closed, to be opened again; or, if it was damage, begun anew.
 */
bool store_finish(struct change *change);

void store_close(struct store *store);

#endif
