/*
 * test_state_store: files that are damaged, disks that are full, processes that are killed.
 */
#include "store/state_store.h"

#include <errno.h>
#include <lmdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "child.h"
#include "store/state.h"

enum {
	FOUNDED = 900000000, /* when the file of ended sessions is new */
	NOW = 1000000000,
	LATER = NOW + 100, /* when it is looked at again */
	UNTIL = NOW + 600,
	PAGE = 4096,
	FULL = 60,
	SESSIONS = 200,
	USERS = 20,
	IMAGE_SIZE = 1 << 20,
	NAME_SIZE = 64,
	NOBODY = 65534,
};

/* A crash of LMDB must be one here too, not a report: the child that looks first counts on it. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "handle_segv=0:handle_sigbus=0:handle_abort=0:abort_on_error=1:detect_leaks=1";
}

/* -- what is in the state, and what must be so later ---------------------------------------- */

/* A bucket that holds five tries, each for a day. */
static struct state_bucket
bucket(unsigned n)
{
	struct state_bucket bucket = { .kind = n % STATE_KINDS,
		.size = 5 * 86400,
		.cost = 86400,
		.back = 86400 };

	for (unsigned i = 0; i < STATE_KEY_BYTES; i++)
		bucket.key[i] = (unsigned char)((n + 1) * 2654435761u >> (8 + i));
	return bucket;
}

/* The sid or the user of that number. */
static const char *
name_of(char out[static NAME_SIZE], const char *what, unsigned n)
{
	snprintf(out, NAME_SIZE, "%08x%s%08u", (n + 1) * 2654435761u, what, n);
	return out;
}

/* Fill the buckets, end the sessions and the users. */
static int
fill(void *folder)
{
	const struct log log = log_stderr();
	struct state *state = state_new(folder, "postern", 0);
	char name[NAME_SIZE];
	long wait;
	bool done = state_session(state, "s", "u", NOW, FOUNDED, &log) == STATE_OPEN;

	for (unsigned n = 0; n < 5 * FULL; n++) {
		struct state_bucket one = bucket(n % FULL);

		done = done && state_count(state, &one, 1, NOW, &wait, &log) && wait == 0;
	}
	for (unsigned n = 0; n < SESSIONS; n++)
		done =
		    done && state_end_session(state, name_of(name, "session", n), NOW, UNTIL, &log);
	for (unsigned n = 0; n < USERS; n++)
		done = done && state_end_user(state, name_of(name, "user", n), NOW, UNTIL, &log);
	state_free(state);
	return !done;
}

/* Say what is not as it must be, and go on. */
#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(2, "%d: %s\n", __LINE__, #condition);                              \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/* No session that was ended is open, whatever happened to the files. */
static int
look_in(struct state *state)
{
	const struct log log = log_stderr();
	char name[NAME_SIZE];

	for (unsigned n = 0; n < SESSIONS; n++)
		EXPECT(state_session(state, name_of(name, "session", n), "x", NOW, LATER, &log) !=
		    STATE_OPEN);
	for (unsigned n = 0; n < USERS; n++)
		EXPECT(state_session(state, "x", name_of(name, "user", n), NOW, LATER, &log) !=
		    STATE_OPEN);
	return 0;
}

static int
look(void *folder)
{
	struct state *state = state_new(folder, "postern", 0);
	int result = look_in(state);

	state_free(state);
	return result;
}

/* And all works: tries are counted, sessions ended, and those from now on are open. */
static int
use(void *folder)
{
	const struct log log = log_stderr();
	struct state *state = state_new(folder, "postern", 0);
	char name[NAME_SIZE];
	long wait;

	for (unsigned n = 0; n < 6 * FULL; n++) {
		struct state_bucket one = bucket(n % FULL);

		EXPECT(state_count(state, &one, 1, NOW, &wait, &log));
		EXPECT(wait == 0 || wait == 86400);
	}
	for (unsigned n = 0; n < FULL; n++) {
		struct state_bucket one = bucket(n);

		EXPECT(state_count(state, &one, 1, NOW, &wait, &log) && wait == 86400);
	}
	EXPECT(state_session(state, "x", "x", LATER + 1, LATER, &log) == STATE_OPEN);
	for (unsigned n = 0; n < 40; n++) {
		name_of(name, "another", n);
		EXPECT(state_end_session(state, name, LATER, UNTIL, &log));
		EXPECT(state_session(state, name, "x", LATER + 1, LATER, &log) == STATE_ENDED);
	}
	state_free(state);
	return 0;
}

static int
look_and_use(void *folder)
{
	return look(folder) != 0 || use(folder) != 0;
}

/* -- damage --------------------------------------------------------------------------------- */

static const char *const files[] = { "tries", "ended" };

/* The two files as they should be. */
static struct image {
	unsigned char bytes[IMAGE_SIZE];
	size_t length;
} images[2];

static struct child child;

/* What a child runs. */
struct alone {
	int (*run)(void *);
	void *folder;
};

static void
remove_file(const char *folder, const char *name, const char *suffix)
{
	char path[UNIT_PATH_SIZE];

	assert_in_range(snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix), 1,
	    sizeof(path) - 1);
	(void)!unlink(path);
}

static void
clear(const char *folder)
{
	for (size_t i = 0; i < COUNT(files); i++) {
		remove_file(folder, files[i], "");
		remove_file(folder, files[i], "-lock");
		remove_file(folder, files[i], ".damaged");
	}
}

/* What runs by itself dies by itself: cmocka would go on with the next test. */
static int
alone(void *argument)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	const struct alone *what = argument;

	for (size_t i = 0; i < COUNT(signals); i++)
		signal(signals[i], SIG_DFL);
	return what->run(what->folder);
}

