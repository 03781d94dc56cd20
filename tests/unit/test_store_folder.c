/*
 * test_store_folder: files that are damaged or taken away, and processes that meet, or die, at the
 * worst moment.
 */
#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "base/text.h"
#include "store/backend.h"
#include "stored.h"

enum {
	NAME_SIZE = 512,
	NOBODY = 65534,
	RECORD_SIZE = 4096,
	SLOTS = 8,
	CALLS_MAX = 50,
	SWEEPING = 4000
};

#define RECORD "k/ada"
#define VALUE "the value of ada\n"

/* -- system calls -------------------------------------------------------------------------- */

/* What a store asks of the system while it changes something. */
enum call { FLOCK, MKDIR, LINK, RENAME, UNLINK, FSYNC, WRITEV, READV, UTIMENS, CALLS };

/* What happens at such a call: another process that is faster, or a kill. */
static struct {
	void (*act)(void); /* once; NULL: nothing */
	enum call call;
	bool after;
	int skip;         /* so many calls first */
	int die;          /* at the call of this number, before it and after it; 0: never */
	int fails[CALLS]; /* with which errno; 0: it does not */
} at;

static void
note(enum call call, bool after)
{
	if (at.die > 0 && --at.die == 0)
		raise(SIGKILL);
	if (at.act == NULL || at.call != call || at.after != after)
		return;
	if (at.skip > 0) {
		at.skip--;
	} else {
		void (*act)(void) = at.act;

		at.act = NULL;
		act();
	}
}

/* Is such a call to fail? Then errno says why. */
static bool
fails(enum call call)
{
	note(call, false);
	errno = at.fails[call];
	return errno != 0;
}

static int
ended(enum call call, long result)
{
	const int why = errno;

	note(call, true);
	errno = why;
	return (int)result;
}

int
flock(int fd, int operation)
{
	if (fails(FLOCK))
		return -1;
	return ended(FLOCK, syscall(SYS_flock, fd, operation));
}

int
mkdirat(int dir, const char *path, mode_t mode)
{
	if (fails(MKDIR))
		return -1;
	return ended(MKDIR, syscall(SYS_mkdirat, dir, path, mode));
}

int
linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	if (fails(LINK))
		return -1;
	return ended(LINK, syscall(SYS_linkat, from_dir, from, to_dir, to, flags));
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	if (fails(RENAME))
		return -1;
	return ended(RENAME, syscall(SYS_renameat2, from_dir, from, to_dir, to, 0));
}

int
unlinkat(int dir, const char *path, int flags)
{
	if (fails(UNLINK))
		return -1;
	return ended(UNLINK, syscall(SYS_unlinkat, dir, path, flags));
}

int
fsync(int fd)
{
	if (fails(FSYNC))
		return -1;
	return ended(FSYNC, syscall(SYS_fsync, fd));
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	if (fails(WRITEV))
		return -1;
	return ended(WRITEV, syscall(SYS_writev, fd, parts, count));
}

ssize_t
readv(int fd, const struct iovec *parts, int count)
{
	if (fails(READV))
		return -1;
	return syscall(SYS_readv, fd, parts, count);
}

int
futimens(int fd, const struct timespec times[2])
{
	if (fails(UTIMENS))
		return -1;
	return ended(UTIMENS, syscall(SYS_utimensat, fd, NULL, times, 0));
}

/* -- the folder ------------------------------------------------------------------------------ */

static void
begin(struct stored *stored, const char *folder)
{
	memset(&at, 0, sizeof(at));
	stored_empty(folder);
	stored_open(stored, folder);
}

/* The log is emptied; was there one line, which names the file? */
static bool
is_said(struct stored *stored, const char *file)
{
	char named[UNIT_PATH_SIZE];
	bool said;

	snprintf(named, sizeof(named), "event=state file=%s reason=\"", file);
	said = stored->caught.lines == 1 && strstr(stored->caught.text, named) != NULL;
	if (!said)
		print_error("not one line of %s: %s\n", file, stored->caught.text);
	stored->log = unit_log(&stored->caught);
	return said;
}

/* How many files, and the name of one of them, are in a folder of the store; dots too. */
static int
list(const char *folder, const char *kind, char name[static NAME_SIZE])
{
	DIR *files = opendir(stored_path(folder, kind));
	struct dirent *entry;
	int count = 0;

	while (files != NULL && (entry = readdir(files)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, NAME_SIZE, "%s/%s", kind, entry->d_name);
		count++;
	}
	if (files != NULL)
		closedir(files);
	return count;
}

static size_t
read_file(char out[static RECORD_SIZE], const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t length = read(fd, out, RECORD_SIZE);

	assert_in_range(length, 1, RECORD_SIZE - 1);
	close(fd);
	return (size_t)length;
}

/* Put a file in the place of what is there, which may be a folder. */
static void
replace(const char *folder, const char *file, const char *bytes, size_t length)
{
	const char *path = stored_path(folder, file);

	(void)!remove(path);
	unit_write_bytes(path, bytes, length, 0600);
	unit_date(path, UNTIL);
}

/* -- damage --------------------------------------------------------------------------------------
 */

/* The record is damaged: it is none that a caller could have read, and is mended as that. */
static void
check_damaged(const char *row, struct stored *stored)
{
	CHECK_TEXT(row, stored_get(stored, "ada"), DAMAGED);
	CHECK(row, is_said(stored, RECORD));
	CHECK(row, stored_swap(stored, "ada", NOTHING, "b") == STORE_CHANGED);
	CHECK(row, stored_swap(stored, "ada", VALUE, "b") == STORE_CHANGED);
	CHECK(row, stored_swap(stored, "ada", VALUE, NOTHING) == STORE_CHANGED);
	CHECK_TEXT(row, stored_get(stored, "ada"), DAMAGED);
	CHECK(row, is_said(stored, RECORD));
	CHECK(row, stored_swap(stored, "ada", DAMAGED, "b") == STORE_DONE);
	CHECK_TEXT(row, stored_get(stored, "ada"), "b");
	CHECK(row, stored_swap(stored, "ada", "b", "c") == STORE_DONE);
}

