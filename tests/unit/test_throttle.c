/*
 * test_throttle: how many tries pass, whose they are taken to be, and for how long the rest wait.
 */
#include "auth/throttle.h"

#include "unit.h"

enum { NOW = 1000000000, MINUTE = 60, DAY = 24 * 60 * MINUTE, NAME_SIZE = 32 };

#define DEVICE "0123456789abcdef0123456789abcdef"

static const unsigned char key[SECRET_DIGEST_BYTES] = "any key";
static const unsigned char other_key[SECRET_DIGEST_BYTES] = "another key";

/* -- tries ----------------------------------------------------------------------------- */

/* Who tries. */
struct client {
	const char *name, *address, *device;
};

static const struct client ada = { "ada", "203.0.113.7", NULL };

/* Nothing goes wrong here, so nothing may be said. */
static void
no_line(void *to, const char *line, size_t length)
{
	(void)to;
	fail_msg("%.*s", (int)length, line);
}

static const struct log quiet = { no_line, NULL };

/* The state, with nothing counted in it. */
static struct state *
new_state(const char *folder)
{
	char path[UNIT_PATH_SIZE];
	struct state *state = state_new(folder, "postern", 0);

	unit_path(path, folder, "tries");
	(void)!unlink(path);
	assert_non_null(state);
	return state;
}

/* A try, or with `right` the success of the one before. How long it must wait. */
static long
attempt(struct state *state, struct client client, bool right, time_t now)
{
	struct throttle throttle;
	long wait = -1;

	assert_true(throttle_begin(&throttle, key, client.name, client.address, client.device));
	assert_true(state_count(state, throttle.buckets, throttle.count, now, &wait, &quiet));
	if (right && wait == 0)
		assert_true(state_forgive(state, throttle.buckets, throttle.count, now, &quiet));
	return wait;
}

static long
wrong(struct state *state, struct client client, time_t now)
{
	return attempt(state, client, false, now);
}

static long
right(struct state *state, struct client client, time_t now)
{
	return attempt(state, client, true, now);
}

/* What the next client has that the one before had not. */
enum varies { NOTHING, NAMES, ADDRESSES };

