/*
 * state_engine: one connection to Valkey or Redis: a command, and its reply.
 *
 * It is made when it is first needed, kept, and made again. Of several addresses the one that says
 * it is the master is taken, if it is the only one. Nothing waits longer than STEP for a connection
 * or a reply, nor longer than ENGINE_MS in all; and an engine that was too slow is left alone for a
 * second. Only lib/store/state_redis.c is its caller.
 */
#ifndef POSTERN_STATE_ENGINE_H
#define POSTERN_STATE_ENGINE_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "store/state_url.h"

struct ssl_ctx_st;

enum {
	ENGINE_MS = 500, /* what one engine_ask() may take */
	ENGINE_WORDS_MAX = 16,
	ENGINE_WORD_SIZE = 256,
	ENGINE_WHY_SIZE = 200,
};

struct engine_command {
	const char *words[ENGINE_WORDS_MAX]; /* each of `texts`, or of somebody who keeps it */
	char texts[ENGINE_WORDS_MAX][ENGINE_WORD_SIZE];
	int count;
	bool once;  /* to do it twice would do harm: it is not sent again where it may be done */
	bool wrong; /* a word did not fit */
};

struct engine {
	struct state_url url;
	redisContext *context;      /* NULL: there is no connection */
	struct ssl_ctx_st *trusted; /* NULL before the first one over TLS */
	size_t at;                  /* whose connection it is, or who is asked next */
	redisReplyObjectFunctions makes, makes_short; /* what hiredis makes a reply with, and we */
	/* Milliseconds of engine_clock(): when this command is over, until when nobody is asked,
	   when the other end last said that it is the master. */
	int64_t deadline, alone, master;
	int64_t deaf[STATE_ADDRESSES_MAX]; /* until when each is waited for only briefly */
	bool late, unsure; /* in this command something was too slow; it may be done */
	bool refused;      /* the last one that was asked for its role answered with an error */
	/* What failed, and where; what the log was told of it, and when; still failing. */
	char why[ENGINE_WHY_SIZE], told[ENGINE_WHY_SIZE];
	size_t where;
	int64_t told_at;
	bool failing;
};

/* Milliseconds, by a clock that nobody sets. */
int64_t engine_clock(void);

/* Begin a command with its name. */
void engine_begin(struct engine_command *command, const char *name);

/* Add a word. */
void engine_add(struct engine_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The reply, which is no error and which `is_right` takes for one that this command can have; the
 * caller frees it with freeReplyObject(). Or NULL, and the log says why: once, and then at most
 * once a minute. When it is over, it says that too.
 */
redisReply *engine_ask(struct engine *engine, const struct engine_command *command,
    bool (*is_right)(const redisReply *reply), const struct log *log);

/* Hang up. The password is wiped. */
void engine_close(struct engine *engine);

#endif
