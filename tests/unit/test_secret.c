/*
 * test_secret: bytes compared, forgotten, made and signed.
 */
#include "base/secret.h"

#include <openssl/evp.h>
#include <sys/resource.h>

#include "child.h"

static void
test_equal(void **state)
{
	static const struct {
		const char *name, *a, *b;
		size_t length;
		bool want;
	} cases[] = {
		{ "the same", "abc", "abc", 3, true },
		{ "nothing", "abc", "xyz", 0, true },
		{ "the first byte", "xbc", "abc", 3, false },
		{ "the last byte", "abc", "abx", 3, false },
		{ "a byte behind", "abc", "abx", 2, true },
		{ "behind a NUL", "a\0b", "a\0c", 3, false },
		{ "one bit", "abc", "abb", 3, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(cases[i].name,
		    secret_equal(cases[i].a, cases[i].b, cases[i].length) == cases[i].want);
}

static void
test_wipe(void **state)
{
	char bytes[] = "abcdef";

	(void)state;
	secret_wipe(bytes + 1, 3);
	assert_memory_equal(bytes, "a\0\0\0ef", sizeof(bytes));
}

static void
test_random(void **state)
{
	unsigned char a[257] = { 0 }, b[257] = { 0 };

	(void)state;
	assert_true(secret_random(a, 256));
	assert_true(secret_random(b, 256));
	assert_memory_not_equal(a, b, 256);
	assert_int_equal(a[256], 0);
	assert_false(secret_random(a, 257));
}

/* The vectors of RFC 4231. */
static void
test_digest(void **state)
{
	static const char key4[] = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
				   "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19";
	static const struct {
		const char *name, *key;
		size_t key_length;
		const char *text, *want;
	} cases[] = {
		{ "case 1",
		    "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
		    "\x0b",
		    20, "Hi There",
		    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ "case 2", "Jefe", 4, "what do ya want for nothing?",
		    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ "case 4, 50 bytes", key4, 25,
		    "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
		    "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
		    "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd",
		    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned char digest[SECRET_DIGEST_BYTES];
		char got[2 * SECRET_DIGEST_BYTES + 1];

		secret_digest(digest, cases[i].key, cases[i].key_length, cases[i].text,
		    strlen(cases[i].text));
		secret_hex(got, digest, sizeof(digest));
		CHECK_TEXT(cases[i].name, got, cases[i].want);
	}
}

/* Each label and each secret makes a key of its own: HMAC of the label, keyed by the secret. */
static void
test_derive(void **state)
{
	unsigned char digest[SECRET_DIGEST_BYTES], pwv[SECRET_DIGEST_BYTES],
	    other[SECRET_DIGEST_BYTES];

	(void)state;
	secret_digest(digest, "the secret", 10, "pwv", 3);
	secret_derive(pwv, "the secret", "pwv");
	assert_memory_equal(pwv, digest, sizeof(pwv));
	secret_derive(other, "the secret", "log");
	assert_memory_not_equal(pwv, other, sizeof(pwv));
	secret_derive(other, "a secret", "pwv");
	assert_memory_not_equal(pwv, other, sizeof(pwv));
}

/* The MAC of a text is that by the key of its label. */
static void
test_mac(void **state)
{
	unsigned char key[SECRET_DIGEST_BYTES], digest[SECRET_DIGEST_BYTES],
	    mac[SECRET_DIGEST_BYTES];

	(void)state;
	secret_derive(key, "the secret", "pwv");
	secret_digest(digest, key, sizeof(key), "ada", 3);
	secret_mac(mac, "the secret", "pwv", "ada");
	assert_memory_equal(mac, digest, sizeof(mac));
}

static void
test_hex(void **state)
{
	char out[7] = "unset";

	(void)state;
	secret_hex(out, (const unsigned char *)"\x00\x9f\xff", 3);
	assert_string_equal(out, "009fff");
	secret_hex(out, (const unsigned char *)"", 0);
	assert_string_equal(out, "");
}

/* Does OpenSSL have what libjwt wants of it? */
static bool
has_sha256(void)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	return EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL) == 1;
}

/* A configuration of OpenSSL in which no algorithm is left: 0 when we do not care. */
static int
begin(void *config)
{
	struct rlimit limit;

	setenv("OPENSSL_CONF", config, 1);
	if (!secret_begin() || getrlimit(RLIMIT_CORE, &limit) != 0)
		return 1;
	if (limit.rlim_cur != 0 || limit.rlim_max != 0)
		return 2;
	return has_sha256() ? 0 : 3;
}

/* The same without secret_begin(): 0 when the configuration does take the algorithms away. */
static int
begin_without(void *config)
{
	setenv("OPENSSL_CONF", config, 1);
	return has_sha256() ? 1 : 0;
}

/* This must be the first test: OpenSSL reads its configuration once a process. */
static void
test_begin(void **state)
{
	static struct child child;
	char config[UNIT_PATH_SIZE];

	unit_path(config, *state, "openssl.cnf");
	unit_write(config,
	    "openssl_conf = all\n[all]\nproviders = some\n[some]\nnull = null\n"
	    "[null]\nactivate = 1\n");
	child_run(&child, NULL, "", begin_without, config);
	assert_int_equal(child.status, 0);
	child_run(&child, NULL, "", begin, config);
	assert_int_equal(child.status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_wipe),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_derive),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_hex),
	};

	return cmocka_run_group_tests_name("secret", tests, unit_make_folder, unit_remove_folder);
}
