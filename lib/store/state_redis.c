/*
 * The keys, all below the prefix; a value is a time in seconds:
 *
 *	PREFIX:try:KIND:KEY	a bucket: when it will be empty
 *	PREFIX:all		every session that began then or before was ended
 *	PREFIX:user:NAME	so was every one of this user
 *	PREFIX:ended:SID	this session was ended
 *	PREFIX:begun:SID	this session began then, though its token says another time
 *
 * Where PREFIX:all is missing, nothing is known: it is set to STATE_SLACK after now, as a session
 * that had been ended may have begun on a machine whose clock is ahead. Who signs in meanwhile is
 * in PREFIX:begun. What takes several keys is a script, which goes along each time: the engine does
 * it in one step.
 */
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "store/state_engine.h"
#include "store/state_grace.h"
#include "store/state_home.h"

struct redis {
	const char *prefix;
	struct engine engine;
	int64_t grace;      /* milliseconds */
	struct grace *open; /* NULL without grace */
};

/* -- scripts ------------------------------------------------------------------------------- */

/* More digits than 15 are not exact in a script. */
#define NUMBER                                                                                     \
	"local function number(key) "                                                              \
	"  local text = redis.call('GET', key) "                                                   \
	"  if not text then return 0 end "                                                         \
	"  assert(#text < 16 and text:find('^%d+$'), 'an entry is no number') "                    \
	"  return tonumber(text) "                                                                 \
	"end "                                                                                     \
	"local now = tonumber(ARGV[1]) "

/* Of a bucket: when it is empty, and whether a clock was set back, which leaves it full. */
#define LEVEL                                                                                      \
	NUMBER "local function level(key, size) "                                                  \
	       "  local at = number(key) "                                                         \
	       "  if at > now + size + 60 then return now + size, true end "                       \
	       "  return math.max(at, now), false "                                                \
	       "end "                                                                              \
	       "local function put(key, at) "                                                      \
	       "  redis.call('SET', key, at, 'EX', at - now + 60) "                                \
	       "end "

/* KEYS: buckets. ARGV: now; of each, its size and its cost. How long it must wait. */
static const char count_script[] =
    LEVEL "local at, ahead, wait = {}, {}, 0 "
	  "for i, key in ipairs(KEYS) do "
	  "  local size, cost = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1]) "
	  "  at[i], ahead[i] = level(key, size) "
	  "  wait = math.max(wait, at[i] + cost - now - size) "
	  "end "
	  "for i, key in ipairs(KEYS) do "
	  "  if wait == 0 then put(key, at[i] + tonumber(ARGV[2 * i + 1])) "
	  "  elseif ahead[i] then put(key, at[i]) end "
	  "end "
	  "return wait";

/* KEYS: buckets. ARGV: now; of each, its size and what it gets back. */
static const char forgive_script[] =
    LEVEL "for i, key in ipairs(KEYS) do "
	  "  local at = level(key, tonumber(ARGV[2 * i])) "
	  "  if at > now then put(key, math.max(at - tonumber(ARGV[2 * i + 1]), now)) end "
	  "end "
	  "return 0";

/* KEYS: all, and a user, of whom it tells until when all sessions were ended. */
#define ENDED                                                                                      \
	NUMBER "if not redis.call('GET', KEYS[1]) then redis.call('SET', KEYS[1], now + 60) end "  \
	       "local ended = math.max(number(KEYS[1]), number(KEYS[2])) "

/* KEYS: and begun. ARGV: now, how far ahead it may be, the lifetime. The auth_time. */
static const char begin_script[] =
    ENDED "local at = now "
	  "if ended >= now and ended < now + tonumber(ARGV[2]) then at = ended + 1 end "
	  "if at <= ended then redis.call('SET', KEYS[3], ended + 1, 'EX', ARGV[3]) end "
	  "return at";

/* ARGV: now, the lifetime. Those that have begun since the last time are a second after it. */
static const char end_user_script[] =
    ENDED "local at = math.max(ended + 1, now) "
	  "redis.call('SET', KEYS[2], at, 'EX', ARGV[2] + at - now) "
	  "return at";

/* -- commands and replies ------------------------------------------------------------------ */

static void
begin_script_of(struct engine_command *command, const char *script, size_t keys)
{
	engine_begin(command, "EVAL");
	command->words[command->count++] = script;
	engine_add(command, "%zu", keys);
}

