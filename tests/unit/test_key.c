/*
 * test_key: which key files are right, what is published of them, and that only they sign.
 */
#include "auth/key.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "auth/token.h"
#include "base/file.h"
#include "mint.h"
#include "unit.h"

enum { NOW = 1000100 };

static const struct token_rules rules = { "postern", NOW, 28800 };

static const struct token sample = {
	.user = "ada",
	.sid = "0123456789abcdef0123456789abcdef",
	.pwv = "0123456789abcdef",
	.issued = NOW,
	.expires = NOW + 300,
	.auth_time = NOW - 50,
};

/* What test_key makes once. */
struct made {
	char *folder;
	EVP_PKEY *curve, *rsa, *longer_rsa;
};

enum form { PRIVATE, PUBLIC, ENCRYPTED, TRADITIONAL };

/* Write a key to the file `path` of the mode `mode`. */
static void
write_key(const char *path, EVP_PKEY *pkey, enum form form, mode_t mode)
{
	FILE *out = fopen(path, "w");
	int written = 0;

	assert_non_null(out);
	if (form == PUBLIC)
		written = PEM_write_PUBKEY(out, pkey);
	else if (form == TRADITIONAL)
		written = EVP_PKEY_is_a(pkey, "EC")
		    ? PEM_write_ECPrivateKey(out, EVP_PKEY_get0_EC_KEY(pkey), NULL, NULL, 0, NULL,
			  NULL)
		    : PEM_write_RSAPrivateKey(out, EVP_PKEY_get0_RSA(pkey), NULL, NULL, 0, NULL,
			  NULL);
	else
		written = PEM_write_PKCS8PrivateKey(out, pkey,
		    form == ENCRYPTED ? EVP_aes_128_cbc() : NULL, "secret", 6, NULL, NULL);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(written, 1);
	assert_int_equal(chmod(path, mode), 0);
}

