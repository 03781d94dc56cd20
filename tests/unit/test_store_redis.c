/*
 * test_store_redis: what happens when Redis is away, slow, another one, or makes no sense. What the
 * verbs do: test_store.
 */
#include <arpa/inet.h>

#include "fake.h"
#include "server.h"
#include "store/backend.h"

enum { NOW = 1000000000, UNTIL = NOW + 600 };

#define BUCKET "postern:attempts:1:ab000000000000000000000000000000"

static const struct store_key key = { "codes", "ada" };
static const struct store_bucket bucket = { .kind = 1, .key = { 0xab }, 500, 100, 100 };

static struct server server;

/* What one test needs. */
struct place {
	void *redis;
	time_t now;
	struct unit_log caught;
	struct log log;
	char texts[STORE_KEYS_MAX][STORE_VALUE_SIZE];
};

static void
open_at(struct place *place, const char *url)
{
	const char *wrong;

	place->log = unit_log(&place->caught);
	place->now = NOW;
	place->redis = store_redis.open(url, "postern", &wrong);
	if (place->redis == NULL)
		fail_msg("%s: %s", url, wrong);
}

static void
begin(struct place *place)
{
	server_do(&server, "FLUSHALL");
	open_at(place, server.url);
}

/* End, with nothing in the log. */
static void
finish(struct place *place)
{
	store_redis.close(place->redis);
	assert_string_equal(place->caught.text, "");
}

static bool
get(struct place *place, struct store_value *value)
{
	value->text = place->texts[0];
	return store_redis.get(place->redis, &key, value, 1, place->now, &place->log);
}

static enum store_swapped
swap(struct place *place, const struct store_value *old, const char *new)
{
	return store_redis.swap(place->redis, &key, old, new, UNTIL, place->now, &place->log);
}

/* Each verb, by number; whether it is done. */
enum { GET, SWAP, COUNT_ONE, UNCOUNT, VERBS };

static bool
does(struct place *place, int verb)
{
	struct store_value value = { .found = STORE_TEXT };
	bool done = false;
	long wait = -1;

	switch (verb) {
	case GET:
		done = get(place, &value);
		assert_true(done || (value.found == STORE_NOTHING && value.text[0] == '\0'));
		return done;
	case SWAP:
		return swap(place, NULL, "new") == STORE_DONE;
	case COUNT_ONE:
		done = store_redis.count(place->redis, &bucket, 1, place->now, &wait, &place->log);
		assert_true(done || wait == 0);
		return done;
	default:
		return store_redis.count(place->redis, &bucket, 1, place->now, NULL, &place->log);
	}
}

static long long
milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void
check_said(const struct place *place, const char *row, const char *words)
{
	if (strstr(place->caught.text, words) == NULL)
		fail_msg("%s: \"%s\" without \"%s\"", row, place->caught.text, words);
}

/* -- where it is --------------------------------------------------------------------------- */

/* Nothing is opened at a place that is wrong; nor is anybody asked at one that is right. */
static void
test_wrong_place(void **state)
{
	const char *wrong = NULL;
	struct place place;

	(void)state;
	assert_null(store_redis.open("redis://127.1", "postern", &wrong));
	assert_true(strstr(wrong, "names a host") != NULL);
	open_at(&place, "unix:/no/such/socket");
	finish(&place);
}

