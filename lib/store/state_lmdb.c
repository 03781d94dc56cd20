/*
 * Two stores: `tries`, a table of rows of slots, one slot a bucket, and `ended`. Where `ended`
 * is new, or begun anew, every session that began before is taken for ended.
 */
#include "store/state_home.h"

#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/state_store.h"

enum {
	ROWS = 2048, /* of each kind */
	SLOTS = 8,   /* of a row */
	ENDED_MAX = 131072,
	SWEEP = 16, /* old entries that are looked at for each new one */
	NAME_SIZE = 2 + TEXT_NAME_SIZE,
};

struct folder {
	struct store tries, ended;
};

/* -- tries ------------------------------------------------------------------------------- */

struct slot {
	unsigned char key[STATE_KEY_BYTES];
	int64_t empty_at; /* 0: free */
};

/* Where a bucket is: its row, and its slot there. */
struct place {
	unsigned char row[2];
	struct slot slots[SLOTS], *slot;
	time_t level; /* when it will be empty; now, if it is */
	bool ahead;   /* more than full: the clock was set back */
};

static const struct store_kind tries = {
	.file = "tries",
	.loss = "what was counted so far begins anew",
	.max = 16 << 20,
};

/*
 * The slot of the key, else, emptied, the one that will be empty soonest; but one that is later
 * than any try can make it goes first: the clock was ahead.
 */
static struct slot *
find_slot(struct slot slots[static SLOTS], const unsigned char key[static STATE_KEY_BYTES],
    time_t latest)
{
	struct slot *soonest = slots;

	for (size_t i = 0; i < SLOTS; i++) {
		if (memcmp(slots[i].key, key, STATE_KEY_BYTES) == 0)
			return &slots[i];
		if (soonest->empty_at <= latest &&
		    (slots[i].empty_at > latest || slots[i].empty_at < soonest->empty_at))
			soonest = &slots[i];
	}
	*soonest = (struct slot){ .empty_at = 0 };
	memcpy(soonest->key, key, STATE_KEY_BYTES);
	return soonest;
}

static void
look_up(struct change *change, struct place *place, const struct state_bucket *bucket, time_t now)
{
	unsigned row = (unsigned)(bucket->key[0] << 8 | bucket->key[1]) % ROWS;
	MDB_val key = { sizeof(place->row), place->row }, value = { 0, NULL };
	const time_t full = now + bucket->size;

	row += bucket->kind * ROWS;
	*place = (struct place){ { (unsigned char)(row >> 8), (unsigned char)row }, .level = now };
	if (change->rc == 0)
		change->rc = mdb_get(change->txn, change->store->database, &key, &value);
	if (change->rc == 0 && value.mv_size == sizeof(place->slots))
		memcpy(place->slots, value.mv_data, sizeof(place->slots));
	if (change->rc == MDB_NOTFOUND)
		change->rc = 0;
	place->slot = find_slot(place->slots, bucket->key, full + STATE_SLACK);
	if (place->slot->empty_at > now)
		place->level = place->slot->empty_at;
	place->ahead = place->level > full + STATE_SLACK;
	if (place->ahead)
		place->level = full;
}

static void
store_level(struct change *change, struct place *place, time_t level)
{
	MDB_val key = { sizeof(place->row), place->row };
	MDB_val value = { sizeof(place->slots), place->slots };

	place->slot->empty_at = level;
	if (change->rc == 0)
		change->rc = mdb_put(change->txn, change->store->database, &key, &value, 0);
}

static bool
count(void *home, const struct state_bucket buckets[], size_t count, time_t now, long *wait,
    const struct log *log)
{
	struct folder *folder = home;
	struct place places[STATE_BUCKETS_MAX];
	struct change change;

	*wait = 0;
	change = store_begin(&folder->tries, true, now, log);
	for (size_t i = 0; i < count; i++) {
		long over;

		look_up(&change, &places[i], &buckets[i], now);
		over = places[i].level + buckets[i].cost - now - buckets[i].size;
		if (over > *wait)
			*wait = over;
	}
	/* One that was ahead drains from now on, or else it would be full until then. */
	for (size_t i = 0; i < count; i++) {
		if (*wait == 0)
			store_level(&change, &places[i], places[i].level + buckets[i].cost);
		else if (places[i].ahead)
			store_level(&change, &places[i], places[i].level);
	}
	return store_finish(&change);
}

