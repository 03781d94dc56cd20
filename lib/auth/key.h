/*
 * key: a key file: which algorithm its key is for, and what others may know of it.
 *
 * It is PEM (RFC 7468): a private key, or a public one, of the curve P-256 or of RSA.
 */
#ifndef POSTERN_KEY_H
#define POSTERN_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/text.h"

/* Sizes count the NUL. */
enum {
	KEY_RSA_MIN = 2048, /* bits */
	KEY_RSA_MAX = 8192,
	KEY_PRIVATE_SIZE = 8192,
	KEY_PUBLIC_SIZE = 2048,
	KEY_ID_SIZE = 44, /* 32 bytes in base64url */
	KEY_JWK_SIZE = 2048,
};

struct key {
	const char *alg;                /* "ES256" or "RS256": RFC 7518, section 3.1 */
	size_t signature_bytes;         /* how long it signs */
	char id[KEY_ID_SIZE];           /* its thumbprint: RFC 7638 */
	char jwk[KEY_JWK_SIZE];         /* the public key as JSON: RFC 7517 */
	char public[KEY_PUBLIC_SIZE];   /* the same as PEM */
	char private[KEY_PRIVATE_SIZE]; /* as PEM and not encrypted; empty if it is not there */
};

/*
 * Read a key file: FILE_SECRET if it has a private key, which must not be encrypted, else
 * FILE_OURS. False, with `key` wiped and `why`, when it is not right or on a fault. The caller
 * wipes the key.
 */
bool key_read(struct key *key, const char *path, time_t now, struct text_why *why);

/*
 * Can OpenSSL verify with this key? It sets itself up when it is used first: ask before the first
 * request. False when it is out of memory.
 */
bool key_can_verify(const struct key *key);

#endif
