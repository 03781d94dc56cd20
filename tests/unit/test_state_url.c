/*
 * test_state_url: which URLs are those of an engine, and what is read from them.
 */
#include "store/state_url.h"

#include "unit.h"

#define A107                                                                                       \
	"/23456789012345678901234567890123456789012345678901234567890123456789"                    \
	"01234567890123456789012345678901234567"

static void
test_right(void **state)
{
	static const struct {
		const char *value;
		bool tls;
		const char *user, *password;
		long database;
		struct state_address addresses[3];
	} cases[] = {
		{ "redis://127.0.0.1", false, "", "", -1, { { "127.0.0.1", 6379 } } },
		{ "redis://127.0.0.1/", false, "", "", -1, { { "127.0.0.1", 6379 } } },
		{ "redis://127.0.0.1/0", false, "", "", 0, { { "127.0.0.1", 6379 } } },
		{ "redis://127.0.0.1:1/15", false, "", "", 15, { { "127.0.0.1", 1 } } },
		{ "redis://127.0.0.1:65535", false, "", "", -1, { { "127.0.0.1", 65535 } } },
		{ "rediss://192.0.2.1", true, "", "", -1, { { "192.0.2.1", 6379 } } },
		{ "redis://[::1]", false, "", "", -1, { { "::1", 6379 } } },
		{ "redis://[2001:db8::1]:7/3", false, "", "", 3, { { "2001:db8::1", 7 } } },
		{ "redis://10.0.0.1,10.0.0.2:7,[::1]:8", false, "", "", -1,
		    { { "10.0.0.1", 6379 }, { "10.0.0.2", 7 }, { "::1", 8 } } },
		{ "redis://:word@127.0.0.1", false, "", "word", -1, { { "127.0.0.1", 6379 } } },
		{ "rediss://ada:word@[::1],[::2]:9/2", true, "ada", "word", 2,
		    { { "::1", 6379 }, { "::2", 9 } } },
		{ "redis://a%3Ab:w%40r%2Fd%25%20%c3%a9@127.0.0.1", false, "a:b", "w@r/d% \xc3\xa9",
		    -1, { { "127.0.0.1", 6379 } } },
		{ "redis://ada:a:b,c@127.0.0.1", false, "ada", "a:b,c", -1,
		    { { "127.0.0.1", 6379 } } },
		{ "unix:/run/redis/redis.sock", false, "", "", -1,
		    { { "/run/redis/redis.sock", 0 } } },
		{ "unix:/a@b:c,d%41", false, "", "", -1, { { "/a@b:c,d%41", 0 } } },
		{ "unix:" A107, false, "", "", -1, { { A107, 0 } } },
		{ "unix://:word@/run/s", false, "", "word", -1, { { "/run/s", 0 } } },
		{ "unix://ada:w%2fd@/run/s@/t", false, "ada", "w/d", -1, { { "/run/s@/t", 0 } } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *name = cases[i].value;
		struct state_url url;
		size_t count = 0;

		CHECK(name, state_url_is_meant(cases[i].value));
		CHECK(name, state_url_read(&url, cases[i].value) == NULL);
		CHECK(name, url.tls == cases[i].tls && url.database == cases[i].database);
		CHECK(name, strcmp(url.user, cases[i].user) == 0);
		CHECK(name, strcmp(url.password, cases[i].password) == 0);
		for (; count < 3 && cases[i].addresses[count].host[0] != '\0'; count++) {
			CHECK(name,
			    strcmp(url.addresses[count].host, cases[i].addresses[count].host) == 0);
			CHECK(name, url.addresses[count].port == cases[i].addresses[count].port);
		}
		CHECK(name, url.count == count);
	}
}

/* What is wrong is said; and nothing of it stays. */
static void
test_wrong(void **state)
{
	static const struct {
		const char *value, *why;
	} cases[] = {
		{ "", "is not like" },
		{ "/folder", "is not like" },
		{ "none", "is not like" },
		{ "http://127.0.0.1", "is not like" },
		{ "Redis://127.0.0.1", "is not like" },
		{ "redis:", "is not like redis://" },
		{ "redis:127.0.0.1", "is not like redis://" },
		{ "redis:/127.0.0.1", "is not like redis://" },
		{ "rediss:127.0.0.1", "is not like redis://" },
		{ "redis://", "no address" },
		{ "redis:///0", "no address" },
		{ "redis://localhost", "names are not looked up" },
		{ "redis://redis.example:6379", "names are not looked up" },
		{ "redis://127.0.0.1.", "no address" },
		{ "redis://127.1", "no address" },
		{ "redis://0127.0.0.1", "no address" },
		{ "redis://256.0.0.1", "no address" },
		{ "redis://::1", "port" },
		{ "redis://[::1", "port" },
		{ "redis://x::1]", "port" },
		{ "redis://[127.0.0.1]", "no address" },
		{ "redis://[fe80::1%25eth0]", "no address" },
		{ "redis://[::1]6379", "port" },
		{ "redis://[::1]:", "port" },
		{ "redis://127.0.0.1:", "port" },
		{ "redis://127.0.0.1:0", "port" },
		{ "redis://127.0.0.1:65536", "port" },
		{ "redis://127.0.0.1:+1", "port" },
		{ "redis://127.0.0.1: 1", "port" },
		{ "redis://127.0.0.1:1x", "port" },
		{ "redis://127.0.0.1:4294967297", "port" },
		{ "redis://127.0.0.1:18446744073709551617", "port" },
		{ "redis://127.0.0.1,", "no address" },
		{ "redis://,127.0.0.1", "no address" },
		{ "redis://127.0.0.1,,127.0.0.2", "no address" },
		{ "redis://127.0.0.1 ,127.0.0.2", "no address" },
		{ "redis://1.0.0.1,1.0.0.2,1.0.0.3,1.0.0.4,1.0.0.5,1.0.0.6,1.0.0.7,1.0.0.8,1.0.0.9",
		    "more than eight" },
		{ "redis://127.0.0.1/x", "database" },
		{ "redis://127.0.0.1/-1", "database" },
		{ "redis://127.0.0.1/0/", "database" },
		{ "redis://127.0.0.1/0?a=b", "database" },
		{ "redis://127.0.0.1?db=1", "database" },
		{ "redis://127.0.0.1#1", "database" },
		{ "redis://127.0.0.1/999999999", "database" },
		{ "redis://@127.0.0.1", "no password" },
		{ "redis://ada@127.0.0.1", "no password" },
		{ "redis://ada:@127.0.0.1", "no password" },
		{ "redis://ada:w@rd@127.0.0.1", "%40" },
		{ "redis://a@da:word@127.0.0.1", "%40" },
		{ "redis://a[da:word@127.0.0.1", "%5B" },
		{ "redis://ada:w]rd@127.0.0.1", "%5D" },
		{ "redis://ada:wo/rd@127.0.0.1", "%2F" },
		{ "redis://ada:wo?rd@127.0.0.1", "%3F" },
		{ "redis://ada:w%rd@127.0.0.1", "%25" },
		{ "redis://ada:w%4", "port" },
		{ "redis://ada:word%4@127.0.0.1", "%25" },
		{ "redis://ad%a:word@127.0.0.1", "%25" },
		{ "redis://ada:word%00@127.0.0.1", "%25" },
		{ "unix:", "not absolute" },
		{ "unix:run/s", "not absolute" },
		{ "unix:" A107 "8", "107 bytes" },
		{ "unix://run/s", "is not like unix:" },
		{ "unix:///run/s", "is not like unix:" },
		{ "unix://ada:word@run/s", "is not like unix:" },
		{ "unix://ada@/run/s", "no password" },
		{ "unix://ada:word@/run/s/" A107, "107 bytes" },
	};
	static const struct state_url none;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct state_url url;
		const char *why = state_url_read(&url, cases[i].value);

		CHECK(cases[i].value, why != NULL && strstr(why, cases[i].why) != NULL);
		CHECK(cases[i].value, strstr(why, "word@") == NULL || strstr(why, ":password@"));
		CHECK(cases[i].value, memcmp(&url, &none, sizeof(url)) == 0);
	}
}

/* The longest that fit, and a byte more. */
static void
test_long(void **state)
{
	static const struct {
		const char *name;
		int user, password;
		bool fits;
	} cases[] = {
		{ "the longest user", STATE_USER_SIZE - 1, 1, true },
		{ "a longer user", STATE_USER_SIZE, 1, false },
		{ "the longest password", 1, STATE_PASSWORD_SIZE - 1, true },
		{ "a longer password", 1, STATE_PASSWORD_SIZE, false },
		{ "a password of a thousand", 1, 1000, false },
	};
	char value[2048], many[1001];

	(void)state;
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct state_url url;

		snprintf(value, sizeof(value), "redis://%.*s:%.*s@127.0.0.1", cases[i].user, many,
		    cases[i].password, many);
		CHECK(cases[i].name, (state_url_read(&url, value) == NULL) == cases[i].fits);
		CHECK(cases[i].name,
		    strlen(url.password) == (size_t)(cases[i].fits ? cases[i].password : 0));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests_name("state_url", tests, NULL, NULL);
}