/* Run it by itself on the folder: it must come to an end, with nothing to say. */
static void
run(const char *row, int (*function)(void *), const char *folder)
{
	struct alone what = { function, (void *)folder };

	child_run(&child, NULL, "", alone, &what);
	if (child.status != 0)
		fail_msg("%s: %d, %s", row, child.status, child.err);
}

static size_t
lines(const char *text)
{
	size_t count = 0;

	for (; (text = strstr(text, "event=state")) != NULL; text++)
		count++;
	return count;
}

static void
take_images(const char *folder)
{
	clear(folder);
	run("a new state", fill, folder);
	for (size_t i = 0; i < COUNT(files); i++) {
		char path[UNIT_PATH_SIZE];
		FILE *file;

		unit_path(path, folder, files[i]);
		assert_non_null(file = fopen(path, "r"));
		images[i].length = fread(images[i].bytes, 1, IMAGE_SIZE, file);
		assert_in_range(images[i].length, 4 * PAGE, IMAGE_SIZE - 1);
		fclose(file);
	}
}

static void
restore(const char *folder)
{
	clear(folder);
	for (size_t i = 0; i < COUNT(files); i++) {
		char path[UNIT_PATH_SIZE];

		unit_path(path, folder, files[i]);
		unit_write_bytes(path, (char *)images[i].bytes, images[i].length, 0600);
	}
}

static unsigned
random_number(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005 + 1442695040888963407;
	return (unsigned)(*seed >> 33);
}

/* Overwrite a part of the file, or cut it. */
enum how { ZEROS, ONES, RANDOM, CUT };

static void
damage(const char *folder, size_t file, enum how how, size_t at, size_t length, uint64_t seed)
{
	static unsigned char bytes[IMAGE_SIZE];
	char path[UNIT_PATH_SIZE];

	restore(folder);
	memcpy(bytes, images[file].bytes, images[file].length);
	for (size_t i = at; i < at + length && i < images[file].length; i++)
		bytes[i] = how == ZEROS ? 0
		    : how == ONES       ? 0xff
					: (unsigned char)random_number(&seed);
	unit_path(path, folder, files[file]);
	unit_write_bytes(path, (char *)bytes, how == CUT ? at : images[file].length, 0600);
}

/*
 * See what becomes of it: either nothing was in use there, or one line says it and the file is
 * put aside. Was it?
 */
static bool
survive(const char *row, const char *folder, size_t file)
{
	char aside[UNIT_PATH_SIZE], want[UNIT_PATH_SIZE];
	bool found;

	run(row, look_and_use, folder);
	unit_path(aside, folder, files[file]);
	strcat(aside, ".damaged");
	found = access(aside, F_OK) == 0;
	snprintf(want, sizeof(want),
	    "postern: event=state file=%s reason=\"damaged: ", files[file]);
	CHECK(row, lines(child.err) == (found ? 1 : 0));
	CHECK(row, !found || strstr(child.err, want) != NULL);
	return found;
}

/* Each page in turn. About half of them are in use. */
static void
test_whole_pages(void **state)
{
	static const struct {
		const char *name;
		enum how how;
		uint64_t seed;
	} cases[] = {
		{ "zeros", ZEROS, 0 },
		{ "ones", ONES, 0 },
		{ "random bytes", RANDOM, 1 },
		{ "other random bytes", RANDOM, 2 },
	};

	for (size_t i = 0; i < COUNT(cases) * COUNT(files); i++) {
		const size_t file = i % COUNT(files), row = i / COUNT(files);
		size_t found = 0;

		for (size_t at = 0; at < images[file].length; at += PAGE) {
			damage(*state, file, cases[row].how, at, PAGE, cases[row].seed + at);
			found += survive(cases[row].name, *state, file);
		}
		CHECK(cases[row].name, found >= 6);
	}
}

static void
test_parts(void **state)
{
	static const struct {
		const char *name;
		enum how how;
		size_t at, length;
		bool found;
	} cases[] = {
		{ "the first bytes", RANDOM, 0, 64, true },
		{ "zeros for the first bytes", ZEROS, 0, 64, true },
		{ "both headers", RANDOM, 0, 2 * PAGE, true },
		{ "the second header", ONES, PAGE, 64, true },
		{ "all but the headers", RANDOM, 2 * PAGE, IMAGE_SIZE, true },
		{ "zeros for all but the headers", ZEROS, 2 * PAGE, IMAGE_SIZE, true },
		{ "all of it", RANDOM, 0, IMAGE_SIZE, true },
		{ "zeros for all of it", ZEROS, 0, IMAGE_SIZE, true },
		{ "cut to one byte", CUT, 1, 0, true },
		{ "cut to a part of the header", CUT, 100, 0, true },
		{ "cut to a page", CUT, PAGE, 0, true },
		{ "cut to the headers", CUT, 2 * PAGE, 0, true },
		{ "cut to less than four pages", CUT, 4 * PAGE - 1, 0, true },
		{ "cut to nothing: that is a new file", CUT, 0, 0, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t file = 0; file < COUNT(files); file++) {
			damage(*state, file, cases[i].how, cases[i].at, cases[i].length, i);
			CHECK(cases[i].name,
			    survive(cases[i].name, *state, file) == cases[i].found);
		}
	}
	for (size_t file = 0; file < COUNT(files); file++) {
		damage(*state, file, CUT, images[file].length / 2, 0, 0);
		CHECK("cut to half", survive("cut to half", *state, file));
	}
}