/* The client of that number; `text` has room for its name and its address. */
static struct client
number(char text[static 2][NAME_SIZE], struct client client, enum varies varies, unsigned n)
{
	snprintf(text[0], NAME_SIZE, "user%u", n);
	snprintf(text[1], NAME_SIZE, "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
	if (varies == NAMES)
		client.name = text[0];
	if (varies == ADDRESSES)
		client.address = text[1];
	return client;
}

/* How many of 200 wrong tries pass at once, by clients from that number on. */
static long
pass(struct state *state, struct client client, enum varies varies, unsigned from, time_t now)
{
	char text[2][NAME_SIZE];
	long passed = 0;

	for (unsigned n = from; n < from + 200; n++)
		passed += wrong(state, number(text, client, varies, n), now) == 0;
	return passed;
}

/* -- limits ---------------------------------------------------------------------------- */

static const struct limit {
	const char *name;
	const char *device;
	enum varies varies;
	long tries, seconds; /* how many pass at once, and after how long one more */
} limits[] = {
	{ "one name from one address", NULL, NOTHING, 5, 2 * MINUTE },
	{ "any names from one address", NULL, NAMES, 30, MINUTE },
	{ "one name from any addresses", NULL, ADDRESSES, 100, 10 * MINUTE },
	{ "one name from one device", DEVICE, NOTHING, 10, 10 * MINUTE },
	{ "one name from one device, wherever it is", DEVICE, ADDRESSES, 10, 10 * MINUTE },
};

static struct client
client_of(const struct limit *limit)
{
	return (struct client){ ada.name, ada.address, limit->device };
}

/* One more than the limit waits, exactly until one has drained; refused tries add nothing. */
static void
test_limits(void **state)
{
	for (size_t i = 0; i < COUNT(limits); i++) {
		const struct limit *limit = &limits[i];
		struct state *counted = new_state(*state);
		const struct client client = client_of(limit);
		char text[2][NAME_SIZE];

		CHECK(limit->name, pass(counted, client, limit->varies, 0, NOW) == limit->tries);
		for (long after = 0; after < limit->seconds; after++)
			CHECK(limit->name,
			    wrong(counted, number(text, client, limit->varies, 300), NOW + after) ==
				limit->seconds - after);
		for (int drained = 1; drained < 3; drained++)
			CHECK(limit->name,
			    pass(counted, client, limit->varies, 400,
				NOW + drained * limit->seconds) == 1);
		state_free(counted);
	}
}

/* After a quiet time all is as it was at first. */
static void
test_quiet_time(void **state)
{
	for (size_t i = 0; i < COUNT(limits); i++) {
		const struct limit *limit = &limits[i];
		const long quiet_time = limit->tries * limit->seconds;
		const struct client client = client_of(limit);

		for (long early = 0; early < 2; early++) {
			struct state *counted = new_state(*state);
			time_t then = NOW + quiet_time - early;

			pass(counted, client, limit->varies, 0, NOW);
			CHECK(limit->name,
			    pass(counted, client, limit->varies, 300, then) ==
				limit->tries - early);
			state_free(counted);
		}
	}
}

/* A try that is refused by one bucket is not counted in the others. */
static void
test_refused_adds_nothing(void **state)
{
	struct state *counted = new_state(*state);

	assert_int_equal(pass(counted, ada, NOTHING, 0, NOW), 5);
	assert_int_equal(pass(counted, ada, NAMES, 0, NOW), 25);
	assert_int_equal(pass(counted, ada, ADDRESSES, 0, NOW), 95);
	state_free(counted);
}

/* A bucket drains while its clients are refused. */
static void
test_patient_client(void **state)
{
	struct state *counted = new_state(*state);
	long passed = 0;

	for (long second = 0; second < 24 * 60; second++)
		passed += wrong(counted, ada, NOW + second) == 0;
	assert_int_equal(passed, 5 + (24 * 60 - 1) / (2 * MINUTE));
	state_free(counted);
}

/* -- success --------------------------------------------------------------------------- */

/* After so many wrong tries and one that was right, how many more pass. */
static void
test_success(void **state)
{
	static const struct {
		const char *name;
		const char *device;
		enum varies varies;
		unsigned before;
		long after;
	} cases[] = {
		{ "it empties the pair", NULL, NOTHING, 4, 5 },
		{ "it was the first of the pair", NULL, NOTHING, 0, 5 },
		{ "it empties the device", DEVICE, NOTHING, 9, 10 },
		{ "the device somewhere else", DEVICE, ADDRESSES, 9, 10 },
		{ "the address loses only this one", NULL, NAMES, 29, 1 },
		{ "an address with few tries", NULL, NAMES, 10, 20 },
		{ "the name loses only this one", NULL, ADDRESSES, 99, 1 },
		{ "a name with few tries", NULL, ADDRESSES, 10, 90 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct state *counted = new_state(*state);
		struct client client = { ada.name, ada.address, cases[i].device };
		char text[2][NAME_SIZE];

		for (unsigned n = 0; n < cases[i].before; n++)
			CHECK(cases[i].name,
			    wrong(counted, number(text, client, cases[i].varies, n), NOW) == 0);
		CHECK(cases[i].name, right(counted, client, NOW) == 0);
		CHECK(cases[i].name,
		    pass(counted, client, cases[i].varies, 300, NOW) == cases[i].after);
		state_free(counted);
	}
}

/* Right again and again, as a program is: it is never held off, and opens nothing. */
static void
test_success_again_and_again(void **state)
{
	struct state *counted = new_state(*state);
	const struct client owner = { "mallory", ada.address, NULL };

	assert_int_equal(pass(counted, ada, NOTHING, 0, NOW), 5);
	for (int i = 0; i < 500; i++)
		assert_int_equal(right(counted, owner, NOW), 0);
	assert_int_equal(wrong(counted, ada, NOW), 2 * MINUTE);
	assert_int_equal(pass(counted, ada, NAMES, 0, NOW), 25);
	assert_int_equal(right(counted, owner, NOW), MINUTE);
	state_free(counted);
}

/* Whoever else is right, or the owner elsewhere, does not let somebody go on guessing. */
static void
test_success_of_others(void **state)
{
	static const struct {
		const char *name;
		enum varies varies; /* the guesses */
		struct client client;
		long wait; /* of the next guess */
	} cases[] = {
		{ "another name at that address", NOTHING, { "bob", "203.0.113.7", NULL },
		    2 * MINUTE },
		{ "that name at another address", NOTHING, { "ada", "203.0.113.8", NULL },
		    2 * MINUTE },
		{ "that name with a device, there", NOTHING, { "ada", "203.0.113.7", DEVICE },
		    2 * MINUTE },
		{ "that name with a device, of a full address", NAMES,
		    { "ada", "203.0.113.7", DEVICE }, MINUTE },
		{ "that name with a device, of a full name", ADDRESSES,
		    { "ada", "203.0.113.9", DEVICE }, 10 * MINUTE },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct state *counted = new_state(*state);
		char text[2][NAME_SIZE];

		pass(counted, ada, cases[i].varies, 0, NOW);
		CHECK(cases[i].name, right(counted, cases[i].client, NOW) == 0);
		CHECK(cases[i].name,
		    wrong(counted, number(text, ada, cases[i].varies, 300), NOW) == cases[i].wait);
		state_free(counted);
	}
}

/* A success when the bucket has drained meanwhile takes nothing from later tries. */
static void
test_success_long_after(void **state)
{
	struct state *counted = new_state(*state);
	struct throttle throttle;
	long wait;

	assert_true(throttle_begin(&throttle, key, ada.name, ada.address, NULL));
	assert_true(state_count(counted, throttle.buckets, throttle.count, NOW, &wait, &quiet));
	assert_true(state_forgive(counted, throttle.buckets, throttle.count, NOW + DAY, &quiet));
	assert_int_equal(pass(counted, ada, NOTHING, 0, NOW + DAY), 5);
	assert_int_equal(pass(counted, ada, NAMES, 0, NOW + DAY), 25);
	state_free(counted);
}

/* -- the clock ------------------------------------------------------------------------- */

/*
 * Set back, it makes a bucket with anything in it full, and not more; set ahead, it empties it.
 * From then on the bucket drains as ever.
 */
static void
test_clock(void **state)
{
	static const struct {
		const char *name;
		unsigned before; /* wrong tries */
		time_t set;
		long passed, wait; /* how many pass then, and how long the next one waits */
	} cases[] = {
		{ "set back by a day", 1, NOW - DAY, 0, 10 * MINUTE },
		{ "set back by a day, full", 5, NOW - DAY, 0, 10 * MINUTE },
		{ "set back by a year", 5, NOW - 365 * DAY, 0, 10 * MINUTE },
		{ "set back by a minute", 1, NOW - MINUTE, 3, MINUTE },
		{ "set back by a second, full", 5, NOW - 1, 0, 2 * MINUTE + 1 },
		{ "set back by a minute, full", 5, NOW - MINUTE, 0, 3 * MINUTE },
		{ "set ahead by a day", 5, NOW + DAY, 5, 2 * MINUTE },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const time_t set = cases[i].set;
		struct state *counted = new_state(*state);

		for (unsigned n = 0; n < cases[i].before; n++)
			CHECK(cases[i].name, wrong(counted, ada, NOW) == 0);
		CHECK(cases[i].name, pass(counted, ada, NOTHING, 0, set) == cases[i].passed);
		CHECK(cases[i].name, wrong(counted, ada, set) == cases[i].wait);
		CHECK(cases[i].name, wrong(counted, ada, set + cases[i].wait - 1) == 1);
		CHECK(cases[i].name, pass(counted, ada, NOTHING, 0, set + cases[i].wait) == 1);
		state_free(counted);
	}
}

/* -- whose buckets --------------------------------------------------------------------- */

/* Are two tries counted in one bucket of this place among theirs? */
static bool
share(const struct throttle *a, const struct throttle *b, size_t at)
{
	return at < a->count && at < b->count && a->buckets[at].kind == b->buckets[at].kind &&
	    memcmp(a->buckets[at].key, b->buckets[at].key, STATE_KEY_BYTES) == 0;
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *name, *a, *b;
		bool want;
	} cases[] = {
		{ "the same", "203.0.113.7", "203.0.113.7", true },
		{ "another", "203.0.113.7", "203.0.113.8", false },
		{ "one that begins as the other", "203.0.113.7", "203.0.113.70", false },
		{ "two of one /64", "2001:db8::1", "2001:db8::2", true },
		{ "the first and the last of a /64",
		    "2001:db8:1:2::", "2001:db8:1:2:ffff:ffff:ffff:ffff", true },
		{ "one written in two ways", "2001:0DB8:0:0::1", "2001:db8::1", true },
		{ "two of one /48", "2001:db8:1:2::1", "2001:db8:1:3::1", false },
		{ "two of one /63", "2001:db8:0:0::1", "2001:db8:0:1::1", false },
		{ "the first bit", "2001:db8::1", "a001:db8::1", false },
		{ "mapped IPv4", "::ffff:203.0.113.7", "203.0.113.7", true },
		{ "mapped IPv4 in hexadecimal", "::FFFF:cb00:7107", "203.0.113.7", true },
		{ "two of mapped IPv4", "::ffff:203.0.113.7", "::ffff:203.0.113.8", false },
		{ "mapped IPv4 and its /64", "::ffff:203.0.113.7", "::1", false },
		{ "on an interface", "fe80::1%eth0", "fe80::2%eth1", true },
		{ "of a translator", "64:ff9b::203.0.113.7", "203.0.113.7", true },
		{ "two of a translator", "64:ff9b::203.0.113.7", "64:ff9b::203.0.113.8", false },
		{ "nearly of a translator", "64:ff9b:1::1", "64:ff9b:1::2", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char a[THROTTLE_NETWORK_SIZE], b[THROTTLE_NETWORK_SIZE];

		CHECK(cases[i].name, throttle_network(a, cases[i].a));
		CHECK(cases[i].name, throttle_network(b, cases[i].b));
		CHECK(cases[i].name, (strcmp(a, b) == 0) == cases[i].want);
	}
}

static void
test_no_addresses(void **state)
{
	static const char *const cases[] = { "", "unix:", "unknown", "[2001:db8::1]",
		"203.0.113.7:80", "\xff\n", "2001:db8::1 ", "1.2.3", "1.2.3.4.5", ":",
		"0123456789012345678901234567890123456789012345678" };
	char network[THROTTLE_NETWORK_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		strcpy(network, "unset");
		CHECK(cases[i], !throttle_network(network, cases[i]));
		CHECK_TEXT(cases[i], network, "");
	}
}

static void
test_kinds_of_networks(void **state)
{
	struct throttle one, bob, other;

	(void)state;
	assert_true(throttle_begin(&one, key, "ada", "203.0.113.7", NULL));
	assert_true(throttle_begin(&bob, key, "bob", "203.0.113.7", NULL));
	assert_true(throttle_begin(&other, key, "ada", "203.0.113.8", NULL));
	assert_int_equal(one.count, 3);
	assert_false(share(&one, &bob, 0));
	assert_true(share(&one, &bob, 1));
	assert_false(share(&one, &bob, 2));
	assert_false(share(&one, &other, 0));
	assert_false(share(&one, &other, 1));
	assert_true(share(&one, &other, 2));
}

/* No other name is counted with a name, nor anything put before or behind it. */
static void
test_names(void **state)
{
	enum { LONG = 8192 };
	static char aaa[LONG + 1], aab[LONG + 1];
	const char *const names[] = { "", "a", "ada", "adam", "Ada", " ada", "ada ", "ada\n",
		"\xff\xfe", "\x01", "%s", "ada 203.0.113.7", "ada:203.0.113.7", "203.0.113.7",
		DEVICE, "Zo\xc3\xab", "Zoe\xcc\x88", aaa, aaa + 1, aab };

	(void)state;
	memset(aaa, 'a', LONG);
	memset(aab, 'a', LONG);
	aab[LONG - 1] = 'b';
	for (size_t i = 0; i < COUNT(names); i++) {
		for (size_t j = 0; j < COUNT(names); j++) {
			struct throttle a, b;

			assert_true(throttle_begin(&a, key, names[i], ada.address, NULL));
			assert_true(throttle_begin(&b, key, names[j], ada.address, NULL));
			CHECK(names[i], share(&a, &b, 0) == (i == j));
			CHECK(names[i], share(&a, &b, 1));
			CHECK(names[i], share(&a, &b, 2) == (i == j));
		}
	}
}

/* A name of 8 KiB is held off as any other. */
static void
test_long_name(void **state)
{
	static char name[8192];
	struct state *counted = new_state(*state);
	const struct client client = { name, ada.address, NULL };

	memset(name, 0xff, sizeof(name) - 1);
	assert_int_equal(pass(counted, client, NOTHING, 0, NOW), 5);
	name[sizeof(name) - 2] = 'x';
	assert_int_equal(pass(counted, client, NOTHING, 0, NOW), 5);
	state_free(counted);
}

/* Which buckets there are, and that two of them never have one key. */
static void
test_kinds(void **state)
{
	static const struct {
		const char *name;
		struct client client;
		size_t count;
	} cases[] = {
		{ "without a device", { "x", "x", NULL }, 3 },
		{ "with one", { "x", "x", "x" }, 1 },
		{ "with one, and no address", { "x", NULL, "x" }, 1 },
		{ "without either", { "x", NULL, NULL }, 1 },
		{ "without a name", { "", "x", NULL }, 3 },
		{ "without a name or an address", { "", "", NULL }, 3 },
		{ "a device without a name", { "", "x", "x" }, 1 },
		{ "an empty device", { "x", "x", "" }, 1 },
	};
	struct state_bucket seen[16];
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct client *client = &cases[i].client;
		struct throttle throttle;

		assert_true(
		    throttle_begin(&throttle, key, client->name, client->address, client->device));
		CHECK(cases[i].name, throttle.count == cases[i].count);
		for (size_t at = 0; at < throttle.count; at++)
			CHECK(cases[i].name, throttle.buckets[at].kind < STATE_KINDS);
		memcpy(&seen[count], throttle.buckets, throttle.count * sizeof(seen[0]));
		count += throttle.count;
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (memcmp(seen[i].key, seen[j].key, STATE_KEY_BYTES) == 0)
				assert_int_equal(seen[i].kind, seen[j].kind);
			else
				assert_memory_not_equal(seen[i].key, seen[j].key, 8);
		}
	}
}

