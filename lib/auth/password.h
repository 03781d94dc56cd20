/*
 * password: does a password match a crypt(3) hash?
 */
#ifndef POSTERN_PASSWORD_H
#define POSTERN_PASSWORD_H

#include <stdbool.h>

/* Sizes count the NUL. */
enum {
	PASSWORD_SIZE = 512,
	PASSWORD_HASH_SIZE = 128,
};

enum password {
	PASSWORD_WRONG,
	PASSWORD_RIGHT,
	PASSWORD_FAULT, /* no memory, or a hash that crypt(3) does not take */
};

/*
 * NULL when `hash` is one that we take: yescrypt, scrypt, bcrypt, SHA-512 or SHA-256 of
 * crypt(5), whole, and with a cost that does not hold a worker for seconds, whatever the
 * password. Else why not, and how to mend it.
 */
const char *password_refuse(const char *hash);

/*
 * Does `password` (1 to 511 bytes) match `hash`, one that password_refuse() lets pass? A
 * password longer than bcrypt's 72 bytes is hashed all the same, and wrong.
 */
enum password password_check(const char *password, const char *hash);

/*
 * Hash `password` (1 to 511 bytes) for the user file: yescrypt of crypt(5), as costly as crypt(3)
 * makes it by itself, with a fresh salt. False, with `out` emptied, on a fault.
 */
bool password_hash(char out[static PASSWORD_HASH_SIZE], const char *password);

#endif