/* Each length that is less, each byte that is another, and bytes behind. */
static void
test_damaged_bytes(void **state)
{
	static const unsigned char flips[] = { 0x01, 0x20, 0x80, 0xff };
	char image[RECORD_SIZE], bytes[RECORD_SIZE + 16], row[64];
	struct stored stored;
	size_t length;

	begin(&stored, *state);
	stored_put(&stored, "ada", VALUE);
	length = read_file(image, stored_path(*state, RECORD));
	for (size_t cut = 0; cut < length; cut++) {
		snprintf(row, sizeof(row), "cut to %zu", cut);
		replace(*state, RECORD, image, cut);
		check_damaged(row, &stored);
	}
	for (size_t i = 0; i < COUNT(flips) * length; i++) {
		memcpy(bytes, image, length);
		bytes[i / COUNT(flips)] ^= (char)flips[i % COUNT(flips)];
		snprintf(row, sizeof(row), "byte %zu, %02x", i / COUNT(flips), flips[i % 4]);
		replace(*state, RECORD, bytes, length);
		check_damaged(row, &stored);
	}
	for (size_t more = 1; more <= 16; more++) {
		memcpy(bytes, image, length);
		memset(bytes + length, more % 2 == 0 ? 0 : 'x', more);
		replace(*state, RECORD, bytes, length + more);
		check_damaged("bytes behind", &stored);
	}
	replace(*state, RECORD, image, length);
	assert_string_equal(stored_get(&stored, "ada"), VALUE);
	stored_close(&stored);
}

/* Files that were never records, longer than any of them too. */
static void
test_random_bytes(void **state)
{
	static const size_t lengths[] = { 1, 10, 50, 100, 4096, STORE_VALUE_SIZE - 1,
		STORE_VALUE_SIZE, STORE_VALUE_SIZE + 100, 2 * STORE_VALUE_SIZE };
	static char bytes[2 * STORE_VALUE_SIZE];
	struct stored stored;
	uint64_t seed = 1;

	begin(&stored, *state);
	stored_put(&stored, "ada", VALUE);
	for (size_t i = 0; i < 4 * COUNT(lengths); i++) {
		for (size_t k = 0; k < sizeof(bytes); k++) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			bytes[k] = i < COUNT(lengths) ? (char)i : (char)(seed >> 40);
		}
		replace(*state, RECORD, bytes, lengths[i % COUNT(lengths)]);
		check_damaged("random bytes", &stored);
	}
	stored_close(&stored);
}

/* A record of another name, of another kind, and what is no file. */
static void
test_other_files(void **state)
{
	const struct store_key keys[] = { { "k", "bob" }, { "other", "ada" }, { "k", "adam" } };
	const char *path;
	char image[RECORD_SIZE], named[UNIT_PATH_SIZE];
	struct stored stored;

	begin(&stored, *state);
	stored_put(&stored, "ada", VALUE);
	path = stored_path(*state, RECORD);
	for (size_t i = 0; i < COUNT(keys); i++) {
		assert_int_equal(stored_swap_at(&stored, &keys[i], NOTHING, VALUE, UNTIL, NOW),
		    STORE_DONE);
		snprintf(named, sizeof(named), "%s/%s", keys[i].kind, keys[i].name);
		replace(*state, RECORD, image, read_file(image, stored_path(*state, named)));
		check_damaged(named, &stored);
	}
	path = stored_path(*state, RECORD);
	assert_true(remove(path) == 0 && mkdir(path, 0700) == 0);
	check_damaged("a folder", &stored);
	path = stored_path(*state, RECORD);
	assert_true(remove(path) == 0 && mkdir(path, 0700) == 0);
	unit_write(stored_path(*state, RECORD "/x"), "x");
	check_damaged("a folder that is not empty", &stored);
	path = stored_path(*state, RECORD);
	assert_true(remove(path) == 0 && mkfifo(path, 0600) == 0);
	check_damaged("a pipe that nobody writes to", &stored);
	path = stored_path(*state, RECORD);
	assert_true(remove(path) == 0 && mkdir(path, 0700) == 0);
	assert_int_equal(stored_swap(&stored, "ada", DAMAGED, NOTHING), STORE_DONE);
	assert_string_equal(stored_get(&stored, "ada"), NOTHING);
	stored_close(&stored);
}

#define LETTERS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_NAME (LETTERS LETTERS)

/* No name leads out of the folder of its kind, and each has a file of its own. */
static void
test_where_names_lie(void **state)
{
	static const char *const names[] = { "..", ".", "../x", "/etc/x", "a/b", ".x", "A", "a",
		"%41", "\xc3\x84", LONG_NAME };
	const char *const file_bytes = "abcdefghijklmnopqrstuvwxyz0123456789_-%ABCDEF=/";
	char name[NAME_SIZE];
	struct stored stored;
	struct stat st;

	begin(&stored, *state);
	for (size_t i = 0; i < COUNT(names); i++) {
		stored_put(&stored, names[i], VALUE);
		assert_int_equal(list(*state, "k", name), (int)i + 1);
		CHECK(names[i], text_is_made_of(name, file_bytes) && strlen(name) < 130);
		assert_int_equal(stat(stored_path(*state, name), &st), 0);
		/* Others may read nothing of it. */
		CHECK(names[i], st.st_mode == (S_IFREG | 0600) && st.st_mtime == UNTIL);
	}
	/* Some file systems take A for a. */
	assert_int_equal(access(stored_path(*state, "k/%41"), F_OK), 0);
	stored_count(&stored, (struct store_bucket[]){ stored_bucket(0, 1) }, 1, NOW);
	assert_int_equal(list(*state, ".", name), 3);
	assert_true(stat(stored_path(*state, "k"), &st) == 0 && st.st_mode == (S_IFDIR | 0700));
	assert_true(stat(stored_path(*state, "locks"), &st) == 0 && st.st_mode == (S_IFDIR | 0700));
	assert_true(
	    stat(stored_path(*state, "attempts"), &st) == 0 && st.st_mode == (S_IFREG | 0600));
	stored_close(&stored);
}

