/*
 * test_throttle: how many attempts pass, whose they are taken to be, for how long the rest wait;
 * and that a device cookie is good for the line, the secret and the time that it was made for, in
 * the one way it was written.
 */
#include "auth/throttle.h"

#include <ctype.h>

#include "base/secret.h"
#include "mint.h"
#include "unit.h"

enum {
	NOW = 1000000000,
	MINUTE = 60,
	DAY = 24 * 60 * MINUTE,
	NAME_SIZE = 32,
	TEXT_SIZE = 512,
};

#define ID "0123456789abcdef0123456789abcdef"
#define PWV "0123456789abcdef"

static const struct config site = { .secret = MINT_SECRET };

/* -- attempts -------------------------------------------------------------------------- */

/* Who signs in; `device` is the value of a cookie. */
struct client {
	const char *name, *address, *device;
};

static const struct client ada = { "ada", "203.0.113.7", NULL };

/* A device cookie of ada's, good for any name here: all have one pwv. */
static char device[THROTTLE_DEVICE_SIZE];

/* Nothing goes wrong here, so nothing may be said. */
static void
no_line(void *to, const char *line, size_t length)
{
	(void)to;
	fail_msg("%.*s", (int)length, line);
}

static const struct log quiet = { no_line, NULL };

static struct store *
open_store(const char *place)
{
	const char *wrong;
	struct store *store = store_open(place, "postern", &wrong);

	assert_non_null(store);
	return store;
}

/* The store of a folder, with nothing counted in it. */
static struct store *
new_store(const char *folder)
{
	char path[UNIT_PATH_SIZE];

	unit_path(path, folder, "attempts");
	(void)!unlink(path);
	return open_store(folder);
}

static struct account
account_of(const char *pwv)
{
	struct account account = { .known = true, .pwv_count = 1 };

	assert_true(text_copy(account.pwv[0], sizeof(account.pwv[0]), pwv));
	return account;
}

static struct text_span
span(const char *text)
{
	return (struct text_span){ text, text != NULL ? strlen(text) : 0 };
}

/* Count an attempt of this client under these settings. How long it must wait. */
static long
count(struct throttle *throttle, struct store *store, const struct config *config,
    struct client client, time_t now)
{
	const struct account account = account_of(PWV);
	const struct text_span cookie = span(client.device);
	long wait = -1;
	enum throttle_verdict verdict;

	*throttle = (struct throttle){ .name = client.name,
		.account = &account,
		.address = client.address,
		.devices = &cookie,
		.device_count = client.device != NULL ? 1 : 0 };
	verdict = throttle_count(throttle, store, config, now, &wait, &quiet);
	throttle->account = NULL;
	throttle->devices = NULL;
	assert_int_equal(verdict, wait > 0 ? THROTTLE_WAIT : THROTTLE_GO);
	return wait;
}

/* An attempt, that is right or wrong. How long it must wait. */
static long
attempt(struct store *store, struct client client, bool right, time_t now)
{
	struct throttle throttle;
	const long wait = count(&throttle, store, &site, client, now);

	if (right && wait == 0)
		throttle_forgive(&throttle, store, now, &quiet);
	return wait;
}

static long
wrong(struct store *store, struct client client, time_t now)
{
	return attempt(store, client, false, now);
}

static long
right(struct store *store, struct client client, time_t now)
{
	return attempt(store, client, true, now);
}

