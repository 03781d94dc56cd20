/*
 * test_password: which hashes are taken, and which passwords match them.
 */
#include "auth/password.h"

#include "unit.h"

#define TEN "0123456789"
#define CHARS_43 TEN TEN TEN TEN "abc"
#define CHARS_53 CHARS_43 TEN
#define CHARS_86 CHARS_43 CHARS_43

#define YESCRYPT "$y$j75$abcdefgh$hycRI05iyPwUdPZDaw/SJaABdj2h8B1Bgxi1Z/4Xke0"
#define SCRYPT "$7$66..../....abcdefgh$qqzcJ/unlIl4yLqRF2.Ytd4YZS91Wc.Qj8rnbJwaMX3"
#define BCRYPT "$2b$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm"
#define BCRYPT_A "$2a$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm"
#define BCRYPT_Y "$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu"
#define BCRYPT_OF_72 "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe"
#define SHA512                                                                                     \
	"$6$rounds=1000$abcdefgh$"                                                                 \
	"wuAp2XWwaaguzVxZjeM2bd1yLSqbC/I9sr9DFeOfIPoAZiIj3ecL6rf9ibuAg8RDmh1vqbaeL0NSLJtGPF7b60"
#define SHA512_SHORT_SALT                                                                          \
	"$6$rounds=1000$ab$"                                                                       \
	"MM7UFA7KIDybpf97CBayMOsg9RsQeCSOERr0aSyTk5Z8xQDape3gfXAkNJo8Ebul9gQcUV8Tafos6kXUzektK."
#define SHA256 "$5$rounds=1000$abcdefgh$GEazsRB0Tipk2UJZtYJM/eHHRMtwea4Vnto3YxMbrG0"
#define LONG_SHA256 "$5$rounds=1000$abcdefgh$/NOHohIKdxyKrvvo6q32Ag.gBMVNCeBb2t4PC2HM8r8"
#define SHA256_PLAIN "$5$abcdefgh$ZLdkj8mkc2XVSrPVjskDAgZPGjtj1VGVaa1aUkrMTU/"

#define METHOD "method"
#define COST "cost"
#define DAMAGED "damaged"

