/*
 * The keys, all below the prefix:
 *
 *	PREFIX:KIND:NAME                a record: its text
 *	PREFIX:attempts:KIND:KEY        a bucket: the second at which it will be empty
 *
 * What writes is a script, which Redis runs in one step.
 */
#include <hiredis/hiredis.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if STORE_TLS
/* The first header needs hiredis.h before it. */
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#endif

#include "base/clock.h"
#include "base/secret.h"
#include "base/text.h"
#include "store/backend.h"
#include "store/redis_url.h"

enum {
	STEP = 200,  /* milliseconds that a connection, and each reply, may take */
	PAUSE = 2,   /* seconds without a try after a time-out; at least one has then passed */
	MINUTE = 60, /* how old a connection may be; between two lines that say the same */
	WORDS_MAX = 16,
	WORD_SIZE = 512,
	WHY_SIZE = 200,
};

struct redis {
	const char *prefix;
	struct redis_url url;
	redisContext *context;      /* NULL: not connected */
	struct ssl_ctx_st *trusted; /* NULL before the first connection over TLS */
	/* By the caller's clock: when the connection was made; when Redis was too slow, and for how
	   many seconds it is not asked since; when the log was told that it fails. */
	time_t connected, late, pause, told;
	bool is_failing;
	int64_t step;                             /* milliseconds: when this step began */
	enum { FAILED, BROKEN, REFUSED } failure; /* what is REFUSED was not done */
	char why[WHY_SIZE], told_why[WHY_SIZE];
};

struct command {
	const char *words[WORDS_MAX]; /* each of `texts`, or kept by the caller */
	char texts[WORDS_MAX][WORD_SIZE];
	int count;
	bool once;     /* to do it twice would do harm */
	bool too_long; /* a word did not fit */
	size_t values; /* that its reply has; 0: the reply is a number from 0 to `most` */
	long long most;
};

/* -- scripts ------------------------------------------------------------------------------- */

/*
 * KEYS: a record. ARGV: what it must be, and the text if it is one; the new text, and for how many
 * seconds (0: none); the size that no text reaches. Whether it is now as it should be.
 */
static const char swap_script[] =
    "local value, new, seconds = redis.call('GET', KEYS[1]), ARGV[3], ARGV[4] "
    "local damaged = value and (#value >= tonumber(ARGV[5]) or value:find('%z')) "
    "local found = damaged and 'damaged' or value and 'text' or 'nothing' "
    "if ARGV[1] == 'any' or (ARGV[1] == found and (found ~= 'text' or ARGV[2] == value)) then "
    "  if seconds == '0' then redis.call('DEL', KEYS[1]) "
    "  else redis.call('SET', KEYS[1], new, 'EX', seconds) end "
    "  return 1 "
    "end "
    "return seconds ~= '0' and value == new and 1 or 0";

/* ARGV: now. More digits than 15 are not exact in a script. */
#define LEVEL                                                                                      \
	"local now = tonumber(ARGV[1]) "                                                           \
	"local function level(key, size) "                                                         \
	"  local text = redis.call('GET', key) or '0' "                                            \
	"  assert(#text < 16 and text:find('^%d+$'), 'a bucket is no number') "                    \
	"  local at = tonumber(text) "                                                             \
	"  if at > now + size + 60 then return now + size, true end "                              \
	"  return math.max(at, now), false "                                                       \
	"end "                                                                                     \
	"local function put(key, at) redis.call('SET', key, at, 'EX', at - now + 60) end "

_Static_assert(STORE_SLACK == 60, "the scripts have it as a number");

/* KEYS: buckets. ARGV: now; the size and the cost of each. How long an attempt must wait. */
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

/* KEYS: buckets. ARGV: now; the size of each, and what it gets back. */
static const char uncount_script[] =
    LEVEL "for i, key in ipairs(KEYS) do "
	  "  local size, back = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1]) "
	  "  local at = back < size and level(key, size) - back or 0 "
	  "  if at > now then put(key, at) else redis.call('DEL', key) end "
	  "end "
	  "return 0";

/* -- what failed --------------------------------------------------------------------------- */

/* Is `now` less than so many seconds after `since`? Not where the clock was set back. */
static bool
is_within(time_t now, time_t since, time_t seconds)
{
	return now >= since && now - since < seconds;
}

static bool
fail(struct redis *redis, const char *why)
{
	redis->failure = FAILED;
	snprintf(redis->why, sizeof(redis->why), "%s", why);
	for (char *at = redis->why; (at = strpbrk(at, "\"\\")) != NULL;)
		*at = '?';
	return false;
}