/* Where an attempt of this client is counted. */
static struct throttle
places(const struct config *config, struct client client)
{
	struct store *none = open_store(STORE_NONE);
	struct throttle throttle;

	assert_int_equal(count(&throttle, none, config, client, NOW), 0);
	store_close(none);
	return throttle;
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

/* How many of 200 wrong attempts pass at once, by clients from that number on. */
static long
pass(struct store *store, struct client client, enum varies varies, unsigned from, time_t now)
{
	char text[2][NAME_SIZE];
	long passed = 0;

	for (unsigned n = from; n < from + 200; n++)
		passed += wrong(store, number(text, client, varies, n), now) == 0;
	return passed;
}

/* -- limits ---------------------------------------------------------------------------- */

static const struct limit {
	const char *name;
	const char *device;
	enum varies varies;
	long attempts, seconds; /* how many pass at once, and after how long one more */
} limits[] = {
	{ "one name from one address", NULL, NOTHING, 5, 2 * MINUTE },
	{ "any names from one address", NULL, NAMES, 30, MINUTE },
	{ "one name from any addresses", NULL, ADDRESSES, 100, 10 * MINUTE },
	{ "one name from one device", device, NOTHING, 10, 10 * MINUTE },
	{ "one name from one device, wherever it is", device, ADDRESSES, 10, 10 * MINUTE },
};

static struct client
client_of(const struct limit *limit)
{
	return (struct client){ ada.name, ada.address, limit->device };
}

/* One more than the limit waits, exactly until one has drained; refused attempts add nothing. */
static void
test_limits(void **state)
{
	for (size_t i = 0; i < COUNT(limits); i++) {
		const struct limit *limit = &limits[i];
		struct store *counted = new_store(*state);
		const struct client client = client_of(limit);
		char text[2][NAME_SIZE];

		CHECK(limit->name, pass(counted, client, limit->varies, 0, NOW) == limit->attempts);
		for (long after = 0; after < limit->seconds; after++)
			CHECK(limit->name,
			    wrong(counted, number(text, client, limit->varies, 300), NOW + after) ==
				limit->seconds - after);
		for (int drained = 1; drained < 3; drained++)
			CHECK(limit->name,
			    pass(counted, client, limit->varies, 400,
				NOW + drained * limit->seconds) == 1);
		store_close(counted);
	}
}

/* After a quiet time all is as it was at first. */
static void
test_quiet_time(void **state)
{
	for (size_t i = 0; i < COUNT(limits); i++) {
		const struct limit *limit = &limits[i];
		const long quiet_time = limit->attempts * limit->seconds;
		const struct client client = client_of(limit);

		for (long early = 0; early < 2; early++) {
			struct store *counted = new_store(*state);
			time_t then = NOW + quiet_time - early;

			pass(counted, client, limit->varies, 0, NOW);
			CHECK(limit->name,
			    pass(counted, client, limit->varies, 300, then) ==
				limit->attempts - early);
			store_close(counted);
		}
	}
}

/* An attempt that is refused by one bucket is not counted in the others. */
static void
test_refused_adds_nothing(void **state)
{
	struct store *counted = new_store(*state);

	assert_int_equal(pass(counted, ada, NOTHING, 0, NOW), 5);
	assert_int_equal(pass(counted, ada, NAMES, 0, NOW), 25);
	assert_int_equal(pass(counted, ada, ADDRESSES, 0, NOW), 95);
	store_close(counted);
}

/* A bucket drains while its clients are refused. */
static void
test_patient_client(void **state)
{
	struct store *counted = new_store(*state);
	long passed = 0;

	for (long second = 0; second < 24 * 60; second++)
		passed += wrong(counted, ada, NOW + second) == 0;
	assert_int_equal(passed, 5 + (24 * 60 - 1) / (2 * MINUTE));
	store_close(counted);
}

/* -- success --------------------------------------------------------------------------- */

/* After so many wrong attempts and one that was right, how many more pass. */
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
		{ "it empties the device", device, NOTHING, 9, 10 },
		{ "the device somewhere else", device, ADDRESSES, 9, 10 },
		{ "the address loses only this one", NULL, NAMES, 29, 1 },
		{ "an address with few attempts", NULL, NAMES, 10, 20 },
		{ "the name loses only this one", NULL, ADDRESSES, 99, 1 },
		{ "a name with few attempts", NULL, ADDRESSES, 10, 90 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store *counted = new_store(*state);
		struct client client = { ada.name, ada.address, cases[i].device };
		char text[2][NAME_SIZE];

		for (unsigned n = 0; n < cases[i].before; n++)
			CHECK(cases[i].name,
			    wrong(counted, number(text, client, cases[i].varies, n), NOW) == 0);
		CHECK(cases[i].name, right(counted, client, NOW) == 0);
		CHECK(cases[i].name,
		    pass(counted, client, cases[i].varies, 300, NOW) == cases[i].after);
		store_close(counted);
	}
}

/* Right again and again, as a program is: it is never held off, and opens nothing. */
static void
test_success_again_and_again(void **state)
{
	struct store *counted = new_store(*state);
	const struct client owner = { "mallory", ada.address, NULL };

	assert_int_equal(pass(counted, ada, NOTHING, 0, NOW), 5);
	for (int i = 0; i < 500; i++)
		assert_int_equal(right(counted, owner, NOW), 0);
	assert_int_equal(wrong(counted, ada, NOW), 2 * MINUTE);
	assert_int_equal(pass(counted, ada, NAMES, 0, NOW), 25);
	assert_int_equal(right(counted, owner, NOW), MINUTE);
	store_close(counted);
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
		{ "that name with a device, there", NOTHING, { "ada", "203.0.113.7", device },
		    2 * MINUTE },
		{ "that name with a device, of a full address", NAMES,
		    { "ada", "203.0.113.7", device }, MINUTE },
		{ "that name with a device, of a full name", ADDRESSES,
		    { "ada", "203.0.113.9", device }, 10 * MINUTE },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store *counted = new_store(*state);
		char text[2][NAME_SIZE];

		pass(counted, ada, cases[i].varies, 0, NOW);
		CHECK(cases[i].name, right(counted, cases[i].client, NOW) == 0);
		CHECK(cases[i].name,
		    wrong(counted, number(text, ada, cases[i].varies, 300), NOW) == cases[i].wait);
		store_close(counted);
	}
}

