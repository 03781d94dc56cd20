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
#include "base/text.h"

#define CURVE "prime256v1" /* OpenSSL's name of P-256 */

enum {
	FILE_MAX = 16384,
	COORDINATE_BYTES = 32, /* of a point of the curve */
	NUMBER_BYTES = KEY_RSA_MAX / 8,
	NUMBER_SIZE = BASE64_ENCODE_RAW_LENGTH(NUMBER_BYTES) + 1,
};

/* Without a password: OpenSSL would ask for it on a terminal. */
static int
no_password(char *out, int size, int writing, void *data)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)data;
	return -1;
}

static EVP_PKEY *
parse(const char *pem, bool private)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *pkey = NULL;

	if (bio != NULL)
		pkey = private ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
			       : PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
	BIO_free(bio);
	return pkey;
}

/* Take what was written to `bio`, and free it. False when it is none or does not fit. */
static bool
take(char *out, size_t size, BIO *bio, int written)
{
	char *text = NULL;
	long length = bio != NULL ? BIO_get_mem_data(bio, &text) : 0;
	bool whole = written == 1 && length > 0 && (size_t)length < size;

	if (whole) {
		memcpy(out, text, (size_t)length);
		out[length] = '\0';
	}
	if (length > 0)
		secret_wipe(text, (size_t)length);
	BIO_free(bio);
	return whole;
}

/* libjwt is handed PEM of our own making, whatever stood in the file. */
static bool
write_pem(struct key *key, EVP_PKEY *pkey, bool private)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (!take(key->public, sizeof(key->public), bio,
		bio != NULL ? PEM_write_bio_PUBKEY(bio, pkey) : 0))
		return false;
	if (!private)
		return true;
	bio = BIO_new(BIO_s_mem());
	return take(key->private, sizeof(key->private), bio,
	    bio != NULL ? PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) : 0);
}

/* -- the JWK ----------------------------------------------------------------------------- */

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
	bool right = EVP_PKEY_get_bn_param(pkey, name, &number) == 1;

	if (right && length == 0)
		length = BN_num_bytes(number);
	right = right && length <= NUMBER_BYTES && BN_bn2binpad(number, bytes, length) == length;
	if (right)
		encode(out, bytes, (size_t)length);
	BN_free(number);
	return right;
}

/* The members that RFC 7638 makes the thumbprint of, in its order and without a space. */
static bool
write_members(char out[static KEY_JWK_SIZE], EVP_PKEY *pkey, bool curve)
{
	char one[NUMBER_SIZE], two[NUMBER_SIZE];

	if (curve)
		return write_number(one, pkey, OSSL_PKEY_PARAM_EC_PUB_X, COORDINATE_BYTES) &&
		    write_number(two, pkey, OSSL_PKEY_PARAM_EC_PUB_Y, COORDINATE_BYTES) &&
		    text_format(out, KEY_JWK_SIZE,
			"{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", one, two);
	return write_number(one, pkey, OSSL_PKEY_PARAM_RSA_E, 0) &&
	    write_number(two, pkey, OSSL_PKEY_PARAM_RSA_N, 0) &&
	    text_format(out, KEY_JWK_SIZE, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", one, two);
}

static bool
write_jwk(struct key *key, EVP_PKEY *pkey, bool curve)
{
	unsigned char digest[SHA256_DIGEST_SIZE];
	char members[KEY_JWK_SIZE];
	struct sha256_ctx sha256;

	if (!write_members(members, pkey, curve))
		return false;
	sha256_init(&sha256);
	sha256_update(&sha256, strlen(members), (const unsigned char *)members);
	sha256_digest(&sha256, sizeof(digest), digest);
	encode(key->id, digest, sizeof(digest));
	return text_format(key->jwk, sizeof(key->jwk),
	    "{\"alg\":\"%s\",\"kid\":\"%s\",\"use\":\"sig\",%s", key->alg, key->id, members + 1);
}

/* ---------------------------------------------------------------------------------------- */

static bool
is_of_curve(EVP_PKEY *pkey)
{
	char name[sizeof(CURVE)];
	size_t length;

	return EVP_PKEY_is_a(pkey, "EC") &&
	    EVP_PKEY_get_group_name(pkey, name, sizeof(name), &length) == 1 &&
	    strcmp(name, CURVE) == 0;
}

/* With an exponent of 1 the signature is what is signed, and anybody can write it. */
static bool
has_right_exponent(EVP_PKEY *pkey)
{
	BIGNUM *exponent = NULL;
	bool right = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
	    BN_is_odd(exponent) && !BN_is_one(exponent);

	BN_free(exponent);
	return right;
}

/* NULL, or why this key will not do. */
static const char *
fill(struct key *key, EVP_PKEY *pkey, bool private)
{
	bool curve = is_of_curve(pkey);
	int bits = EVP_PKEY_get_bits(pkey);

	if (!curve && !EVP_PKEY_is_a(pkey, "RSA"))
		return "is neither of the curve P-256 nor of RSA";
	if (!curve && (bits < KEY_RSA_MIN || bits > KEY_RSA_MAX))
		return "is of RSA, but not of 2048 to 8192 bits";
	if (!curve && !has_right_exponent(pkey))
		return "is of RSA, but its exponent is 1 or even";
	key->alg = curve ? "ES256" : "RS256";
	key->signature_bytes = curve ? 2 * COORDINATE_BYTES : (size_t)EVP_PKEY_get_size(pkey);
	if (!write_pem(key, pkey, private) || !write_jwk(key, pkey, curve))
		return "cannot be taken apart";
	return NULL;
}

/* NULL, or what is the matter with this text of a key file. */
static const char *
read_text(struct key *key, const struct file *file, bool private)
{
	const char *wrong = "is no PEM key, a private or a public one";
	EVP_PKEY *pkey;

	if (strlen(file->text) != file->length)
		return "has a NUL byte";
	if (strstr(file->text, "ENCRYPTED") != NULL)
		return "is encrypted: nobody is here to type its password";
	pkey = parse(file->text, private);
	if (pkey != NULL)
		wrong = fill(key, pkey, private);
	EVP_PKEY_free(pkey);
	/* Else libjwt's next failure would be told as this one. */
	ERR_clear_error();
	return wrong;
}

bool
key_read(struct key *key, const char *path, time_t now, char why[static KEY_WHY_SIZE])
{
	char reason[FILE_WHY_SIZE];
	struct file file = { 0 };
	const char *wrong = NULL;
	bool private;

	*key = (struct key){ 0 };
	if (file_read(&file, path, FILE_MAX, false, now, reason) == FILE_FAULT) {
		text_copy(why, KEY_WHY_SIZE, reason);
		return false;
	}
	private = strstr(file.text, "PRIVATE KEY-----") != NULL;
	/* Whoever can change a public key can sign. */
	if (private ? !file_is_private(path, reason) : !file_is_ours(path, reason))
		wrong = reason;
	else
		wrong = read_text(key, &file, private);
	file_forget(&file);
	if (wrong != NULL)
		secret_wipe(key, sizeof(*key));
	return text_copy(why, KEY_WHY_SIZE, wrong != NULL ? wrong : "") && wrong == NULL;
}