/* Only where a name is looked up is it said how long that may take, unless it was said before. */
static void
test_time_of_lookups(void **state)
{
	static const struct {
		const char *url, *before, *after;
	} cases[] = {
		{ "redis://127.0.0.1", NULL, NULL },
		{ "redis://redis.example", NULL, "timeout:1 attempts:1" },
		{ "redis://redis.example", "timeout:3", "timeout:3" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;
		const char *after;

		unsetenv("RES_OPTIONS");
		if (cases[i].before != NULL)
			setenv("RES_OPTIONS", cases[i].before, 1);
		open_at(&place, cases[i].url);
		after = getenv("RES_OPTIONS");
		CHECK_TEXT(cases[i].url, after != NULL ? after : "unset",
		    cases[i].after != NULL ? cases[i].after : "unset");
		finish(&place);
	}
}

/* Listen on a port that the system gives to nobody, the first one that is free. */
static int
listen_on_port(void)
{
	for (int port = 10000; port < 11000; port++) {
		redisReply *reply = redisCommand(server.context, "CONFIG SET port %d", port);
		const bool done = reply != NULL && reply->type == REDIS_REPLY_STATUS;

		freeReplyObject(reply);
		if (done)
			return port;
	}
	fail();
	return 0;
}

/* By name, by address, over a socket; in another database is another store. */
static void
test_where_it_may_be(void **state)
{
	static const struct {
		const char *host, *database, *found;
	} cases[] = {
		{ "localhost", "", "here" },
		{ "127.0.0.1", "/0", "here" },
		{ "[::1]", "", "here" },
		{ "127.0.0.1", "/7", "" },
	};
	int port;

	(void)state;
	assert_true(server_connect(&server));
	port = listen_on_port();
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store_value value;
		struct place place;
		char url[64];

		server_do(&server, "FLUSHALL");
		server_do(&server, "SET postern:codes:ada here");
		snprintf(url, sizeof(url), "redis://%s:%d%s", cases[i].host, port,
		    cases[i].database);
		open_at(&place, url);
		CHECK(url, get(&place, &value));
		CHECK_TEXT(url, value.text, cases[i].found);
		finish(&place);
	}
	server_do(&server, "CONFIG SET port 0");
}

static void
test_password(void **state)
{
	static const struct {
		const char *name, *user, *said; /* NULL: it is let in */
	} cases[] = {
		{ "the password", "//:wo%40rd@", NULL },
		{ "user and password", "//postern:wo%40rd@", NULL },
		{ "none", "", "reason=\"ROLE: NOAUTH " },
		{ "a wrong one", "//:secret@", "reason=\"AUTH: WRONGPASS\"" },
		{ "of a wrong user", "//ada:wo%40rd@", "reason=\"AUTH: WRONGPASS\"" },
	};

	(void)state;
	server_do(&server, "FLUSHALL");
	/* The rights that are enough. */
	server_do(&server,
	    "ACL SETUSER postern on >wo@rd ~postern:* +mget +eval +get +set +del +role +select");
	server_do(&server, "CONFIG SET requirepass wo@rd");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;
		char url[512];

		snprintf(url, sizeof(url), "unix:%s%s", cases[i].user, server.socket);
		open_at(&place, url);
		for (int verb = 0; verb < VERBS; verb++)
			CHECK(cases[i].name, does(&place, verb) == (cases[i].said == NULL));
		CHECK(cases[i].name, place.caught.lines == (cases[i].said != NULL));
		if (cases[i].said != NULL)
			check_said(&place, cases[i].name, cases[i].said);
		CHECK(cases[i].name, strstr(place.caught.text, "wo@rd") == NULL);
		CHECK(cases[i].name, strstr(place.caught.text, "secret") == NULL);
		store_redis.close(place.redis);
	}
	server_do(&server, "CONFIG SET requirepass %s", "");
	server_do(&server, "ACL DELUSER postern");
}

/* -- what is kept -------------------------------------------------------------------------- */

/* Each key is below the prefix, and is kept as long as it may be needed. */
static void
test_lifetimes(void **state)
{
	static const struct {
		time_t until;
		long long seconds;
	} cases[] = {
		{ UNTIL, 600 },
		{ NOW + 1, 1 },
	};
	struct place place;
	long long left;

	(void)state;
	begin(&place);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(store_redis.swap(place.redis, &key, NULL, "text", cases[i].until,
				     NOW, &place.log),
		    STORE_DONE);
		left = server_do(&server, "TTL postern:codes:ada");
		assert_in_range(left, cases[i].seconds - 1, cases[i].seconds);
	}
	assert_true(does(&place, COUNT_ONE) && does(&place, COUNT_ONE));
	assert_in_range(server_do(&server, "TTL " BUCKET), 200 + STORE_SLACK - 1,
	    200 + STORE_SLACK);
	assert_true(does(&place, UNCOUNT));
	assert_in_range(server_do(&server, "TTL " BUCKET), 100 + STORE_SLACK - 1,
	    100 + STORE_SLACK);
	assert_true(does(&place, UNCOUNT));
	assert_int_equal(server_do(&server, "EXISTS " BUCKET), 0);
	assert_true(swap(&place, NULL, NULL) == STORE_DONE);
	assert_int_equal(server_do(&server, "DBSIZE"), 0);
	finish(&place);
}