static int
descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Whatever is done and fails, nothing is left open, nor beside a record. */
static void
test_nothing_left(void **state)
{
	const struct store_bucket one = stored_bucket(0, 1);
	const int before = descriptors();
	char name[NAME_SIZE];
	struct stored stored;

	begin(&stored, *state);
	for (int i = 0; i < 10; i++) {
		stored_put(&stored, "ada", VALUE);
		assert_int_equal(stored_swap(&stored, "ada", NOTHING, "b"), STORE_CHANGED);
		assert_int_equal(stored_swap(&stored, "ada", VALUE, "c"), STORE_DONE);
		replace(*state, RECORD, "x", 1);
		check_damaged("a byte", &stored);
		assert_int_equal(stored_swap(&stored, "ada", "c", NOTHING), STORE_DONE);
		stored_pass(&stored, one, NOW);
		assert_true(store_uncount(stored.store, &one, 1, NOW, &stored.log));
		assert_int_equal(list(*state, "k", name), 0);
	}
	stored_close(&stored);
	assert_int_equal(descriptors(), before);
}

/* -- faults ----------------------------------------------------------------------------------- */

/* Without its folder every verb fails, and says why once; and works when there is one. */
static void
test_no_folder(void **state)
{
	const struct store_bucket one = stored_bucket(0, 1);
	struct stored stored;
	long wait = -1;

	stored_empty(*state);
	stored_open(&stored, stored_path(*state, "missing"));
	assert_string_equal(stored_get(&stored, "ada"), FAULT);
	assert_non_null(strstr(stored.caught.text, "No such file or directory"));
	assert_true(is_said(&stored, RECORD));
	assert_int_equal(stored_swap(&stored, "ada", NOTHING, "a"), STORE_FAULT);
	assert_int_equal(stored.caught.lines, 1);
	assert_non_null(strstr(stored.caught.text, "No such file or directory"));
	stored.log = unit_log(&stored.caught);
	assert_false(store_count(stored.store, &one, 1, NOW, &wait, &stored.log));
	assert_int_equal(wait, 0);
	assert_int_equal(stored.caught.lines, 1);
	assert_non_null(strstr(stored.caught.text, "No such file or directory"));
	assert_false(store_uncount(stored.store, &one, 1, NOW, &stored.log));
	assert_int_equal(stored.caught.lines, 2);

	assert_int_equal(mkdir(stored.place, 0700), 0);
	stored.log = unit_log(&stored.caught);
	assert_string_equal(stored_get(&stored, "ada"), NOTHING);
	assert_int_equal(stored_swap(&stored, "ada", NOTHING, "a"), STORE_DONE);
	assert_int_equal(stored_pass(&stored, one, NOW), 5);
	stored_close(&stored);
}

/* A record that the disk does not give back is not damaged for that. */
static void
test_bad_disk(void **state)
{
	struct stored stored;

	begin(&stored, *state);
	stored_put(&stored, "ada", "a");
	at.fails[READV] = EIO;
	assert_string_equal(stored_get(&stored, "ada"), FAULT);
	assert_true(is_said(&stored, RECORD));
	assert_int_equal(stored_swap(&stored, "ada", DAMAGED, "b"), STORE_FAULT);
	assert_true(is_said(&stored, RECORD));
	at.fails[READV] = 0;
	assert_string_equal(stored_get(&stored, "ada"), "a");
	stored_close(&stored);
}

/* Where any part of a change fails, it is not done, and what was there stays. */
static void
test_bad_disk_for_changes(void **state)
{
	static const struct {
		const char *name, *before;
		enum call call;
	} cases[] = {
		{ "a new record, its text", NOTHING, WRITEV },
		{ "a new record, its time", NOTHING, UTIMENS },
		{ "a new record, synced", NOTHING, FSYNC },
		{ "a new record, its name", NOTHING, LINK },
		{ "another text", "a", WRITEV },
		{ "another text, its time", "a", UTIMENS },
		{ "another text, synced", "a", FSYNC },
		{ "another text, its name", "a", RENAME },
	};
	char name[NAME_SIZE];

	for (size_t i = 0; i < COUNT(cases); i++) {
		const bool is_new = strcmp(cases[i].before, NOTHING) == 0;
		struct stored stored;

		begin(&stored, *state);
		stored_put(&stored, "bob", "b");
		assert_int_equal(stored_swap(&stored, "ada", NOTHING, cases[i].before), STORE_DONE);
		at.fails[cases[i].call] = EIO;
		CHECK(cases[i].name,
		    stored_swap(&stored, "ada", cases[i].before, "new") == STORE_FAULT);
		CHECK(cases[i].name, strstr(stored.caught.text, strerror(EIO)) != NULL);
		CHECK(cases[i].name, is_said(&stored, RECORD));
		at.fails[cases[i].call] = 0;
		CHECK_TEXT(cases[i].name, stored_get(&stored, "ada"), cases[i].before);
		CHECK(cases[i].name, list(*state, "k", name) == (is_new ? 1 : 2));
		stored_close(&stored);
	}
}

/* What nobody may read but root. */
struct unreadable {
	const char *file;
	/* What each verb says of it, or NULL where it can do without. */
	const char *get, *swap, *count;
};

static const struct unreadable *unreadable;
static char ada_lock[NAME_SIZE]; /* the file of the lock of that record */

static int
use_as_nobody(const char *place, int which)
{
	const struct store_bucket one = stored_bucket(0, 1);
	struct stored stored;
	long wait;

	(void)which;
	EXPECT(geteuid() != 0 || setresuid(NOBODY, NOBODY, NOBODY) == 0);
	stored_open(&stored, place);
	EXPECT(strcmp(stored_get(&stored, "ada"), unreadable->get != NULL ? FAULT : "a") == 0);
	EXPECT(unreadable->get == NULL || is_said(&stored, unreadable->get));
	EXPECT(stored_swap(&stored, "ada", "a", "a") ==
	    (unreadable->swap != NULL ? STORE_FAULT : STORE_DONE));
	EXPECT(unreadable->swap == NULL || is_said(&stored, unreadable->swap));
	EXPECT(store_count(stored.store, &one, 1, NOW, &wait, &stored.log) ==
	    (unreadable->count == NULL));
	EXPECT(
	    unreadable->count == NULL || strstr(stored.caught.text, "Permission denied") != NULL);
	EXPECT(unreadable->count == NULL || is_said(&stored, unreadable->count));
	EXPECT(stored.caught.lines == 0);
	return 0;
}

static int
give_away(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return geteuid() != 0 ? 0 : chown(path, NOBODY, NOBODY);
}