/* A key of a curve, of RSA of so many bits, or as OpenSSL calls it. */
static EVP_PKEY *
generate(const struct made *made, const char *algorithm)
{
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *context;

	/* To make one takes long. */
	if (atoi(algorithm) == 2048 || atoi(algorithm) == 3072) {
		pkey = atoi(algorithm) == 2048 ? made->rsa : made->longer_rsa;
		return EVP_PKEY_up_ref(pkey) == 1 ? pkey : NULL;
	}
	if (atoi(algorithm) > 0)
		return EVP_RSA_gen((size_t)atoi(algorithm));
	if (algorithm[0] == 'P' || algorithm[0] == 's')
		return EVP_EC_gen(algorithm);
	context = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
	assert_int_equal(EVP_PKEY_keygen_init(context), 1);
	assert_int_equal(EVP_PKEY_generate(context, &pkey), 1);
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static int
make(void **state)
{
	static struct made made;
	void *folder = NULL;

	made.curve = EVP_EC_gen("P-256");
	made.rsa = EVP_RSA_gen(2048);
	made.longer_rsa = EVP_RSA_gen(3072);
	*state = &made;
	if (made.curve == NULL || made.rsa == NULL || made.longer_rsa == NULL ||
	    unit_make_folder(&folder) != 0)
		return -1;
	made.folder = folder;
	return 0;
}

static int
unmake(void **state)
{
	struct made *made = *state;
	void *folder = made->folder;

	EVP_PKEY_free(made->curve);
	EVP_PKEY_free(made->rsa);
	EVP_PKEY_free(made->longer_rsa);
	return unit_remove_folder(&folder);
}

/* -- key files ------------------------------------------------------------------------------- */

static void
test_files(void **state)
{
	const struct made *made = *state;
	static const struct {
		const char *name;
		const char *algorithm; /* a curve, or how many bits of RSA */
		enum form form;
		mode_t mode;
		const char *alg, *why; /* what it is for, or why it is refused */
	} cases[] = {
		{ "curve", "P-256", PRIVATE, 0600, "ES256", NULL },
		{ "curve, traditional", "P-256", TRADITIONAL, 0600, "ES256", NULL },
		{ "curve, public", "P-256", PUBLIC, 0644, "ES256", NULL },
		{ "RSA", "2048", PRIVATE, 0400, "RS256", NULL },
		{ "RSA, traditional", "2048", TRADITIONAL, 0600, "RS256", NULL },
		{ "RSA, public", "2048", PUBLIC, 0644, "RS256", NULL },
		{ "RSA of 3,072 bits", "3072", PRIVATE, 0600, "RS256", NULL },
		{ "RSA of 2,047 bits", "2047", PRIVATE, 0600, NULL, "2048 to 8192 bits" },
		{ "RSA of 1,024 bits, public", "1024", PUBLIC, 0644, NULL, "2048 to 8192 bits" },
		{ "another curve", "P-384", PRIVATE, 0600, NULL, "neither" },
		{ "bitcoin's curve", "secp256k1", PRIVATE, 0600, NULL, "neither" },
		{ "Ed25519", "ED25519", PRIVATE, 0600, NULL, "neither" },
		{ "RSA-PSS", "RSA-PSS", PRIVATE, 0600, NULL, "neither" },
		{ "encrypted", "P-256", ENCRYPTED, 0600, NULL, "encrypted" },
		{ "private, others may read it", "P-256", PRIVATE, 0604, NULL, "chmod 600" },
		{ "private, its group may write it", "2048", PRIVATE, 0620, NULL, "chmod 600" },
		{ "public, others may write it", "P-256", PUBLIC, 0666, NULL, "chmod o-w" },
		{ "public, its group may write it", "P-256", PUBLIC, 0664, NULL, "chmod g-w" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *algorithm = cases[i].algorithm;
		EVP_PKEY *pkey = generate(made, algorithm);
		struct text_why why = { "" };
		char path[UNIT_PATH_SIZE];
		struct key key;

		CHECK(cases[i].name, pkey != NULL);
		unit_path(path, made->folder, "key.pem");
		write_key(path, pkey, cases[i].form, cases[i].mode);
		EVP_PKEY_free(pkey);
		CHECK(cases[i].name, key_read(&key, path, NOW, &why) == (cases[i].alg != NULL));
		CHECK(cases[i].name, (why.text[0] != '\0') == (cases[i].why != NULL));
		CHECK(cases[i].name,
		    strstr(why.text, cases[i].why != NULL ? cases[i].why : "") != NULL);
		CHECK(cases[i].name, ERR_peek_error() == 0);
		CHECK_TEXT(cases[i].name, key.alg != NULL ? key.alg : "",
		    cases[i].alg != NULL ? cases[i].alg : "");
		CHECK(cases[i].name,
		    (key.private[0] != '\0') == (cases[i].alg != NULL && cases[i].form != PUBLIC));
		CHECK(cases[i].name, (key.public[0] != '\0') == (cases[i].alg != NULL));
		CHECK(cases[i].name, strstr(key.jwk, "\"d\"") == NULL);
		assert_int_equal(unlink(path), 0);
	}
}

static void
test_what_is_no_key(void **state)
{
	const struct made *made = *state;
	static const struct {
		const char *name, *text, *why;
	} cases[] = {
		{ "empty", "", "no PEM key" },
		{ "a secret", "9f86d081884c7d659a2feaa0c55ad015", "no PEM key" },
		{ "a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		    "no PEM key" },
		{ "broken", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		    "no PEM key" },
	};
	char path[UNIT_PATH_SIZE];
	struct text_why why;
	struct key key;

	unit_path(path, made->folder, "none.pem");
	assert_false(key_read(&key, path, NOW, &why));
	assert_string_equal(why.text, "No such file or directory");
	for (size_t i = 0; i < COUNT(cases); i++) {
		unit_write(path, cases[i].text);
		CHECK(cases[i].name, !key_read(&key, path, NOW, &why));
		CHECK(cases[i].name, strstr(why.text, cases[i].why) != NULL);
	}
	unit_write_bytes(path, "a\0b", 3, 0600);
	assert_false(key_read(&key, path, NOW, &why));
	assert_string_equal(why.text, "has a NUL byte");
}

/* A public key of RSA. */
static EVP_PKEY *
public_key(const BIGNUM *modulus, const BIGNUM *exponent)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params;
	EVP_PKEY *pkey = NULL;

	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent);
	params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_fromdata_init(context);
	assert_int_equal(EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	return pkey;
}

/* The example of RFC 7638, section 3.1. */
static void
test_thumbprint(void **state)
{
	static const char modulus[] =
	    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc"
	    "_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQ"
	    "R0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bF"
	    "TWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
	const struct made *made = *state;
	char text[sizeof(modulus) + 4], path[UNIT_PATH_SIZE];
	unsigned char bytes[sizeof(text)];
	struct text_why why;
	BIGNUM *number, *exponent = BN_new();
	EVP_PKEY *pkey;
	struct key key;

	snprintf(text, sizeof(text), "%s==", modulus);
	for (char *at = text; *at != '\0'; at++)
		*at = *at == '-' ? '+' : *at == '_' ? '/' : *at;
	assert_int_equal(EVP_DecodeBlock(bytes, (unsigned char *)text, (int)strlen(text)), 258);
	number = BN_bin2bn(bytes, 256, NULL);
	BN_set_word(exponent, 65537);
	pkey = public_key(number, exponent);
	unit_path(path, made->folder, "rfc.pem");
	write_key(path, pkey, PUBLIC, 0644);
	assert_true(key_read(&key, path, NOW, &why));
	assert_string_equal(key.id, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
	assert_non_null(strstr(key.jwk, modulus));
	assert_non_null(strstr(key.jwk, "\"alg\":\"RS256\""));
	assert_non_null(strstr(key.jwk, "\"use\":\"sig\""));
	EVP_PKEY_free(pkey);
	BN_free(exponent);
	BN_free(number);
}

/* Is a public key of this modulus and exponent taken? If not, `why` says why, and no key is left.
 */
static bool
is_taken(const struct made *made, const BIGNUM *modulus, const BIGNUM *exponent,
    struct text_why *why)
{
	static const struct key none;
	EVP_PKEY *pkey = public_key(modulus, exponent);
	char path[UNIT_PATH_SIZE];
	struct key key;
	bool taken;

	*why = (struct text_why){ "" };
	unit_path(path, made->folder, "made.pem");
	write_key(path, pkey, PUBLIC, 0644);
	EVP_PKEY_free(pkey);
	taken = key_read(&key, path, NOW, why);
	assert_true(taken || memcmp(&key, &none, sizeof(key)) == 0);
	return taken;
}

static void
test_exponents(void **state)
{
	static const struct {
		unsigned long exponent;
		bool good;
	} cases[] = { { 1, false }, { 2, false }, { 65536, false }, { 3, true }, { 65537, true } };
	const struct made *made = *state;
	BIGNUM *modulus = NULL, *exponent = BN_new();
	struct text_why why;

	assert_int_equal(EVP_PKEY_get_bn_param(made->rsa, OSSL_PKEY_PARAM_RSA_N, &modulus), 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		BN_set_word(exponent, cases[i].exponent);
		assert_int_equal(is_taken(made, modulus, exponent, &why), cases[i].good);
		assert_int_equal(strstr(why.text, "exponent") != NULL, !cases[i].good);
	}
	BN_free(exponent);
	BN_free(modulus);
}

/* The odd number of `bits` bits, between powers of two. */
static BIGNUM *
odd_number(int bits)
{
	BIGNUM *number = BN_new();

	assert_int_equal(BN_set_bit(number, bits - 1), 1);
	assert_int_equal(BN_set_bit(number, 0), 1);
	return number;
}

/* Nobody need find the factors of a public key. */
static void
test_longest_numbers(void **state)
{
	static const struct {
		const char *name;
		int modulus, exponent; /* bits */
		const char *why;
	} cases[] = {
		{ "the longest modulus", 8192, 17, "" },
		{ "a modulus of a bit more", 8193, 17, "2048 to 8192 bits" },
		{ "the longest exponent", 2048, 8192, "" },
		{ "an exponent of a bit more", 2048, 8193, "cannot be taken apart" },
	};
	const struct made *made = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		BIGNUM *modulus = odd_number(cases[i].modulus);
		BIGNUM *exponent = odd_number(cases[i].exponent);
		struct text_why why;

		CHECK(cases[i].name,
		    is_taken(made, modulus, exponent, &why) == (cases[i].why[0] == '\0'));
		CHECK(cases[i].name, strstr(why.text, cases[i].why) != NULL);
		BN_free(exponent);
		BN_free(modulus);
	}
}

static void
test_can_verify(void **state)
{
	const struct made *made = *state;
	EVP_PKEY *agreeing = generate(made, "X25519");
	struct text_why why;
	char path[UNIT_PATH_SIZE];
	struct file file = { 0 };
	struct key key;

	unit_path(path, made->folder, "verifies.pem");
	write_key(path, made->curve, PUBLIC, 0600);
	assert_true(key_read(&key, path, NOW, &why));
	assert_true(key_can_verify(&key));
	/* Nothing, and a key that is not for signatures. */
	key.public[0] = '\0';
	assert_false(key_can_verify(&key));
	write_key(path, agreeing, PUBLIC, 0600);
	EVP_PKEY_free(agreeing);
	assert_int_equal(file_read(&file, path, sizeof(key.public), FILE_SECRET, NOW, &why),
	    FILE_READ);
	assert_true(text_copy(key.public, sizeof(key.public), file.text));
	assert_false(key_can_verify(&key));
	file_forget(&file);
}

/* -- tokens of them -------------------------------------------------------------------------- */

/* The keys of a file in which `pkey` is. */
static void
take_key(struct token_key *taken, struct key *key, const struct made *made, EVP_PKEY *pkey,
    enum form form)
{
	char path[UNIT_PATH_SIZE];
	struct text_why why;

	unit_path(path, made->folder, "taken.pem");
	write_key(path, pkey, form, 0600);
	assert_true(key_read(key, path, NOW, &why));
	assert_true(token_key_of_file(taken, key));
}

/* NULL when `text` is good with this key, else why not. */
static const char *
refusal(const char *text, const struct token_key *key)
{
	const struct token_keys keys = { .keys = { *key }, .count = 1 };
	static const struct token nobody;
	struct token token;
	const char *why = "unset";

	if (token_verify(&token, text, &keys, &rules, &why)) {
		assert_string_equal(token.user, "ada");
		return NULL;
	}
	assert_memory_equal(&token, &nobody, sizeof(token));
	return why;
}

static bool
sign_sample(char out[static TOKEN_SIZE], const struct token_key *key, const struct token_rules *of)
{
	const struct token_keys keys = { .keys = { *key }, .count = 1 };

	return token_sign(out, &sample, &keys, of);
}

static void
test_sign_and_verify(void **state)
{
	const struct made *made = *state;
	EVP_PKEY *const pkeys[] = { made->curve, made->rsa };

	for (size_t i = 0; i < COUNT(pkeys); i++) {
		struct token_key signing, verifying, stranger;
		struct key files[3];
		char text[TOKEN_SIZE];
		EVP_PKEY *other = i == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);

		take_key(&signing, &files[0], made, pkeys[i], PRIVATE);
		take_key(&verifying, &files[1], made, pkeys[i], PUBLIC);
		take_key(&stranger, &files[2], made, other, PUBLIC);
		EVP_PKEY_free(other);
		assert_string_equal(signing.kid, verifying.kid);
		assert_string_not_equal(signing.kid, stranger.kid);
		assert_true(sign_sample(text, &signing, &rules));
		assert_null(refusal(text, &signing));
		assert_null(refusal(text, &verifying));
		assert_string_equal(refusal(text, &stranger), "signature");
		assert_int_equal(strlen(strrchr(text, '.') + 1), i == 0 ? 86 : 342);
		/* Whoever only verifies signs nothing. */
		assert_null(verifying.signing);
		assert_false(sign_sample(text, &verifying, &rules));
		assert_string_equal(text, "");
	}
}

/* One key is made of another's private half: what it signs it does not take back. */
static void
test_half_a_key(void **state)
{
	const struct made *made = *state;
	struct token_key taken;
	struct key key, other;

	take_key(&taken, &key, made, made->curve, PRIVATE);
	take_key(&taken, &other, made, made->rsa, PRIVATE);
	strcpy(key.public, other.public);
	assert_false(token_key_of_file(&taken, &key));
	key.public[0] = '\0';
	assert_false(token_key_of_file(&taken, &key));
}

/* Sign what stands in `out` with a private key, and append a dot and the signature. */
static void
sign(char out[static MINT_SIZE], EVP_PKEY *pkey, const EVP_MD *hash, bool pss, bool mirrored)
{
	unsigned char bytes[1024], raw[128];
	size_t length = sizeof(bytes), signed_length = strlen(out), half;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options;

	assert_int_equal(EVP_DigestSignInit(context, &options, hash, NULL, pkey), 1);
	if (pss)
		EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
	assert_int_equal(EVP_DigestSign(context, bytes, &length, (unsigned char *)out,
			     signed_length),
	    1);
	EVP_MD_CTX_free(context);
	out[signed_length++] = '.';
	if (EVP_PKEY_is_a(pkey, "RSA")) {
		mint_base64url(out + signed_length, bytes, length);
	} else {
		const unsigned char *at = bytes;
		ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)length);
		BIGNUM *order = BN_new(), *s = BN_dup(ECDSA_SIG_get0_s(signature));

		half = (size_t)(EVP_PKEY_get_bits(pkey) + 7) / 8;
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_ORDER, &order);
		if (mirrored)
			BN_sub(s, order, s);
		BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, (int)half);
		BN_bn2binpad(s, raw + half, (int)half);
		mint_base64url(out + signed_length, raw, 2 * half);
		BN_free(order);
		BN_free(s);
		ECDSA_SIG_free(signature);
	}
}