/* Other files that are no stores, and what takes the place of one. */
static void
test_other_files(void **state)
{
	char path[UNIT_PATH_SIZE];

	for (size_t file = 0; file < COUNT(files); file++) {
		restore(*state);
		unit_path(path, *state, files[file]);
		unit_write(path, "{\"tries\": []}\n");
		assert_true(survive("a text", *state, file));
		/* The one put aside before makes way. */
		unit_write(path, "another text\n");
		assert_true(survive("another text", *state, file));

		assert_int_equal(unlink(path), 0);
		assert_int_equal(mkdir(path, 0700), 0);
		child_run(&child, NULL, "", use, *state);
		assert_int_equal(child.status, 1);
		assert_int_equal(lines(child.err), 1);
		assert_int_equal(rmdir(path), 0);
	}
}

/* Damaged while it is open: it may take that process with it, but never opens a session. */
struct open_damage {
	const char *name;
	enum how how;
	size_t at, length;
};

static const struct open_damage *open_damage;

static int
look_while_damaged(void *folder)
{
	struct state *state = state_new(folder, "postern", 0);
	char path[UNIT_PATH_SIZE];
	uint64_t seed = open_damage->at;
	int fd, result;

	EXPECT(look_in(state) == 0);
	unit_path(path, folder, "ended");
	EXPECT((fd = open(path, O_RDWR)) >= 0);
	for (size_t i = 0; open_damage->how != CUT && i < open_damage->length; i++) {
		unsigned char byte =
		    open_damage->how == ZEROS ? 0 : (unsigned char)random_number(&seed);

		(void)!pwrite(fd, &byte, 1, (off_t)(open_damage->at + i));
	}
	if (open_damage->how == CUT)
		(void)!ftruncate(fd, (off_t)open_damage->at);
	close(fd);
	result = look_in(state);
	state_free(state);
	return result;
}

static void
test_damaged_while_open(void **state)
{
	static const struct open_damage cases[] = {
		{ "a header", RANDOM, 0, PAGE },
		{ "both headers", ZEROS, 0, 2 * PAGE },
		{ "all but the headers", RANDOM, 2 * PAGE, 12 * PAGE },
		{ "zeros for all but the headers", ZEROS, 2 * PAGE, 12 * PAGE },
		{ "cut to a page", CUT, PAGE, 0 },
		{ "cut to the headers", CUT, 2 * PAGE, 0 },
		{ "cut to one byte", CUT, 1, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct alone what = { look_while_damaged, *state };

		restore(*state);
		open_damage = &cases[i];
		child_run(&child, NULL, "", alone, &what);
		if (child.status > 0)
			fail_msg("%s: %s", cases[i].name, child.err);
		run(cases[i].name, look_and_use, *state);
	}
}

/* -- the lock file --------------------------------------------------------------------------- */

/* It tells only who is at work: while nobody is, it may be anything. */
static void
test_lock_file(void **state)
{
	static const struct {
		const char *name;
		enum how how;
		size_t length;
	} cases[] = {
		{ "empty", ZEROS, 0 },
		{ "a byte", ZEROS, 1 },
		{ "zeros", ZEROS, 16384 },
		{ "ones", ONES, 16384 },
		{ "random bytes", RANDOM, 16384 },
		{ "a few random bytes", RANDOM, 100 },
		{ "too long", RANDOM, 65536 },
	};
	static unsigned char bytes[65536];

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t seed = i;

		restore(*state);
		for (size_t at = 0; at < sizeof(bytes); at++)
			bytes[at] = cases[i].how == RANDOM ? (unsigned char)random_number(&seed)
			    : cases[i].how == ONES         ? 0xff
							   : 0;
		for (size_t file = 0; file < COUNT(files); file++) {
			char path[UNIT_PATH_SIZE];

			unit_path(path, *state, files[file]);
			strcat(path, "-lock");
			unit_write_bytes(path, (char *)bytes, cases[i].length, 0600);
		}
		CHECK(cases[i].name, !survive(cases[i].name, *state, 0));
		CHECK(cases[i].name, !survive(cases[i].name, *state, 1));
	}
}

/* -- processes that are killed ---------------------------------------------------------------- */

/* Die in the middle of a change, or of a look. */
static int
die_writing(void *folder)
{
	const struct store_kind kind = { .file = "tries", .loss = "", .max = 16 << 20 };
	struct store store = { .kind = &kind, .folder = folder };
	const struct log log = log_stderr();
	struct change change = store_begin(&store, true, NOW, &log);
	MDB_val key = { 1, "k" }, value = { 1, "v" };

	if (change.rc == 0 && mdb_put(change.txn, change.store->database, &key, &value, 0) == 0)
		raise(SIGKILL);
	return 1;
}

static int
die_reading(void *folder)
{
	const struct store_kind kind = { .file = "ended", .loss = "", .max = 64 << 20 };
	struct store store = { .kind = &kind, .folder = folder };
	const struct log log = log_stderr();

	if (store_begin(&store, false, NOW, &log).rc == 0)
		raise(SIGKILL);
	return 1;
}

static void
die(int (*how)(void *), const char *folder)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(how((void *)folder));
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* A writer that dies leaves nothing behind, and nobody waits for it. */
static void
test_killed_writers(void **state)
{
	const struct state_bucket one = bucket(1000);
	struct state *counted;
	struct unit_log caught;
	const struct log log = unit_log(&caught);

	restore(*state);
	counted = state_new(*state, "postern", 0);
	for (int i = 0; i < 50; i++) {
		long wait = -1;

		die(die_writing, *state);
		assert_true(state_count(counted, &one, 1, NOW, &wait, &log));
		assert_int_equal(wait, i < 5 ? 0 : 86400);
	}
	state_free(counted);
	assert_string_equal(caught.text, "");
	run("later", look_and_use, *state);
}

/* More readers than there is room for. */
static void
test_killed_readers(void **state)
{
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	struct state *looked;

	restore(*state);
	looked = state_new(*state, "postern", 0);
	for (int i = 0; i < 320; i++) {
		die(die_reading, *state);
		assert_int_equal(state_session(looked, "x", "x", LATER, LATER, &log), STATE_OPEN);
	}
	state_free(looked);
	assert_string_equal(caught.text, "");
	run("later", look_and_use, *state);
}