static void
test_unreadable(void **state)
{
	const struct unreadable cases[] = {
		{ RECORD, RECORD, RECORD, NULL },
		{ "k", RECORD, RECORD, NULL },
		{ "attempts", NULL, NULL, "attempts" },
		{ "locks", NULL, ada_lock, "locks/attempts" },
		{ ada_lock, NULL, ada_lock, NULL },
		{ "locks/attempts", NULL, NULL, "locks/attempts" },
		{ "", RECORD, ada_lock, "locks/attempts" }, /* the folder itself */
		{ "other", NULL, NULL, NULL },
	};
	struct stored stored;
	struct stat st;

	for (size_t i = 0; i < COUNT(cases); i++) {
		begin(&stored, *state);
		stored_put(&stored, "ada", "a");
		assert_int_equal(list(*state, "locks", ada_lock), 1);
		stored_pass(&stored, stored_bucket(0, 1), NOW);
		unit_write(stored_path(*state, "other"), "x");
		assert_int_equal(nftw(*state, give_away, 8, FTW_PHYS), 0);
		assert_int_equal(stat(stored_path(*state, cases[i].file), &st), 0);
		assert_int_equal(chmod(stored_path(*state, cases[i].file), 0), 0);
		unreadable = &cases[i];
		CHECK(cases[i].file, stored_at_once(1, use_as_nobody, *state) == 0);
		assert_int_equal(chmod(stored_path(*state, cases[i].file), st.st_mode & 0777), 0);
		/* As root, it is as it was. */
		assert_string_equal(stored_get(&stored, "ada"), "a");
		stored_close(&stored);
	}
	assert_int_equal(chown(*state, geteuid(), getegid()), 0);
}

/* -- locks ----------------------------------------------------------------------------------------
 */

static long
milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int
hold(const char *folder, const char *lock)
{
	int fd = open(stored_path(folder, lock), O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0 && syscall(SYS_flock, fd, LOCK_EX | LOCK_NB) == 0);
	return fd;
}

/* A lock that another one holds is waited for a second, and then named. Nobody waits to read. */
static void
test_lock_held(void **state)
{
	const struct store_bucket one = stored_bucket(0, 1);
	const int before = descriptors();
	struct stored stored;
	long begun, wait;
	int fd;

	begin(&stored, *state);
	stored_put(&stored, "ada", "a");
	assert_int_equal(list(*state, "locks", ada_lock), 1);
	fd = hold(*state, ada_lock);
	begun = milliseconds();
	assert_int_equal(stored_swap(&stored, "ada", "a", "b"), STORE_FAULT);
	assert_in_range(milliseconds() - begun, 900, 10000);
	assert_true(is_said(&stored, ada_lock));
	assert_string_equal(stored_get(&stored, "ada"), "a");
	assert_int_equal(stored_count(&stored, &one, 1, NOW), 0);
	close(fd);
	assert_int_equal(stored_swap(&stored, "ada", "a", "b"), STORE_DONE);

	fd = hold(*state, "locks/attempts");
	begun = milliseconds();
	assert_false(store_count(stored.store, &one, 1, NOW, &wait, &stored.log));
	assert_in_range(milliseconds() - begun, 900, 10000);
	assert_true(is_said(&stored, "locks/attempts"));
	assert_int_equal(stored_swap(&stored, "ada", "b", "c"), STORE_DONE);
	close(fd);
	assert_int_equal(descriptors(), before);
	assert_int_equal(stored_pass(&stored, one, NOW), 4);
	stored_close(&stored);
}

/* A file system that has no locks is named at once, and is not what another process does. */
static void
test_no_locks(void **state)
{
	const int before = descriptors();
	struct stored stored;

	begin(&stored, *state);
	stored_put(&stored, "ada", "a");
	assert_int_equal(list(*state, "locks", ada_lock), 1);
	at.fails[FLOCK] = ENOLCK;
	assert_int_equal(stored_swap(&stored, "ada", "a", "b"), STORE_FAULT);
	assert_non_null(strstr(stored.caught.text, strerror(ENOLCK)));
	assert_true(is_said(&stored, ada_lock));
	assert_int_equal(descriptors(), before);
	at.fails[FLOCK] = 0;
	assert_int_equal(stored_swap(&stored, "ada", "a", "b"), STORE_DONE);
	stored_close(&stored);
}

static const char *hooked_folder, *hooked_lock;
static int hooked_fd;

/* The lock file is taken away, and another process locks the new one. */
static void
exchange_lock(void)
{
	assert_int_equal(unlink(stored_path(hooked_folder, hooked_lock)), 0);
	hooked_fd = hold(hooked_folder, hooked_lock);
}

/* A lock on a file that has lost its name locks nobody out, so it does not count. */
static void
test_lock_exchanged(void **state)
{
	const struct store_bucket one = stored_bucket(0, 1);
	struct stored stored;
	long wait;

	begin(&stored, *state);
	stored_put(&stored, "ada", "a");
	assert_int_equal(list(*state, "locks", ada_lock), 1);
	hooked_folder = *state;
	hooked_lock = ada_lock;
	at.act = exchange_lock;
	at.call = FLOCK;
	assert_int_equal(stored_swap(&stored, "ada", "a", "b"), STORE_FAULT);
	assert_true(at.act == NULL && is_said(&stored, ada_lock));
	close(hooked_fd);
	assert_string_equal(stored_get(&stored, "ada"), "a");

	assert_int_equal(stored_pass(&stored, one, NOW), 5);
	hooked_lock = "locks/attempts";
	at.act = exchange_lock;
	assert_false(store_count(stored.store, &one, 1, NOW, &wait, &stored.log));
	assert_true(at.act == NULL && is_said(&stored, "locks/attempts"));
	close(hooked_fd);
	stored_close(&stored);
}

static void
take_lock_away(void)
{
	assert_int_equal(unlink(stored_path(hooked_folder, ada_lock)), 0);
}

/* Where nobody locks the new file it is for us. */
static void
test_lock_lost(void **state)
{
	struct stored stored;

	begin(&stored, *state);
	stored_put(&stored, "ada", "a");
	assert_int_equal(list(*state, "locks", ada_lock), 1);
	hooked_folder = *state;
	at.act = take_lock_away;
	at.call = FLOCK;
	assert_int_equal(stored_swap(&stored, "ada", "a", "b"), STORE_DONE);
	assert_null(at.act);
	stored_close(&stored);
}

enum { TAKEN = 200, TAKERS = 4, LOCKS = 64, DISTURBANCES = 2000 };

