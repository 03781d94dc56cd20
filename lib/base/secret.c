#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

bool
secret_begin(void)
{
	const struct rlimit none = { 0, 0 };

	/* The last four flags only save time: a plain CGI run pays for the start each time. */
	bool begun = setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0 &&
	    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT |
		    OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
		    OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
		NULL) == 1;

	if (!begun)
		perror("postern: cannot keep secrets");
	return begun;
}

bool
secret_equal(const void *a, const void *b, size_t length)
{
	return memeql_sec(a, b, length) != 0;
}

void
secret_wipe(void *bytes, size_t length)
{
	explicit_bzero(bytes, length);
}

/* What Linux before 3.17 has instead of getrandom(2). */
static bool
read_urandom(void *out, size_t length)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	bool whole = fd >= 0 && read(fd, out, length) == (ssize_t)length;

	if (fd >= 0)
		close(fd);
	return whole;
}

bool
secret_random(void *out, size_t length)
{
	if (length > 256)
		return false;
	/* Up to 256 bytes come whole or not at all. */
	return getrandom(out, length, 0) == (ssize_t)length ||
	    (errno == ENOSYS && read_urandom(out, length));
}

void
secret_digest(unsigned char out[static SECRET_DIGEST_BYTES], const void *key, size_t key_length,
    const void *bytes, size_t length)
{
	struct hmac_sha256_ctx hmac;

	hmac_sha256_set_key(&hmac, key_length, key);
	hmac_sha256_update(&hmac, length, bytes);
	hmac_sha256_digest(&hmac, SECRET_DIGEST_BYTES, out);
	secret_wipe(&hmac, sizeof(hmac));
}

void
secret_derive(unsigned char out[static SECRET_DIGEST_BYTES], const char *secret, const char *label)
{
	secret_digest(out, secret, strlen(secret), label, strlen(label));
}

void
secret_mac(unsigned char out[static SECRET_DIGEST_BYTES], const char *secret, const char *label,
    const char *text)
{
	unsigned char key[SECRET_DIGEST_BYTES];

	secret_derive(key, secret, label);
	secret_digest(out, key, sizeof(key), text, strlen(text));
	secret_wipe(key, sizeof(key));
}

void
secret_hex(char *out, const unsigned char *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * count] = '\0';
}