static void
add_number(struct engine_command *command, int64_t number)
{
	engine_add(command, "%" PRId64, number);
}

static void
add_key(struct engine_command *command, const struct redis *redis, const char *of, const char *name)
{
	engine_add(command, "%s:%s%s", redis->prefix, of, name);
}

/* How long what may be forgotten at `until` is kept: a clock may be ahead for a while. */
static void
add_lifetime(struct engine_command *command, time_t until, time_t now)
{
	add_number(command, (until > now ? until - now : 0) + STATE_DAY);
}

static bool
is_number(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0;
}

/* Ask for a number. False on a fault. */
static bool
ask_number(struct redis *redis, int64_t *number, const struct engine_command *command,
    const struct log *log)
{
	redisReply *reply = engine_ask(&redis->engine, command, is_number, log);

	if (reply == NULL)
		return false;
	*number = reply->integer;
	freeReplyObject(reply);
	return true;
}

/* SET says OK; or nothing, where there is one already that it was not to replace. */
static bool
is_set(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STATUS || reply->type == REDIS_REPLY_NIL;
}

static bool
ask_to_set(struct redis *redis, const struct engine_command *command, const struct log *log)
{
	redisReply *reply = engine_ask(&redis->engine, command, is_set, log);

	if (reply != NULL)
		freeReplyObject(reply);
	return reply != NULL;
}

/* -- tries --------------------------------------------------------------------------------- */

static void
make_script(struct engine_command *command, const char *script, const struct redis *redis,
    const struct state_bucket buckets[], size_t count, time_t now)
{
	begin_script_of(command, script, count);
	for (size_t i = 0; i < count; i++) {
		char hex[2 * STATE_KEY_BYTES + 1];

		secret_hex(hex, buckets[i].key, STATE_KEY_BYTES);
		engine_add(command, "%s:try:%u:%s", redis->prefix, buckets[i].kind, hex);
	}
	add_number(command, now);
	for (size_t i = 0; i < count; i++) {
		add_number(command, buckets[i].size);
		add_number(command, script == count_script ? buckets[i].cost : buckets[i].back);
	}
}

/* Where the reply was lost, it may be counted twice: nobody gains by that. */
static bool
count(void *home, const struct state_bucket buckets[], size_t count, time_t now, long *wait,
    const struct log *log)
{
	struct redis *redis = home;
	struct engine_command command;
	int64_t number = 0;
	bool done;

	make_script(&command, count_script, redis, buckets, count, now);
	done = ask_number(redis, &number, &command, log);
	*wait = number;
	return done;
}

static bool
forgive(void *home, const struct state_bucket buckets[], size_t count, time_t now,
    const struct log *log)
{
	struct redis *redis = home;
	struct engine_command command;
	int64_t number;

	make_script(&command, forgive_script, redis, buckets, count, now);
	/* Forgiven twice, tries of somebody else would be forgotten. */
	command.once = true;
	return ask_number(redis, &number, &command, log);
}

/* -- sessions ------------------------------------------------------------------------------ */

static bool
begin_session(void *home, const char *sid, const char *user, time_t *auth_time, time_t now,
    long ahead, time_t until, const struct log *log)
{
	struct redis *redis = home;
	struct engine_command command;
	int64_t number = now;
	bool done;

	begin_script_of(&command, begin_script, 3);
	add_key(&command, redis, "all", "");
	add_key(&command, redis, "user:", user);
	add_key(&command, redis, "begun:", sid);
	add_number(&command, now);
	add_number(&command, ahead);
	add_lifetime(&command, until, now);
	done = ask_number(redis, &number, &command, log);
	*auth_time = number;
	return done;
}

/*
 * Whether it is done or not: nobody is let in by what was said before. Elsewhere the grace may keep
 * it in, and renew its token, until that is over.
 */
static bool
end_session(void *home, const char *sid, time_t now, time_t until, const struct log *log)
{
	struct redis *redis = home;
	struct engine_command command;

	grace_forget(redis->open, sid);
	engine_begin(&command, "SET");
	add_key(&command, redis, "ended:", sid);
	add_number(&command, now);
	engine_add(&command, "EX");
	add_lifetime(&command, until + redis->grace / 1000, now);
	return ask_to_set(redis, &command, log);
}