/* Take away the files of locks, or put folders in their places. */
static void
disturb_locks(const char *place)
{
	char lock[32];

	for (int i = 0; i < DISTURBANCES; i++) {
		snprintf(lock, sizeof(lock), "locks/%02d", i % LOCKS);
		(void)!remove(stored_path(place, lock));
		if (i / LOCKS % 2 == 0)
			mkdir(stored_path(place, lock), 0700);
		usleep(20);
	}
}

/* How many of the names it took. */
static int
take_or_disturb(const char *place, int which)
{
	struct stored stored;
	char name[32], mine[32];
	int taken = 0;

	if (which == TAKERS) {
		disturb_locks(place);
		return 0;
	}
	stored_open(&stored, place);
	snprintf(mine, sizeof(mine), "taken by %d", which);
	for (int i = 0; i < TAKEN; i++) {
		enum store_swapped swapped = STORE_FAULT;

		snprintf(name, sizeof(name), "name%d", i);
		while (swapped == STORE_FAULT) {
			stored.log = unit_log(&stored.caught);
			swapped = stored_swap(&stored, name, NOTHING, mine);
		}
		taken += swapped == STORE_DONE;
		if ((strcmp(stored_get(&stored, name), mine) == 0) != (swapped == STORE_DONE))
			_exit(255);
	}
	store_close(stored.store);
	return taken;
}

/* Lock files that are taken away, or become folders, stop nobody; and each name is taken once. */
static void
test_lock_taken_away(void **state)
{
	struct stored stored;
	char name[NAME_SIZE];

	begin(&stored, *state);
	assert_int_equal(stored_at_once(TAKERS + 1, take_or_disturb, *state), TAKEN);
	assert_int_equal(list(*state, "k", name), TAKEN);
	stored_close(&stored);
}

/* A folder in the place of a lock file can be locked as well. */
static void
test_lock_is_a_folder(void **state)
{
	struct stored stored;
	const char *path;
	int fd;

	begin(&stored, *state);
	stored_put(&stored, "ada", "a");
	assert_int_equal(list(*state, "locks", ada_lock), 1);
	path = stored_path(*state, ada_lock);
	assert_true(unlink(path) == 0 && mkdir(path, 0700) == 0);
	assert_int_equal(stored_swap(&stored, "ada", "a", "b"), STORE_DONE);
	fd = open(stored_path(*state, ada_lock), O_RDONLY);
	assert_true(fd >= 0 && syscall(SYS_flock, fd, LOCK_EX | LOCK_NB) == 0);
	assert_int_equal(stored_swap(&stored, "ada", "b", "c"), STORE_FAULT);
	assert_true(is_said(&stored, ada_lock));
	close(fd);
	assert_int_equal(stored_swap(&stored, "ada", "b", "c"), STORE_DONE);
	stored_close(&stored);
}

static const char *hooked_made;

static void
make_folder(void)
{
	assert_int_equal(mkdir(stored_path(hooked_folder, hooked_made), 0700), 0);
}

/* Two who make the same folder at once both find it there. */
static void
test_folders_made_at_once(void **state)
{
	static const char *const folders[] = { "locks", "k" };

	for (size_t i = 0; i < COUNT(folders); i++) {
		struct stored stored;

		begin(&stored, *state);
		hooked_folder = *state;
		hooked_made = folders[i];
		at.act = make_folder;
		at.call = MKDIR;
		at.skip = (int)i;
		CHECK(folders[i], stored_swap(&stored, "ada", NOTHING, "a") == STORE_DONE);
		CHECK(folders[i], at.act == NULL);
		stored_close(&stored);
	}
}

/* -- two who take the same, where locks lock nobody out -------------------------------------- */

static struct {
	struct stored stored;
	const char *old;
	time_t now;
	enum store_swapped swapped;
} other;

/* Another machine, which does not see our locks, takes what we are about to take. */
static void
take_as_other(void)
{
	(void)!unlink(stored_path(hooked_folder, ada_lock));
	other.swapped = stored_swap_at(&other.stored, &(struct store_key){ "k", "ada" }, other.old,
	    "other", UNTIL, other.now);
}

/* When the other one acts, and what becomes of both. */
static const struct {
	const char *name, *before, *other_old;
	enum call call;
	bool after;
	enum store_swapped want, other;
	const char *text;
} races[] = {
	{ "before we write", NOTHING, NOTHING, WRITEV, false, STORE_CHANGED, STORE_DONE, "other" },
	{ "before the link", NOTHING, NOTHING, LINK, false, STORE_CHANGED, STORE_DONE, "other" },
	{ "after the link", NOTHING, NOTHING, LINK, true, STORE_DONE, STORE_CHANGED, "ours" },
	{ "overwritten after the link", NOTHING, WHATEVER, LINK, true, STORE_CHANGED, STORE_DONE,
	    "other" },
	{ "overwritten after the rename", "a", WHATEVER, RENAME, true, STORE_CHANGED, STORE_DONE,
	    "other" },
	{ "taken after the rename", "a", "a", RENAME, true, STORE_DONE, STORE_CHANGED, "ours" },
};

/*
 * Though a lock is of no use, as that of a network file system may be, what was nothing is taken
 * once; and who is overwritten at once does not say that it is done.
 */
static void
test_locks_of_no_use(void **state)
{
	char name[NAME_SIZE];

	for (size_t i = 0; i < COUNT(races); i++) {
		struct stored stored;

		begin(&stored, *state);
		stored_open(&other.stored, *state);
		assert_int_equal(stored_swap(&stored, "ada", WHATEVER, races[i].before),
		    STORE_DONE);
		assert_int_equal(list(*state, "locks", ada_lock), 1);
		hooked_folder = *state;
		other.old = races[i].other_old;
		other.now = NOW;
		at.act = take_as_other;
		at.call = races[i].call;
		at.after = races[i].after;
		CHECK(races[i].name,
		    stored_swap(&stored, "ada", races[i].before, "ours") == races[i].want);
		CHECK(races[i].name, at.act == NULL && other.swapped == races[i].other);
		CHECK_TEXT(races[i].name, stored_get(&stored, "ada"), races[i].text);
		CHECK(races[i].name, list(*state, "k", name) == 1);
		stored_close(&other.stored);
		stored_close(&stored);
	}
}