/* A success when the bucket has drained meanwhile takes nothing from later attempts. */
static void
test_success_long_after(void **state)
{
	struct store *counted = new_store(*state);
	struct throttle throttle;

	assert_int_equal(count(&throttle, counted, &site, ada, NOW), 0);
	throttle_forgive(&throttle, counted, NOW + DAY, &quiet);
	assert_int_equal(pass(counted, ada, NOTHING, 0, NOW + DAY), 5);
	assert_int_equal(pass(counted, ada, NAMES, 0, NOW + DAY), 25);
	store_close(counted);
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
		unsigned before; /* wrong attempts */
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
		struct store *counted = new_store(*state);

		for (unsigned n = 0; n < cases[i].before; n++)
			CHECK(cases[i].name, wrong(counted, ada, NOW) == 0);
		CHECK(cases[i].name, pass(counted, ada, NOTHING, 0, set) == cases[i].passed);
		CHECK(cases[i].name, wrong(counted, ada, set) == cases[i].wait);
		CHECK(cases[i].name, wrong(counted, ada, set + cases[i].wait - 1) == 1);
		CHECK(cases[i].name, pass(counted, ada, NOTHING, 0, set + cases[i].wait) == 1);
		store_close(counted);
	}
}

/* -- whose buckets --------------------------------------------------------------------- */

/* Are two attempts counted in one bucket of this place among theirs? */
static bool
share(const struct throttle *a, const struct throttle *b, size_t at)
{
	return at < a->count && at < b->count && a->buckets[at].kind == b->buckets[at].kind &&
	    memcmp(a->buckets[at].key, b->buckets[at].key, STORE_BUCKET_KEY_BYTES) == 0;
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
		const struct throttle a = places(&site, (struct client){ "ada", cases[i].a, NULL }),
				      b = places(&site, (struct client){ "ada", cases[i].b, NULL });

		CHECK(cases[i].name, a.count == 3 && b.count == 3);
		/* The pair, the address, and the name. */
		CHECK(cases[i].name, share(&a, &b, 0) == cases[i].want);
		CHECK(cases[i].name, share(&a, &b, 1) == cases[i].want);
		CHECK(cases[i].name, share(&a, &b, 2));
	}
}

static void
test_no_addresses(void **state)
{
	static const char *const cases[] = { "", "unix:", "unknown", "[2001:db8::1]",
		"203.0.113.7:80", "\xff\n", "2001:db8::1 ", "1.2.3", "1.2.3.4.5", ":",
		"0123456789012345678901234567890123456789012345678" };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct throttle none = places(&site, (struct client){ "ada", NULL, NULL }),
				      some =
					  places(&site, (struct client){ "ada", cases[i], NULL });
		bool here = true;

		CHECK(cases[i], !throttle_is_address(cases[i], &here));
		CHECK(cases[i], !here);
		CHECK(cases[i], some.count == 1 && share(&none, &some, 0));
	}
}

