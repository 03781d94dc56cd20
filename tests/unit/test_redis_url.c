/*
 * test_redis_url: which URLs are those of Valkey or Redis, and what is read from them.
 */
#include "store/redis_url.h"

#include "unit.h"

#define A107                                                                                       \
	"/23456789012345678901234567890123456789012345678901234567890123456789"                    \
	"01234567890123456789012345678901234567"
#define A84 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
test_right(void **state)
{
	static const struct {
		const char *value, *user, *password, *host;
		int port;
		long database;
		bool is_name;
		const char *shown;
	} cases[] = {
		{ "redis://127.0.0.1", "", "", "127.0.0.1", 6379, -1, false, "127.0.0.1:6379" },
		{ "redis://127.0.0.1/", "", "", "127.0.0.1", 6379, -1, false, "127.0.0.1:6379" },
		{ "redis://127.0.0.1/0", "", "", "127.0.0.1", 6379, 0, false, "127.0.0.1:6379" },
		{ "redis://127.0.0.1:1/15", "", "", "127.0.0.1", 1, 15, false, "127.0.0.1:1" },
		{ "redis://127.0.0.1:65535", "", "", "127.0.0.1", 65535, -1, false,
		    "127.0.0.1:65535" },
		{ "redis://[::1]", "", "", "::1", 6379, -1, false, "[::1]:6379" },
		{ "redis://[2001:db8::1]:7/3", "", "", "2001:db8::1", 7, 3, false,
		    "[2001:db8::1]:7" },
		{ "redis://localhost", "", "", "localhost", 6379, -1, true, "localhost:6379" },
		{ "redis://:word@Redis-1.my_net.example:7/3", "", "word", "Redis-1.my_net.example",
		    7, 3, true, "Redis-1.my_net.example:7" },
		{ "redis://1st", "", "", "1st", 6379, -1, true, "1st:6379" },
		{ "redis://" A84 A84 A84 "a", "", "", A84 A84 A84 "a", 6379, -1, true,
		    A84 A84 A84 "a:6379" },
		{ "redis://a%3Ab:w%40r%2Fd%25%20%c3%a9@127.0.0.1", "a:b", "w@r/d% \xc3\xa9",
		    "127.0.0.1", 6379, -1, false, "127.0.0.1:6379" },
		{ "redis://ada:a:b,c@127.0.0.1", "ada", "a:b,c", "127.0.0.1", 6379, -1, false,
		    "127.0.0.1:6379" },
		{ "unix:/run/redis/redis.sock", "", "", "/run/redis/redis.sock", 0, -1, false,
		    "/run/redis/redis.sock" },
		{ "unix:/a@b:c,d%41", "", "", "/a@b:c,d%41", 0, -1, false, "/a@b:c,d%41" },
		{ "unix:/a \"\\b", "", "", "/a \"\\b", 0, -1, false, "/a???b" },
		{ "unix:" A107, "", "", A107, 0, -1, false, A107 },
		{ "unix://:word@/run/s", "", "word", "/run/s", 0, -1, false, "/run/s" },
		{ "unix://ada:w%2fd@/run/s@/t", "ada", "w/d", "/run/s@/t", 0, -1, false,
		    "/run/s@/t" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *name = cases[i].value, *wrong;
		struct redis_url url;

		if ((wrong = redis_url_read(&url, name)) != NULL)
			fail_msg("%s: %s", name, wrong);
		CHECK_TEXT(name, url.user, cases[i].user);
		CHECK_TEXT(name, url.password, cases[i].password);
		CHECK_TEXT(name, url.host, cases[i].host);
		CHECK_TEXT(name, url.shown, cases[i].shown);
		CHECK(name, url.port == cases[i].port && url.database == cases[i].database);
		CHECK(name, url.is_name == cases[i].is_name && !url.tls);
	}
}

/* Where hiredis has no TLS, what helps is said. */
static void
test_tls(void **state)
{
	struct redis_url url;
	const char *wrong = redis_url_read(&url, "rediss://ada:word@localhost:9/2");

	(void)state;
	assert_true(url.tls);
	if (!STORE_TLS) {
		assert_true(strstr(wrong, "run stunnel") != NULL);
		return;
	}
	assert_null(wrong);
	assert_string_equal(url.host, "localhost");
	assert_string_equal(url.password, "word");
	assert_true(url.port == 9 && url.database == 2);
}

/* What is wrong is said, and not the password. */
static void
test_wrong(void **state)
{
	static const struct {
		const char *value, *why;
	} cases[] = {
		{ "", "is not like" },
		{ "http://127.0.0.1", "is not like" },
		{ "Redis://127.0.0.1", "is not like" },
		{ "redis:", "is not like redis://" },
		{ "redis:/127.0.0.1", "is not like redis://" },
		{ "rediss:127.0.0.1", "is not like redis://" },
		{ "redis://", "names a host" },
		{ "redis:///0", "names a host" },
		{ "redis://.example", "names a host" },
		{ "redis://redis example", "names a host" },
		{ "redis://127.0.0.1.", "names a host" },
		{ "redis://127.1", "names a host" },
		{ "redis://0x7f.1", "names a host" },
		{ "redis://0x7f000001", "names a host" },
		{ "redis://0127.0.0.1", "names a host" },
		{ "redis://256.0.0.1", "names a host" },
		{ "redis://" A84 A84 A84 "aa", "names a host" },
		{ "redis://::1", "port" },
		{ "redis://[::1", "port" },
		{ "redis://x::1]", "port" },
		{ "redis://[127.0.0.1]", "names a host" },
		{ "redis://[localhost]", "names a host" },
		{ "redis://[fe80::1%25eth0]", "names a host" },
		{ "redis://[::1]6379", "port" },
		{ "redis://[::1]:", "port" },
		{ "redis://127.0.0.1:", "port" },
		{ "redis://127.0.0.1:0", "port" },
		{ "redis://127.0.0.1:65536", "port" },
		{ "redis://127.0.0.1:+1", "port" },
		{ "redis://127.0.0.1:1x", "port" },
		{ "redis://127.0.0.1:18446744073709551617", "port" },
		{ "redis://10.0.0.1,10.0.0.2", "several addresses are no longer taken" },
		{ "redis://:word@10.0.0.1:7,[::1]:8/2", "several addresses" },
		{ "redis://127.0.0.1/x", "number of a database" },
		{ "redis://127.0.0.1/-1", "number of a database" },
		{ "redis://127.0.0.1/100000000", "number of a database" },
		{ "redis://127.0.0.1?1", "number of a database" },
		{ "redis://127.0.0.1#1", "number of a database" },
		{ "redis://word@127.0.0.1", "no password" },
		{ "redis://ada:@127.0.0.1", "no password" },
		{ "redis://ada:w@rd@127.0.0.1", "%40" },
		{ "redis://a@da:word@127.0.0.1", "%40" },
		{ "redis://a[da:word@127.0.0.1", "%5B" },
		{ "redis://ada:w]rd@127.0.0.1", "%5D" },
		{ "redis://ada:wo/rd@127.0.0.1", "%2F" },
		{ "redis://ada:w%rd@127.0.0.1", "%25" },
		{ "redis://ad%a:word@127.0.0.1", "%25" },
		{ "redis://ada:word%00@127.0.0.1", "%25" },
		{ "redis://ada:" A84 A84 A84 A84 A84 A84 A84 A84 A84 A84 A84 A84 A84 "@127.0.0.1",
		    "is too long" },
		{ "unix:", "not absolute" },
		{ "unix:run/s", "not absolute" },
		{ "unix:" A107 "8", "107 bytes" },
		{ "unix://run/s", "is not like unix:" },
		{ "unix://ada:word@run/s", "is not like unix:" },
		{ "unix://ada@/run/s", "no password" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct redis_url url;
		const char *why = redis_url_read(&url, cases[i].value);

		if (why == NULL || strstr(why, cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].value, why);
		CHECK(cases[i].value, strstr(why, "word@") == NULL || strstr(why, ":password@"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests_name("redis_url", tests, NULL, NULL);
}