/* -- processes that die at the worst moment ---------------------------------------------------- */

struct death {
	const char *name, *before, *new;
	time_t until; /* of what was there before */
};

static const struct death *death;

static int
swap_and_die(const char *place, int call)
{
	struct stored stored;

	stored_open(&stored, place);
	at.die = call;
	return stored_swap(&stored, "ada", death->until > NOW ? death->before : NOTHING,
		   death->new) != STORE_DONE;
}

/* Did it die at the call of that number? It leaves what was there or what should be. */
static bool
is_dead_at(int call, struct stored *stored)
{
	const char *old = death->until > NOW ? death->before : NOTHING;
	char text[64];
	int status = 0;
	pid_t pid;

	stored_empty(stored->place);
	assert_int_equal(stored_swap_at(stored, &(struct store_key){ "k", "ada" }, WHATEVER,
			     death->before, death->until, NOW),
	    STORE_DONE);
	if ((pid = fork()) == 0)
		_exit(swap_and_die(stored->place, call));
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	text_copy(text, sizeof(text), stored_get(stored, "ada"));
	CHECK(death->name,
	    strcmp(text, death->new) == 0 || (WIFSIGNALED(status) && strcmp(text, old) == 0));
	CHECK(death->name, stored_swap(stored, "ada", text, "later") == STORE_DONE);
	CHECK_TEXT(death->name, stored_get(stored, "ada"), "later");
	return WIFSIGNALED(status);
}

static void
test_killed_at_each_call(void **state)
{
	static const struct death cases[] = {
		{ "a new record", NOTHING, "b", UNTIL },
		{ "another value", "a", "b", UNTIL },
		{ "no value", "a", NOTHING, UNTIL },
		{ "a record that was over", "a", "b", NOW - 1 },
	};
	struct stored stored;

	begin(&stored, *state);
	for (size_t i = 0; i < COUNT(cases); i++) {
		int call = 1;

		death = &cases[i];
		while (call < CALLS_MAX && is_dead_at(call, &stored))
			call++;
		CHECK(cases[i].name, call > 4 && call < CALLS_MAX);
	}
	stored_close(&stored);
}

/* A done swap is on disk: the file and, where a name is new, its folder were synced last. */
static int synced;

static void
count_sync(void)
{
	synced++;
	at.act = count_sync;
}

static void
test_synced(void **state)
{
	struct stored stored;

	begin(&stored, *state);
	stored_put(&stored, "bob", "b");
	at.call = FSYNC;
	at.act = count_sync;
	for (int i = 0; i < 3; i++) {
		static const char *const steps[] = { NOTHING, "a", "b", NOTHING };

		synced = 0;
		assert_int_equal(stored_swap(&stored, "ada", steps[i], steps[i + 1]), STORE_DONE);
		assert_int_equal(synced, i < 2 ? 2 : 1);
	}
	memset(&at, 0, sizeof(at));
	stored_close(&stored);
}

/* -- sweeping ---------------------------------------------------------------------------------- */

/* Write until no file of that name is there, or so many hundred times. */
static bool
is_swept(struct stored *stored, const char *file, time_t now)
{
	const struct store_key key = { "k", "bob" };

	for (int i = 0; i < SWEEPING && access(stored_path(stored->place, file), F_OK) == 0; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(stored_swap_at(stored, &key, WHATEVER, text, now + 600, now),
		    STORE_DONE);
	}
	return access(stored_path(stored->place, file), F_OK) != 0;
}

/* A record is swept a day after its time, and not before. */
static void
test_swept_records(void **state)
{
	static const struct {
		const char *name, *file;
		time_t until;
	} records[] = {
		{ "good", "k/good", NOW + 10 },
		{ "late", "k/late", NOW - 10 },
		{ "almost", "k/almost", NOW - STORE_KEPT + 1 },
		{ "over", "k/over", NOW - STORE_KEPT },
	};
	struct stored stored;

	begin(&stored, *state);
	for (size_t i = 0; i < COUNT(records); i++)
		assert_int_equal(stored_swap_at(&stored,
				     &(struct store_key){ "k", records[i].name }, NOTHING, "a",
				     records[i].until, NOW - 2 * DAY),
		    STORE_DONE);
	assert_true(is_swept(&stored, "k/over", NOW));
	for (size_t i = 0; i < 3; i++)
		CHECK(records[i].name, access(stored_path(*state, records[i].file), F_OK) == 0);
	assert_string_equal(stored_get(&stored, "good"), "a");
	assert_true(is_swept(&stored, "k/late", NOW + STORE_KEPT - 10));
	assert_true(is_swept(&stored, "k/good", NOW + STORE_KEPT + 10));
	stored_close(&stored);
}

/* Where a folder has more files than are looked at, each has its turn. */
static void
test_swept_among_many(void **state)
{
	enum { MANY = 2500 };
	char name[NAME_SIZE];
	struct stored stored;

	begin(&stored, *state);
	assert_int_equal(mkdir(stored_path(*state, "k"), 0700), 0);
	for (int i = 0; i <= MANY; i++) {
		snprintf(name, sizeof(name), "k/%d", i);
		unit_write(stored_path(*state, name), "x");
		unit_date(stored_path(*state, name), i % MANY == 0 ? NOW - 2 * DAY : NOW);
	}
	/* Those that were made first and last: one of them comes late. */
	assert_true(is_swept(&stored, "k/0", NOW));
	snprintf(name, sizeof(name), "k/%d", MANY);
	assert_true(is_swept(&stored, name, NOW));
	stored_close(&stored);
}

/*
 * What a killed process has left is swept after an hour, and not before. Such a file may have the
 * time of its record already, so only the clock of the machine says how old it is.
 */
static void
test_swept_temporary_files(void **state)
{
	const time_t now = time(NULL), dates[] = { now - 2 * DAY, now, now + 365 * DAY };
	struct stored stored;

	for (size_t i = 0; i < COUNT(dates); i++) {
		begin(&stored, *state);
		assert_int_equal(mkdir(stored_path(*state, "k"), 0700), 0);
		unit_write(stored_path(*state, "k/.left"), "x");
		unit_date(stored_path(*state, "k/.left"), dates[i]);
		/* Only one that is sure to be swept tells that there was a sweep. */
		unit_write(stored_path(*state, "k/over"), "x");
		unit_date(stored_path(*state, "k/over"), now - 2 * DAY);
		assert_true(is_swept(&stored, "k/over", now + 3500));
		assert_int_equal(access(stored_path(*state, "k/.left"), F_OK), 0);
		assert_true(is_swept(&stored, "k/.left", now + 3700));
		stored_close(&stored);
	}
}

