#include "store/state_engine.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/secret.h"
#include "base/text.h"
#include "store/state_tls.h"

/* Milliseconds. */
enum {
	STEP = 200, /* until a connection is ready, or a reply is there */
	ALONE = 1000,
	MASTER = 1000, /* how long it is believed that it is the master */
	DEAF = 10000,  /* how long one that was too slow to deny that it is the master is let be */
	BRIEFLY = 20,  /* how long it is waited for meanwhile: it may be back, and the master */
	TELL = 60000,  /* between two lines that say the same */
};

/* A reply has four, ROLE some more; and one that names all replicas has not as many as this. */
enum { ELEMENTS_MAX = 64 };

int64_t
engine_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* When a step that begins now, and may take so long, must be done. */
static int64_t
step_end(const struct engine *engine, int64_t step)
{
	const int64_t end = engine_clock() + step;

	return end < engine->deadline ? end : engine->deadline;
}

/* -- a command ----------------------------------------------------------------------------- */

void
engine_begin(struct engine_command *command, const char *name)
{
	command->words[0] = name;
	command->count = 1;
	command->once = command->wrong = false;
}

void
engine_add(struct engine_command *command, const char *format, ...)
{
	char *text = command->texts[command->count];
	va_list arguments;

	va_start(arguments, format);
	if (vsnprintf(text, ENGINE_WORD_SIZE, format, arguments) >= ENGINE_WORD_SIZE)
		command->wrong = true;
	va_end(arguments);
	command->words[command->count++] = text;
}

/* -- what failed --------------------------------------------------------------------------- */

/* Remember it. False. */
static bool
fail(struct engine *engine, const char *why)
{
	snprintf(engine->why, sizeof(engine->why), "%s", why);
	engine->where = engine->at;
	return false;
}

/* An error as a reply. Of AUTH only its kind is kept: the rest may repeat the password. */
static bool
fail_by(struct engine *engine, const char *command, const char *error)
{
	const bool is_auth = strcmp(command, "AUTH") == 0;
	char why[ENGINE_WHY_SIZE];

	snprintf(why, sizeof(why), "%s: %.*s", command,
	    is_auth ? (int)strcspn(error, " ") : ENGINE_WHY_SIZE, error);
	/* So may that of a command that it does not know. */
	if (strstr(why, "with args") != NULL)
		*strstr(why, "with args") = '\0';
	engine->refused = true;
	return fail(engine, why);
}

static void
say(const struct engine *engine, const char *reason, const struct log *log)
{
	const struct state_address *address = &engine->url.addresses[engine->where];
	const bool is_6 = address->port != 0 && strchr(address->host, ':') != NULL;
	char port[16] = "", text[2][ENGINE_WHY_SIZE];

	if (address->port != 0)
		text_format(port, sizeof(port), ":%d", address->port);
	text_format(text[0], sizeof(text[0]), "%s%s%s%s", is_6 ? "[" : "", address->host,
	    is_6 ? "]" : "", port);
	text_copy(text[1], sizeof(text[1]), reason);
	for (size_t i = 0; i < COUNT(text); i++)
		for (char *at = text[i]; (at = strpbrk(at, i == 0 ? " \"\\" : "\"\\")) != NULL;)
			*at = '?';
	log_event(log, "state", "address=%s reason=\"%s\"", text[0], text[1]);
}

/* Tell the log that it fails, unless it has just heard that. */
static void
tell(struct engine *engine, const struct log *log)
{
	const int64_t now = engine_clock();

	if (now - engine->told_at < TELL &&
	    (engine->failing || strcmp(engine->told, engine->why) == 0))
		return;
	text_copy(engine->told, sizeof(engine->told), engine->why);
	engine->told_at = now;
	engine->failing = true;
	say(engine, engine->why, log);
}

static void
tell_end(struct engine *engine, const struct log *log)
{
	if (!engine->failing)
		return;
	engine->failing = false;
	engine->where = engine->at;
	say(engine, "it answers again", log);
}

/* -- the connection ------------------------------------------------------------------------ */

static void
hang_up(struct engine *engine)
{
	if (engine->context != NULL)
		redisFree(engine->context);
	engine->context = NULL;
}

#if HIREDIS_MAJOR > 0
typedef size_t element_count;
#else
typedef int element_count;
#endif

static void *
make_short_array(const redisReadTask *task, element_count count)
{
	const struct engine *engine = task->privdata;

	return count > ELEMENTS_MAX ? NULL : engine->makes.createArray(task, count);
}

/* hiredis would make room for as many elements as it is told of. */
static void
limit_replies(struct engine *engine)
{
	redisReader *reader = engine->context->reader;

	engine->makes = engine->makes_short = *reader->fn;
	engine->makes_short.createArray = make_short_array;
	reader->fn = &engine->makes_short;
	reader->privdata = engine;
}