/* Fail as hiredis says; for it a name that cannot be looked up is REDIS_ERR_OTHER. */
static bool
fail_connection(struct redis *redis)
{
	const int error = redis->context->err;
	const bool is_io = error == REDIS_ERR_IO || error == REDIS_ERR_EOF;

	if (clock_ms() - redis->step >= STEP && error != REDIS_ERR_OTHER)
		return fail(redis, "no answer in time");
	fail(redis, redis->context->errstr);
	redis->failure = is_io ? BROKEN : FAILED;
	return false;
}

/* Before Redis 7, what a script met stands behind "ERR Error running script". */
static bool
has_one_of(const char *error, const char *const words[])
{
	while (*words != NULL && strstr(error, *words) == NULL)
		words++;
	return *words != NULL;
}

/* Fail as Redis says. It may repeat words of the command, and of AUTH the password. */
static void
fail_reply(struct redis *redis, const char *name, const char *error)
{
	static const char *const refused[] = { "READONLY ", "LOADING ", "MASTERDOWN ", NULL };
	static const char *const cluster[] = { "MOVED ", "CLUSTERDOWN ", "CROSSSLOT ", NULL };
	const char *repeated = strstr(error, "with args");
	size_t length = repeated != NULL ? (size_t)(repeated - error) : strlen(error);
	char why[WHY_SIZE];

	if (strcmp(name, "AUTH") == 0)
		length = strcspn(error, " ");
	snprintf(why, sizeof(why), "%s: %.*s%s", name, (int)(length < 120 ? length : 120), error,
	    has_one_of(error, cluster) ? ": Redis Cluster is not supported" : "");
	fail(redis, why);
	redis->failure = has_one_of(error, refused) ? REFUSED : FAILED;
}

/* Tell the log that Redis fails, unless it has just heard that; or that it does not any more. */
static void
tell(struct redis *redis, bool fails, time_t now, const struct log *log)
{
	const bool is_heard = is_within(now, redis->told, MINUTE) &&
	    (redis->is_failing || strcmp(redis->told_why, redis->why) == 0);

	if (fails ? is_heard : !redis->is_failing)
		return;
	redis->is_failing = fails;
	if (fails) {
		redis->told = now;
		memcpy(redis->told_why, redis->why, sizeof(redis->why));
	}
	log_event(log, "state", "address=%s reason=\"%s\"", redis->url.shown,
	    fails ? redis->why : "it answers again");
}

/* -- the connection ------------------------------------------------------------------------ */

static void
disconnect(struct redis *redis)
{
	redisFree(redis->context);
	redis->context = NULL;
}

/* The reply to a command, which is no error; or NULL. */
static redisReply *
send_words(struct redis *redis, int count, const char *words[])
{
	redisReply *reply;

	redis->step = clock_ms();
#if STORE_TLS
	/* Errors that others left would be taken for errors of the connection. */
	ERR_clear_error();
#endif
	reply = redisCommandArgv(redis->context, count, words, NULL);
	if (reply == NULL)
		fail_connection(redis);
	else if (reply->type == REDIS_REPLY_ERROR) {
		fail_reply(redis, words[0], reply->str);
		freeReplyObject(reply);
		return NULL;
	}
	return reply;
}

/* Send AUTH, SELECT or ROLE, which must say that this is the master. */
static bool
is_accepted(struct redis *redis, int count, const char *words[])
{
	redisReply *reply = send_words(redis, count, words);
	bool accepted = strcmp(words[0], "ROLE") != 0;

	if (reply == NULL)
		return false;
	if (reply->elements > 0)
		accepted = reply->element[0]->type == REDIS_REPLY_STRING &&
		    strcmp(reply->element[0]->str, "master") == 0;
	freeReplyObject(reply);
	return accepted || fail(redis, "it is not the master");
}

static bool
greet(struct redis *redis)
{
	const char *user = redis->url.user, *password = redis->url.password;
	const char *auth[] = { "AUTH", user[0] != '\0' ? user : password, password };
	char database[24];

	text_format(database, sizeof(database), "%ld", redis->url.database);
	return (password[0] == '\0' || is_accepted(redis, user[0] != '\0' ? 3 : 2, auth)) &&
	    (redis->url.database < 0 ||
		is_accepted(redis, 2, (const char *[]){ "SELECT", database })) &&
	    is_accepted(redis, 1, (const char *[]){ "ROLE" });
}