static void
renew_as_other(void)
{
	other.swapped = stored_swap_at(&other.stored, &(struct store_key){ "k", "ada" }, NOTHING,
	    "other", UNTIL, NOW);
}

/* Renewed after the sweep has seen that it is over, and before it is locked, a record stays. */
static void
test_renewed_before_swept(void **state)
{
	const struct store_key ada = { "k", "ada" };
	struct stored stored;

	begin(&stored, *state);
	stored_open(&other.stored, *state);
	assert_int_equal(stored_swap_at(&stored, &ada, NOTHING, "a", NOW - 2 * DAY, NOW - 3 * DAY),
	    STORE_DONE);
	for (int i = 0; i < SWEEPING && (i == 0 || at.act != NULL); i++) {
		/* The first lock is that of the change, and the next one that of the sweep. */
		at.act = renew_as_other;
		at.call = FLOCK;
		at.skip = 1;
		stored_put(&stored, "bob", i % 2 == 0 ? "a" : "b");
	}
	assert_null(at.act);
	assert_int_equal(other.swapped, STORE_DONE);
	assert_string_equal(stored_get(&stored, "ada"), "other");
	stored_close(&other.stored);
	stored_close(&stored);
}

enum { RENEWED = 300 };

static int
renew_or_sweep(const char *place, int which)
{
	struct stored stored;
	char name[32];

	stored_open(&stored, place);
	for (int i = 0; i < RENEWED; i++) {
		if (which == 0) {
			snprintf(name, sizeof(name), "renewed%d", i);
			while (stored_swap(&stored, name, NOTHING, "new") == STORE_FAULT)
				stored.log = unit_log(&stored.caught);
			EXPECT(strcmp(stored_get(&stored, name), "new") == 0);
		} else {
			snprintf(name, sizeof(name), "writer%d", which);
			for (int k = 0; k < 5; k++)
				stored_swap(&stored, name, WHATEVER, k % 2 == 0 ? "a" : "b");
			stored.log = unit_log(&stored.caught);
		}
	}
	store_close(stored.store);
	return 0;
}

/* Records renewed while others sweep are there in the end. */
static void
test_renewed_while_swept(void **state)
{
	struct stored stored;
	char name[32];

	begin(&stored, *state);
	for (int i = 0; i < RENEWED; i++) {
		snprintf(name, sizeof(name), "renewed%d", i);
		assert_int_equal(stored_swap_at(&stored, &(struct store_key){ "k", name }, NOTHING,
				     "old", NOW - 2 * DAY, NOW - 3 * DAY),
		    STORE_DONE);
	}
	assert_int_equal(stored_at_once(4, renew_or_sweep, *state), 0);
	for (int i = 0; i < RENEWED; i++) {
		snprintf(name, sizeof(name), "renewed%d", i);
		CHECK_TEXT(name, stored_get(&stored, name), "new");
	}
	stored_close(&stored);
}

/* -- attempts -----------------------------------------------------------------------------------
 */

/* Of those that begin alike a row has room for eight: they differ in the last byte. */
static struct store_bucket
bucket_of_row(unsigned n)
{
	struct store_bucket bucket = stored_bucket(0, 1);

	memset(bucket.key, 7, sizeof(bucket.key));
	bucket.key[STORE_BUCKET_KEY_BYTES - 1] = (unsigned char)n;
	return bucket;
}

/* A bucket that is emptied is so for every clock: for one that is behind, and after it was set
 * back. */
static void
test_emptied(void **state)
{
	struct store_bucket one = stored_bucket(0, 1);
	struct stored stored;

	begin(&stored, *state);
	assert_int_equal(stored_count(&stored, &one, 1, NOW), 0);
	assert_true(store_uncount(stored.store, &one, 1, NOW, &stored.log));
	assert_int_equal(stored_pass(&stored, one, NOW - DAY), 5);
	stored_close(&stored);

	begin(&stored, *state);
	one.back = one.size;
	assert_int_equal(stored_pass(&stored, one, NOW + STORE_SLACK), 5);
	assert_true(store_uncount(stored.store, &one, 1, NOW, &stored.log));
	assert_int_equal(stored_pass(&stored, one, NOW), 5);
	stored_close(&stored);
}

/* Of nine buckets in one row the one that is empty soonest is forgotten, and no other. */
static void
test_full_row(void **state)
{
	for (unsigned least = 0; least < SLOTS; least++) {
		struct stored stored;

		begin(&stored, *state);
		for (unsigned n = 0; n < SLOTS; n++)
			for (int attempts = n == least ? 2 : 3; attempts > 0; attempts--)
				assert_int_equal(stored_count(&stored,
						     (struct store_bucket[]){ bucket_of_row(n) }, 1,
						     NOW),
				    0);
		for (unsigned n = 100; n < 200; n++)
			assert_int_equal(stored_count(&stored,
					     (struct store_bucket[]){ bucket_of_row(n) }, 1, NOW),
			    0);
		for (unsigned n = 0; n < SLOTS; n++)
			if (n != least)
				assert_int_equal(stored_pass(&stored, bucket_of_row(n), NOW), 2);
		assert_int_equal(stored_pass(&stored, bucket_of_row(least), NOW), 5);
		stored_close(&stored);
	}
}

/* A row full of buckets that are empty by now, or that a clock which was ahead has filled. */
static void
test_row_of_other_times(void **state)
{
	const time_t times[] = { NOW - 1000, NOW - 365 * DAY, NOW + 1000, NOW + 365 * DAY };

	for (size_t i = 0; i < COUNT(times); i++) {
		struct stored stored;

		begin(&stored, *state);
		for (unsigned n = 1; n <= SLOTS; n++)
			assert_int_equal(stored_pass(&stored, bucket_of_row(n), times[i]), 5);
		assert_int_equal(stored_pass(&stored, bucket_of_row(0), NOW), 5);
		for (unsigned n = SLOTS + 1; n < 2 * SLOTS; n++)
			assert_int_equal(stored_pass(&stored, bucket_of_row(n), NOW), 5);
		assert_int_equal(stored_pass(&stored, bucket_of_row(0), NOW), 0);
		stored_close(&stored);
	}
}

