/*
 * micro: what the parts of a request cost, each by itself.
 *
 *	micro FOLDER TOKENS SECRET USERS NAME			the nanoseconds of every part
 *	micro FOLDER TOKENS SECRET USERS NAME PART		of one part
 *	micro FOLDER TOKENS SECRET USERS NAME PART COUNT	do it so often, and print nothing
 *
 * FOLDER is a store that lists their sessions. TOKENS is a file with a good token a line, each
 * another one; there must be more of them than a worker remembers. USERS is a user file with NAME
 * in it.
 */
#include <jwt.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "auth/session_list.h"
#include "auth/throttle.h"
#include "auth/token.h"
#include "auth/users.h"
#include "base/secret.h"
#include "base/text.h"
#include "store/store.h"
#include "web/cookie.h"

enum { TOKENS_MAX = 20000, BATCHES = 21, BATCH_NANOSECONDS = 10000000 };

struct bench {
	char *tokens[TOKENS_MAX];
	size_t token_count;
	struct config config; /* no more of it than the parts ask for */
	struct token_keys keys;
	struct token_rules rules;
	struct store *store;
	char *record; /* room for a list of sessions */
	struct token token;
	struct users users;
	const char *name; /* that stands in the user file */
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

/* A token that no request had before. */
static bool
cold(struct bench *b)
{
	const char *why;

	return token_verify(&b->token, next_token(b), &b->keys, &b->rules, &why);
}

/* The same token as the request before. */
static bool
hot(struct bench *b)
{
	const char *why;

	return token_verify(&b->token, b->tokens[0], &b->keys, &b->rules, &why);
}

static bool
decode(struct bench *b)
{
	jwt_t *jwt = NULL;

	if (jwt_decode(&jwt, next_token(b), (const unsigned char *)b->config.secret,
		(int)strlen(b->config.secret)) != 0)
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

	return HMAC(EVP_sha256(), b->config.secret, (int)strlen(b->config.secret),
		   (const unsigned char *)text, (size_t)(strrchr(text, '.') - text), mac,
		   &length) != NULL;
}

static bool
cookie(struct bench *b)
{
	struct text_span value;
	const char *at = b->header;
	int found = 0;

	while (cookie_next(&value, &at, "token"))
		found++;
	return found == 1;
}

/* Count an attempt with a name, from an address, that came with none before. */
static bool
throttle(struct bench *b)
{
	static const struct account unknown;
	char name[32], address[32];
	struct throttle attempt = { .name = name, .account = &unknown, .address = address };
	long wait;

	snprintf(name, sizeof(name), "bogus%ld", b->done);
	snprintf(address, sizeof(address), "10.%ld.%ld.%ld", b->done / 65536 % 256,
	    b->done / 256 % 256, b->done % 256);
	return throttle_count(&attempt, b->store, &b->config, time(NULL), &wait, &b->log) !=
	    THROTTLE_FAULT;
}

/* Does the store list the session of the first token? */
static bool
listed(struct bench *b)
{
	const struct store_key key = { "sessions", b->token.user };
	struct store_value list = { .text = b->record };
	struct list_entry entry;

	return store_get(b->store, &key, &list, 1, time(NULL), &b->log) &&
	    list_find(&entry, list.text, b->token.sid);
}

/* Find a name where the user file is the one read before. */
static bool
find(struct bench *b)
{
	struct account account;

	if (!users_read(&b->users, &b->config, time(NULL), &b->log))
		return false;
	users_find(&account, &b->users, b->name, &b->config);
	return account.known;
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
	struct account account;

	users_find(&account, &b->users, b->name, &b->config);
	return users_check(&account, "wrong") == PASSWORD_WRONG;
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
	{ "hot", hot, hot },
	{ "decode", decode, NULL },
	{ "hmac", hmac, NULL },
	{ "cookie", cookie, NULL },
	{ "throttle", throttle, NULL },
	{ "listed", listed, hot },
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
	token_keys_forget(&b->keys);
	b->keys.count = 1;
	if (!token_key_of_secret(&b->keys.keys[0], b->config.secret))
		fail("memory");
	token_keys_remember(&b->keys);
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

static void
open_all(struct bench *b, char **argv)
{
	const char *wrong;

	b->log = log_stderr();
	b->store = store_open(argv[1], "postern", &wrong);
	b->record = malloc(STORE_VALUE_SIZE);
	if (b->store == NULL || b->record == NULL)
		fail("memory");
	read_tokens(b, argv[2]);
	if (!text_copy(b->config.secret, sizeof(b->config.secret), argv[3]) ||
	    !text_copy(b->config.users, sizeof(b->config.users), argv[4]))
		fail("an argument is too long");
	b->name = argv[5];
	b->rules = (struct token_rules){ "postern", time(NULL), 28800 };
}

int
main(int argc, char **argv)
{
	static struct bench b;

	if (argc < 6 || argc > 8 || !secret_begin())
		fail("see its first comment");
	open_all(&b, argv);
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
	token_keys_forget(&b.keys);
	store_close(b.store);
	return EXIT_SUCCESS;
}
