/*
 * test_store_mount: a store in a folder whose disk is full or read-only. As root: it mounts disks.
 */
#include <sched.h>
#include <sys/mount.h>

#include "base/text.h"
#include "stored.h"

enum { PAGE = 4096, LONG = 20000, PAGES = 12, RECORDS_MAX = 2000, INODES = 40 };

/* Have a small disk in the folder, which only this process sees. */
static bool
mount_disk(const char *folder, const char *options)
{
	return unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", folder, "tmpfs", 0, options) == 0;
}

/* Fill what is left of the disk but for so many pages. */
static bool
fill_disk(const char *folder, int pages_left)
{
	static const char page[PAGE];
	struct stat file;
	bool done;
	int fd = open(stored_path(folder, "filler"), O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (fd < 0)
		return false;
	while (write(fd, page, sizeof(page)) > 0)
		;
	done = fstat(fd, &file) == 0 &&
	    ftruncate(fd,
		file.st_size > pages_left * PAGE ? file.st_size - pages_left * PAGE : 0) == 0;
	return close(fd) == 0 && done;
}

static bool
empty_disk(const char *folder)
{
	return unlink(stored_path(folder, "filler")) == 0;
}

/* How many files are in the folder of the kind; those that begin with a dot too. */
static int
count_records(const char *folder)
{
	DIR *files = opendir(stored_path(folder, "k"));
	int count = -2;

	while (files != NULL && readdir(files) != NULL)
		count++;
	if (files != NULL)
		closedir(files);
	return count;
}

/* The log is emptied; was there one line, of that file and for that reason? */
static bool
is_said(struct stored *stored, const char *file, const char *reason)
{
	char begin[UNIT_PATH_SIZE], end[UNIT_PATH_SIZE];
	bool said;

	snprintf(begin, sizeof(begin), "event=state file=%s", file);
	snprintf(end, sizeof(end), " reason=\"%s\"\n", reason);
	said = stored->caught.lines == 1 && strstr(stored->caught.text, begin) != NULL &&
	    strstr(stored->caught.text, end) != NULL;
	if (!said)
		dprintf(2, "not one line of %s: %s\n", file, stored->caught.text);
	stored->log = unit_log(&stored->caught);
	return said;
}

/* All works, and nothing is said. */
static int
use(struct stored *stored)
{
	char text[LONG + 1];

	text_copy(text, sizeof(text), stored_get(stored, "ada"));
	EXPECT(strcmp(text, FAULT) != 0 && strcmp(text, DAMAGED) != 0);
	EXPECT(stored_swap(stored, "ada", text, "mended") == STORE_DONE);
	EXPECT(strcmp(stored_get(stored, "ada"), "mended") == 0);
	for (unsigned n = 1000; n < 1100; n++)
		EXPECT(stored_pass(stored, stored_bucket(n % 4, n), NOW) == 5);
	EXPECT(stored->caught.lines == 0);
	store_close(stored->store);
	return 0;
}

static const char *
long_text(void)
{
	static char text[LONG + 1];

	memset(text, 'x', LONG);
	return text;
}

static int room; /* pages that are left */

/* With so much room a change is done, or it is a fault and the old value stands. */
static int
change_on_full_disk(const char *place, int which)
{
	struct stored stored;
	enum store_swapped swapped;

	(void)which;
	EXPECT(mount_disk(place, "size=1m,mode=700"));
	stored_open(&stored, place);
	stored_put(&stored, "ada", "a");
	EXPECT(stored_pass(&stored, stored_bucket(0, 1), NOW) == 5);
	EXPECT(fill_disk(place, room));
	swapped = stored_swap(&stored, "ada", "a", long_text());
	EXPECT(swapped == STORE_FAULT ? room < PAGES : swapped == STORE_DONE && room > 0);
	EXPECT(swapped == STORE_DONE || is_said(&stored, "k/ada", "No space left on device"));
	EXPECT(strcmp(stored_get(&stored, "ada"), swapped == STORE_DONE ? long_text() : "a") == 0);
	EXPECT(count_records(place) == 1);
	EXPECT(stored_pass(&stored, stored_bucket(0, 1), NOW) == 0);
	/* What frees room can be done. */
	EXPECT(stored_swap(&stored, "ada", WHATEVER, NOTHING) == STORE_DONE);
	EXPECT(empty_disk(place));
	return use(&stored);
}

static void
test_change_on_full_disk(void **state)
{
	for (room = 0; room <= PAGES; room++)
		assert_int_equal(stored_at_once(1, change_on_full_disk, *state), 0);
}

/* Full before the store is used at all: every verb fails or is done, and works later. */
static int
begin_on_full_disk(const char *place, int which)
{
	const struct store_bucket one = stored_bucket(0, 1);
	struct stored stored;
	enum store_swapped swapped;
	bool counted;
	long wait;

	(void)which;
	EXPECT(mount_disk(place, "size=1m,mode=700") && fill_disk(place, room));
	stored_open(&stored, place);
	EXPECT(strcmp(stored_get(&stored, "ada"), NOTHING) == 0);
	counted = store_count(stored.store, &one, 1, NOW, &wait, &stored.log);
	EXPECT(counted || is_said(&stored, "attempts", "No space left on device"));
	EXPECT(counted == (room > 0));
	swapped = stored_swap(&stored, "ada", NOTHING, long_text());
	EXPECT(swapped == STORE_FAULT ? room < PAGES : swapped == STORE_DONE && room > 0);
	EXPECT(swapped == STORE_DONE || is_said(&stored, "k/ada", "No space left on device"));
	EXPECT(
	    strcmp(stored_get(&stored, "ada"), swapped == STORE_DONE ? long_text() : NOTHING) == 0);
	EXPECT(empty_disk(place));
	return use(&stored);
}

static void
test_begin_on_full_disk(void **state)
{
	for (room = 0; room <= PAGES; room++)
		assert_int_equal(stored_at_once(1, begin_on_full_disk, *state), 0);
}

/* Full at last: all that was done is there. */
static int
write_until_full(const char *place, int which)
{
	char name[32], file[40];
	struct stored stored;
	int done = 0;

	(void)which;
	EXPECT(mount_disk(place, "size=1m,mode=700"));
	stored_open(&stored, place);
	do
		snprintf(name, sizeof(name), "record%d", done);
	while (done < RECORDS_MAX && stored_swap(&stored, name, NOTHING, name) == STORE_DONE &&
	    ++done > 0);
	EXPECT(done > 100 && done < RECORDS_MAX);
	snprintf(file, sizeof(file), "k/%s", name);
	EXPECT(is_said(&stored, file, "No space left on device"));
	EXPECT(count_records(place) == done);
	EXPECT(strcmp(stored_get(&stored, name), NOTHING) == 0);
	for (int i = 0; i < done; i++) {
		snprintf(name, sizeof(name), "record%d", i);
		EXPECT(strcmp(stored_get(&stored, name), name) == 0);
	}
	for (int i = 0; i < done; i += 2) {
		snprintf(name, sizeof(name), "record%d", i);
		EXPECT(stored_swap(&stored, name, name, NOTHING) == STORE_DONE);
	}
	return use(&stored);
}

static void
test_write_until_full(void **state)
{
	assert_int_equal(stored_at_once(1, write_until_full, *state), 0);
}

/* No inode is left, though there is room: the same. */
static int
change_without_inodes(const char *place, int which)
{
	char name[32];
	struct stored stored;
	int fd = 0;

	(void)which;
	EXPECT(mount_disk(place, "size=1m,mode=700,nr_inodes=40"));
	stored_open(&stored, place);
	stored_put(&stored, "ada", "a");
	EXPECT(stored_pass(&stored, stored_bucket(0, 1), NOW) == 5);
	for (int i = 0; i < INODES && fd >= 0; i++) {
		snprintf(name, sizeof(name), "filler%d", i);
		if ((fd = open(stored_path(place, name), O_WRONLY | O_CREAT, 0600)) >= 0)
			close(fd);
	}
	EXPECT(fd < 0);
	EXPECT(stored_swap(&stored, "ada", "a", "b") == STORE_FAULT);
	EXPECT(is_said(&stored, "k/ada", "No space left on device"));
	EXPECT(strcmp(stored_get(&stored, "ada"), "a") == 0);
	EXPECT(stored_pass(&stored, stored_bucket(0, 2), NOW) == 5);
	EXPECT(stored_swap(&stored, "ada", "a", NOTHING) == STORE_DONE);
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "filler%d", i);
		EXPECT(unlink(stored_path(place, name)) == 0);
	}
	return use(&stored);
}