/* A text that swap() cannot have written is damage; it is replaced by one of two who saw it. */
static void
test_damage(void **state)
{
	struct store_value value, longest;
	char *text = malloc(STORE_VALUE_SIZE + 1);
	struct place place;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', STORE_VALUE_SIZE);
	text[STORE_VALUE_SIZE] = '\0';
	for (int i = 0; i < 2; i++) {
		begin(&place);
		/* NULs before a letter, or a byte too many. */
		if (i == 0)
			server_do(&server, "SETRANGE postern:codes:ada 3 a");
		else
			server_do(&server, "SET postern:codes:ada %s", text);
		assert_true(get(&place, &value));
		assert_int_equal(value.found, STORE_DAMAGED);
		assert_string_equal(value.text, "");
		assert_int_equal(swap(&place, &value, "mine"), STORE_DONE);
		assert_int_equal(swap(&place, &value, "other"), STORE_CHANGED);
		finish(&place);
	}
	begin(&place);
	text[STORE_VALUE_SIZE - 1] = '\0';
	assert_int_equal(swap(&place, NULL, text), STORE_DONE);
	assert_true(get(&place, &longest));
	assert_string_equal(longest.text, text);
	assert_int_equal(swap(&place, &(struct store_value){ .found = STORE_DAMAGED }, "other"),
	    STORE_CHANGED);
	assert_int_equal(swap(&place, &longest, "shorter"), STORE_DONE);
	finish(&place);
	free(text);
}

/* A bucket that is no number is a fault, until a success empties it. */
static void
test_strange_buckets(void **state)
{
	static const char *const values[] = { "x", "", " 1", "1 ", "-1", "0x10", "1e9", "1.5",
		"nan", "1234567890123456" };
	struct store_bucket emptied = bucket;
	struct place place;
	long wait;

	(void)state;
	emptied.back = emptied.size;
	for (size_t i = 0; i < COUNT(values); i++) {
		begin(&place);
		server_do(&server, "SET " BUCKET " %s", values[i]);
		CHECK(values[i], !does(&place, COUNT_ONE) && !does(&place, UNCOUNT));
		check_said(&place, values[i], "a bucket is no number");
		CHECK(values[i],
		    store_redis.count(place.redis, &emptied, 1, NOW, NULL, &place.log) &&
			store_redis.count(place.redis, &emptied, 1, NOW, &wait, &place.log));
		store_redis.close(place.redis);
	}
}

/* A name that fits no key is a fault, and no other name. */
static void
test_long_name(void **state)
{
	char name[1000];
	const struct store_key keys = { "codes", name };
	struct place place;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	begin(&place);
	assert_int_equal(store_redis.swap(place.redis, &keys, NULL, "text", UNTIL, NOW, &place.log),
	    STORE_FAULT);
	assert_int_equal(server_do(&server, "DBSIZE"), 0);
	check_said(&place, "long", "a name is too long");
	store_redis.close(place.redis);
}

/* -- a connection that breaks, is old, or leads to another ---------------------------------- */

/* A connection that was closed is made again, and nobody hears of it. */
static void
test_closed_while_idle(void **state)
{
	struct place place;

	(void)state;
	for (int verb = 0; verb < VERBS; verb++) {
		begin(&place);
		assert_true(does(&place, GET));
		server_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
		/* It may have been done. */
		if (verb == UNCOUNT)
			assert_false(does(&place, verb));
		else
			assert_true(does(&place, verb));
		assert_int_equal(place.caught.lines, verb == UNCOUNT);
		store_redis.close(place.redis);
	}
}

