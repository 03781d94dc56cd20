/*
 * micro: what the parts of a request cost, each by itself.
 *
 *	micro FOLDER TOKENS SECRET USERS NAME			the nanoseconds of every part
 *	micro FOLDER TOKENS SECRET USERS NAME PART		of one part
 *	micro FOLDER TOKENS SECRET USERS NAME PART COUNT	do it so often, and print nothing
 *
 * FOLDER is an empty one, for the state. TOKENS is a file with a good token a line, each another
 * one; there must be more of them than a worker remembers. USERS is a user file with NAME in it.
 */
#include <jwt.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "auth/password.h"
#include "auth/throttle.h"
#include "auth/token.h"
#include "auth/users.h"
#include "auth/verified.h"
#include "base/secret.h"
#include "base/text.h"
#include "store/state.h"
#include "web/cookie.h"

enum { TOKENS_MAX = 20000, BATCHES = 21, BATCH_NANOSECONDS = 10000000 };

struct bench {
	char *tokens[TOKENS_MAX];
	size_t token_count;
	const char *secret, *users_path, *name;
	struct token_key key;
	struct token_rules rules;
	struct verified *verified;
	struct state *state;
	struct users users;
	struct log log;
	char header[2048];
	long done; /* how often this part has been done */
};

static void
fail(const char *what)
{
	fprintf(stderr, "micro: %s\n", what);
	exit(EXIT_FAILURE);
}

static const char *
next_token(struct bench *b)
{
	return b->tokens[(size_t)b->done % b->token_count];
}

/* -- the parts --------------------------------------------------------------------------- */

/* A token that no request had before, as lib/auth/session does it. */
static bool
cold(struct bench *b)
{
	struct token token;
	const char *why;

	if (verified_find(&token, b->verified, next_token(b), &b->rules) ||
	    !token_verify(&token, next_token(b), &b->key, 1, &b->rules, &why))
		return false;
	verified_keep(b->verified, next_token(b), &token);
	return true;
}

/* The same token as the request before. */
static bool
hot(struct bench *b)
{
	struct token token;

	return verified_find(&token, b->verified, b->tokens[0], &b->rules);
}

static bool
decode(struct bench *b)
{
	jwt_t *jwt = NULL;

	if (jwt_decode(&jwt, next_token(b), (const unsigned char *)b->secret,
		(int)strlen(b->secret)) != 0)
		return false;
	jwt_free(jwt);
	return true;
}

static bool
hmac(struct bench *b)
{
	const char *text = next_token(b);
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	return HMAC(EVP_sha256(), b->secret, (int)strlen(b->secret), (const unsigned char *)text,
		   (size_t)(strrchr(text, '.') - text), mac, &length) != NULL;
}

static bool
cookie(struct bench *b)
{
	char value[COOKIE_VALUE_SIZE];
	const char *at = b->header;
	int found = 0;

	while (cookie_next(&at, "token", value))
		found++;
	return found == 1;
}

/* Count a try of a name, from an address, that nobody tried before. */
static bool
throttle(struct bench *b)
{
	static const unsigned char key[SECRET_DIGEST_BYTES] = "micro";
	struct throttle throttle;
	char name[32], address[32];
	long wait;

	snprintf(name, sizeof(name), "user%ld", b->done);
	snprintf(address, sizeof(address), "10.%ld.%ld.%ld", b->done / 65536 % 256,
	    b->done / 256 % 256, b->done % 256);
	return throttle_begin(&throttle, key, name, address, NULL) &&
	    state_count(b->state, throttle.buckets, throttle.count, time(NULL), &wait, &b->log);
}

/* Has the session been ended? */
static bool
ended(struct bench *b)
{
	return state_session(b->state, "0123456789abcdef0123456789abcdef", b->name, time(NULL),
		   time(NULL), &b->log) == STATE_OPEN;
}

/* Find a name where the user file is the one read before. */
static bool
find(struct bench *b)
{
	static const unsigned char key[SECRET_DIGEST_BYTES] = "micro";
	const char *hash;

	return users_read(&b->users, b->users_path, time(NULL), &b->log) &&
	    users_find(&b->users, b->name, key, &hash);
}

/* The same where the file has changed. */
static bool
read_and_find(struct bench *b)
{
	users_forget(&b->users);
	return find(b);
}

/* The password of that name, a wrong one. */
static bool
password(struct bench *b)
{
	static const unsigned char key[SECRET_DIGEST_BYTES] = "micro";
	const char *hash;

	return users_find(&b->users, b->name, key, &hash) &&
	    password_check("wrong", hash) == PASSWORD_WRONG;
}

