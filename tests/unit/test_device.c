/*
 * test_device: the cookie is good for the line, the key and the time that it was made for, and
 * in the one way it was written.
 */
#include "auth/device.h"

#include <ctype.h>

#include "unit.h"

enum { NOW = 1000000, EXPIRY = NOW + DEVICE_SECONDS, TEXT_SIZE = 512 };

#define ID "0123456789abcdef0123456789abcdef"
#define LINE "0123456789abcdef"
#define EXPIRES "16552000" /* EXPIRY */

static const unsigned char key[SECRET_DIGEST_BYTES] = "any key";
static const unsigned char other_key[SECRET_DIGEST_BYTES] = "another key";

/* The cookie that shows one thing, and whose signature is of another. */
static void
forge(char out[static TEXT_SIZE], const char *shown, const char *signed_text)
{
	unsigned char digest[SECRET_DIGEST_BYTES];
	char hex[2 * SECRET_DIGEST_BYTES + 1];

	secret_digest(digest, key, sizeof(key), signed_text, strlen(signed_text));
	secret_hex(hex, digest, sizeof(digest));
	assert_in_range(snprintf(out, TEXT_SIZE, "%s.%s", shown, hex), 1, TEXT_SIZE - 1);
}

/* Is it good, and if not, is nothing told of the browser? */
static bool
is_good(const char *text, const char *line, const unsigned char *with, time_t now)
{
	char id[DEVICE_ID_SIZE] = "unset";
	bool good = device_check(id, text, line, with, now);

	assert_string_equal(id, good ? ID : "");
	return good;
}

static void
test_made(void **state)
{
	char text[DEVICE_SIZE], want[TEXT_SIZE];

	(void)state;
	assert_true(device_make(text, ID, LINE, key, NOW));
	forge(want, ID "." EXPIRES, ID "." EXPIRES "." LINE);
	assert_string_equal(text, want);
	assert_true(is_good(text, LINE, key, NOW));
}

/* A browser without an id gets one, another gets another, and each keeps it. */
static void
test_id(void **state)
{
	char text[2][DEVICE_SIZE], id[2][DEVICE_ID_SIZE], again[DEVICE_ID_SIZE];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(device_make(text[i], "", LINE, key, NOW));
		assert_true(device_check(id[i], text[i], LINE, key, NOW));
		assert_int_equal(strspn(id[i], "0123456789abcdef"), DEVICE_ID_SIZE - 1);
	}
	assert_string_not_equal(id[0], id[1]);
	assert_true(device_make(text[1], id[0], "another line", other_key, NOW + 5));
	assert_true(device_check(again, text[1], "another line", other_key, NOW + 5));
	assert_string_equal(again, id[0]);
}

static void
test_what_it_is_made_for(void **state)
{
	static const struct {
		const char *name, *line;
		const unsigned char *key;
		time_t now;
		bool want;
	} cases[] = {
		{ "as it was made", LINE, key, NOW, true },
		{ "the clock set back by a year", LINE, key, NOW - 365 * 86400, true },
		{ "the last second", LINE, key, EXPIRY - 1, true },
		{ "180 days later", LINE, key, EXPIRY, false },
		{ "a second more", LINE, key, EXPIRY + 1, false },
		{ "another line", "0123456789abcdee", key, NOW, false },
		{ "the start of the line", "0123456789abcde", key, NOW, false },
		{ "more than the line", LINE "0", key, NOW, false },
		{ "no line", "", key, NOW, false },
		{ "a line too long for any cookie", LINE LINE LINE LINE LINE LINE LINE LINE LINE,
		    key, NOW, false },
		{ "another key", LINE, other_key, NOW, false },
	};
	char text[DEVICE_SIZE];

	(void)state;
	assert_true(device_make(text, ID, LINE, key, NOW));
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(cases[i].name,
		    is_good(text, cases[i].line, cases[i].key, cases[i].now) == cases[i].want);
}

