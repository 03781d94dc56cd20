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

/*
 * Each cost_ function takes what follows the method's prefix. It returns what follows the
 * parameters there, or NULL when they are not well formed or make the hash cost too much.
 */

/* The end of a decimal number from `min` to `max`, or NULL. */
static const char *
number_end(const char *at, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long number = strtoul(at, &end, 10);

	return at[0] >= '0' && at[0] <= '9' && number >= min && number <= max ? end : NULL;
}

/* jNr. N doubles with each character: B takes 66 MB. */
static const char *
cost_yescrypt(const char *rest)
{
	return rest[0] == 'j' && rest[1] >= '/' && rest[1] <= 'B' && rest[2] >= '.' &&
		rest[2] <= 'T'
	    ? rest + 3
	    : NULL;
}

/* N, r and p in 1, 5 and 5 characters, and no sign after them. D takes 134 MB. */
static const char *
cost_scrypt(const char *rest)
{
	return rest[0] >= '/' && rest[0] <= 'D' && rest[1] >= '/' && rest[1] <= 'U' &&
		text_begins(rest + 2, "..../....")
	    ? rest + 11
	    : NULL;
}

static const char *
cost_bcrypt(const char *rest)
{
	return strspn(rest, "0123456789") == 2 ? number_end(rest, 4, 14) : NULL;
}

/* With 511 bytes of password, 200,000 rounds of SHA-256 take most of a second. */
static const char *
cost_sha(const char *rest)
{
	if (text_begins(rest, "rounds="))
		return rest[7] != '0' ? number_end(rest + 7, 1000, 200000) : NULL;
	return rest - 1; /* no parameters: the prefix's own `$` ends them */
}

static const struct method {
	const char *prefix;
	const char *(*cost)(const char *rest);
	const char *after; /* what parts the parameters from the salt */
	bool has_salt;     /* parted by a `$` from the rest */
	size_t length;     /* of that rest */
} methods[] = {
	{ "$y$", cost_yescrypt, "$", true, 43 },
	{ "$7$", cost_scrypt, "", true, 43 },
	{ "$2a$", cost_bcrypt, "$", false, 53 },
	{ "$2b$", cost_bcrypt, "$", false, 53 },
	{ "$2y$", cost_bcrypt, "$", false, 53 },
	{ "$6$", cost_sha, "$", true, 86 },
	{ "$5$", cost_sha, "$", true, 43 },
};

/* Is this what stands behind the parameters: the salt and the digest? */
static bool
is_whole(const char *rest, const struct method *method)
{
	if (!text_begins(rest, method->after))
		return false;
	rest += strlen(method->after);
	if (method->has_salt) {
		rest += strspn(rest, CRYPT64);
		if (*rest++ != '$')
			return false;
	}
	return text_is_made_of(rest, method->length, CRYPT64);
}

const char *
password_refuse(const char *hash)
{
	const struct method *method = NULL;
	const char *rest;

	for (size_t i = 0; i < COUNT(methods) && method == NULL; i++) {
		if (text_begins(hash, methods[i].prefix))
			method = &methods[i];
	}
	if (method == NULL)
		return "the method of the hash is not one that is safe" MEND;
	if ((rest = method->cost(hash + strlen(method->prefix))) == NULL)
		return "the cost of the hash is too high, or is not well formed" MEND;
	if (strlen(hash) >= PASSWORD_HASH_SIZE || !is_whole(rest, method))
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
