#include "auth/key.h"

#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/file.h"
#include "base/secret.h"

#define CURVE "prime256v1" /* OpenSSL's name of P-256 */

enum {
	FILE_MAX = 16384,
	COORDINATE_BYTES = 32, /* of a point of the curve */
	NUMBER_BYTES = KEY_RSA_MAX / 8,
	NUMBER_SIZE = BASE64_ENCODE_RAW_LENGTH(NUMBER_BYTES) + 1,
};

static EVP_PKEY *
parse(const char *pem, bool private)
{
	char no_password[] = ""; /* with none at all OpenSSL would ask for it on a terminal */
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *pkey = NULL;

	if (bio != NULL)
		pkey = private ? PEM_read_bio_PrivateKey(bio, NULL, NULL, no_password)
			       : PEM_read_bio_PUBKEY(bio, NULL, NULL, no_password);
	BIO_free(bio);
	return pkey;
}

/* Write a key as PEM of our own making: libjwt is not handed what stood in the file. */
static bool
write_pem(char *out, size_t size, EVP_PKEY *pkey, bool private)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long length = 0;
	bool whole = bio != NULL &&
	    (private ? PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
		     : PEM_write_bio_PUBKEY(bio, pkey)) == 1;

	if (bio != NULL)
		length = BIO_get_mem_data(bio, &text);
	whole = whole && length > 0 && text_format(out, size, "%.*s", (int)length, text);
	if (length > 0)
		secret_wipe(text, (size_t)length);
	BIO_free(bio);
	return whole;
}

static void
encode(char *out, const unsigned char *bytes, size_t length)
{
	struct base64_encode_ctx base64;
	size_t written;

	base64url_encode_init(&base64);
	written = base64_encode_update(&base64, out, length, bytes);
	written += base64_encode_final(&base64, out + written);
	out[written] = '\0';
	out[strcspn(out, "=")] = '\0';
}

/* Write a number of the public key in base64url, of `length` bytes, or of as many as it needs. */
static bool
write_number(char out[static NUMBER_SIZE], EVP_PKEY *pkey, const char *name, int length)
{
	unsigned char bytes[NUMBER_BYTES];
	BIGNUM *number = NULL;
	int written = -1;

	if (EVP_PKEY_get_bn_param(pkey, name, &number) == 1) {
		length = length > 0 ? length : BN_num_bytes(number);
		if (length <= NUMBER_BYTES)
			written = BN_bn2binpad(number, bytes, length);
	}
	if (written >= 0)
		encode(out, bytes, (size_t)written);
	BN_free(number);
	return written >= 0;
}

static bool
write_jwk(struct key *key, EVP_PKEY *pkey, bool curve)
{
	char one[NUMBER_SIZE], two[NUMBER_SIZE], members[KEY_JWK_SIZE];
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha256;
	bool right;

	/* The members that RFC 7638 makes the thumbprint of, in its order and without a space. */
	if (curve)
		right = write_number(one, pkey, OSSL_PKEY_PARAM_EC_PUB_X, COORDINATE_BYTES) &&
		    write_number(two, pkey, OSSL_PKEY_PARAM_EC_PUB_Y, COORDINATE_BYTES) &&
		    text_format(members, sizeof(members),
			"{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", one, two);
	else
		right = write_number(one, pkey, OSSL_PKEY_PARAM_RSA_E, 0) &&
		    write_number(two, pkey, OSSL_PKEY_PARAM_RSA_N, 0) &&
		    text_format(members, sizeof(members),
			"{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", one, two);
	if (!right)
		return false;
	sha256_init(&sha256);
	sha256_update(&sha256, strlen(members), (const unsigned char *)members);
	sha256_digest(&sha256, sizeof(digest), digest);
	encode(key->id, digest, sizeof(digest));
	return text_format(key->jwk, sizeof(key->jwk),
	    "{\"alg\":\"%s\",\"kid\":\"%s\",\"use\":\"sig\",%s", key->alg, key->id, members + 1);
}

/* NULL, or why this key will not do. */
static const char *
fill(struct key *key, EVP_PKEY *pkey, bool private)
{
	const int bits = EVP_PKEY_get_bits(pkey);
	char group[sizeof(CURVE)] = "";
	BIGNUM *exponent = NULL;
	const bool curve = EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
	    strcmp(group, CURVE) == 0;
	bool right;

	if (!curve && !EVP_PKEY_is_a(pkey, "RSA"))
		return "is neither of the curve P-256 nor of RSA";
	if (!curve && (bits < KEY_RSA_MIN || bits > KEY_RSA_MAX))
		return "is of RSA, but not of 2048 to 8192 bits";
	/* With an exponent of 1 the signature is what is signed, and anybody can write it. */
	right = curve ||
	    (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
		BN_is_odd(exponent) && !BN_is_one(exponent));
	BN_free(exponent);
	if (!right)
		return "is of RSA, but its exponent is 1 or even";
	key->alg = curve ? "ES256" : "RS256";
	key->signature_bytes = curve ? 2 * COORDINATE_BYTES : (size_t)EVP_PKEY_get_size(pkey);
	if (!write_pem(key->public, sizeof(key->public), pkey, false) ||
	    (private && !write_pem(key->private, sizeof(key->private), pkey, true)) ||
	    !write_jwk(key, pkey, curve))
		return "cannot be taken apart";
	return NULL;
}

bool
key_read(struct key *key, const char *path, time_t now, struct text_why *why)
{
	struct file file = { 0 };
	const char *wrong = "is no PEM key, a private or a public one";
	EVP_PKEY *pkey = NULL;
	bool private, right;

	*key = (struct key){ 0 };
	if (file_read(&file, path, FILE_MAX, FILE_ANYBODYS, now, why) == FILE_FAULT)
		return false;
	private = strstr(file.text, "PRIVATE KEY-----") != NULL;
	/* A user who can change a public key can sign. */
	right = file_is_trusted(path, private ? FILE_SECRET : FILE_OURS, why);
	if (strlen(file.text) != file.length)
		wrong = "has a NUL byte";
	else if (strstr(file.text, "ENCRYPTED") != NULL)
		wrong = "is encrypted: nobody is here to type its password";
	else if (right && (pkey = parse(file.text, private)) != NULL)
		wrong = fill(key, pkey, private);
	EVP_PKEY_free(pkey);
	/* Else libjwt's next failure would be told as this one. */
	ERR_clear_error();
	file_forget(&file);
	right = right && (wrong == NULL || text_refuse(why, "%s", wrong));
	if (!right)
		secret_wipe(key, sizeof(*key));
	return right;
}

bool
key_can_verify(const struct key *key)
{
	static const unsigned char text[] = "x", signature[] = "x";
	EVP_PKEY *pkey = parse(key->public, false);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool begun = pkey != NULL && context != NULL &&
	    EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pkey) == 1;

	if (begun)
		EVP_DigestVerify(context, signature, sizeof(signature), text, sizeof(text));
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return begun;
}