static bool
forgive(void *home, const struct state_bucket buckets[], size_t count, time_t now,
    const struct log *log)
{
	struct folder *folder = home;
	struct change change;
	struct place place;

	change = store_begin(&folder->tries, true, now, log);
	for (size_t i = 0; i < count; i++) {
		look_up(&change, &place, &buckets[i], now);
		if (place.level > now)
			store_level(&change, &place, place.level - buckets[i].back);
	}
	return store_finish(&change);
}

/* -- ended sessions ---------------------------------------------------------------------- */

/*
 * What an entry is of, the first byte of its key: all sessions, an ended one, one that began
 * later than it says, all of a user.
 */
enum { OF_ALL = 'a', OF_ENDED = 's', OF_BEGUN = 'b', OF_USER = 'u' };

struct entry {
	int64_t at, until; /* ended, or begun, when; may be forgotten when */
};

static MDB_val
key_of(char name[static NAME_SIZE], char of, const char *text)
{
	/* Neither a sid nor a user's name is longer. */
	name[0] = of;
	text_copy(name + 1, NAME_SIZE - 1, text);
	return (MDB_val){ strlen(name), name };
}

static void
put_entry(struct change *change, char of, const char *text, struct entry entry)
{
	char name[NAME_SIZE];
	MDB_val key = key_of(name, of, text), value = { sizeof(entry), &entry };

	if (change->rc == 0)
		change->rc = mdb_put(change->txn, change->store->database, &key, &value, 0);
}

static void
end_all(struct change *change, time_t now)
{
	put_entry(change, OF_ALL, "", (struct entry){ now, INT64_MAX });
}

static const struct store_kind ended = {
	.file = "ended",
	.loss = "everybody is signed out",
	.synced = true,
	.max = 64 << 20,
	.fill = end_all,
};

/* Fill `entry`. False, with zeros, where there is none, or on a fault. */
static bool
read_entry(struct change *change, char of, const char *text, struct entry *entry)
{
	char name[NAME_SIZE];
	MDB_val key = key_of(name, of, text), value;

	*entry = (struct entry){ 0 };
	if (change->rc != 0)
		return false;
	change->rc = mdb_get(change->txn, change->store->database, &key, &value);
	if (change->rc == 0 && value.mv_size == sizeof(*entry)) {
		memcpy(entry, value.mv_data, sizeof(*entry));
		return true;
	}
	if (change->rc == 0)
		change->rc = MDB_CORRUPTED;
	else if (change->rc == MDB_NOTFOUND)
		change->rc = 0;
	return false;
}

/* The time up to which every session of the user was ended; 0 where none was. */
static time_t
ended_until(struct change *change, const char *user)
{
	struct entry of_user, of_all;

	read_entry(change, OF_USER, user, &of_user);
	read_entry(change, OF_ALL, "", &of_all);
	return of_user.at > of_all.at ? of_user.at : of_all.at;
}

/* Delete what was over at `then` among the `most` entries from `key` on, in a circle. */
static void
sweep(struct change *change, MDB_val key, size_t most, time_t then)
{
	MDB_cursor_op step = MDB_SET_RANGE;
	MDB_cursor *cursor;
	struct entry entry;
	MDB_val value;

	if (change->rc == 0)
		change->rc = mdb_cursor_open(change->txn, change->store->database, &cursor);
	for (; change->rc == 0 && most > 0; most--, step = MDB_NEXT) {
		change->rc = mdb_cursor_get(cursor, &key, &value, step);
		if (change->rc == MDB_NOTFOUND)
			change->rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		if (change->rc != 0)
			break;
		if (value.mv_size != sizeof(entry)) {
			change->rc = MDB_CORRUPTED;
			break;
		}
		memcpy(&entry, value.mv_data, sizeof(entry));
		if (entry.until < then)
			change->rc = mdb_cursor_del(cursor, 0);
	}
}