/* A system call that does next to nothing: what the way there and back takes. */
static bool
call(struct bench *b)
{
	(void)b;
	return syscall(SYS_getppid) >= 0;
}

static const struct part {
	const char *name;
	bool (*run)(struct bench *);
	bool (*before)(struct bench *); /* once, or NULL */
} parts[] = {
	{ "cold", cold, NULL },
	{ "hot", hot, cold },
	{ "decode", decode, NULL },
	{ "hmac", hmac, NULL },
	{ "cookie", cookie, NULL },
	{ "throttle", throttle, NULL },
	{ "ended", ended, NULL },
	{ "find", find, NULL },
	{ "read", read_and_find, NULL },
	{ "password", password, find },
	{ "call", call, NULL },
};

/* -- the times --------------------------------------------------------------------------- */

static void
repeat(struct bench *b, const struct part *part, long count)
{
	for (long i = 0; i < count; i++, b->done++) {
		if (!part->run(b))
			fail(part->name);
	}
}

static void
begin(struct bench *b, const struct part *part)
{
	verified_free(b->verified);
	if ((b->verified = verified_new(511)) == NULL)
		fail("memory");
	b->done = 0;
	if (part->before != NULL && !part->before(b))
		fail(part->name);
}

static long
nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static double
timed(struct bench *b, const struct part *part, long count)
{
	long began = nanoseconds();

	repeat(b, part, count);
	return (double)(nanoseconds() - began) / (double)count;
}

static int
by_time(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Each in batches of some milliseconds: the shortest, and the median. */
static void
show(struct bench *b, const struct part *part)
{
	double times[BATCHES], once;
	int batches;
	long count;

	begin(b, part);
	once = timed(b, part, 1);
	once = timed(b, part, once < 1000000 ? 10 : 1);
	count = once < BATCH_NANOSECONDS ? (long)(BATCH_NANOSECONDS / once) + 1 : 1;
	batches = once < BATCH_NANOSECONDS ? BATCHES : 5;
	for (int i = 0; i < batches; i++)
		times[i] = timed(b, part, count);
	qsort(times, (size_t)batches, sizeof(times[0]), by_time);
	printf("%s %.1f %.1f\n", part->name, times[0], times[batches / 2]);
}

/* -- what they need ---------------------------------------------------------------------- */

static void
read_tokens(struct bench *b, const char *path)
{
	char line[TOKEN_SIZE + 1];
	FILE *file = fopen(path, "r");

	if (file == NULL)
		fail(path);
	while (b->token_count < TOKENS_MAX && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if ((b->tokens[b->token_count++] = strdup(line)) == NULL)
			fail("memory");
	}
	fclose(file);
	if (b->token_count == 0)
		fail("no token");
	/* What a browser brings along: about 600 bytes. */
	snprintf(b->header, sizeof(b->header),
	    "_ga=GA1.1.1234567890.1700000000; "
	    "_ga_ABCDEFGHIJ=GS1.1.1700000000.1.1.1700000100.0.0.0; "
	    "theme=dark; lang=en-GB; "
	    "consent=%%7B%%22necessary%%22%%3Atrue%%2C%%22stats%%22%%3Afalse%%7D; "
	    "token=%s; cart=0123456789abcdef0123456789abcdef; seen=1700000000",
	    b->tokens[0]);
}

int
main(int argc, char **argv)
{
	static struct bench b;

	if (argc < 6 || argc > 8 || !secret_begin())
		fail("see its first comment");
	b.log = log_stderr();
	b.state = state_new(argv[1], "postern", 0);
	read_tokens(&b, argv[2]);
	b.secret = argv[3];
	b.users_path = argv[4];
	b.name = argv[5];
	b.rules = (struct token_rules){ "postern", time(NULL), 28800 };
	if (b.state == NULL || !token_key_of_secret(&b.key, b.secret))
		fail("memory");
	for (size_t i = 0; i < COUNT(parts); i++) {
		if (argc > 6 && strcmp(argv[6], parts[i].name) != 0)
			continue;
		if (argc == 8) {
			begin(&b, &parts[i]);
			repeat(&b, &parts[i], atol(argv[7]));
		} else {
			show(&b, &parts[i]);
		}
	}
	users_forget(&b.users);
	verified_free(b.verified);
	state_free(b.state);
	return EXIT_SUCCESS;
}
