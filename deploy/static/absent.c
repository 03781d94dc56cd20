/*
 * absent: what a program with every library inside does without.
 *
 * glibc looks up names with the help of libraries of the machine, which must be of the very same
 * glibc: the linker warns of it. libfcgi has code that would ask for that, on behalf of callers
 * unlike us. It is told no here, whatever the machine has: static.mk sets this function in the
 * place of glibc's.
 *
 * And there is no OpenSSL to be begun (see hmac.c), or to read a key file.
 */
#include <netdb.h>
#include <openssl/crypto.h>
#include <stddef.h>

#include "auth/key.h"

struct hostent *__wrap_gethostbyname(const char *name);

struct hostent *
__wrap_gethostbyname(const char *name)
{
	(void)name;
	return NULL;
}

int
OPENSSL_init_crypto(uint64_t options, const OPENSSL_INIT_SETTINGS *settings)
{
	(void)options;
	(void)settings;
	return 1;
}

bool
key_read(struct key *key, const char *path, time_t now, struct text_why *why)
{
	(void)path;
	(void)now;
	*key = (struct key){ 0 };
	return text_refuse(why,
	    "this program was built without OpenSSL, and reads no key file: build it with `make`");
}

bool
key_can_verify(const struct key *key)
{
	(void)key;
	return false;
}