static void
test_change_without_inodes(void **state)
{
	assert_int_equal(stored_at_once(1, change_without_inodes, *state), 0);
}

/* A disk that nobody may write to can be read, and a change is a fault. */
static int
use_read_only_disk(const char *place, int which)
{
	const struct store_bucket one = stored_bucket(0, 1);
	struct stored stored;
	long wait;

	(void)which;
	EXPECT(mount_disk(place, "size=1m,mode=700"));
	stored_open(&stored, place);
	stored_put(&stored, "ada", "a");
	EXPECT(stored_pass(&stored, one, NOW) == 5);
	EXPECT(mount(NULL, place, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	EXPECT(strcmp(stored_get(&stored, "ada"), "a") == 0);
	/* The lock is opened first, for writing. */
	EXPECT(stored_swap(&stored, "ada", "a", "b") == STORE_FAULT);
	EXPECT(is_said(&stored, "locks/", "Read-only file system"));
	EXPECT(stored_swap(&stored, "ada", "a", NOTHING) == STORE_FAULT);
	EXPECT(is_said(&stored, "locks/", "Read-only file system"));
	EXPECT(!store_count(stored.store, &one, 1, NOW, &wait, &stored.log));
	EXPECT(is_said(&stored, "locks/attempts", "Read-only file system"));
	EXPECT(!store_uncount(stored.store, &one, 1, NOW, &stored.log));
	EXPECT(is_said(&stored, "locks/attempts", "Read-only file system"));
	EXPECT(mount(NULL, place, NULL, MS_REMOUNT, NULL) == 0);
	EXPECT(strcmp(stored_get(&stored, "ada"), "a") == 0);
	EXPECT(stored_pass(&stored, one, NOW) == 0);
	return use(&stored);
}

static void
test_read_only_disk(void **state)
{
	assert_int_equal(stored_at_once(1, use_read_only_disk, *state), 0);
}

/* A disk mounted in the store's place is another store, at once. */
static int
use_two_disks(const char *place, int which)
{
	struct stored stored;

	(void)which;
	EXPECT(mount_disk(place, "size=1m,mode=700"));
	stored_open(&stored, place);
	stored_put(&stored, "ada", "a");
	EXPECT(stored_pass(&stored, stored_bucket(0, 1), NOW) == 5);
	EXPECT(mount("none", place, "tmpfs", 0, "size=1m,mode=700") == 0);
	EXPECT(strcmp(stored_get(&stored, "ada"), NOTHING) == 0);
	EXPECT(stored_pass(&stored, stored_bucket(0, 1), NOW) == 5);
	stored_put(&stored, "ada", "b");
	EXPECT(umount(place) == 0);
	EXPECT(strcmp(stored_get(&stored, "ada"), "a") == 0);
	EXPECT(stored_pass(&stored, stored_bucket(0, 1), NOW) == 0);
	return use(&stored);
}

static void
test_two_disks(void **state)
{
	assert_int_equal(stored_at_once(1, use_two_disks, *state), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin_on_full_disk),
		cmocka_unit_test(test_change_on_full_disk),
		cmocka_unit_test(test_write_until_full),
		cmocka_unit_test(test_change_without_inodes),
		cmocka_unit_test(test_read_only_disk),
		cmocka_unit_test(test_two_disks),
	};

	return cmocka_run_group_tests_name("store_mount", tests, unit_make_folder,
	    unit_remove_folder);
}