/* -- disks that are full ---------------------------------------------------------------------- */

/* Have a disk of a mebibyte in the folder, which only this process sees. */
static bool
mount_small_disk(const char *folder)
{
	return unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", folder, "tmpfs", 0, "size=1m,mode=700") == 0;
}

/* Fill what is left of the disk but for so many bytes, which is a multiple of pages. */
static bool
fill_disk(const char *folder, off_t left)
{
	static const char page[PAGE];
	char path[UNIT_PATH_SIZE];
	struct stat file;
	bool done;
	int fd;

	snprintf(path, sizeof(path), "%s/filler", folder);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600)) < 0)
		return false;
	while (write(fd, page, sizeof(page)) > 0)
		;
	done = fstat(fd, &file) == 0 && ftruncate(fd, file.st_size - left) == 0;
	return close(fd) == 0 && done;
}

static bool
empty_disk(const char *folder)
{
	char path[UNIT_PATH_SIZE];

	snprintf(path, sizeof(path), "%s/filler", folder);
	return unlink(path) == 0;
}

/* Full from the first, but for this many bytes: all says no, and works when there is room. */
static off_t room;

static int
begin_on_full_disk(void *folder)
{
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	const struct state_bucket one = bucket(0);
	struct state *state = state_new(folder, "postern", 0);
	bool counted, ended;
	long wait;

	EXPECT(mount_small_disk(folder) && fill_disk(folder, room));
	counted = state_count(state, &one, 1, NOW, &wait, &log);
	ended = state_end_session(state, "x", NOW, UNTIL, &log);
	EXPECT(!counted || !ended);
	EXPECT(caught.lines == (size_t)!counted + !ended);
	EXPECT(strstr(caught.text, "No space left") != NULL);
	EXPECT(state_session(state, "x", "x", NOW, NOW, &log) != STATE_OPEN);
	EXPECT(empty_disk(folder));
	state_free(state);
	return use(folder);
}

static void
test_full_disk_at_first(void **state)
{
	clear(*state);
	for (room = 0; room <= 10 * PAGE; room += PAGE)
		run("a disk that is full", begin_on_full_disk, *state);
}

/* Full while it is in use: what was ended is ended. */
static int
end_until_disk_is_full(void *folder)
{
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	struct state *state = state_new(folder, "postern", 0);
	char name[NAME_SIZE];
	unsigned done = 0;

	EXPECT(mount_small_disk(folder) && fill(folder) == 0 && fill_disk(folder, 4 * PAGE));
	while (
	    done < 10000 && state_end_session(state, name_of(name, "full", done), NOW, UNTIL, &log))
		done++;
	EXPECT(done < 10000 && caught.lines == 1);
	EXPECT(strstr(caught.text, "event=state file=ended reason=\"No space left") != NULL);
	for (unsigned n = 0; n < done; n++)
		EXPECT(state_session(state, name_of(name, "full", n), "x", NOW, NOW, &log) ==
		    STATE_ENDED);
	EXPECT(
	    state_session(state, name_of(name, "full", done), "x", NOW, NOW, &log) == STATE_OPEN);
	EXPECT(caught.lines == 1 && empty_disk(folder));
	EXPECT(state_end_session(state, name, NOW, UNTIL, &log));
	state_free(state);
	return look_and_use(folder);
}

static void
test_full_disk(void **state)
{
	clear(*state);
	run("a disk that is full at last", end_until_disk_is_full, *state);
	assert_int_equal(lines(child.err), 0);
}

