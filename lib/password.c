#include "password.h"

#include <crypt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "secret.h"
#include "text.h"

#define CRYPT64 "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define MEND ": make a new one with `mkpasswd -m yescrypt` or `htpasswd -nB -C 12 NAME`"

enum { BCRYPT_PASSWORD_MAX = 72 };

/* Is the number at `at`, which ends at `end`, from `min` to `max`? Digits only, no zero first. */
static bool
number_between(const char *at, char end, unsigned long min, unsigned long max)
{
	char *tail;
	unsigned long number = strtoul(at, &tail, 10);

	return at[0] >= '1' && at[0] <= '9' && *tail == end && number >= min && number <= max;
}

/* Rest of a yescrypt hash: jNr$. N doubles with each character: B takes 66 MB and 75 ms. */
static bool
yescrypt_cost(const char *rest)
{
	return rest[0] == 'j' && rest[1] >= '.' && rest[1] <= 'B' && rest[2] >= '.' &&
	    rest[2] <= 'T' && rest[3] == '$';
}

/* Rest of a scrypt hash: N, r and p in 1, 5 and 5 characters. D takes 134 MB. */
static bool
scrypt_cost(const char *rest)
{
	return rest[0] >= '.' && rest[0] <= 'D' && rest[1] >= '.' && rest[1] <= 'U' &&
	    text_begins(rest + 2, "..../....");
}

static bool
bcrypt_cost(const char *rest)
{
	return (rest[0] == '0' && rest[1] >= '4' && rest[1] <= '9' && rest[2] == '$') ||
	    number_between(rest, '$', 10, 14);
}

static bool
sha_cost(const char *rest)
{
	return !text_begins(rest, "rounds=") ||
	    number_between(rest + strlen("rounds="), '$', 1000, 1000000);
}

static const struct method {
	const char *prefix;
	bool (*cost)(const char *rest);
	size_t tail; /* characters after the last `$` */
} methods[] = {
	{ "$y$", yescrypt_cost, 43 },
	{ "$7$", scrypt_cost, 43 },
	{ "$2a$", bcrypt_cost, 53 },
	{ "$2b$", bcrypt_cost, 53 },
	{ "$2y$", bcrypt_cost, 53 },
	{ "$6$", sha_cost, 86 },
	{ "$5$", sha_cost, 43 },
};

static const struct method *
find_method(const char *hash)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (text_begins(hash, methods[i].prefix))
			return &methods[i];
	}
	return NULL;
}

const char *
password_refuse(const char *hash)
{
	const struct method *method = find_method(hash);
	size_t length = strlen(hash);

	if (method == NULL)
		return "the method of the hash is not one that is safe" MEND;
	if (!method->cost(hash + strlen(method->prefix)))
		return "the cost of the hash is too high, or is not well formed" MEND;
	if (length >= PASSWORD_HASH_SIZE || strspn(hash, CRYPT64 "$=") != length ||
	    !text_is_made_of(strrchr(hash, '$') + 1, method->tail, CRYPT64))
		return "the hash is damaged" MEND;
	return NULL;
}

enum password
password_check(const char *password, const char *hash)
{
	enum password result = PASSWORD_FAULT;
	size_t length = strlen(hash);
	struct crypt_data *data;
	const char *made;

	/* 32 KiB: too much for a small stack. */
	if ((data = calloc(1, sizeof(*data))) == NULL)
		return PASSWORD_FAULT;
	made = crypt_r(password, hash, data);
	if (made != NULL && made[0] != '*') {
		result = PASSWORD_WRONG;
		if (strlen(made) == length && secret_equal(made, hash, length))
			result = PASSWORD_RIGHT;
	}
	/* bcrypt hashes 72 bytes and forgets the rest. */
	if (result == PASSWORD_RIGHT && text_begins(hash, "$2") &&
	    strlen(password) > BCRYPT_PASSWORD_MAX)
		result = PASSWORD_WRONG;
	secret_wipe(data, sizeof(*data));
	free(data);
	return result;
}