static bool
end_user(void *home, const char *user, time_t now, time_t until, const struct log *log)
{
	struct redis *redis = home;
	struct engine_command command;
	int64_t number;

	grace_forget_user(redis->open, user);
	begin_script_of(&command, end_user_script, 2);
	add_key(&command, redis, "all", "");
	add_key(&command, redis, "user:", user);
	add_number(&command, now);
	add_lifetime(&command, until, now);
	return ask_number(redis, &number, &command, log);
}

/* What is asked of a session. */
enum { ALL, USER, ENDED_AT, BEGUN, TIMES };

/* Nothing, or a time. */
static bool
is_time(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_NIL ||
	    (reply->type == REDIS_REPLY_STRING && reply->len >= 1 && reply->len <= 15 &&
		strspn(reply->str, "0123456789") == reply->len);
}

static bool
is_times(const redisReply *reply)
{
	bool right = reply->type == REDIS_REPLY_ARRAY && reply->elements == TIMES;

	for (size_t i = 0; right && i < TIMES; i++)
		right = is_time(reply->element[i]);
	return right;
}

/* Read all of them, -1 where there is none. False on a fault. */
static bool
read_times(time_t times[static TIMES], struct redis *redis, const char *sid, const char *user,
    const struct log *log)
{
	struct engine_command command;
	redisReply *reply;

	engine_begin(&command, "MGET");
	add_key(&command, redis, "all", "");
	add_key(&command, redis, "user:", user);
	add_key(&command, redis, "ended:", sid);
	add_key(&command, redis, "begun:", sid);
	if ((reply = engine_ask(&redis->engine, &command, is_times, log)) == NULL)
		return false;
	for (size_t i = 0; i < TIMES; i++)
		times[i] = reply->element[i]->type == REDIS_REPLY_NIL
		    ? -1
		    : strtol(reply->element[i]->str, NULL, 10);
	freeReplyObject(reply);
	return true;
}

/* Nothing is known: whatever has begun is ended, unless somebody else has just said so. */
static bool
found(struct redis *redis, time_t now, const struct log *log)
{
	struct engine_command command;

	engine_begin(&command, "SET");
	add_key(&command, redis, "all", "");
	add_number(&command, now + STATE_SLACK);
	engine_add(&command, "NX");
	return ask_to_set(redis, &command, log);
}

static bool
is_over(const time_t times[static TIMES], time_t auth_time)
{
	const time_t ended = times[ALL] > times[USER] ? times[ALL] : times[USER];

	return times[ENDED_AT] >= 0 ||
	    (ended >= auth_time && (times[BEGUN] < 0 || ended >= times[BEGUN]));
}

/* Ask; and where nothing is known, begin. False on a fault. */
static bool
look(time_t times[static TIMES], struct redis *redis, const char *sid, const char *user, time_t now,
    const struct log *log)
{
	if (!read_times(times, redis, sid, user, log))
		return false;
	if (times[ALL] >= 0)
		return true;
	grace_forget(redis->open, sid);
	return found(redis, now, log) && read_times(times, redis, sid, user, log) &&
	    times[ALL] >= 0;
}

static enum state_verdict
session(void *home, const char *sid, const char *user, time_t auth_time, time_t now,
    const struct log *log)
{
	struct redis *redis = home;
	const int64_t asked = engine_clock();
	time_t times[TIMES];

	if (!look(times, redis, sid, user, now, log))
		return grace_has(redis->open, sid, asked - redis->grace) ? STATE_OPEN : STATE_FAULT;
	if (is_over(times, auth_time)) {
		grace_forget(redis->open, sid);
		return STATE_ENDED;
	}
	grace_keep(redis->open, sid, user, asked);
	return STATE_OPEN;
}

/* ------------------------------------------------------------------------------------------ */

static void
end(void *home)
{
	struct redis *redis = home;

	engine_close(&redis->engine);
	free(redis->open);
	free(redis);
}

static void *
begin(const char *place, const char *prefix, long grace)
{
	struct redis *redis = calloc(1, sizeof(*redis));

	if (redis == NULL)
		return NULL;
	redis->prefix = prefix;
	redis->grace = (int64_t)grace * 1000;
	if (state_url_read(&redis->engine.url, place) == NULL &&
	    (grace == 0 || (redis->open = grace_new()) != NULL))
		return redis;
	end(redis);
	return NULL;
}

const struct state_home state_redis = { begin, end, count, forgive, begin_session, end_session,
	end_user, session };