/* A disk that nobody may write to: nothing is open, nothing counted, and no harm is done. */
static int
use_read_only_disk(void *folder)
{
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	const struct state_bucket one = bucket(0);
	struct state *state = state_new(folder, "postern", 0);
	long wait;

	EXPECT(mount_small_disk(folder) && fill(folder) == 0);
	EXPECT(mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	EXPECT(!state_count(state, &one, 1, NOW, &wait, &log));
	EXPECT(!state_end_session(state, "x", NOW, UNTIL, &log));
	EXPECT(state_session(state, "x", "x", NOW, NOW, &log) == STATE_FAULT);
	EXPECT(caught.lines == 3 && strstr(caught.text, "Read-only file system") != NULL);
	EXPECT(mount(NULL, folder, NULL, MS_REMOUNT, NULL) == 0);
	state_free(state);
	return look_and_use(folder);
}

static void
test_read_only_disk(void **state)
{
	clear(*state);
	run("a disk that is read-only", use_read_only_disk, *state);
	assert_int_equal(lines(child.err), 0);
}

/*
 * A folder that comes from a layer below is copied when it is written to. Whoever had only read it
 * until then must see what others write to the copy.
 */
static int
use_layers(void *folder)
{
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	struct state *reader, *other;
	char path[UNIT_PATH_SIZE], options[4 * UNIT_PATH_SIZE];

	EXPECT(mount_small_disk(folder) && fill(folder) == 0);
	snprintf(path, sizeof(path), "%s/upper", (char *)folder);
	EXPECT(mkdir(path, 0700) == 0 && mount("none", path, "tmpfs", 0, "mode=700") == 0);
	snprintf(path, sizeof(path), "%s/upper/new", (char *)folder);
	EXPECT(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/upper/work", (char *)folder);
	EXPECT(mkdir(path, 0700) == 0);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s/upper/new,workdir=%s",
	    (char *)folder, (char *)folder, path);
	EXPECT(mount("none", folder, "overlay", 0, options) == 0);
	reader = state_new(folder, "postern", 0);
	other = state_new(folder, "postern", 0);
	EXPECT(state_session(reader, "x", "x", LATER, LATER, &log) == STATE_OPEN);
	EXPECT(state_end_session(other, "x", LATER, UNTIL, &log));
	EXPECT(state_session(reader, "x", "x", LATER, LATER, &log) == STATE_ENDED);
	state_free(other);
	state_free(reader);
	return 0;
}

static void
test_layers(void **state)
{
	clear(*state);
	run("a disk of layers", use_layers, *state);
	assert_int_equal(lines(child.err), 0);
}

/* -- what is no damage ------------------------------------------------------------------------- */

/* The signal that ends every child of this process at once, while it is not 0. */
static int child_signal;

static void
end_child(void)
{
	if (child_signal != 0) {
		signal(child_signal, SIG_DFL);
		raise(child_signal);
	}
}

static int
look_while_children_die(void *folder)
{
	pthread_atfork(NULL, NULL, end_child);
	return look(folder);
}

/* Whoever goes first to look for damage may be killed by somebody: that is no damage. */
static void
test_looking_child_is_killed(void **state)
{
	static const struct {
		const char *name;
		int signal;
	} cases[] = {
		{ "SIGKILL", SIGKILL },
		{ "SIGTERM", SIGTERM },
		{ "SIGINT", SIGINT },
		{ "SIGHUP", SIGHUP },
		{ "SIGPIPE", SIGPIPE },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		restore(*state);
		child_signal = cases[i].signal;
		run(cases[i].name, look_while_children_die, *state);
		child_signal = 0;
		CHECK(cases[i].name, lines(child.err) > 0);
		CHECK(cases[i].name, strstr(child.err, "damaged") == NULL);
		run(cases[i].name, look_and_use, *state);
		CHECK(cases[i].name, lines(child.err) == 0);
	}
}

/* A parent that ignores its children's ends leaves that to us. */
static int
use_without_sigchld(void *folder)
{
	signal(SIGCHLD, SIG_IGN);
	return look_and_use(folder);
}

static void
test_children_are_ignored(void **state)
{
	restore(*state);
	run("SIGCHLD is ignored", use_without_sigchld, *state);
	assert_int_equal(lines(child.err), 0);
}

/* Start a process that has the state open, and then waits to be killed. */
static pid_t
start_holder(int (*hold)(void *), const char *folder)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	if ((pid = fork()) == 0) {
		if (hold((void *)folder) == 0)
			(void)!write(ready[1], "", 1);
		pause();
		_exit(1);
	}
	assert_true(pid > 0);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void
stop_holder(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(waitpid(pid, NULL, 0) == pid);
}

static int
hold_reading(void *folder)
{
	const struct store_kind kind = { .file = "ended", .loss = "", .max = 64 << 20 };
	struct store store = { .kind = &kind, .folder = folder };
	const struct log log = log_stderr();

	return store_begin(&store, false, NOW, &log).rc;
}

/*
 * As many processes read as there is room for, and then are killed all at once: that there is no
 * room for one more is no damage, and when they are dead there is.
 */
static void
test_too_many_readers(void **state)
{
	enum { READERS = 254 };
	pid_t pids[READERS];

	restore(*state);
	for (size_t i = 0; i < READERS; i++)
		pids[i] = start_holder(hold_reading, *state);
	run("meanwhile", look, *state);
	for (size_t i = 0; i < READERS; i++)
		stop_holder(pids[i]);
	assert_true(lines(child.err) > 0);
	assert_null(strstr(child.err, "damaged"));
	run("after that", look_and_use, *state);
	assert_int_equal(lines(child.err), 0);
}

/* The disk is full, and the lock files are gone. */
static int
look_on_full_disk(void *folder)
{
	char path[UNIT_PATH_SIZE];

	EXPECT(mount_small_disk(folder) && fill(folder) == 0);
	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof(path), "%s/%s-lock", (char *)folder, files[i]);
		EXPECT(unlink(path) == 0);
	}
	EXPECT(fill_disk(folder, 0) && look(folder) == 0 && empty_disk(folder));
	return look_and_use(folder);
}

static void
test_no_room_for_lock_file(void **state)
{
	clear(*state);
	run("a full disk", look_on_full_disk, *state);
	assert_null(strstr(child.err, "damaged"));
}

/* -- others have it open ------------------------------------------------------------------------
 */