/* Wait for the next reply. NULL where none came in time, or the connection is broken. */
static redisReply *
receive(struct engine *engine, int64_t until)
{
	redisContext *context = engine->context;
	void *reply = NULL;
	int sent = 0;

	for (;;) {
		struct pollfd fd = { context->fd, POLLIN, 0 };
		int64_t left;

		if (redisBufferWrite(context, &sent) != REDIS_OK ||
		    redisGetReplyFromReader(context, &reply) != REDIS_OK)
			break;
		if (reply != NULL)
			return reply;
		if ((left = until - engine_clock()) <= 0) {
			engine->late = true;
			fail(engine, "no answer in time");
			return NULL;
		}
		if (!sent)
			fd.events |= POLLOUT;
		if (poll(&fd, 1, (int)left) > 0 && redisBufferRead(context) != REDIS_OK)
			break;
	}
	fail(engine, context->errstr);
	return NULL;
}

/* The reply to a command; NULL where it is an error, too. */
static redisReply *
receive_of(struct engine *engine, const char *command, int64_t until)
{
	redisReply *reply = receive(engine, until);

	if (reply == NULL || reply->type != REDIS_REPLY_ERROR)
		return reply;
	fail_by(engine, command, reply->str);
	freeReplyObject(reply);
	engine->unsure = false;
	return NULL;
}

/* The reply to ROLE. */
static bool
is_master(struct engine *engine, int64_t until)
{
	redisReply *reply = receive_of(engine, "ROLE", until);
	bool master;

	if (reply == NULL)
		return false;
	master = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
	    reply->element[0]->type == REDIS_REPLY_STRING &&
	    strcmp(reply->element[0]->str, "master") == 0;
	freeReplyObject(reply);
	if (!master)
		return fail(engine, "it is not the master");
	engine->master = engine_clock();
	return true;
}

static bool
append(struct engine *engine, int count, const char *words[])
{
	return redisAppendCommandArgv(engine->context, count, words, NULL) == REDIS_OK ||
	    fail(engine, "out of memory");
}

static bool
is_done(struct engine *engine, const char *command, int64_t until)
{
	redisReply *reply = receive_of(engine, command, until);

	if (reply != NULL)
		freeReplyObject(reply);
	return reply != NULL;
}

/* Sign in, choose the database, ask whether it is the master: all at once. */
static bool
greet(struct engine *engine, int64_t until)
{
	const struct state_url *url = &engine->url;
	const bool named = url->user[0] != '\0', known = url->password[0] != '\0';
	char database[24];

	text_format(database, sizeof(database), "%ld", url->database);
	if (known &&
	    !append(engine, named ? 3 : 2,
		named ? (const char *[]){ "AUTH", url->user, url->password }
		      : (const char *[]){ "AUTH", url->password }))
		return false;
	if (url->database >= 0 && !append(engine, 2, (const char *[]){ "SELECT", database }))
		return false;
	return append(engine, 1, (const char *[]){ "ROLE" }) &&
	    (!known || is_done(engine, "AUTH", until)) &&
	    (url->database < 0 || is_done(engine, "SELECT", until)) && is_master(engine, until);
}

#if STATE_TLS
/* Wait for these events of poll(2). */
static bool
wait_for(struct engine *engine, short events, int64_t until)
{
	struct pollfd fd = { engine->context->fd, events, 0 };
	int64_t left = until - engine_clock();

	if (left > 0 && poll(&fd, 1, (int)left) != 0)
		return true;
	engine->late = true;
	return fail(engine, "no answer in time");
}

/* Go over to TLS. */
static bool
secure(struct engine *engine, int64_t until)
{
	const char *why = "out of memory";
	struct ssl_st *tls = NULL;
	int events = -1;

	if (!wait_for(engine, POLLOUT, until))
		return false;
	if (engine->trusted == NULL)
		engine->trusted = tls_new();
	if (engine->trusted != NULL)
		tls = tls_begin(engine->context, engine->trusted,
		    engine->url.addresses[engine->at].host, &why);
	while (tls != NULL && (events = tls_step(tls, &why)) > 0)
		if (!wait_for(engine, (short)events, until))
			return false;
	return events == 0 || fail(engine, why);
}
#else
static bool
secure(struct engine *engine, int64_t until)
{
	(void)until;
	return fail(engine, "there is no TLS");
}
#endif

static bool
dial(struct engine *engine, int64_t step)
{
	const struct state_address *address = &engine->url.addresses[engine->at];
	const int64_t until = step_end(engine, step);

	engine->context = address->port == 0 ? redisConnectUnixNonBlock(address->host)
					     : redisConnectNonBlock(address->host, address->port);
	if (engine->context == NULL)
		return fail(engine, "out of memory");
	if (engine->context->err != 0)
		return fail(engine, engine->context->errstr);
	limit_replies(engine);
	return (!engine->url.tls || secure(engine, until)) && greet(engine, until);
}

