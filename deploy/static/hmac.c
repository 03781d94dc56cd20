/*
 * hmac: the part of libjwt 1.17.2 that signs, with nettle: HMAC-SHA-256, which is all we ask for.
 *
 * libjwt's own parts stand on OpenSSL or GnuTLS. The one would be most of a program, and sets
 * all of itself up each time a plain CGI program starts; of the other Debian has no static library.
 */
#include <errno.h>
#include <jwt.h>
#include <nettle/hmac.h>
#include <string.h>

#include "base64.h"
#include "jwt-private.h"

static void
sign(const jwt_t *jwt, const char *text, unsigned length, uint8_t out[static SHA256_DIGEST_SIZE])
{
	struct hmac_sha256_ctx hmac;

	hmac_sha256_set_key(&hmac, (size_t)jwt->key_len, jwt->key);
	hmac_sha256_update(&hmac, length, (const uint8_t *)text);
	hmac_sha256_digest(&hmac, SHA256_DIGEST_SIZE, out);
	explicit_bzero(&hmac, sizeof(hmac));
}

int
jwt_sign_sha_hmac(jwt_t *jwt, char **out, unsigned *length, const char *text, unsigned text_length)
{
	if (jwt->alg != JWT_ALG_HS256)
		return EINVAL;
	if ((*out = jwt_malloc(SHA256_DIGEST_SIZE)) == NULL)
		return ENOMEM;
	sign(jwt, text, text_length, (uint8_t *)*out);
	*length = SHA256_DIGEST_SIZE;
	return 0;
}

int
jwt_verify_sha_hmac(jwt_t *jwt, const char *text, unsigned length, const char *signature)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	char wanted[4 * SHA256_DIGEST_SIZE / 3 + 4];

	if (jwt->alg != JWT_ALG_HS256)
		return EINVAL;
	sign(jwt, text, length, digest);
	jwt_Base64encode(wanted, (char *)digest, sizeof(digest));
	jwt_base64uri_encode(wanted);
	return jwt_strcmp(wanted, signature) == 0 ? 0 : EINVAL;
}

/* Signatures of other kinds are neither made nor taken. */
int
jwt_sign_sha_pem(jwt_t *jwt, char **out, unsigned *length, const char *text, unsigned text_length)
{
	(void)jwt;
	(void)out;
	(void)length;
	(void)text;
	(void)text_length;
	return EINVAL;
}

int
jwt_verify_sha_pem(jwt_t *jwt, const char *text, unsigned length, const char *signature)
{
	(void)jwt;
	(void)text;
	(void)length;
	(void)signature;
	return EINVAL;
}
