/*
 * absent: what a program with every library inside does without.
 *
 * glibc looks up names with the help of libraries of the machine, which must be of the very same
 * glibc: the linker warns of it. libfcgi has code that would ask for that, on behalf of callers
 * unlike us. It is told no here, whatever the machine has: static.mk sets this function in the
 * place of glibc's.
 *
 * And there is no OpenSSL to be begun: see hmac.c.
 */
#include <netdb.h>
#include <openssl/crypto.h>
#include <stddef.h>

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