/* What is shown must be what was signed, and be written as we write it. */
static void
test_shown(void **state)
{
	static const struct {
		const char *name, *shown, *signed_text;
		bool want;
	} cases[] = {
		{ "the same", ID "." EXPIRES, ID "." EXPIRES "." LINE, true },
		{ "a later expiry", ID ".16552001", ID "." EXPIRES "." LINE, false },
		{ "a longer expiry", ID "." EXPIRES "0", ID "." EXPIRES "." LINE, false },
		{ "another id", "1123456789abcdef0123456789abcdef." EXPIRES,
		    ID "." EXPIRES "." LINE, false },
		{ "an id one shorter", "123456789abcdef0123456789abcdef." EXPIRES,
		    ID "." EXPIRES "." LINE, false },
		{ "a leading zero", ID ".0" EXPIRES, ID "." EXPIRES "." LINE, false },
		{ "a leading zero, signed", ID ".0" EXPIRES, ID ".0" EXPIRES "." LINE, false },
		{ "a plus", ID ".+" EXPIRES, ID "." EXPIRES "." LINE, false },
		{ "a plus, signed", ID ".+" EXPIRES, ID ".+" EXPIRES "." LINE, false },
		{ "a space", ID ". " EXPIRES, ID "." EXPIRES "." LINE, false },
		{ "a space, signed", ID ". " EXPIRES, ID ". " EXPIRES "." LINE, false },
		{ "a space behind", ID "." EXPIRES " ", ID "." EXPIRES "." LINE, false },
		{ "a fraction", ID "." EXPIRES ".5", ID "." EXPIRES "." LINE, false },
		{ "hexadecimal", ID ".0xfc9080", ID "." EXPIRES "." LINE, false },
		{ "a negative expiry, signed", ID ".-5", ID ".-5." LINE, false },
		{ "an expiry of 0, signed", ID ".0", ID ".0." LINE, false },
		{ "no expiry", ID ".", ID "." EXPIRES "." LINE, false },
		{ "no expiry and no dot", ID, ID "." EXPIRES "." LINE, false },
		{ "more than a number holds", ID ".99999999999999999999",
		    ID ".9223372036854775807." LINE, false },
		{ "the line shown as well", ID "." EXPIRES "." LINE, ID "." EXPIRES "." LINE,
		    false },
		{ "another sign than the dot", ID ":" EXPIRES, ID "." EXPIRES "." LINE, false },
		{ "signed without a line", ID "." EXPIRES, ID "." EXPIRES, false },
		{ "signed with an empty line", ID "." EXPIRES, ID "." EXPIRES ".", false },
	};
	char text[TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		forge(text, cases[i].shown, cases[i].signed_text);
		CHECK(cases[i].name, is_good(text, LINE, key, NOW) == cases[i].want);
	}
}

/* Each byte counts, whatever takes its place. */
static void
test_each_byte(void **state)
{
	char text[DEVICE_SIZE];

	(void)state;
	assert_true(device_make(text, ID, LINE, key, NOW));
	for (size_t i = 0; text[i] != '\0'; i++) {
		char was = text[i];

		for (int byte = 0; byte < 256; byte++) {
			text[i] = (char)byte;
			if (is_good(text, LINE, key, NOW) != (text[i] == was))
				fail_msg("byte %zu is 0x%02x", i, (unsigned)byte);
		}
		text[i] = was;
	}
}

static void
test_text_around_it(void **state)
{
	static const struct {
		const char *name, *before, *after;
		size_t cut;
	} cases[] = {
		{ "one cut off", "", "", 1 },
		{ "half of the signature", "", "", 32 },
		{ "no signature", "", "", 64 },
		{ "no signature and no dot", "", "", 65 },
		{ "a digit more", "", "0", 0 },
		{ "a dot behind it", "", ".", 0 },
		{ "a space behind it", "", " ", 0 },
		{ "a line feed behind it", "", "\n", 0 },
		{ "a space before it", " ", "", 0 },
		{ "a dot before it", ".", "", 0 },
		{ "quotes around it", "\"", "\"", 0 },
		{ "more than any cookie", "", ID ID ID ID ID ID ID, 0 },
	};
	static const char *const texts[] = { "", ".", "..", ID, ID ".", ID "..", "deleted", ID ID };
	char good[DEVICE_SIZE], text[TEXT_SIZE];

	(void)state;
	assert_true(device_make(good, ID, LINE, key, NOW));
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), "%s%.*s%s", cases[i].before,
		    (int)(strlen(good) - cases[i].cut), good, cases[i].after);
		CHECK(cases[i].name, !is_good(text, LINE, key, NOW));
	}
	for (size_t i = 0; i < COUNT(texts); i++)
		CHECK(texts[i], !is_good(texts[i], LINE, key, NOW));
}

static void
test_upper_case(void **state)
{
	static const struct {
		const char *name;
		size_t from, to;
	} cases[] = {
		{ "the id", 0, 32 },
		{ "the signature", 42, 106 },
		{ "all of it", 0, 106 },
	};
	char text[DEVICE_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(device_make(text, ID, LINE, key, NOW));
		for (size_t at = cases[i].from; at < cases[i].to; at++)
			text[at] = (char)toupper(text[at]);
		CHECK(cases[i].name, !is_good(text, LINE, key, NOW));
	}
}

/* The longest line that fits beside the id and the expiry, and one that is longer. */
static void
test_line_too_long(void **state)
{
	char line[DEVICE_SIZE], text[DEVICE_SIZE] = "unset";
	const size_t room = DEVICE_SIZE - sizeof(ID "." EXPIRES ".");

	(void)state;
	memset(line, 'x', sizeof(line));
	line[room] = '\0';
	assert_true(device_make(text, ID, line, key, NOW));
	assert_true(is_good(text, line, key, NOW));
	line[room] = 'x';
	line[room + 1] = '\0';
	assert_false(device_make(text, ID, line, key, NOW));
	assert_string_equal(text, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_what_it_is_made_for),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_each_byte),
		cmocka_unit_test(test_text_around_it),
		cmocka_unit_test(test_upper_case),
		cmocka_unit_test(test_line_too_long),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
