/*
 * secret: make, compare and forget bytes that nobody else may learn.
 */
#ifndef POSTERN_SECRET_H
#define POSTERN_SECRET_H

#include <stdbool.h>
#include <stddef.h>

enum { SECRET_DIGEST_BYTES = 32 };

/*
 * Once, first thing in main(): no core dumps, no other process of this user looks into our
 * memory, and OpenSSL, which libjwt stands on, has no configuration file, so that neither a file
 * nor a variable of the host changes which algorithms there are. False, having said why, when the
 * system refuses.
 */
bool secret_begin(void);

/* Are these `length` bytes the same? Takes the same time wherever they differ. */
bool secret_equal(const void *a, const void *b, size_t length);

/* Overwrite `length` bytes, in a way the compiler does not leave out. */
void secret_wipe(void *bytes, size_t length);

/* Fill `out` with `length` bytes (256 at most) of the system's randomness. False on a fault. */
bool secret_random(void *out, size_t length);

/* HMAC-SHA-256 (RFC 2104) of `length` bytes. */
void secret_digest(unsigned char out[static SECRET_DIGEST_BYTES], const void *key,
    size_t key_length, const void *bytes, size_t length);

/*
 * A key for one purpose, named by `label`, made from the signing secret: what is
 * signed for one purpose is worth nothing for another.
 */
void secret_derive(unsigned char out[static SECRET_DIGEST_BYTES], const char *secret,
    const char *label);

/* The MAC of a text by the key that secret_derive() makes for `label`. */
void secret_mac(unsigned char out[static SECRET_DIGEST_BYTES], const char *secret,
    const char *label, const char *text);

/* Write `count` bytes as lower-case hexadecimal digits and a NUL: 2 * count + 1 bytes. */
void secret_hex(char *out, const unsigned char *bytes, size_t count);

#endif