/* What may have been done is not given back twice. The rest is said again, once. */
static void
test_sent_again(void **state)
{
	static const struct {
		const char *name, *reply; /* NULL: it hangs up */
		const char *said;
		int commands[VERBS];
	} cases[] = {
		{ "closed", NULL, "reason=\"Server closed the connection\"", { 2, 2, 2, 1 } },
		{ "loading", "-LOADING it is\r\n", "LOADING it is", { 2, 2, 2, 2 } },
		{ "a replica", "-READONLY it is\r\n", "READONLY it is", { 2, 2, 2, 2 } },
		{ "a replica before Redis 7", "-ERR Error running script: -READONLY You can't\r\n",
		    "READONLY You can't", { 2, 2, 2, 2 } },
		{ "alone", "-MASTERDOWN it is\r\n", "MASTERDOWN it is", { 2, 2, 2, 2 } },
		{ "a cluster", "-MOVED 1 127.0.0.1:1\r\n",
		    "MOVED 1 127.0.0.1:1: Redis Cluster is not supported", { 1, 1, 1, 1 } },
		{ "another error", "-OOM it is\r\n", "OOM it is", { 1, 1, 1, 1 } },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		for (int verb = 0; verb < VERBS; verb++) {
			struct place place;
			struct fake fake;

			fake_start(&fake, *state, cases[i].reply != NULL ? cases[i].reply : "");
			fake.answers->hangs_up = cases[i].reply == NULL;
			open_at(&place, fake.url);
			CHECK(cases[i].name, !does(&place, verb));
			CHECK(cases[i].name, fake.answers->commands == cases[i].commands[verb]);
			CHECK(cases[i].name, fake.answers->connections == fake.answers->commands);
			CHECK(cases[i].name, place.caught.lines == 1);
			check_said(&place, cases[i].name, cases[i].said);
			store_redis.close(place.redis);
			fake_stop(&fake);
		}
	}
}

/* Between us and the server: passes on each command, but of the first EVAL no reply. */
static void
pass_on(int client, int to, int *lost)
{
	char bytes[16384];
	ssize_t length;

	while ((length = read(client, bytes, sizeof(bytes) - 1)) > 0) {
		const bool is_script = memmem(bytes, (size_t)length, "EVAL", 4) != NULL;

		assert_true(send(to, bytes, (size_t)length, MSG_NOSIGNAL) == length);
		length = read(to, bytes, sizeof(bytes));
		if (is_script && (*lost)-- > 0)
			return;
		assert_true(length > 0 && send(client, bytes, (size_t)length, MSG_NOSIGNAL) > 0);
	}
}

static pid_t
start_lossy(char socket_path[static UNIT_PATH_SIZE], const char *folder)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), lost = 1;
	pid_t pid;

	unit_path(socket_path, folder, "lossy");
	(void)!unlink(socket_path);
	memcpy(address.sun_path, socket_path, strlen(socket_path));
	assert_true(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(listener, 16) == 0);
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			int client = accept(listener, NULL, NULL);
			redisContext *to = redisConnectUnix(server.socket);

			pass_on(client, to->fd, &lost);
			close(client);
			redisFree(to);
		}
	}
	close(listener);
	return pid;
}