#if STORE_TLS
/* Trust the authorities of this system, and of their certificates those for this host. */
static SSL_CTX *
new_trust(const struct redis_url *url)
{
	SSL_CTX *trusted;
	X509_VERIFY_PARAM *verified;

	/* secret_begin() leaves out these, with which a certificate is signed. */
	EVP_add_digest(EVP_sha256());
	EVP_add_digest(EVP_sha384());
	EVP_add_digest(EVP_sha512());
	if ((trusted = SSL_CTX_new(TLS_client_method())) == NULL)
		return NULL;
	SSL_CTX_set_verify(trusted, SSL_VERIFY_PEER, NULL);
	verified = SSL_CTX_get0_param(trusted);
	if (SSL_CTX_set_min_proto_version(trusted, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_default_verify_paths(trusted) == 1 &&
	    (url->is_name ? X509_VERIFY_PARAM_set1_host(verified, url->host, 0)
			  : X509_VERIFY_PARAM_set1_ip_asc(verified, url->host)) == 1)
		return trusted;
	SSL_CTX_free(trusted);
	return NULL;
}

static bool
begin_tls(struct redis *redis)
{
	SSL *tls = NULL;
	long verified;

	if (redis->trusted == NULL)
		redis->trusted = new_trust(&redis->url);
	if (redis->trusted != NULL)
		tls = SSL_new(redis->trusted);
	if (tls == NULL ||
	    (redis->url.is_name && SSL_set_tlsext_host_name(tls, redis->url.host) != 1)) {
		SSL_free(tls);
		return fail(redis, "out of memory");
	}
	redis->step = clock_ms();
	if (redisInitiateSSL(redis->context, tls) == REDIS_OK)
		return true;
	verified = SSL_get_verify_result(tls);
	SSL_free(tls);
	return verified == X509_V_OK ? fail_connection(redis)
				     : fail(redis, X509_verify_cert_error_string(verified));
}
#else
static bool
begin_tls(struct redis *redis)
{
	return fail(redis, "there is no TLS");
}
#endif

/* Be connected, and anew after a minute: the host's name may lead elsewhere by then. */
static bool
connect_master(struct redis *redis, time_t now)
{
	const struct timeval limit = { .tv_usec = STEP * 1000 };
	const struct redis_url *url = &redis->url;
	bool connected = false;

	if (redis->context != NULL && is_within(now, redis->connected, MINUTE))
		return true;
	disconnect(redis);
	redis->connected = now;
	redis->step = clock_ms();
	redis->context = url->port == 0 ? redisConnectUnixWithTimeout(url->host, limit)
					: redisConnectWithTimeout(url->host, url->port, limit);
	if (redis->context == NULL)
		fail(redis, "out of memory");
	else if (redis->context->err != 0 || redisSetTimeout(redis->context, limit) != REDIS_OK)
		fail_connection(redis);
	else
		connected = (!url->tls || begin_tls(redis)) && greet(redis);
	if (!connected)
		disconnect(redis);
	return connected;
}

/* -- a command and its reply --------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void
add(struct command *command, const char *format, ...)
{
	char *text = command->texts[command->count];
	va_list arguments;

	va_start(arguments, format);
	if (vsnprintf(text, WORD_SIZE, format, arguments) >= WORD_SIZE)
		command->too_long = true;
	va_end(arguments);
	command->words[command->count++] = text;
}

static bool
is_expected(const redisReply *reply, const struct command *command)
{
	if (command->values == 0)
		return reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0 &&
		    reply->integer <= command->most;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != command->values)
		return false;
	for (size_t i = 0; i < reply->elements; i++)
		if (reply->element[i]->type != REDIS_REPLY_NIL &&
		    reply->element[i]->type != REDIS_REPLY_STRING)
			return false;
	return true;
}

/*
 * The reply that the command expects, for the caller to free; or NULL, and the log says why. It is
 * sent again where the connection was broken, or the master is another by now.
 */
static redisReply *
ask(struct redis *redis, struct command *command, time_t now, const struct log *log)
{
	const int64_t begun = clock_ms();
	redisReply *reply = NULL;
	int64_t took;

	if (command->too_long)
		fail(redis, "a name is too long");
	if (command->too_long || is_within(now, redis->late, redis->pause)) {
		tell(redis, true, now, log);
		return NULL;
	}
	for (int i = 0; i < 2 && connect_master(redis, now); i++) {
		reply = send_words(redis, command->count, command->words);
		if (reply != NULL && is_expected(reply, command))
			break;
		if (reply != NULL)
			fail(redis, "a reply that makes no sense");
		freeReplyObject(reply);
		reply = NULL;
		disconnect(redis);
		if (redis->failure == FAILED || (redis->failure == BROKEN && command->once))
			break;
	}
	took = clock_ms() - begun;
	redis->late = now;
	redis->pause = reply == NULL && took >= STEP ? PAUSE + took / 1000 : 0;
	tell(redis, reply == NULL, now, log);
	return reply;
}

static bool
ask_number(struct redis *redis, struct command *command, long *number, time_t now,
    const struct log *log)
{
	redisReply *reply = ask(redis, command, now, log);

	if (reply == NULL)
		return false;
	*number = (long)reply->integer;
	freeReplyObject(reply);
	return true;
}

/* -- the backend --------------------------------------------------------------------------- */

static bool
get(void *backend, const struct store_key keys[], struct store_value values[], size_t count,
    time_t now, const struct log *log)
{
	struct command command = { .words = { "MGET" }, .count = 1, .values = count };
	struct redis *redis = backend;
	redisReply *reply;

	for (size_t i = 0; i < count; i++) {
		values[i].found = STORE_NOTHING;
		values[i].text[0] = '\0';
		add(&command, "%s:%s:%s", redis->prefix, keys[i].kind, keys[i].name);
	}
	if ((reply = ask(redis, &command, now, log)) == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		const redisReply *one = reply->element[i];

		if (one->type == REDIS_REPLY_NIL)
			continue;
		values[i].found = STORE_DAMAGED;
		if (strlen(one->str) == (size_t)one->len &&
		    text_copy(values[i].text, STORE_VALUE_SIZE, one->str))
			values[i].found = STORE_TEXT;
	}
	freeReplyObject(reply);
	return true;
}

static enum store_swapped
swap(void *backend, const struct store_key *key, const struct store_value *old, const char *new,
    time_t until, time_t now, const struct log *log)
{
	static const char *const names[] = { "nothing", "text", "damaged" }; /* as `found` is */
	const bool is_text = old != NULL && old->found == STORE_TEXT;
	const time_t seconds = new == NULL || until <= now ? 0 : until - now;
	struct command command = { .words = { "EVAL", swap_script }, .count = 2, .most = 1 };
	struct redis *redis = backend;
	long done;

	add(&command, "1");
	add(&command, "%s:%s:%s", redis->prefix, key->kind, key->name);
	add(&command, "%s", old == NULL ? "any" : names[old->found]);
	command.words[command.count++] = is_text ? old->text : "";
	command.words[command.count++] = new != NULL ? new : "";
	add(&command, "%lld", (long long)seconds);
	add(&command, "%d", STORE_VALUE_SIZE);
	if (!ask_number(redis, &command, &done, now, log))
		return STORE_FAULT;
	return done == 1 ? STORE_DONE : STORE_CHANGED;
}

static bool
count(void *backend, const struct store_bucket buckets[], size_t count, time_t now, long *wait,
    const struct log *log)
{
	struct command command = { .words = { "EVAL" }, .count = 2 };
	struct redis *redis = backend;
	long none;

	command.words[1] = wait != NULL ? count_script : uncount_script;
	command.most = wait != NULL ? LONG_MAX : 0;
	/* Where the reply was lost, an attempt may be counted twice: nobody gains by that. Given
	   back twice, attempts of others would be forgotten. */
	command.once = wait == NULL;
	if (wait != NULL)
		*wait = 0;
	add(&command, "%zu", count);
	for (size_t i = 0; i < count; i++) {
		char hex[2 * STORE_BUCKET_KEY_BYTES + 1];

		secret_hex(hex, buckets[i].key, STORE_BUCKET_KEY_BYTES);
		add(&command, "%s:attempts:%u:%s", redis->prefix, buckets[i].kind, hex);
	}
	add(&command, "%lld", (long long)now);
	for (size_t i = 0; i < count; i++) {
		add(&command, "%ld", buckets[i].size);
		add(&command, "%ld", wait != NULL ? buckets[i].cost : buckets[i].back);
	}
	return ask_number(redis, &command, wait != NULL ? wait : &none, now, log);
}

static void
close_redis(void *backend)
{
	struct redis *redis = backend;

	disconnect(redis);
#if STORE_TLS
	SSL_CTX_free(redis->trusted);
#endif
	secret_wipe(redis, sizeof(*redis));
	free(redis);
}

static void *
open_redis(const char *place, const char *prefix, const char **wrong)
{
	struct redis *redis = calloc(1, sizeof(*redis));

	*wrong = "cannot be used: out of memory";
	if (redis == NULL)
		return NULL;
	redis->prefix = prefix;
	*wrong = redis_url_read(&redis->url, place);
	/* By default a silent name server is asked for 10 seconds, and twice. */
	if (*wrong == NULL && redis->url.is_name &&
	    setenv("RES_OPTIONS", "timeout:1 attempts:1", 0) != 0)
		*wrong = "cannot be used: out of memory";
	if (*wrong == NULL)
		return redis;
	close_redis(redis);
	return NULL;
}

const struct store_backend store_redis = { open_redis, close_redis, get, swap, count };