static void
test_of_this_machine(void **state)
{
	static const struct {
		const char *address;
		bool want;
	} cases[] = {
		{ "127.0.0.1", true },
		{ "127.255.255.254", true },
		{ "::1", true },
		{ "::ffff:127.0.0.1", true },
		{ "128.0.0.1", false },
		{ "12.7.0.1", false },
		{ "1.127.0.1", false },
		{ "::ffff:203.0.113.7", false },
		{ "fe80::1", false },
		{ "2001:db8::1", false },
		{ "127::1", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		bool here = !cases[i].want;

		CHECK(cases[i].address, throttle_is_address(cases[i].address, &here));
		CHECK(cases[i].address, here == cases[i].want);
	}
}

static void
test_kinds_of_networks(void **state)
{
	const struct throttle one = places(&site, (struct client){ "ada", "203.0.113.7", NULL }),
			      bob = places(&site, (struct client){ "bob", "203.0.113.7", NULL }),
			      other = places(&site, (struct client){ "ada", "203.0.113.8", NULL });

	(void)state;
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
		"\xff\xfe", "\x01", "%s", "ada 203.0.113.7", "ada:203.0.113.7", "203.0.113.7", ID,
		"Zo\xc3\xab", "Zoe\xcc\x88", aaa, aaa + 1, aab };

	(void)state;
	memset(aaa, 'a', LONG);
	memset(aab, 'a', LONG);
	aab[LONG - 1] = 'b';
	for (size_t i = 0; i < COUNT(names); i++) {
		for (size_t j = 0; j < COUNT(names); j++) {
			const struct client one = { names[i], ada.address, NULL },
					    other = { names[j], ada.address, NULL };
			const struct throttle a = places(&site, one), b = places(&site, other);

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
	struct store *counted = new_store(*state);
	const struct client client = { name, ada.address, NULL };

	memset(name, 0xff, sizeof(name) - 1);
	assert_int_equal(pass(counted, client, NOTHING, 0, NOW), 5);
	name[sizeof(name) - 2] = 'x';
	assert_int_equal(pass(counted, client, NOTHING, 0, NOW), 5);
	store_close(counted);
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
		{ "without a device", { "x", "192.0.2.1", NULL }, 3 },
		{ "with one", { "x", "192.0.2.1", device }, 1 },
		{ "with one, and no address", { "x", NULL, device }, 1 },
		{ "without either", { "x", NULL, NULL }, 1 },
		{ "without a name", { "", "192.0.2.1", NULL }, 3 },
		{ "without a name, and what is no address", { "", "", NULL }, 1 },
		{ "a device without a name", { "", "192.0.2.1", device }, 1 },
		{ "an empty device", { "x", "192.0.2.1", "" }, 3 },
	};
	struct store_bucket seen[16];
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct throttle throttle = places(&site, cases[i].client);

		CHECK(cases[i].name, throttle.count == cases[i].count);
		for (size_t at = 0; at < throttle.count; at++)
			CHECK(cases[i].name, throttle.buckets[at].kind < STORE_BUCKET_KINDS);
		memcpy(&seen[count], throttle.buckets, throttle.count * sizeof(seen[0]));
		count += throttle.count;
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (memcmp(seen[i].key, seen[j].key, STORE_BUCKET_KEY_BYTES) == 0)
				assert_int_equal(seen[i].kind, seen[j].kind);
			else
				assert_memory_not_equal(seen[i].key, seen[j].key, 8);
		}
	}
}

/* A device is counted with its name only, another secret counts anew. */
static void
test_device_and_secret(void **state)
{
	static const struct config other_site = { .secret = MINT_STRANGER };
	char other_device[THROTTLE_DEVICE_SIZE];
	const struct {
		const char *name;
		struct client client;
		const struct config *site;
		bool want;
	} cases[] = {
		{ "the same", { "ada", "203.0.113.7", device }, &site, true },
		{ "elsewhere", { "ada", "2001:db8::1", device }, &site, true },
		{ "nowhere", { "ada", NULL, device }, &site, true },
		{ "another name", { "bob", "203.0.113.7", device }, &site, false },
		{ "another device", { "ada", "203.0.113.7", other_device }, &site, false },
		{ "another secret", { "ada", "203.0.113.7", device }, &other_site, false },
		{ "no device", { "ada", "203.0.113.7", NULL }, &site, false },
	};
	const struct client client = { "ada", "203.0.113.7", device };
	const struct throttle first = places(&site, client);
	const struct account account = account_of(PWV);

	(void)state;
	assert_true(throttle_make_device(other_device, &(struct throttle){ .count = 0 }, &site,
	    &account, NOW));
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct throttle next = places(cases[i].site, cases[i].client);

		CHECK(cases[i].name, share(&first, &next, 0) == cases[i].want);
	}
	/* The same of each place without a device. */
	for (size_t at = 0; at < 3; at++) {
		const struct throttle here = places(&site, ada), there = places(&other_site, ada);

		assert_int_equal(there.count, 3);
		assert_false(share(&here, &there, at));
	}
}

/* An unknown name's account is another user's: the device cookie of that user is none here. */
static void
test_device_of_a_decoy(void **state)
{
	struct store *none = open_store(STORE_NONE);
	struct account account = account_of(PWV);
	const struct text_span cookie = span(device);
	struct throttle throttle = { .name = "eve",
		.account = &account,
		.address = ada.address,
		.devices = &cookie,
		.device_count = 1 };
	long wait;

	(void)state;
	account.known = false;
	assert_int_equal(throttle_count(&throttle, none, &site, NOW, &wait, &quiet), THROTTLE_GO);
	assert_string_equal(throttle.device, "");
	assert_int_equal(throttle.count, 3);
	store_close(none);
}