/* A device is counted with its name only, another secret counts anew. */
static void
test_device_and_key(void **state)
{
	static const struct {
		const char *name;
		struct client client;
		const unsigned char *key;
		bool want;
	} cases[] = {
		{ "the same", { "ada", "203.0.113.7", DEVICE }, key, true },
		{ "elsewhere", { "ada", "2001:db8::1", DEVICE }, key, true },
		{ "nowhere", { "ada", NULL, DEVICE }, key, true },
		{ "another name", { "bob", "203.0.113.7", DEVICE }, key, false },
		{ "another device", { "ada", "203.0.113.7", "1" }, key, false },
		{ "another key", { "ada", "203.0.113.7", DEVICE }, other_key, false },
		{ "no device", { "ada", "203.0.113.7", NULL }, key, false },
	};
	struct throttle first, next;

	(void)state;
	assert_true(throttle_begin(&first, key, "ada", "203.0.113.7", DEVICE));
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct client *client = &cases[i].client;

		assert_true(throttle_begin(&next, cases[i].key, client->name, client->address,
		    client->device));
		CHECK(cases[i].name, share(&first, &next, 0) == cases[i].want);
	}
}

/* Guesses from everywhere shut out no browser that was here before. */
static void
test_device_among_guesses(void **state)
{
	struct state *counted = new_state(*state);

	pass(counted, ada, NOTHING, 0, NOW);
	pass(counted, ada, ADDRESSES, 0, NOW);
	pass(counted, ada, NAMES, 0, NOW);
	assert_int_equal(pass(counted, (struct client){ "ada", ada.address, DEVICE }, NOTHING, 0,
			     NOW),
	    10);
	state_free(counted);
}