/* How many entries there are. */
static size_t
entries(struct change *change)
{
	MDB_stat stat = { 0 };

	if (change->rc == 0)
		change->rc = mdb_stat(change->txn, change->store->database, &stat);
	return stat.ms_entries;
}

/* Add an entry, if there is room, or can be made. */
static void
add_entry(struct change *change, char of, const char *text, struct entry entry, time_t now)
{
	char name[NAME_SIZE];
	MDB_val key = key_of(name, of, text);

	/* A clock may be ahead for a while: what seems to be over is kept as long as there is room.
	 */
	if (entries(change) < ENDED_MAX)
		sweep(change, key, SWEEP, now - STATE_DAY);
	else
		sweep(change, key, ENDED_MAX, now);
	if (entries(change) >= ENDED_MAX)
		change->rc = MDB_MAP_FULL;
	put_entry(change, of, text, entry);
}

static bool
begin_session(void *home, const char *sid, const char *user, time_t *auth_time, time_t now,
    long ahead, time_t until, const struct log *log)
{
	struct folder *folder = home;
	struct change change;
	time_t ended_at;

	*auth_time = now;
	change = store_begin(&folder->ended, false, now, log);
	ended_at = ended_until(&change, user);
	if (!store_finish(&change))
		return false;
	if (ended_at >= now && ended_at < now + ahead)
		*auth_time = ended_at + 1;
	if (*auth_time > ended_at)
		return true;
	change = store_begin(&folder->ended, true, now, log);
	ended_at = ended_until(&change, user);
	add_entry(&change, OF_BEGUN, sid, (struct entry){ ended_at + 1, until }, now);
	return store_finish(&change);
}

static bool
end_session(void *home, const char *sid, time_t now, time_t until, const struct log *log)
{
	struct folder *folder = home;
	struct change change;

	change = store_begin(&folder->ended, true, now, log);
	add_entry(&change, OF_ENDED, sid, (struct entry){ now, until }, now);
	return store_finish(&change);
}

static bool
end_user(void *home, const char *user, time_t now, time_t until, const struct log *log)
{
	struct folder *folder = home;
	struct change change;
	time_t at;

	change = store_begin(&folder->ended, true, now, log);
	/* Those that have begun since the last time are dated a second after it. */
	at = ended_until(&change, user) + 1;
	if (at < now)
		at = now;
	add_entry(&change, OF_USER, user, (struct entry){ at, until + (at - now) }, now);
	return store_finish(&change);
}

static enum state_verdict
session(void *home, const char *sid, const char *user, time_t auth_time, time_t now,
    const struct log *log)
{
	struct folder *folder = home;
	struct change change;
	struct entry entry;
	bool over;

	change = store_begin(&folder->ended, false, now, log);
	over = read_entry(&change, OF_ENDED, sid, &entry);
	if (!over && ended_until(&change, user) >= auth_time)
		over = !read_entry(&change, OF_BEGUN, sid, &entry) ||
		    ended_until(&change, user) >= entry.at;
	if (!store_finish(&change))
		return STATE_FAULT;
	return over ? STATE_ENDED : STATE_OPEN;
}

/* ---------------------------------------------------------------------------------------- */

static void *
begin(const char *place, const char *prefix, long grace)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	(void)prefix, (void)grace;
	if (folder != NULL)
		*folder = (struct folder){ { .kind = &tries, .folder = place },
			{ .kind = &ended, .folder = place } };
	return folder;
}

static void
end(void *home)
{
	struct folder *folder = home;

	store_close(&folder->tries);
	store_close(&folder->ended);
	free(folder);
}

const struct state_home state_lmdb = { begin, end, count, forgive, begin_session, end_session,
	end_user, session };