/* Where the reply was lost, what was done is found done: a swap once, for one of two. */
static void
test_lost_reply(void **state)
{
	static const struct {
		const char *name, *before, *new;
		int verb;
		enum store_swapped done;  /* what the one gets whose reply is lost */
		enum store_swapped other; /* what another gets, who saw the same */
	} cases[] = {
		{ "made", NULL, "mine", SWAP, STORE_DONE, STORE_CHANGED },
		{ "replaced", "old", "mine", SWAP, STORE_DONE, STORE_CHANGED },
		/* It is gone, and nothing says who took it. */
		{ "removed", "old", NULL, SWAP, STORE_CHANGED, STORE_CHANGED },
		{ "counted", NULL, NULL, COUNT_ONE, STORE_DONE, STORE_FAULT },
		{ "given back", NULL, NULL, UNCOUNT, STORE_DONE, STORE_FAULT },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *before = cases[i].before;
		struct store_value old = { before != NULL ? STORE_TEXT : STORE_NOTHING,
			(char *)(before != NULL ? before : "") };
		struct place place;
		char socket_path[UNIT_PATH_SIZE], url[UNIT_PATH_SIZE + 8];
		pid_t lossy = start_lossy(socket_path, *state);

		snprintf(url, sizeof(url), "unix:%s", socket_path);
		server_do(&server, "FLUSHALL");
		server_do(&server, "SET " BUCKET " %d", NOW + 300);
		if (before != NULL)
			server_do(&server, "SET postern:codes:ada %s", before);
		open_at(&place, url);
		if (cases[i].verb == SWAP) {
			CHECK(cases[i].name, swap(&place, &old, cases[i].new) == cases[i].done);
			CHECK(cases[i].name, swap(&place, &old, "other") == cases[i].other);
		} else
			CHECK(cases[i].name,
			    does(&place, cases[i].verb) == (cases[i].verb == COUNT_ONE));
		CHECK(cases[i].name, place.caught.lines == (cases[i].verb == UNCOUNT));
		/* INCRBY tells what it was. Counted twice; given back once. */
		CHECK(cases[i].name,
		    server_do(&server, "INCRBY " BUCKET " 0") ==
			NOW + 300 + (cases[i].verb == COUNT_ONE ? 200 : 0) -
			    (cases[i].verb == UNCOUNT ? 100 : 0));
		store_redis.close(place.redis);
		kill(lossy, SIGKILL);
		waitpid(lossy, NULL, 0);
	}
}

/* After a minute the connection is made anew, by the caller's clock, which may be set back. */
static void
test_age(void **state)
{
	static const struct {
		int seconds, connections;
	} steps[] = { { 0, 1 }, { 59, 1 }, { 60, 2 }, { 119, 2 }, { 120, 3 }, { 119, 4 } };
	struct place place;
	struct fake fake;

	fake_start(&fake, *state, ":0\r\n");
	open_at(&place, fake.url);
	for (size_t i = 0; i < COUNT(steps); i++) {
		place.now = NOW + steps[i].seconds;
		assert_true(does(&place, COUNT_ONE));
		assert_int_equal(fake.answers->connections, steps[i].connections);
	}
	finish(&place);
	fake_stop(&fake);
}

/* A master that has become a replica takes nothing; and the next one at the address is asked. */
static void
test_failover(void **state)
{
	struct server other;
	struct place place;
	char away[UNIT_PATH_SIZE + 8];

	(void)state;
	server_make(&other);
	server_start(&other, NULL);
	begin(&place);
	assert_true(does(&place, SWAP));
	server_do(&server, "REPLICAOF 127.0.0.1 1");
	for (int verb = 1; verb < VERBS; verb++)
		assert_false(does(&place, verb));
	assert_int_equal(place.caught.lines, 1);
	check_said(&place, "a replica", "reason=\"it is not the master\"");
	place.log = unit_log(&place.caught);
	/* The address now leads to the other; the old connection is still there. */
	server_do(&server, "REPLICAOF NO ONE");
	assert_true(does(&place, SWAP));
	place.log = unit_log(&place.caught);
	server_do(&server, "REPLICAOF 127.0.0.1 1");
	snprintf(away, sizeof(away), "%s.away", server.socket);
	assert_true(rename(server.socket, away) == 0 && symlink(other.socket, server.socket) == 0);
	assert_true(does(&place, SWAP));
	assert_int_equal(server_do(&other, "EXISTS postern:codes:ada"), 1);
	finish(&place);
	assert_true(rename(away, server.socket) == 0);
	server_do(&server, "REPLICAOF NO ONE");
	server_stop(&other);
	server_remove(&other);
}

/* -- away, slow, strange -------------------------------------------------------------------- */

/* While it is away each verb says no, and the log one line a minute; another when it is back. */
static void
test_away(void **state)
{
	struct place place;
	char said[512];

	(void)state;
	begin(&place);
	assert_true(does(&place, GET));
	server_stop(&server);
	for (int i = 0; i < 61; i++, place.now++) {
		for (int verb = 0; verb < VERBS; verb++)
			assert_false(does(&place, verb));
		assert_int_equal(place.caught.lines, i < 60 ? 1 : 2);
		if (i > 0)
			continue;
		snprintf(said, sizeof(said),
		    "postern: event=state address=%s reason=\"No such file or directory\"\n",
		    server.socket);
		assert_string_equal(place.caught.text, said);
	}
	place.log = unit_log(&place.caught);
	server_start(&server, NULL);
	for (int verb = 0; verb < VERBS; verb++)
		assert_true(does(&place, verb));
	snprintf(said, sizeof(said),
	    "postern: event=state address=%s reason=\"it answers again\"\n", server.socket);
	assert_string_equal(place.caught.text, said);
	store_redis.close(place.redis);
}