/* Cut while it is open: that is seen before it does harm. */
static void
test_cut_while_open(void **state)
{
	static const struct open_damage cases[] = {
		{ "to half", CUT, 7 * PAGE, 0 },
		{ "to the headers", CUT, 2 * PAGE, 0 },
		{ "to a page", CUT, PAGE, 0 },
		{ "to one byte", CUT, 1, 0 },
		{ "to nothing", CUT, 0, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		restore(*state);
		open_damage = &cases[i];
		run(cases[i].name, look_while_damaged, *state);
		CHECK(cases[i].name, lines(child.err) <= 1);
	}
}

/* -- opening ------------------------------------------------------------------------------------
 */

/* The folder is taken away while it is open, and brought back. */
static void
test_folder_taken_away(void **state)
{
	char folder[UNIT_PATH_SIZE], away[UNIT_PATH_SIZE];
	const struct state_bucket one = bucket(0);
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	struct state *counted;
	long wait;

	unit_path(folder, *state, "folder");
	unit_path(away, *state, "away");
	assert_int_equal(mkdir(folder, 0700), 0);
	counted = state_new(folder, "postern", 0);
	for (int i = 0; i < 5; i++)
		assert_true(state_count(counted, &one, 1, NOW, &wait, &log));
	assert_true(state_end_session(counted, "x", NOW, UNTIL, &log));
	assert_int_equal(rename(folder, away), 0);
	assert_false(state_count(counted, &one, 1, NOW, &wait, &log));
	assert_int_equal(state_session(counted, "y", "y", LATER, LATER, &log), STATE_FAULT);
	assert_int_equal(caught.lines, 2);
	assert_int_equal(rename(away, folder), 0);
	assert_true(state_count(counted, &one, 1, NOW, &wait, &log));
	assert_int_equal(wait, 86400);
	assert_int_equal(state_session(counted, "x", "y", LATER, LATER, &log), STATE_ENDED);
	assert_int_equal(state_session(counted, "y", "y", LATER, LATER, &log), STATE_OPEN);
	assert_int_equal(caught.lines, 2);
	state_free(counted);
}

/* When the next file is new. */
static time_t founded;

static int
found(void *folder)
{
	const struct log log = log_stderr();
	struct state *state = state_new(folder, "postern", 0);

	EXPECT(state_session(state, "x", "x", founded, founded, &log) == STATE_ENDED);
	state_free(state);
	return 0;
}

/* Whoever has it open sees at once that there is another one, or none. */
static void
test_replaced_while_open(void **state)
{
	static const char *const steps[] = { "deleted", "replaced", "deleted again", "replaced" };
	char folder[UNIT_PATH_SIZE], here[UNIT_PATH_SIZE], there[UNIT_PATH_SIZE];
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	struct state *looked;

	unit_path(folder, *state, "another");
	unit_path(here, *state, "ended");
	unit_path(there, folder, "ended");
	assert_int_equal(mkdir(folder, 0700), 0);
	restore(*state);
	looked = state_new(*state, "postern", 0);
	for (size_t i = 0; i < COUNT(steps); i++) {
		const time_t now = LATER + 10 * (time_t)i;

		assert_int_equal(state_session(looked, "x", "x", now, now - 1, &log), STATE_OPEN);
		if (i % 2 == 0) {
			assert_int_equal(unlink(here), 0);
		} else {
			clear(folder);
			founded = now;
			run(steps[i], found, folder);
			assert_int_equal(rename(there, here), 0);
		}
		CHECK(steps[i], state_session(looked, "x", "x", now, now, &log) == STATE_ENDED);
		CHECK(steps[i], state_session(looked, "x", "x", now + 1, now, &log) == STATE_OPEN);
	}
	state_free(looked);
	assert_string_equal(caught.text, "");
}

/* Another disk in its place, where the files have the numbers that they had on the first. */
static int
use_two_disks(void *folder)
{
	const struct log log = log_stderr();
	struct state *state = state_new(folder, "postern", 0);

	EXPECT(mount_small_disk(folder));
	EXPECT(state_session(state, "x", "x", NOW, NOW - 1, &log) == STATE_OPEN);
	EXPECT(mount("none", folder, "tmpfs", 0, "size=1m,mode=700") == 0);
	founded = NOW;
	EXPECT(found(folder) == 0);
	EXPECT(state_session(state, "x", "x", NOW, NOW, &log) == STATE_ENDED);
	state_free(state);
	return 0;
}

static void
test_another_disk(void **state)
{
	clear(*state);
	run("another disk", use_two_disks, *state);
	assert_int_equal(lines(child.err), 0);
}

/* Where no child can be had to look for damage, nobody looks, and nothing is used. */
static int
look_without_children(void *folder)
{
	const struct rlimit none = { 0, 0 };
	const struct log log = log_stderr();
	struct state *state = state_new(folder, "postern", 0);

	EXPECT(setrlimit(RLIMIT_NPROC, &none) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
	EXPECT(state_session(state, "x", "x", LATER, LATER, &log) == STATE_FAULT);
	state_free(state);
	return 0;
}

static void
test_no_children(void **state)
{
	restore(*state);
	for (size_t i = 0; i < COUNT(files); i++) {
		char path[UNIT_PATH_SIZE];

		unit_path(path, *state, files[i]);
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
	}
	remove_file(*state, "lock", "");
	assert_int_equal(chown(*state, NOBODY, NOBODY), 0);
	run("no children", look_without_children, *state);
	assert_int_equal(lines(child.err), 1);
	assert_non_null(strstr(child.err, "Resource temporarily unavailable"));
	assert_int_equal(chown(*state, 0, 0), 0);
	run("after that", look_and_use, *state);
	assert_int_equal(lines(child.err), 0);
}

/* How long the name of the folder may be. */
static void
test_long_paths(void **state)
{
	static const struct {
		const char *name;
		size_t length;
		bool want;
	} cases[] = {
		{ "as long as one may be", 600, true },
		{ "too long for the file put aside and the lock", 636, false },
		{ "too long", 700, false },
		{ "far too long", 4000, false },
	};
	const struct state_bucket one = bucket(0);

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct unit_log caught;
		const struct log log = unit_log(&caught);
		char folder[4096];
		struct state *counted;
		size_t length;
		long wait;

		/* The same folder, said the longer way. */
		length = (size_t)snprintf(folder, sizeof(folder), "%s", (char *)*state);
		for (; length < cases[i].length; length++)
			folder[length] = '/';
		folder[length] = '\0';
		clear(*state);
		counted = state_new(folder, "postern", 0);
		CHECK(cases[i].name,
		    state_count(counted, &one, 1, NOW, &wait, &log) == cases[i].want);
		CHECK(cases[i].name, caught.lines == (cases[i].want ? 0 : 1));
		CHECK(cases[i].name,
		    cases[i].want || strstr(caught.text, "File name too long") != NULL);
		state_free(counted);
	}
}

static int
descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* However often it is opened again, nothing is left open; and nobody else may read it. */
static void
test_nothing_left_open(void **state)
{
	const struct state_bucket one = bucket(0);
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	const int before = descriptors();
	struct state *counted = state_new(*state, "postern", 0);
	long wait;

	for (int i = 0; i < 20; i++) {
		clear(*state);
		if (i % 2 == 0)
			damage(*state, 1, ZEROS, 0, PAGE, 0);
		assert_true(state_count(counted, &one, 1, NOW, &wait, &log));
		assert_int_equal(state_session(counted, "x", "x", LATER, NOW, &log), STATE_OPEN);
		clear(*state);
	}
	assert_true(state_count(counted, &one, 1, NOW, &wait, &log));
	state_free(counted);
	assert_int_equal(descriptors(), before);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "tries", "tries-lock", "lock" };
		char path[UNIT_PATH_SIZE];
		struct stat file;

		unit_path(path, *state, names[i]);
		assert_int_equal(stat(path, &file), 0);
		CHECK(names[i], (file.st_mode & 07777) == 0600);
	}
}