/* What is given back to a bucket that was forgotten, or refused, drives out no other. */
static void
test_row_keeps_what_it_has(void **state)
{
	const long backs[] = { 100, 500, 1000 };

	for (size_t i = 0; i < COUNT(backs); i++) {
		struct store_bucket both[] = { bucket_of_row(100), stored_bucket(1, 1) };
		struct stored stored;

		both[0].back = backs[i];
		begin(&stored, *state);
		for (unsigned n = 0; n < SLOTS; n++)
			assert_int_equal(stored_pass(&stored, bucket_of_row(n), NOW), 5);
		assert_true(store_uncount(stored.store, both, 1, NOW, &stored.log));
		assert_int_equal(stored_pass(&stored, both[1], NOW), 5);
		assert_int_equal(stored_count(&stored, both, 2, NOW), 100);
		for (unsigned n = 0; n < SLOTS; n++)
			assert_int_equal(stored_pass(&stored, bucket_of_row(n), NOW), 0);
		stored_close(&stored);
	}
}

enum { FLOOD = 100000, FULL = 20, ATTEMPTS_MAX = 2 << 20 };

/* A flood of one kind leaves the others as they are, and what is full in its own. */
static void
test_flood(void **state)
{
	struct store_bucket one;
	struct stored stored;
	struct stat st;

	begin(&stored, *state);
	for (unsigned n = 0; n < FULL; n++)
		for (unsigned kind = 0; kind < STORE_BUCKET_KINDS; kind++)
			assert_int_equal(stored_pass(&stored, stored_bucket(kind, FLOOD + n), NOW),
			    5);
	for (unsigned n = 0; n < FLOOD; n++) {
		one = stored_bucket(1, n);
		assert_int_equal(stored_count(&stored, &one, 1, NOW), 0);
	}
	for (unsigned n = 0; n < FULL; n++)
		for (unsigned kind = 0; kind < STORE_BUCKET_KINDS; kind++)
			assert_int_equal(stored_pass(&stored, stored_bucket(kind, FLOOD + n), NOW),
			    0);
	assert_int_equal(stored_pass(&stored, stored_bucket(1, 2 * FLOOD), NOW), 5);
	assert_int_equal(stat(stored_path(*state, "attempts"), &st), 0);
	assert_in_range(st.st_size, 1, ATTEMPTS_MAX);
	stored_close(&stored);
}

enum harm { CUT, ZEROS, ONES, RANDOM, REMOVED, FOLDER };

static void
harm_attempts(const char *folder, enum harm harm, off_t length)
{
	const char *path = stored_path(folder, "attempts");
	static unsigned char bytes[1 << 16];
	uint64_t seed = (uint64_t)length;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		bytes[i] = harm == ZEROS ? 0 : harm == ONES ? 0xff : (unsigned char)(seed >> 40);
	}
	if (harm == CUT) {
		assert_int_equal(truncate(path, length), 0);
	} else if (harm == REMOVED || harm == FOLDER) {
		assert_int_equal(unlink(path), 0);
		assert_true(harm == REMOVED || mkdir(path, 0700) == 0);
	} else {
		int fd = open(path, O_WRONLY);

		for (off_t done = 0; done < length; done += (off_t)sizeof(bytes))
			assert_true(write(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes));
		close(fd);
	}
}

/* Whatever happens to the attempts, they are counted again by all who have the store open. */
static void
test_harmed_attempts(void **state)
{
	static const struct {
		const char *name;
		enum harm harm;
		off_t length;
	} cases[] = {
		{ "emptied", CUT, 0 },
		{ "cut to a byte", CUT, 1 },
		{ "cut within a slot", CUT, 100 },
		{ "cut somewhere", CUT, 123457 },
		{ "zeros", ZEROS, ATTEMPTS_MAX },
		{ "ones", ONES, ATTEMPTS_MAX },
		{ "random bytes", RANDOM, ATTEMPTS_MAX },
		{ "random bytes, and too long", RANDOM, 2 * ATTEMPTS_MAX },
		{ "removed", REMOVED, 0 },
		{ "a folder in its place", FOLDER, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct stored stored;

		begin(&stored, *state);
		stored_open(&other.stored, *state);
		for (unsigned n = 0; n < 100; n++) {
			stored_pass(&stored, stored_bucket(n % 4, n), NOW);
			stored_pass(&other.stored, stored_bucket(n % 4, n), NOW);
		}
		harm_attempts(*state, cases[i].harm, cases[i].length);
		for (unsigned n = 0; n < 100; n++) {
			const struct store_bucket new = stored_bucket(n % 4, 1000 + n);

			CHECK(cases[i].name, stored_pass(&stored, new, NOW) == 5);
			CHECK(cases[i].name, stored_pass(&other.stored, new, NOW) == 0);
		}
		stored_close(&other.stored);
		stored_close(&stored);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged_bytes),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_where_names_lie),
		cmocka_unit_test(test_nothing_left),
		cmocka_unit_test(test_no_folder),
		cmocka_unit_test(test_bad_disk),
		cmocka_unit_test(test_bad_disk_for_changes),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_lock_held),
		cmocka_unit_test(test_no_locks),
		cmocka_unit_test(test_lock_exchanged),
		cmocka_unit_test(test_lock_lost),
		cmocka_unit_test(test_folders_made_at_once),
		cmocka_unit_test(test_lock_taken_away),
		cmocka_unit_test(test_lock_is_a_folder),
		cmocka_unit_test(test_locks_of_no_use),
		cmocka_unit_test(test_killed_at_each_call),
		cmocka_unit_test(test_synced),
		cmocka_unit_test(test_swept_records),
		cmocka_unit_test(test_swept_among_many),
		cmocka_unit_test(test_swept_temporary_files),
		cmocka_unit_test(test_renewed_before_swept),
		cmocka_unit_test(test_renewed_while_swept),
		cmocka_unit_test(test_emptied),
		cmocka_unit_test(test_full_row),
		cmocka_unit_test(test_row_of_other_times),
		cmocka_unit_test(test_row_keeps_what_it_has),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_harmed_attempts),
	};

	return cmocka_run_group_tests_name("store_folder", tests, unit_make_memory_folder,
	    unit_remove_folder);
}