/* Of several device cookies the first that is good counts. */
static void
test_several_devices(void **state)
{
	struct store *none = open_store(STORE_NONE);
	const struct account account = account_of(PWV);
	char other[THROTTLE_DEVICE_SIZE];
	struct throttle throttle;
	long wait;

	(void)state;
	assert_true(
	    throttle_make_device(other, &(struct throttle){ .device = "" }, &site, &account, NOW));
	throttle = (struct throttle){ .name = "ada",
		.account = &account,
		.address = ada.address,
		.devices = (struct text_span[]){ span("x"), span(device), span(other) },
		.device_count = 3 };
	assert_int_equal(throttle_count(&throttle, none, &site, NOW, &wait, &quiet), THROTTLE_GO);
	assert_string_equal(throttle.device, ID);
	throttle.device_count = 1;
	assert_int_equal(throttle_count(&throttle, none, &site, NOW, &wait, &quiet), THROTTLE_GO);
	assert_string_equal(throttle.device, "");
	store_close(none);
}

/* Guesses from everywhere shut out no browser that was here before. */
static void
test_device_among_guesses(void **state)
{
	struct store *counted = new_store(*state);

	pass(counted, ada, NOTHING, 0, NOW);
	pass(counted, ada, ADDRESSES, 0, NOW);
	pass(counted, ada, NAMES, 0, NOW);
	assert_int_equal(pass(counted, (struct client){ "ada", ada.address, device }, NOTHING, 0,
			     NOW),
	    10);
	store_close(counted);
}

/* Where the address tells nothing, the name alone counts. */
static void
test_no_address(void **state)
{
	struct store *counted = new_store(*state);

	assert_int_equal(pass(counted, (struct client){ "ada", NULL, NULL }, NOTHING, 0, NOW), 100);
	assert_int_equal(wrong(counted, ada, NOW), 10 * MINUTE);
	assert_int_equal(pass(counted, (struct client){ "x", NULL, NULL }, NAMES, 0, NOW), 200);
	store_close(counted);
}

static void
test_no_store(void **state)
{
	struct store *none = open_store(STORE_NONE);

	(void)state;
	for (size_t i = 0; i < COUNT(limits); i++)
		CHECK(limits[i].name,
		    pass(none, client_of(&limits[i]), limits[i].varies, 0, NOW) == 200);
	assert_int_equal(right(none, ada, NOW), 0);
	store_close(none);
}

/* Where it cannot be told how many there were, nobody is let on, and the log says why. */
static void
test_no_folder(void **state)
{
	struct store *lost = open_store("/nonexistent/store");
	const struct account account = account_of(PWV);
	struct unit_log caught;
	const struct log log = unit_log(&caught);
	struct throttle throttle = { .name = "ada", .account = &account, .address = ada.address };
	long wait;

	(void)state;
	assert_int_equal(throttle_count(&throttle, lost, &site, NOW, &wait, &log), THROTTLE_FAULT);
	assert_int_equal(caught.lines, 1);
	throttle_forgive(&throttle, lost, NOW, &log);
	assert_int_equal(caught.lines, 2);
	store_close(lost);
}

/* -- a flood --------------------------------------------------------------------------- */

enum {
	FLOOD = 40000,
	FLOOD_ADDRESSES = 20000,
	FULL = 20,
	/* Four kinds of 2,048 rows of eight slots, of 24 bytes each. */
	FOLDER_MAX = 1600000,
};