/* -- a change -------------------------------------------------------------------------------------
 */

/* A store of one entry, and what is done to it. */
static const struct store_kind kinds[] = {
	{ .file = "plain", .loss = "x", .max = 1 << 20 },
	{ .file = "synced", .loss = "x", .max = 1 << 20, .synced = true },
};

static bool
put_and_finish(struct store *store, const char *text, int rc, const struct log *log)
{
	struct change change = store_begin(store, true, NOW, log);
	MDB_val key = { 1, "k" }, value = { strlen(text), (void *)text };

	if (change.rc == 0)
		change.rc = mdb_put(change.txn, change.store->database, &key, &value, 0);
	if (rc != 0)
		change.rc = rc;
	return store_finish(&change);
}

static void
check_entry(struct store *store, const char *row, const char *want, const struct log *log)
{
	struct change change = store_begin(store, false, NOW, log);
	MDB_val key = { 1, "k" }, value = { 0, NULL };

	CHECK(row, change.rc == 0);
	CHECK(row,
	    mdb_get(change.txn, change.store->database, &key, &value) ==
		(want != NULL ? 0 : MDB_NOTFOUND));
	CHECK(row, want == NULL || memcmp(value.mv_data, want, strlen(want)) == 0);
	CHECK(row, store_finish(&change));
}

/* It is kept whole or not at all; after a fault all is closed, and opened again. */
static void
test_change(void **state)
{
	static const struct {
		const char *name, *text;
		int rc;
		bool want;
		const char *then, *line;
	} steps[] = {
		{ "wrong", "a", MDB_MAP_FULL, false, NULL, "reason=\"MDB_MAP_FULL" },
		{ "right", "a", 0, true, "a", NULL },
		{ "another, wrong", "b", EIO, false, "a", "reason=\"Input/output error\"" },
		{ "another, right", "b", 0, true, "b", NULL },
	};

	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct store store = { .kind = &kinds[i], .folder = *state };

		for (size_t k = 0; k < COUNT(steps); k++) {
			struct unit_log caught;
			const struct log log = unit_log(&caught);

			CHECK(steps[k].name,
			    put_and_finish(&store, steps[k].text, steps[k].rc, &log) ==
				steps[k].want);
			CHECK(steps[k].name, (store.env != NULL) == steps[k].want);
			CHECK(steps[k].name, caught.lines == (steps[k].line != NULL ? 1 : 0));
			CHECK(steps[k].name,
			    steps[k].line == NULL || strstr(caught.text, steps[k].line) != NULL);
			check_entry(&store, steps[k].name, steps[k].then, &log);
		}
		store_close(&store);
		assert_null(store.env);
		store_close(&store);
	}
}

/* What is open is not opened again: nobody takes the lock for that. */
static void
test_opened_once(void **state)
{
	struct store store = { .kind = &kinds[0], .folder = *state };
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	char path[UNIT_PATH_SIZE];

	unit_path(path, *state, "lock");
	assert_true(put_and_finish(&store, "b", 0, &log));
	assert_int_equal(unlink(path), 0);
	assert_true(put_and_finish(&store, "b", 0, &log));
	check_entry(&store, "again", "b", &log);
	assert_int_equal(access(path, F_OK), -1);
	store_close(&store);
}

/* Empty all but its first two pages. */
static void
empty_pages(const char *path)
{
	struct stat file;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0 && fstat(fd, &file) == 0);
	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	assert_int_equal(ftruncate(fd, file.st_size), 0);
	close(fd);
}

/* Let the lock file say that this one was looked at as it is, so many seconds ago. */
static void
mark(const char *folder, const char *path, time_t age)
{
	char lock[UNIT_PATH_SIZE];
	struct stat file;
	int64_t seen[5];
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = time(NULL) - age } };
	int fd;

	unit_path(lock, folder, "lock");
	assert_true((fd = open(lock, O_RDWR)) >= 0 && stat(path, &file) == 0);
	seen[0] = (int64_t)file.st_dev;
	seen[1] = (int64_t)file.st_ino;
	seen[2] = file.st_size;
	seen[3] = file.st_ctim.tv_sec;
	seen[4] = file.st_ctim.tv_nsec;
	assert_int_equal(pwrite(fd, seen, sizeof(seen), 0), sizeof(seen));
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