static void
head_and_claims(char out[static MINT_SIZE], const char *alg, const char *kid)
{
	static const char claims[] =
	    "{\"iss\":\"postern\",\"aud\":\"session\",\"sub\":\"ada\",\"iat\":1000000,"
	    "\"exp\":1000300,\"auth_time\":1000000,\"sid\":\"0123456789abcdef0123456789abcdef\","
	    "\"pwv\":\"0123456789abcdef\"}";
	char head[256];
	size_t length;

	snprintf(head, sizeof(head), "{\"alg\":\"%s\",\"typ\":\"JWT\"%s%s%s}", alg,
	    kid != NULL ? ",\"kid\":\"" : "", kid != NULL ? kid : "", kid != NULL ? "\"" : "");
	length = mint_base64url(out, head, strlen(head));
	out[length++] = '.';
	mint_base64url(out + length, claims, strlen(claims));
}

/* One algorithm a key, whatever the token says. */
static void
test_algorithms(void **state)
{
	const struct made *made = *state;
	EVP_PKEY *p384 = EVP_EC_gen("P-384");
	const struct {
		const char *name;
		EVP_PKEY *key, *signs;
		const EVP_MD *hash;
		bool pss;
		const char *alg, *kid;
		bool good;
	} cases[] = {
		{ "ES256", made->curve, made->curve, EVP_sha256(), false, "ES256", NULL, true },
		{ "RS256", made->rsa, made->rsa, EVP_sha256(), false, "RS256", NULL, true },
		{ "another kid", made->curve, made->curve, EVP_sha256(), false, "ES256", "x",
		    false },
		{ "in lower case", made->curve, made->curve, EVP_sha256(), false, "es256", NULL,
		    false },
		{ "ES384 of P-256", made->curve, made->curve, EVP_sha384(), false, "ES384", NULL,
		    false },
		{ "ES256 of P-384", made->curve, p384, EVP_sha256(), false, "ES256", NULL, false },
		{ "RS384", made->rsa, made->rsa, EVP_sha384(), false, "RS384", NULL, false },
		{ "RS512", made->rsa, made->rsa, EVP_sha512(), false, "RS512", NULL, false },
		{ "PS256", made->rsa, made->rsa, EVP_sha256(), true, "PS256", NULL, false },
		{ "PS256 that says RS256", made->rsa, made->rsa, EVP_sha256(), true, "RS256", NULL,
		    false },
		{ "ES256 of RSA", made->rsa, made->rsa, EVP_sha256(), false, "ES256", NULL, false },
		{ "RS256 of the curve", made->curve, made->curve, EVP_sha256(), false, "RS256",
		    NULL, false },
		{ "signed by the curve for RSA", made->rsa, made->curve, EVP_sha256(), false,
		    "ES256", NULL, false },
		{ "none", made->curve, made->curve, EVP_sha256(), false, "none", NULL, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct token_key taken;
		char text[MINT_SIZE];
		struct key key;

		take_key(&taken, &key, made, cases[i].key, PUBLIC);
		head_and_claims(text, cases[i].alg, cases[i].kid);
		sign(text, cases[i].signs, cases[i].hash, cases[i].pss, false);
		CHECK(cases[i].name, (refusal(text, &taken) == NULL) == cases[i].good);
	}
	EVP_PKEY_free(p384);
}

/* The public key is known to all: as a secret it signs nothing. */
static void
test_public_key_as_a_secret(void **state)
{
	static const struct {
		const char *alg;
		const EVP_MD *(*hash)(void);
	} cases[] = { { "HS256", EVP_sha256 }, { "HS384", EVP_sha384 }, { "HS512", EVP_sha512 } };
	const struct made *made = *state;
	EVP_PKEY *const pkeys[] = { made->curve, made->rsa };

	for (size_t i = 0; i < COUNT(cases) * COUNT(pkeys); i++) {
		const size_t k = i % COUNT(pkeys);
		struct token_key taken;
		char text[MINT_SIZE];
		struct key key;

		take_key(&taken, &key, made, pkeys[k], PUBLIC);
		head_and_claims(text, cases[i / COUNT(pkeys)].alg, NULL);
		mint_sign(text, cases[i / COUNT(pkeys)].hash(), key.public);
		CHECK(cases[i / COUNT(pkeys)].alg, refusal(text, &taken) != NULL);
		/* Nor is it one where the length of the signature does not tell already. */
		taken.signature_length = strlen(strrchr(text, '.') + 1);
		CHECK_TEXT(cases[i / COUNT(pkeys)].alg, refusal(text, &taken), "alg");
	}
}

/*
 * Of a signature there is one spelling; but of the curve's anybody can make the mirror image. So a
 * session is never known by the bytes of its token.
 */
static void
test_spellings(void **state)
{
	const struct made *made = *state;
	EVP_PKEY *const pkeys[] = { made->curve, made->rsa };
	static const char *const tails[] = { "=", "==", "A", ".", "!", " ", "\n" };

	for (size_t k = 0; k < COUNT(pkeys); k++) {
		char text[MINT_SIZE], other[MINT_SIZE + 4];
		struct token_key taken;
		struct key key;
		size_t length;

		take_key(&taken, &key, made, pkeys[k], PUBLIC);
		head_and_claims(text, key.alg, key.id);
		sign(text, pkeys[k], EVP_sha256(), false, k == 0);
		assert_null(refusal(text, &taken));
		length = strlen(text);
		for (size_t i = 0; i < COUNT(tails); i++) {
			snprintf(other, sizeof(other), "%s%s", text, tails[i]);
			CHECK_TEXT(tails[i], refusal(other, &taken), "form");
		}
		/* Four bits of the last character are of no byte. */
		for (int i = 1; i < 16; i++) {
			static const char set[] =
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

			strcpy(other, text);
			other[length - 1] = set[(strchr(set, text[length - 1]) - set) + i];
			assert_string_equal(refusal(other, &taken), "form");
		}
		text[length - 1] = '\0';
		assert_string_equal(refusal(text, &taken), "form");
	}
}

/* The signature's length does not count. */
static void
test_the_longest(void **state)
{
	const struct made *made = *state;
	struct token_key taken;
	char issuer[512], text[TOKEN_SIZE];
	struct token_rules longer = { issuer, NOW, 28800 };
	bool longest_fits = false;
	struct key key;

	take_key(&taken, &key, made, made->longer_rsa, PRIVATE);
	for (size_t length = 490; length < sizeof(issuer); length++) {
		const char *dot;

		memset(issuer, 'i', length);
		issuer[length] = '\0';
		if (!sign_sample(text, &taken, &longer))
			break;
		dot = strrchr(text, '.');
		assert_true(dot - text + 1 <= TOKEN_HEAD_MAX);
		assert_int_equal(strlen(dot + 1), 512);
		longest_fits = dot - text + 1 > TOKEN_HEAD_MAX - 3;
	}
	assert_true(longest_fits);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_what_is_no_key),
		cmocka_unit_test(test_thumbprint),
		cmocka_unit_test(test_exponents),
		cmocka_unit_test(test_longest_numbers),
		cmocka_unit_test(test_can_verify),
		cmocka_unit_test(test_sign_and_verify),
		cmocka_unit_test(test_half_a_key),
		cmocka_unit_test(test_algorithms),
		cmocka_unit_test(test_public_key_as_a_secret),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_the_longest),
	};

	return cmocka_run_group_tests_name("key", tests, make, unmake);
}