/* Where the address tells nothing, the name alone counts. */
static void
test_no_address(void **state)
{
	struct state *counted = new_state(*state);

	assert_int_equal(pass(counted, (struct client){ "ada", NULL, NULL }, NOTHING, 0, NOW), 100);
	assert_int_equal(wrong(counted, ada, NOW), 10 * MINUTE);
	assert_int_equal(pass(counted, (struct client){ "x", NULL, NULL }, NAMES, 0, NOW), 200);
	state_free(counted);
}

static void
test_no_state(void **state)
{
	struct state *none = state_new(STATE_NONE, "postern", 0);

	(void)state;
	assert_non_null(none);
	for (size_t i = 0; i < COUNT(limits); i++)
		CHECK(limits[i].name,
		    pass(none, client_of(&limits[i]), limits[i].varies, 0, NOW) == 200);
	assert_int_equal(right(none, ada, NOW), 0);
	state_free(none);
}

/* -- a flood --------------------------------------------------------------------------- */

enum {
	FLOOD = 1000000,
	FLOOD_ADDRESSES = 40000,
	FULL = 20,
	/* Measured: 1.9 MB. It grows by rows, of which there are no more than 8,192. */
	FOLDER_MAX = 2500000,
};

/* What is as good a key as a digest, and made sooner. */
static void
set_key(struct state_bucket *bucket, uint64_t a, uint64_t b)
{
	uint64_t mixed[2] = { a * 4 + bucket->kind, b };

	for (int i = 0; i < 8; i++) {
		mixed[i % 2] += mixed[1 - i % 2] * 0x9e3779b97f4a7c15;
		mixed[i % 2] ^= mixed[i % 2] >> 29;
	}
	memcpy(bucket->key, mixed, sizeof(bucket->key));
}