/* Dial, and keep in mind whether that took too long. */
static bool
try_address(struct engine *engine, int64_t step)
{
	const bool late = engine->late;
	bool done;

	engine->late = false;
	done = dial(engine, step);
	if (!engine->late)
		engine->deaf[engine->at] = 0;
	else if (step == STEP)
		engine->deaf[engine->at] = engine_clock() + DEAF;
	engine->late = engine->late || late;
	return done;
}

/* How long this one is waited for when it is asked whether it is the master, too. */
static int64_t
patience(const struct engine *engine, size_t at, bool fresh)
{
	const bool was_late = engine->deaf[at] > engine->deadline - ENGINE_MS + DEAF;

	if (was_late)
		return 0;
	return fresh || engine_clock() >= engine->deaf[at] ? STEP : BRIEFLY;
}

/*
 * Does none of the others say that it is the master, too? A master that failed and comes back says
 * so for some seconds, and does not know what was ended since. One that does not answer cannot be
 * asked: it is not waited for twice in one command, and, if this connection is not `fresh`, only
 * briefly for a while. One that answers with an error, as it has too many clients, may be one.
 */
static bool
is_only_master(struct engine *engine, bool fresh)
{
	redisContext *connected = engine->context;
	const size_t at = engine->at;
	const bool late = engine->late;
	bool only = true, refused = false;

	for (size_t i = 1; only && !refused && i < engine->url.count; i++) {
		int64_t step;

		engine->at = (at + i) % engine->url.count;
		if ((step = patience(engine, engine->at, fresh)) == 0)
			continue;
		engine->refused = false;
		only = !try_address(engine, step);
		refused = engine->refused;
		hang_up(engine);
	}
	engine->context = connected;
	engine->at = at;
	engine->late = late;
	if (!only)
		fail(engine, "another says that it is the master, too");
	return only && !refused;
}

/* Be connected to the master. */
static bool
reach(struct engine *engine)
{
	for (size_t i = 0; engine->context == NULL && i < engine->url.count; i++) {
		if (engine_clock() >= engine->deadline)
			return false;
		if (try_address(engine, STEP)) {
			if (is_only_master(engine, true))
				return true;
			hang_up(engine);
			return false;
		}
		hang_up(engine);
		engine->at = (engine->at + 1) % engine->url.count;
	}
	return engine->context != NULL;
}

static redisReply *
exchange(struct engine *engine, const struct engine_command *command)
{
	/* A master that was made a replica, or hung until another was made master, answers, but
	   with what is old. */
	const bool doubted = engine_clock() - engine->master >= MASTER;
	int64_t until;

	if (doubted && !is_only_master(engine, false))
		return NULL;
	until = step_end(engine, STEP);
	if (doubted && !append(engine, 1, (const char *[]){ "ROLE" }))
		return NULL;
	if (!append(engine, command->count, (const char **)command->words))
		return NULL;
	engine->unsure = true;
	if (doubted && !is_master(engine, until)) {
		engine->unsure = true;
		return NULL;
	}
	return receive_of(engine, command->words[0], until);
}

/* -- a command and its reply --------------------------------------------------------------- */

/* Ask, and once more where the connection was broken, or this one was refused. */
static redisReply *
try_twice(struct engine *engine, const struct engine_command *command)
{
	for (int i = 0; i < 2 && reach(engine); i++) {
		redisReply *reply = exchange(engine, command);

		if (reply != NULL)
			return reply;
		hang_up(engine);
		if (engine->late || (engine->unsure && command->once))
			break;
	}
	return NULL;
}

redisReply *
engine_ask(struct engine *engine, const struct engine_command *command,
    bool (*is_right)(const redisReply *reply), const struct log *log)
{
	const int64_t now = engine_clock();
	redisReply *reply = NULL;

	engine->late = engine->unsure = false;
	engine->deadline = now + ENGINE_MS;
#if STATE_TLS
	tls_forget_errors();
#endif
	if (command->wrong)
		fail(engine, "a name is too long");
	else if (now >= engine->alone)
		reply = try_twice(engine, command);
	if (reply != NULL && !is_right(reply)) {
		freeReplyObject(reply);
		reply = NULL;
		hang_up(engine);
		fail(engine, "a reply that makes no sense");
	}
	if (reply == NULL && engine_clock() - now >= STEP)
		engine->alone = engine_clock() + ALONE;
	if (reply != NULL)
		tell_end(engine, log);
	else
		tell(engine, log);
	return reply;
}

void
engine_close(struct engine *engine)
{
	hang_up(engine);
#if STATE_TLS
	tls_forget(engine->trusted);
#endif
	secret_wipe(&engine->url, sizeof(engine->url));
}