/* A wrong attempt of the name and the address of these numbers. */
static long
flood(struct store *store, unsigned name, unsigned address)
{
	char text[2][NAME_SIZE];

	snprintf(text[0], NAME_SIZE, "user%u", name);
	snprintf(text[1], NAME_SIZE, "%u.%u.%u.%u", 10 + (address >> 24), address >> 16 & 255,
	    address >> 8 & 255, address & 255);
	return wrong(store, (struct client){ text[0], text[1], NULL }, NOW);
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
fill(struct store *store, unsigned n)
{
	const unsigned at = 10000000 + 1000 * n;

	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(flood(store, at, at), 0);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(flood(store, at + 1 + i, at + 1), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(flood(store, at + 100, at + 100 + i), 0);
}

/* They are full still. */
static void
check_full(struct store *store, unsigned n)
{
	const unsigned at = 10000000 + 1000 * n;

	assert_int_equal(flood(store, at, at), 2 * MINUTE);
	assert_int_equal(flood(store, at + 300, at + 1), MINUTE);
	assert_int_equal(flood(store, at + 100, at + 300), 10 * MINUTE);
}

/*
 * Forty thousand names from twenty thousand addresses, all at once, where there is room for sixteen
 * thousand of each: they take no more room than they may, what is full stays full, and whoever is
 * new passes. A row keeps the eight buckets that are the fullest: only fuller ones drive one out.
 */
static void
test_flood(void **state)
{
	struct store *counted = new_store(*state);

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
	store_close(counted);

	folder_size = folder_blocks = 0;
	assert_int_equal(nftw(*state, add_size, 8, FTW_PHYS), 0);
	assert_in_range(folder_size, 1, FOLDER_MAX);
	assert_in_range(folder_blocks, 1, FOLDER_MAX);
}

/* -- the device cookie ----------------------------------------------------------------- */

enum { EXPIRY = NOW + THROTTLE_DEVICE_SECONDS };

#define EXPIRES "1015552000" /* EXPIRY */

/* The cookie that shows one thing, and whose signature is of another. */
static void
forge(char out[static TEXT_SIZE], const char *shown, const char *signed_text)
{
	unsigned char key[SECRET_DIGEST_BYTES], digest[SECRET_DIGEST_BYTES];
	char hex[2 * SECRET_DIGEST_BYTES + 1];

	secret_derive(key, MINT_SECRET, "device");
	secret_digest(digest, key, sizeof(key), signed_text, strlen(signed_text));
	secret_hex(hex, digest, sizeof(digest));
	assert_in_range(snprintf(out, TEXT_SIZE, "%s.%s", shown, hex), 1, TEXT_SIZE - 1);
}

/* Make a device cookie for a browser of this id, or of none. */
static void
make(char out[static THROTTLE_DEVICE_SIZE], const char *id, const char *pwv, time_t now)
{
	const struct account account = account_of(pwv);
	struct throttle throttle = { .count = 0 };

	strcpy(throttle.device, id);
	assert_true(throttle_make_device(out, &throttle, &site, &account, now));
}

/* The id of the browser that a device cookie names, under this secret, or nothing. */
static const char *
id_of(const char *text, const char *pwv, const char *secret, time_t now)
{
	static struct throttle throttle;
	const struct account account = account_of(pwv);
	struct store *none = open_store(STORE_NONE);
	struct config config = { .secret = "" };
	const struct text_span cookie = span(text);
	long wait;

	strcpy(config.secret, secret);
	throttle = (struct throttle){ .name = "ada",
		.account = &account,
		.devices = &cookie,
		.device_count = 1 };
	assert_int_equal(throttle_count(&throttle, none, &config, now, &wait, &quiet), THROTTLE_GO);
	store_close(none);
	return throttle.device;
}

static bool
is_good(const char *text, const char *pwv, const char *secret, time_t now)
{
	const char *id = id_of(text, pwv, secret, now);

	assert_true(id[0] == '\0' || strcmp(id, ID) == 0);
	return id[0] != '\0';
}

static void
test_made(void **state)
{
	char text[THROTTLE_DEVICE_SIZE], want[TEXT_SIZE];

	(void)state;
	make(text, ID, PWV, NOW);
	forge(want, ID "." EXPIRES, ID "." EXPIRES "." PWV);
	assert_string_equal(text, want);
	assert_true(is_good(text, PWV, MINT_SECRET, NOW));
}

/* A browser without an id gets one, another gets another, and each keeps it. */
static void
test_id(void **state)
{
	char text[2][THROTTLE_DEVICE_SIZE], id[2][THROTTLE_DEVICE_ID_SIZE];

	(void)state;
	for (int i = 0; i < 2; i++) {
		make(text[i], "", PWV, NOW);
		strcpy(id[i], id_of(text[i], PWV, MINT_SECRET, NOW));
		assert_int_equal(strspn(id[i], "0123456789abcdef"), THROTTLE_DEVICE_ID_SIZE - 1);
	}
	assert_string_not_equal(id[0], id[1]);
	make(text[1], id[0], "fedcba9876543210", NOW + 5);
	assert_string_equal(id_of(text[1], "fedcba9876543210", MINT_SECRET, NOW + 5), id[0]);
}

static void
test_what_it_is_made_for(void **state)
{
	static const struct {
		const char *name, *pwv, *secret;
		time_t now;
		bool want;
	} cases[] = {
		{ "as it was made", PWV, MINT_SECRET, NOW, true },
		{ "the clock set back by a year", PWV, MINT_SECRET, NOW - 365 * DAY, true },
		{ "the last second", PWV, MINT_SECRET, EXPIRY - 1, true },
		{ "180 days later", PWV, MINT_SECRET, EXPIRY, false },
		{ "a second more", PWV, MINT_SECRET, EXPIRY + 1, false },
		{ "another line", "0123456789abcdee", MINT_SECRET, NOW, false },
		{ "the start of its pwv", "0123456789abcde", MINT_SECRET, NOW, false },
		{ "no pwv", "", MINT_SECRET, NOW, false },
		{ "another secret", PWV, MINT_STRANGER, NOW, false },
	};
	char text[THROTTLE_DEVICE_SIZE];

	(void)state;
	make(text, ID, PWV, NOW);
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(cases[i].name,
		    is_good(text, cases[i].pwv, cases[i].secret, cases[i].now) == cases[i].want);
}

/* The secret was changed: the device cookie is good as long as the one before is known. */
static void
test_previous_secret(void **state)
{
	static const struct {
		const char *name, *secret, *previous, *pwv, *pwv_previous;
		bool want;
	} cases[] = {
		{ "as it was made", MINT_SECRET, "", PWV, "", true },
		{ "changed", MINT_STRANGER, MINT_SECRET, "fedcba9876543210", PWV, true },
		{ "changed, another line", MINT_STRANGER, MINT_SECRET, PWV, "fedcba9876543210",
		    false },
		{ "changed twice", MINT_STRANGER, MINT_PREVIOUS, PWV, PWV, false },
	};
	struct store *none = open_store(STORE_NONE);
	char text[THROTTLE_DEVICE_SIZE];

	(void)state;
	make(text, ID, PWV, NOW);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct account account = account_of(cases[i].pwv);
		const struct text_span cookie = span(text);
		struct config config = { .secret = "" };
		struct throttle throttle = { .name = "ada",
			.account = &account,
			.devices = &cookie,
			.device_count = 1 };
		long wait;

		strcpy(config.secret, cases[i].secret);
		strcpy(config.secret_previous, cases[i].previous);
		strcpy(account.pwv[1], cases[i].pwv_previous);
		account.pwv_count = cases[i].previous[0] != '\0' ? 2 : 1;
		CHECK(cases[i].name,
		    throttle_count(&throttle, none, &config, NOW, &wait, &quiet) == THROTTLE_GO);
		CHECK_TEXT(cases[i].name, throttle.device, cases[i].want ? ID : "");
		/* What is made then is of the current secret. */
		CHECK(cases[i].name, throttle_make_device(text, &throttle, &config, &account, NOW));
		CHECK(cases[i].name,
		    !cases[i].want || is_good(text, cases[i].pwv, cases[i].secret, NOW));
		make(text, ID, PWV, NOW);
	}
	store_close(none);
}

/* A cookie ends where its span does, and not where the header does. */
static void
test_span(void **state)
{
	struct store *none = open_store(STORE_NONE);
	const struct account account = account_of(PWV);
	char text[THROTTLE_DEVICE_SIZE + 8];
	struct throttle throttle;
	long wait;

	(void)state;
	snprintf(text, sizeof(text), "%s; a=b", device);
	for (size_t length = 0; length <= strlen(text); length++) {
		const struct text_span cookie = { text, length };

		throttle = (struct throttle){ .name = "ada",
			.account = &account,
			.devices = &cookie,
			.device_count = 1 };
		assert_int_equal(throttle_count(&throttle, none, &site, NOW, &wait, &quiet),
		    THROTTLE_GO);
		assert_string_equal(throttle.device, length == strlen(device) ? ID : "");
	}
	store_close(none);
}

/* What is shown must be what was signed, and be written as we write it. */
static void
test_shown(void **state)
{
	static const struct {
		const char *name, *shown, *signed_text;
		bool want;
	} cases[] = {
		{ "the same", ID "." EXPIRES, ID "." EXPIRES "." PWV, true },
		{ "a later expiry", ID ".1015552001", ID "." EXPIRES "." PWV, false },
		{ "a longer expiry", ID "." EXPIRES "0", ID "." EXPIRES "." PWV, false },
		{ "another id", "1123456789abcdef0123456789abcdef." EXPIRES, ID "." EXPIRES "." PWV,
		    false },
		{ "an id one shorter", "123456789abcdef0123456789abcdef." EXPIRES,
		    ID "." EXPIRES "." PWV, false },
		{ "a leading zero", ID ".0" EXPIRES, ID "." EXPIRES "." PWV, false },
		{ "a leading zero, signed", ID ".0" EXPIRES, ID ".0" EXPIRES "." PWV, false },
		{ "a plus", ID ".+" EXPIRES, ID "." EXPIRES "." PWV, false },
		{ "a plus, signed", ID ".+" EXPIRES, ID ".+" EXPIRES "." PWV, false },
		{ "a space", ID ". " EXPIRES, ID "." EXPIRES "." PWV, false },
		{ "a space, signed", ID ". " EXPIRES, ID ". " EXPIRES "." PWV, false },
		{ "a space behind", ID "." EXPIRES " ", ID "." EXPIRES "." PWV, false },
		{ "a fraction", ID "." EXPIRES ".5", ID "." EXPIRES "." PWV, false },
		{ "hexadecimal", ID ".0x3c881800", ID "." EXPIRES "." PWV, false },
		{ "a negative expiry, signed", ID ".-5", ID ".-5." PWV, false },
		{ "an expiry of 0, signed", ID ".0", ID ".0." PWV, false },
		{ "no expiry", ID ".", ID "." EXPIRES "." PWV, false },
		{ "no expiry and no dot", ID, ID "." EXPIRES "." PWV, false },
		{ "more than a number holds", ID ".99999999999999999999",
		    ID ".9223372036854775807." PWV, false },
		{ "the line shown as well", ID "." EXPIRES "." PWV, ID "." EXPIRES "." PWV, false },
		{ "another sign than the dot", ID ":" EXPIRES, ID "." EXPIRES "." PWV, false },
		{ "signed without a line", ID "." EXPIRES, ID "." EXPIRES, false },
		{ "signed with an empty line", ID "." EXPIRES, ID "." EXPIRES ".", false },
	};
	char text[TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		forge(text, cases[i].shown, cases[i].signed_text);
		CHECK(cases[i].name, is_good(text, PWV, MINT_SECRET, NOW) == cases[i].want);
	}
}

/* Each byte counts, whatever takes its place. */
static void
test_each_byte(void **state)
{
	char text[THROTTLE_DEVICE_SIZE];

	(void)state;
	make(text, ID, PWV, NOW);
	for (size_t i = 0; text[i] != '\0'; i++) {
		char was = text[i];

		for (int byte = 0; byte < 256; byte++) {
			text[i] = (char)byte;
			if (is_good(text, PWV, MINT_SECRET, NOW) != (text[i] == was))
				fail_msg("byte %zu is 0x%02x", i, (unsigned)byte);
		}
		text[i] = was;
	}
}

static void
test_text_around_it(void **state)
{
	static const struct {
		const char *name, *before, *after;
		size_t cut;
	} cases[] = {
		{ "one cut off", "", "", 1 },
		{ "half of the signature", "", "", 32 },
		{ "no signature", "", "", 64 },
		{ "no signature and no dot", "", "", 65 },
		{ "a digit more", "", "0", 0 },
		{ "a dot behind it", "", ".", 0 },
		{ "a space behind it", "", " ", 0 },
		{ "a line feed behind it", "", "\n", 0 },
		{ "a space before it", " ", "", 0 },
		{ "a dot before it", ".", "", 0 },
		{ "quotes around it", "\"", "\"", 0 },
		{ "more than any cookie", "", ID ID ID ID ID ID ID, 0 },
	};
	static const char *const texts[] = { "", ".", "..", ID, ID ".", ID "..", "deleted", ID ID };
	char good[THROTTLE_DEVICE_SIZE], text[TEXT_SIZE];

	(void)state;
	make(good, ID, PWV, NOW);
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), "%s%.*s%s", cases[i].before,
		    (int)(strlen(good) - cases[i].cut), good, cases[i].after);
		CHECK(cases[i].name, !is_good(text, PWV, MINT_SECRET, NOW));
	}
	for (size_t i = 0; i < COUNT(texts); i++)
		CHECK(texts[i], !is_good(texts[i], PWV, MINT_SECRET, NOW));
}