/* What fails again for the same reason, or goes on to fail for another, is said once a minute. */
static void
test_now_and_then(void **state)
{
	static const struct {
		const char *reply, *said; /* NULL: nothing */
	} steps[] = {
		{ "-ONE it is\r\n", "reason=\"EVAL: ONE it is\"" },
		{ "-ONE it is\r\n", NULL },
		{ "-TWO it is\r\n", NULL },
		{ ":0\r\n", "reason=\"it answers again\"" },
		{ ":0\r\n", NULL },
		{ "-ONE it is\r\n", NULL },
		{ ":0\r\n", NULL },
		{ "-TWO it is\r\n", "reason=\"EVAL: TWO it is\"" },
		{ ":0\r\n", "reason=\"it answers again\"" },
	};
	struct place place;
	struct fake fake;

	fake_start(&fake, *state, "");
	open_at(&place, fake.url);
	for (size_t i = 0; i < COUNT(steps); i++) {
		char row[32];

		snprintf(row, sizeof(row), "step %zu", i);
		snprintf(fake.answers->reply, sizeof(fake.answers->reply), "%s", steps[i].reply);
		place.log = unit_log(&place.caught);
		CHECK(row, does(&place, COUNT_ONE) == (steps[i].reply[0] == ':'));
		CHECK(row, place.caught.lines == (steps[i].said != NULL));
		if (steps[i].said != NULL)
			check_said(&place, row, steps[i].said);
	}
	store_redis.close(place.redis);
	fake_stop(&fake);
}

/* Redis that hangs costs a moment, and then, for a second or two, nothing; then it is asked. */
static void
test_hangs(void **state)
{
	(void)state;
	for (int verb = 0; verb < VERBS; verb++) {
		struct place place;
		long long begun;

		begin(&place);
		if (verb % 2 == 0)
			assert_true(does(&place, GET));
		kill(server.pid, SIGSTOP);
		begun = milliseconds();
		assert_false(does(&place, verb));
		assert_in_range(milliseconds() - begun, 190, 400);
		kill(server.pid, SIGCONT);
		assert_true(server_connect(&server));
		server_do(&server, "DBSIZE");
		place.now = NOW + 1;
		for (int i = 0; i < 20; i++)
			assert_false(does(&place, verb));
		assert_int_equal(place.caught.lines, 1);
		check_said(&place, "hangs", "reason=\"no answer in time\"");
		place.now = verb == GET ? NOW - 1 : NOW + 2;
		assert_true(does(&place, verb));
		check_said(&place, "back", "reason=\"it answers again\"");
		store_redis.close(place.redis);
	}
}

/* After an error that comes slowly Redis is not asked again at once; after an answer it is. */
static void
test_slow(void **state)
{
	static const struct {
		const char *reply;
		int commands; /* of two */
	} cases[] = { { "-NO it is not\r\n", 1 }, { ":0\r\n", 2 } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;
		struct fake fake;

		fake_start(&fake, *state, cases[i].reply);
		fake.answers->delay = 12;
		open_at(&place, fake.url);
		for (int verb = COUNT_ONE; verb <= UNCOUNT; verb++)
			CHECK(cases[i].reply, does(&place, verb) == (i == 1));
		CHECK(cases[i].reply, fake.answers->commands == cases[i].commands);
		CHECK(cases[i].reply, place.caught.lines == (i == 0));
		store_redis.close(place.redis);
		fake_stop(&fake);
	}
}

