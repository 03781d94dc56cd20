#include "auth/password.h"

#include <crypt.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"

#define CRYPT64 "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define MEND ": make a new one with `mkpasswd -m yescrypt` or `htpasswd -nB -C 12 NAME`"

enum { BCRYPT_PASSWORD_MAX = 72 };

/*
 * Each cost_ function takes what follows the method's prefix. It returns what follows the
 * parameters there, or NULL when they are not well formed or make the hash cost too much.
 */

/* A decimal number from `min` to `max` and a `$`. */
static const char *
after_number(const char *at, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long number = strtoul(at, &end, 10);

	return isdigit((unsigned char)at[0]) && *end == '$' && number >= min && number <= max
	    ? end + 1
	    : NULL;
}

/* jNr$. N doubles with each character: B takes 66 MB. */
static const char *
cost_yescrypt(const char *rest)
{
	return rest[0] == 'j' && rest[1] >= '/' && rest[1] <= 'B' && rest[2] >= '.' &&
		rest[2] <= 'T' && rest[3] == '$'
	    ? rest + 4
	    : NULL;
}

/* N, r and p in 1, 5 and 5 characters, and nothing after them. D takes 134 MB. */
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
	return strspn(rest, "0123456789") == 2 ? after_number(rest, 4, 14) : NULL;
}

/* With 511 bytes of password, 200,000 rounds of SHA-256 take most of a second. */
static const char *
cost_sha(const char *rest)
{
	if (!text_begins(rest, "rounds="))
		return rest;
	return rest[7] != '0' ? after_number(rest + 7, 1000, 200000) : NULL;
}

static const struct method {
	const char *prefix;
	const char *(*cost)(const char *rest);
	bool has_salt; /* of any length, parted by a `$` from the digest */
	size_t length; /* of the digest, bcrypt's salt included */
} methods[] = {
	{ "$y$", cost_yescrypt, true, 43 },
	{ "$7$", cost_scrypt, true, 43 },
	{ "$2a$", cost_bcrypt, false, 53 },
	{ "$2b$", cost_bcrypt, false, 53 },
	{ "$2y$", cost_bcrypt, false, 53 },
	{ "$6$", cost_sha, true, 86 },
	{ "$5$", cost_sha, true, 43 },
};

const char *
password_refuse(const char *hash)
{
	/* yescrypt packs its salt, six bits a character: the bits that fill up are 0. */
	static const char *const packed[] = { CRYPT64, "", "./01", "./0123456789ABCD" };
	const struct method *method = NULL;
	const char *rest;
	size_t salt;

	for (size_t i = 0; i < COUNT(methods) && method == NULL; i++) {
		if (text_begins(hash, methods[i].prefix))
			method = &methods[i];
	}
	if (method == NULL)
		return "the method of the hash is not one that is safe" MEND;
	if ((rest = method->cost(hash + strlen(method->prefix))) == NULL)
		return "the cost of the hash is too high, or is not well formed" MEND;
	salt = method->has_salt ? strspn(rest, CRYPT64) : 0;
	if ((method->cost == cost_yescrypt && salt > 0 &&
		strchr(packed[salt % 4], rest[salt - 1]) == NULL) ||
	    (method->has_salt && rest[salt++] != '$') || strlen(hash) >= PASSWORD_HASH_SIZE ||
	    strlen(rest + salt) != method->length || !text_is_made_of(rest + salt, CRYPT64))
		return "the hash is damaged" MEND;
	return NULL;
}

/* Hash with the method, cost and salt of `setting`. False, with `out` emptied, on a fault. */
static bool
run_crypt(char out[static PASSWORD_HASH_SIZE], const char *password, const char *setting)
{
	/* 32 KiB: too much for a small stack. */
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *made = data != NULL ? crypt_r(password, setting, data) : NULL;
	bool right;

	out[0] = '\0';
	right = made != NULL && made[0] != '*' && text_copy(out, PASSWORD_HASH_SIZE, made);
	if (data != NULL)
		secret_wipe(data, sizeof(*data));
	free(data);
	return right;
}

enum password
password_check(const char *password, const char *hash)
{
	char made[PASSWORD_HASH_SIZE];
	const size_t length = strlen(hash);
	bool same;

	if (!run_crypt(made, password, hash))
		return PASSWORD_FAULT;
	same = strlen(made) == length && secret_equal(made, hash, length);
	secret_wipe(made, sizeof(made));
	/* bcrypt hashes 72 bytes and forgets the rest. */
	if (text_begins(hash, "$2") && strlen(password) > BCRYPT_PASSWORD_MAX)
		same = false;
	return same ? PASSWORD_RIGHT : PASSWORD_WRONG;
}

bool
password_hash(char out[static PASSWORD_HASH_SIZE], const char *password)
{
	char random[16], setting[CRYPT_GENSALT_OUTPUT_SIZE];

	out[0] = '\0';
	/* It could find its own randomness; ours is the one that is seen to fail. */
	return secret_random(random, sizeof(random)) &&
	    crypt_gensalt_rn("$y$", 0, random, sizeof(random), setting, sizeof(setting)) != NULL &&
	    run_crypt(out, password, setting);
}