static void
test_refuse(void **state)
{
	static const struct {
		const char *name, *hash, *why; /* a word of it, or NULL where the hash is taken */
	} cases[] = {
		{ "yescrypt", YESCRYPT, NULL },
		{ "scrypt", SCRYPT, NULL },
		{ "bcrypt a", BCRYPT_A, NULL },
		{ "bcrypt b", BCRYPT, NULL },
		{ "bcrypt y", BCRYPT_Y, NULL },
		{ "SHA-512", SHA512, NULL },
		{ "SHA-512, a salt that would not do for yescrypt", SHA512_SHORT_SALT, NULL },
		{ "SHA-256", SHA256, NULL },
		{ "SHA-256 of the usual cost", SHA256_PLAIN, NULL },
		{ "no salt", "$5$$" CHARS_43, NULL },
		{ "an equals sign in the salt", "$5$a=b$" CHARS_43, DAMAGED },

		{ "nothing", "", METHOD },
		{ "a plain password", "password", METHOD },
		{ "DES", "abJnggxhB/yWI", METHOD },
		{ "MD5", "$1$abcdefgh$G//4keteveJp0qb8z2DxG/", METHOD },
		{ "apr1", "$apr1$abcdefgh$G//4keteveJp0qb8z2DxG/", METHOD },
		{ "SHA-1", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", METHOD },
		{ "gost-yescrypt", "$gy$j75$abcdefgh$" CHARS_43, METHOD },
		{ "argon2", "$argon2id$v=19$m=65536,t=2,p=1$abc$def", METHOD },
		{ "broken bcrypt x", "$2x$04$" CHARS_53, METHOD },
		{ "bcrypt without a letter", "$2$04$" CHARS_53, METHOD },
		{ "locked", "!" SHA256_PLAIN, METHOD },
		{ "locked by a star", "*", METHOD },
		{ "crypt's own failure", "*0", METHOD },
		{ "a method in capitals", "$Y$j75$abcdefgh$" CHARS_43, METHOD },

		{ "yescrypt, as dear as may be", "$y$jBT$abcdefgh$" CHARS_43, NULL },
		{ "yescrypt, as cheap as may be", "$y$j0.$abcdefgh$" CHARS_43, NULL },
		{ "yescrypt, a salt of 8 bits", "$y$j9T$z1$" CHARS_43, NULL },
		{ "yescrypt, a bit too many", "$y$j9T$z2$" CHARS_43, DAMAGED },
		{ "yescrypt, a salt of 16 bits", "$y$j9T$zzD$" CHARS_43, NULL },
		{ "yescrypt, one too many there", "$y$j9T$zzE$" CHARS_43, DAMAGED },
		{ "yescrypt, no room for a byte", "$y$j9T$z$" CHARS_43, DAMAGED },
		{ "yescrypt, nor there", "$y$j9T$zzzz.$" CHARS_43, DAMAGED },
		{ "yescrypt, no salt", "$y$j9T$$" CHARS_43, NULL },
		{ "yescrypt, N too high", "$y$jC5$abcdefgh$" CHARS_43, COST },
		{ "yescrypt, N no digit", "$y$j-5$abcdefgh$" CHARS_43, COST },
		{ "yescrypt, r too high", "$y$j9U$abcdefgh$" CHARS_43, COST },
		{ "yescrypt, r no digit", "$y$j9-$abcdefgh$" CHARS_43, COST },
		{ "yescrypt, another flavour", "$y$k95$abcdefgh$" CHARS_43, COST },
		{ "yescrypt with a p", "$y$j951.$abcdefgh$" CHARS_43, COST },
		{ "yescrypt without a cost", "$y$$abcdefgh$" CHARS_43, COST },
		{ "yescrypt cut in its cost", "$y$j9", COST },

		{ "scrypt, as dear as may be", "$7$DU..../....abcdefgh$" CHARS_43, NULL },
		{ "scrypt, as cheap as may be", "$7$4/..../....abcdefgh$" CHARS_43, NULL },
		{ "scrypt, N too high", "$7$E6..../....abcdefgh$" CHARS_43, COST },
		{ "scrypt, N no digit", "$7$-6..../....abcdefgh$" CHARS_43, COST },
		{ "scrypt, r too high", "$7$CV..../....abcdefgh$" CHARS_43, COST },
		{ "scrypt, r no digit", "$7$C-..../....abcdefgh$" CHARS_43, COST },
		{ "scrypt, r too high by another digit", "$7$C6/.../....abcdefgh$" CHARS_43, COST },
		{ "scrypt, p too high", "$7$C6....0....abcdefgh$" CHARS_43, COST },
		{ "scrypt cut in its cost", "$7$C6.", COST },
		{ "scrypt without a cost", "$7$", COST },

		{ "bcrypt, as cheap as may be", "$2b$04$" CHARS_53, NULL },
		{ "bcrypt 9", "$2b$09$" CHARS_53, NULL },
		{ "bcrypt 10", "$2b$10$" CHARS_53, NULL },
		{ "bcrypt, as dear as may be", "$2y$14$" CHARS_53, NULL },
		{ "bcrypt 3", "$2b$03$" CHARS_53, COST },
		{ "bcrypt 15", "$2b$15$" CHARS_53, COST },
		{ "bcrypt 31", "$2b$31$" CHARS_53, COST },
		{ "bcrypt 99", "$2y$99$" CHARS_53, COST },
		{ "bcrypt of one digit", "$2b$5$" CHARS_53, COST },
		{ "bcrypt of three digits", "$2b$010$" CHARS_53, COST },
		{ "bcrypt of two digits and more", "$2b$05.$" CHARS_53, COST },
		{ "bcrypt of another first digit", "$2b$x5$" CHARS_53, COST },
		{ "bcrypt of another second digit", "$2b$0:$" CHARS_53, COST },
		{ "bcrypt with a sign", "$2b$+12$" CHARS_53, COST },
		{ "bcrypt with a space", "$2b$ 12$" CHARS_53, COST },
		{ "bcrypt cut in its cost", "$2b$0", COST },

		{ "the fewest rounds", "$6$rounds=1000$abcdefgh$" CHARS_86, NULL },
		{ "the most rounds", "$6$rounds=200000$abcdefgh$" CHARS_86, NULL },
		{ "nine thousand rounds", "$5$rounds=9000$abcdefgh$" CHARS_43, NULL },
		{ "a round too few", "$6$rounds=999$abcdefgh$" CHARS_86, COST },
		{ "a round too many", "$6$rounds=200001$abcdefgh$" CHARS_86, COST },
		{ "rounds for minutes", "$5$rounds=999999999$abcdefgh$" CHARS_43, COST },
		{ "rounds beyond 64 bits", "$5$rounds=18446744073709552617$ab$" CHARS_43, COST },
		{ "rounds with a zero first", "$5$rounds=01000$abcdefgh$" CHARS_43, COST },
		{ "rounds with a sign", "$5$rounds=+1000$abcdefgh$" CHARS_43, COST },
		{ "negative rounds", "$5$rounds=-1000$abcdefgh$" CHARS_43, COST },
		{ "no rounds", "$5$rounds=$abcdefgh$" CHARS_43, COST },
		{ "rounds with a tail", "$5$rounds=1000x$abcdefgh$" CHARS_43, COST },
		{ "rounds cut", "$5$rounds=1000", COST },

		{ "cut short", "$5$abcdefgh$0123456789", DAMAGED },
		{ "one character lost", "$5$abcdefgh$" TEN TEN TEN TEN "ab", DAMAGED },
		{ "one character more", "$5$abcdefgh$" CHARS_43 "d", DAMAGED },
		{ "only its setting", "$6$abcdefgh$", DAMAGED },
		{ "SHA-512 as long as SHA-256", "$6$abcdefgh$" CHARS_43, DAMAGED },
		{ "bcrypt one short", "$2b$05$" CHARS_43 "012345678", DAMAGED },
		{ "a space in the salt", "$5$abc efgh$" CHARS_43, DAMAGED },
		{ "a byte above ASCII in the salt", "$5$abc\xff$" CHARS_43, DAMAGED },
		{ "an equals sign in the digest", "$5$abc$" TEN TEN TEN TEN "ab=", DAMAGED },
		{ "a comma in the digest", "$5$abc$" TEN TEN TEN TEN "ab,", DAMAGED },
		{ "127 bytes", "$5$" CHARS_43 TEN TEN TEN "0123456$" CHARS_43, NULL },
		{ "128 bytes", "$5$" CHARS_43 TEN TEN TEN "01234567$" CHARS_43, DAMAGED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		/* On the heap, where a sanitizer sees a byte read too many. */
		char *hash = strdup(cases[i].hash);
		const char *why = password_refuse(hash);

		if (cases[i].why == NULL && why != NULL)
			fail_msg("%s: %s", cases[i].name, why);
		if (cases[i].why != NULL) {
			CHECK(cases[i].name, why != NULL);
			CHECK(cases[i].name, strstr(why, cases[i].why) != NULL);
			CHECK(cases[i].name, strstr(why, "mkpasswd") != NULL);
		}
		free(hash);
	}
}

static void
test_check(void **state)
{
	static const struct {
		const char *name, *password, *hash;
		enum password want;
	} cases[] = {
		{ "yescrypt", "password", YESCRYPT, PASSWORD_RIGHT },
		{ "scrypt", "password", SCRYPT, PASSWORD_RIGHT },
		{ "bcrypt a", "password", BCRYPT_A, PASSWORD_RIGHT },
		{ "bcrypt b", "password", BCRYPT, PASSWORD_RIGHT },
		{ "bcrypt y", "password", BCRYPT_Y, PASSWORD_RIGHT },
		{ "SHA-512", "password", SHA512, PASSWORD_RIGHT },
		{ "SHA-512, a short salt", "password", SHA512_SHORT_SALT, PASSWORD_RIGHT },
		{ "SHA-256", "password", SHA256, PASSWORD_RIGHT },

		{ "another password, yescrypt", "passwore", YESCRYPT, PASSWORD_WRONG },
		{ "another password, scrypt", "passwore", SCRYPT, PASSWORD_WRONG },
		{ "another password, bcrypt", "passwore", BCRYPT, PASSWORD_WRONG },
		{ "another password, SHA-512", "passwore", SHA512, PASSWORD_WRONG },
		{ "in capitals", "PASSWORD", SHA256, PASSWORD_WRONG },
		{ "longer", "password ", SHA256, PASSWORD_WRONG },
		{ "shorter", "passwor", SHA256, PASSWORD_WRONG },
		{ "empty", "", SHA256, PASSWORD_WRONG },
		{ "the hash itself", SHA256, SHA256, PASSWORD_WRONG },

		{ "a digest cut short", "password", "$5$abcdefgh$ZLdkj8mkc2XVSrPVjskDAgZPGjtj1VGV",
		    PASSWORD_WRONG },
		{ "a digest that is longer", "password", SHA256_PLAIN "a", PASSWORD_WRONG },
		{ "a salt alone", "password", "$5$abcdefgh", PASSWORD_WRONG },
		{ "a method that crypt does not know", "password", "$argon2id$v=19$abc$def",
		    PASSWORD_FAULT },
		{ "a cost that crypt does not know", "password", "$2b$99$" CHARS_53,
		    PASSWORD_FAULT },
		{ "crypt's own failure", "password", "*0", PASSWORD_FAULT },
		{ "crypt's other failure", "password", "*1", PASSWORD_FAULT },
		{ "no hash", "password", "", PASSWORD_FAULT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(cases[i].name,
		    password_check(cases[i].password, cases[i].hash) == cases[i].want);
}

/* Where bcrypt forgets the rest, and where crypt ends. */
static void
test_length(void **state)
{
	static const struct {
		const char *name, *hash;
		size_t length; /* of a password of `a`s */
		enum password want;
	} cases[] = {
		{ "71 bytes against bcrypt", BCRYPT_OF_72, 71, PASSWORD_WRONG },
		{ "72 bytes against bcrypt", BCRYPT_OF_72, 72, PASSWORD_RIGHT },
		{ "73 bytes against bcrypt", BCRYPT_OF_72, 73, PASSWORD_WRONG },
		{ "511 bytes against bcrypt", BCRYPT_OF_72, 511, PASSWORD_WRONG },
		{ "73 bytes against a cost that crypt does not know", "$2b$99$" CHARS_53, 73,
		    PASSWORD_FAULT },
		{ "511 bytes", SHA256, 511, PASSWORD_WRONG },
		{ "512 bytes", SHA256, 512, PASSWORD_FAULT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char password[PASSWORD_SIZE + 1];

		memset(password, 'a', cases[i].length);
		password[cases[i].length] = '\0';
		CHECK(cases[i].name, password_check(password, cases[i].hash) == cases[i].want);
	}
}

/* Only bcrypt forgets: any other method hashes all of a long password. */
static void
test_long_password(void **state)
{
	static const char password[] = TEN TEN TEN TEN TEN TEN TEN TEN;

	(void)state;
	assert_int_equal(password_check(password, LONG_SHA256), PASSWORD_RIGHT);
}

/* A new hash is one that we take, of this password alone, and never the same one again. */
static void
test_hash(void **state)
{
	char hash[PASSWORD_HASH_SIZE], again[PASSWORD_HASH_SIZE], password[PASSWORD_SIZE + 1];

	(void)state;
	assert_true(password_hash(hash, "password"));
	assert_memory_equal(hash, "$y$", 3);
	assert_null(password_refuse(hash));
	assert_int_equal(password_check("password", hash), PASSWORD_RIGHT);
	assert_int_equal(password_check("passwore", hash), PASSWORD_WRONG);
	assert_true(password_hash(again, "password"));
	assert_string_not_equal(hash, again);

	memset(password, 'a', PASSWORD_SIZE);
	password[PASSWORD_SIZE] = '\0';
	assert_false(password_hash(hash, password));
	assert_string_equal(hash, "");
	password[PASSWORD_SIZE - 1] = '\0';
	assert_true(password_hash(hash, password));
	assert_int_equal(password_check(password, hash), PASSWORD_RIGHT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_long_password),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests_name("password", tests, NULL, NULL);
}