/* A wrong try of the name and the address of these numbers. */
static long
flood(struct state *state, unsigned name, unsigned address)
{
	static struct throttle throttle;
	long wait = -1;

	if (throttle.count == 0)
		assert_true(throttle_begin(&throttle, key, ada.name, ada.address, NULL));
	set_key(&throttle.buckets[0], name, address);
	set_key(&throttle.buckets[1], 0, address);
	set_key(&throttle.buckets[2], name, 0);
	assert_true(state_count(state, throttle.buckets, throttle.count, NOW, &wait, &quiet));
	return wait;
}

static off_t folder_size, folder_blocks;

static int
add_size(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)path, (void)where;
	if (type == FTW_F) {
		folder_size += st->st_size;
		folder_blocks += 512 * st->st_blocks;
	}
	return 0;
}

/* Fill a pair, an address and a name of that number; the flood has none of them. */
static void
fill(struct state *state, unsigned n)
{
	const unsigned at = 10000000 + 1000 * n;

	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(flood(state, at, at), 0);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(flood(state, at + 1 + i, at + 1), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(flood(state, at + 100, at + 100 + i), 0);
}

/* They are full still. */
static void
check_full(struct state *state, unsigned n)
{
	const unsigned at = 10000000 + 1000 * n;

	assert_int_equal(flood(state, at, at), 2 * MINUTE);
	assert_int_equal(flood(state, at + 300, at + 1), MINUTE);
	assert_int_equal(flood(state, at + 100, at + 300), 10 * MINUTE);
}

/*
 * A million names from forty thousand addresses, twenty-five of each, and all at once: they take
 * no more room than they may, what is full stays full, and whoever is new passes.
 *
 * A row keeps the eight buckets that are the fullest, so only fuller ones drive one out. Measured
 * on full names: when 10,000 more are filled (a million tries from 34,000 addresses), one in
 * twenty is forgotten; of 24,000 more, three in ten.
 */
static void
test_flood(void **state)
{
	struct state *counted = new_state(*state);

	for (unsigned n = 0; n < FULL; n++)
		fill(counted, n);
	for (unsigned n = 1; n <= FLOOD; n++) {
		assert_int_equal(flood(counted, n, 1 + n % FLOOD_ADDRESSES), 0);
		if (n % (FLOOD / 10) == 0)
			check_full(counted, n / (FLOOD / 10));
	}
	for (unsigned n = 0; n < FULL; n++)
		check_full(counted, n);
	assert_int_equal(pass(counted, (struct client){ "grace", "192.0.2.1", NULL }, NOTHING, 0,
			     NOW),
	    5);
	state_free(counted);

	folder_size = folder_blocks = 0;
	assert_int_equal(nftw(*state, add_size, 8, FTW_PHYS), 0);
	assert_in_range(folder_size, 1, FOLDER_MAX);
	assert_in_range(folder_blocks, 1, FOLDER_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_quiet_time),
		cmocka_unit_test(test_refused_adds_nothing),
		cmocka_unit_test(test_patient_client),
		cmocka_unit_test(test_success),
		cmocka_unit_test(test_success_again_and_again),
		cmocka_unit_test(test_success_of_others),
		cmocka_unit_test(test_success_long_after),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_no_addresses),
		cmocka_unit_test(test_kinds_of_networks),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_device_and_key),
		cmocka_unit_test(test_device_among_guesses),
		cmocka_unit_test(test_no_address),
		cmocka_unit_test(test_no_state),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests_name("throttle", tests, unit_make_memory_folder,
	    unit_remove_folder);
}