static void
test_upper_case(void **state)
{
	static const struct {
		const char *name;
		size_t from, to;
	} cases[] = {
		{ "the id", 0, 32 },
		{ "the signature", 44, 108 },
		{ "all of it", 0, 108 },
	};
	char text[THROTTLE_DEVICE_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		make(text, ID, PWV, NOW);
		for (size_t at = cases[i].from; at < cases[i].to; at++)
			text[at] = (char)toupper(text[at]);
		CHECK(cases[i].name, !is_good(text, PWV, MINT_SECRET, NOW));
	}
}

static int
make_all(void **state)
{
	make(device, ID, PWV, NOW);
	return unit_make_memory_folder(state);
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
		cmocka_unit_test(test_of_this_machine),
		cmocka_unit_test(test_kinds_of_networks),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_device_and_secret),
		cmocka_unit_test(test_device_among_guesses),
		cmocka_unit_test(test_no_address),
		cmocka_unit_test(test_no_store),
		cmocka_unit_test(test_no_folder),
		cmocka_unit_test(test_device_of_a_decoy),
		cmocka_unit_test(test_several_devices),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_what_it_is_made_for),
		cmocka_unit_test(test_previous_secret),
		cmocka_unit_test(test_span),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_each_byte),
		cmocka_unit_test(test_text_around_it),
		cmocka_unit_test(test_upper_case),
	};

	return cmocka_run_group_tests_name("throttle", tests, make_all, unit_remove_folder);
}