static void
test_nonsense(void **state)
{
	static const struct {
		const char *name;
		int verb;
		const char *role, *reply, *said;
	} cases[] = {
		{ "no protocol", COUNT_ONE, FAKE_MASTER, "HTTP/1.1 200 OK\r\n\r\n",
		    "Protocol error" },
		{ "a text for a number", COUNT_ONE, FAKE_MASTER, "$1\r\n0\r\n", "no sense" },
		{ "nothing for a number", COUNT_ONE, FAKE_MASTER, "$-1\r\n", "no sense" },
		{ "a wait below zero", COUNT_ONE, FAKE_MASTER, ":-1\r\n", "no sense" },
		{ "neither done nor changed", SWAP, FAKE_MASTER, ":2\r\n", "no sense" },
		{ "OK for a swap", SWAP, FAKE_MASTER, "+OK\r\n", "no sense" },
		{ "a wait where there is none", UNCOUNT, FAKE_MASTER, ":1\r\n", "no sense" },
		{ "OK for values", GET, FAKE_MASTER, "+OK\r\n", "no sense" },
		{ "a value for values", GET, FAKE_MASTER, "$1\r\n1\r\n", "no sense" },
		{ "no values", GET, FAKE_MASTER, "*0\r\n", "no sense" },
		{ "two values for one", GET, FAKE_MASTER, "*2\r\n$-1\r\n$-1\r\n", "no sense" },
		{ "a number for a value", GET, FAKE_MASTER, "*1\r\n:1\r\n", "no sense" },
		{ "a word for a value", GET, FAKE_MASTER, "*1\r\n+1\r\n", "no sense" },
		{ "an error", COUNT_ONE, FAKE_MASTER, "-ERR \"it\" broke\\\r\n",
		    "reason=\"EVAL: ERR ?it? broke?\"" },
		{ "an error that repeats all", COUNT_ONE, FAKE_MASTER,
		    "-ERR unknown command 'EVAL', with args beginning with: 'secret'\r\n",
		    "reason=\"EVAL: ERR unknown command 'EVAL', \"" },
		{ "a replica", COUNT_ONE, "*1\r\n$5\r\nslave\r\n", ":0\r\n",
		    "it is not the master" },
		{ "a sentinel", COUNT_ONE, "*1\r\n$8\r\nsentinel\r\n", ":0\r\n", "not the master" },
		{ "no role", COUNT_ONE, "*0\r\n", ":0\r\n", "it is not the master" },
		{ "a number as role", COUNT_ONE, "*1\r\n:1\r\n", ":0\r\n", "it is not the master" },
		{ "a word as role", COUNT_ONE, "$6\r\nmaster\r\n", ":0\r\n", "not the master" },
		{ "no answer to ROLE", COUNT_ONE, "-NOPERM no\r\n", ":0\r\n", "ROLE: NOPERM no" },
		{ "right", COUNT_ONE, FAKE_MASTER, ":0\r\n", NULL },
		{ "right, too", GET, FAKE_MASTER, "*1\r\n$-1\r\n", NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct place place;
		struct fake fake;

		fake_start(&fake, *state, cases[i].reply);
		snprintf(fake.answers->role, sizeof(fake.answers->role), "%s", cases[i].role);
		open_at(&place, fake.url);
		CHECK(cases[i].name, does(&place, cases[i].verb) == (cases[i].said == NULL));
		CHECK(cases[i].name, place.caught.lines == (cases[i].said != NULL));
		if (cases[i].said != NULL)
			check_said(&place, cases[i].name, cases[i].said);
		CHECK(cases[i].name, strstr(place.caught.text, "secret") == NULL);
		store_redis.close(place.redis);
		fake_stop(&fake);
	}
}

static int
start(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	server_make(&server);
	server_start(&server, NULL);
	return unit_make_folder(state);
}

static int
stop(void **state)
{
	server_stop(&server);
	server_remove(&server);
	return unit_remove_folder(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_place),
		cmocka_unit_test(test_time_of_lookups),
		cmocka_unit_test(test_where_it_may_be),
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_lifetimes),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_strange_buckets),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_closed_while_idle),
		cmocka_unit_test(test_sent_again),
		cmocka_unit_test(test_lost_reply),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_failover),
		cmocka_unit_test(test_away),
		cmocka_unit_test(test_now_and_then),
		cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests_name("store_redis", tests, start, stop);
}