/* A synced file is looked at once, and again when it has changed or an hour later. */
static void
test_looked_at_once(void **state)
{
	static const struct {
		const char *name;
		time_t age; /* of the mark, or -1 where there is none of the damaged file */
		bool put_aside;
	} rows[] = {
		{ "changed", -1, true },
		{ "looked at", 10, false },
		{ "looked at for an hour", 3590, false },
		{ "looked at long ago", 3601, true },
		{ "looked at in the future", -100, true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct store store = { .kind = &kinds[1], .folder = *state };
		struct unit_log caught;
		const struct log log = unit_log(&caught);
		char path[UNIT_PATH_SIZE], damaged[UNIT_PATH_SIZE + 8], lock[UNIT_PATH_SIZE];
		struct change change;
		struct stat file;

		unit_path(path, *state, kinds[1].file);
		unit_path(lock, *state, "lock");
		unlink(lock);
		snprintf(damaged, sizeof(damaged), "%s.damaged", path);
		unlink(path);
		unlink(damaged);
		assert_true(put_and_finish(&store, "b", 0, &log));
		store_close(&store);
		/* It marks what it has seen. */
		change = store_begin(&store, false, time(NULL), &log);
		CHECK(rows[i].name, store_finish(&change));
		store_close(&store);
		CHECK(rows[i].name, stat(lock, &file) == 0 && file.st_size == 5 * sizeof(int64_t));
		empty_pages(path);
		if (rows[i].age != -1)
			mark(*state, path, rows[i].age);
		change = store_begin(&store, false, time(NULL), &log);
		CHECK(rows[i].name, store_finish(&change));
		CHECK(rows[i].name, (access(damaged, F_OK) == 0) == rows[i].put_aside);
		store_close(&store);
	}
}

/* Only what must be on disk waits for the disk, and each may grow as far as it says. */
static void
test_kinds(void **state)
{
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct store store = { .kind = &kinds[i], .folder = *state };
		struct unit_log caught;
		const struct log log = unit_log(&caught);
		MDB_envinfo info;
		unsigned flags;

		check_entry(&store, kinds[i].file, "b", &log);
		assert_int_equal(mdb_env_get_flags(store.env, &flags), 0);
		CHECK(kinds[i].file, ((flags & MDB_NOSYNC) == 0) == kinds[i].synced);
		assert_int_equal(mdb_env_info(store.env, &info), 0);
		CHECK(kinds[i].file, info.me_mapsize == kinds[i].max);
		CHECK(kinds[i].file, info.me_maxreaders > 250);
		store_close(&store);
	}
}

/* Nobody closes it while another one, who has the lock, may be opening it. */
static void
test_closed_under_the_lock(void **state)
{
	struct store store = { .kind = &kinds[0], .folder = *state };
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	struct pollfd done = { .events = POLLIN };
	char path[UNIT_PATH_SIZE];
	int ends[2], lock, status;
	pid_t closing;
	char byte;

	unit_path(path, *state, "lock");
	assert_int_equal(pipe(ends), 0);
	if ((closing = fork()) == 0) {
		(void)!put_and_finish(&store, "b", 0, &log);
		(void)!write(ends[1], "o", 1);
		assert_true((lock = open(path, O_RDONLY)) >= 0);
		/* Until the other one has it. */
		while (flock(lock, LOCK_EX | LOCK_NB) == 0)
			flock(lock, LOCK_UN);
		close(lock);
		store_close(&store);
		(void)!write(ends[1], "c", 1);
		_exit(0);
	}
	done.fd = ends[0];
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_true((lock = open(path, O_RDWR)) >= 0 && flock(lock, LOCK_EX) == 0);
	assert_int_equal(poll(&done, 1, 300), 0);
	close(lock);
	assert_int_equal(poll(&done, 1, 10000), 1);
	assert_int_equal(waitpid(closing, &status, 0), closing);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
}

static void
fill_entry(struct change *change, time_t now)
{
	MDB_val key = { 1, "k" }, value = { 1, "f" };

	(void)now;
	if (change->rc == 0)
		change->rc = mdb_put(change->txn, change->store->database, &key, &value, 0);
}

/* Whoever made a file may have ended before it was filled: then a reader fills it. */
static void
test_filled_by_a_reader(void **state)
{
	static const char *const made[] = { "not there", "without a byte", "without an entry" };
	static const struct store_kind filled = {
		.file = "plain",
		.loss = "x",
		.max = 1 << 20,
		.fill = fill_entry,
	};

	for (size_t i = 0; i < COUNT(made); i++) {
		struct store empty = { .kind = &kinds[0], .folder = *state };
		struct store store = { .kind = &filled, .folder = *state };
		struct unit_log caught;
		const struct log log = unit_log(&caught);
		char path[UNIT_PATH_SIZE];

		remove_file(*state, filled.file, "");
		unit_path(path, *state, filled.file);
		if (i == 1)
			unit_write_bytes(path, "", 0, 0600);
		if (i == 2)
			check_entry(&empty, made[i], NULL, &log);
		store_close(&empty);
		check_entry(&store, made[i], "f", &log);
		store_close(&store);
		assert_int_equal(caught.lines, 0);
	}
}

static int
make_images(void **state)
{
	if (unit_make_memory_folder(state) != 0)
		return -1;
	take_images(*state);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_pages),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_damaged_while_open),
		cmocka_unit_test(test_lock_file),
		cmocka_unit_test(test_killed_writers),
		cmocka_unit_test(test_killed_readers),
		cmocka_unit_test(test_full_disk_at_first),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_read_only_disk),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_folder_taken_away),
		cmocka_unit_test(test_replaced_while_open),
		cmocka_unit_test(test_another_disk),
		cmocka_unit_test(test_no_children),
		cmocka_unit_test(test_long_paths),
		cmocka_unit_test(test_nothing_left_open),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_opened_once),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_closed_under_the_lock),
		cmocka_unit_test(test_filled_by_a_reader),
		cmocka_unit_test(test_looked_at_once),
		cmocka_unit_test(test_looking_child_is_killed),
		cmocka_unit_test(test_children_are_ignored),
		cmocka_unit_test(test_too_many_readers),
		cmocka_unit_test(test_no_room_for_lock_file),
		cmocka_unit_test(test_cut_while_open),
	};

	return cmocka_run_group_tests_name("state_store", tests, make_images, unit_remove_folder);
}
