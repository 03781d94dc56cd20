/*
 * test_session_list: who stays on a list of sessions and who goes, and what is no list.
 */
#include "auth/session_list.h"

#include "base/config.h"
#include "store/store.h"
#include "unit.h"

enum { NOW = 1000000000, DAY = 86400 };

#define WORD "0123456789abcdef0123456789abcdef"
#define ONE "11111111111111111111111111111111"
#define TWO "22222222222222222222222222222222"
#define TIMES " c 0999999000 0999999100 1000000300\n"
#define LINE(sid) sid TIMES
#define HEX "0123456789abcdef"

/* The sid of that number. */
static const char *
sid(unsigned number)
{
	static char text[8][LIST_SID_SIZE];
	static unsigned next;
	char *out = text[next++ % COUNT(text)];

	snprintf(out, LIST_SID_SIZE, "%032x", number);
	return out;
}

static struct list_entry
entry_of(unsigned number, char kind, time_t since, time_t renewed, time_t until)
{
	struct list_entry entry = { .kind = kind,
		.since = since,
		.renewed = renewed,
		.until = until };

	strcpy(entry.sid, sid(number));
	return entry;
}

/* Put an entry on a list of STORE_VALUE_SIZE bytes. */
static void
put(char *list, const struct list_entry *entry, size_t max)
{
	static char out[STORE_VALUE_SIZE];

	assert_true(list_put(out, sizeof(out), list, entry, max, NOW));
	strcpy(list, out);
}

static bool
has(const char *list, unsigned number)
{
	struct list_entry entry;

	return list_find(&entry, list, sid(number));
}

/* How many entries are there? */
static size_t
count(const char *list)
{
	size_t lines = 0;

	for (const char *at = list; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	return lines > 0 ? lines - 1 : 0;
}

/* Is there neither a word nor a session of sids 1 and 2, whatever is read of it? */
static bool
is_nothing(const char *text)
{
	/* On the heap, where a sanitizer sees a byte read too many. */
	char *list = strdup(text), word[LIST_WORD_SIZE];
	struct list_entry one, two;
	bool found = list_find(&one, list, ONE) || list_find(&two, list, TWO);

	list_word(word, list);
	free(list);
	return !found && strcmp(word, LIST_NO_WORD) == 0;
}

/* -- what is written ----------------------------------------------------------------------- */

static void
test_put_and_find(void **state)
{
	static const struct list_entry nobody;
	struct list_entry found;
	char list[512] = "", out[512], word[LIST_WORD_SIZE];
	const struct list_entry one = entry_of(1, LIST_COOKIE, NOW, NOW, NOW + 300),
				two = entry_of(2, LIST_BEARER, NOW - 9, NOW - 1, NOW + 300);

	(void)state;
	list_word(word, list);
	assert_string_equal(word, LIST_NO_WORD);
	assert_true(list_put(out, sizeof(out), list, &one, 100, NOW));
	assert_true(list_put(list, sizeof(list), out, &two, 100, NOW));
	assert_string_equal(list,
	    LIST_NO_WORD "\n"
			 "00000000000000000000000000000001 c 1000000000 1000000000 1000000300\n"
			 "00000000000000000000000000000002 b 0999999991 0999999999 1000000300\n");
	assert_true(list_find(&found, list, two.sid));
	assert_memory_equal(&found, &two, sizeof(found));
	assert_true(list_find(&found, list, one.sid));
	assert_memory_equal(&found, &one, sizeof(found));
	assert_false(list_find(&found, list, sid(3)));
	assert_memory_equal(&found, &nobody, sizeof(found));
	assert_false(list_find(&found, list, ""));
	assert_false(list_find(&found, list, "0"));
}

/* An entry that is over is found as well: the caller knows the time. */
static void
test_over_is_found(void **state)
{
	char list[STORE_VALUE_SIZE] = "";
	const struct list_entry over = entry_of(1, LIST_COOKIE, NOW - 300, NOW - 300, NOW - 1);

	(void)state;
	put(list, &over, 100);
	assert_true(has(list, 1));
}

/* A session that is there already has its new entry, and no second one; the word stays. */
static void
test_replace(void **state)
{
	char list[STORE_VALUE_SIZE], word[LIST_WORD_SIZE];
	const struct list_entry one = entry_of(1, LIST_COOKIE, NOW, NOW, NOW + 300),
				two = entry_of(2, LIST_COOKIE, NOW, NOW, NOW + 300),
				renewed = entry_of(1, LIST_COOKIE, NOW, NOW + 9, NOW + 4000);
	struct list_entry found;

	(void)state;
	list_begin(list, WORD);
	/* Even where there is no room for another one. */
	put(list, &one, 2);
	put(list, &two, 2);
	put(list, &renewed, 2);
	assert_int_equal(count(list), 2);
	assert_true(list_find(&found, list, one.sid));
	assert_memory_equal(&found, &renewed, sizeof(found));
	assert_true(has(list, 2));
	list_word(word, list);
	assert_string_equal(word, WORD);
}

static void
test_remove(void **state)
{
	static const char list[] = WORD "\n" LINE(ONE) LINE(TWO);
	char out[sizeof(list)];

	(void)state;
	list_remove(out, list, ONE);
	assert_string_equal(out, WORD "\n" LINE(TWO));
	list_remove(out, list, TWO);
	assert_string_equal(out, WORD "\n" LINE(ONE));
	list_remove(out, list, WORD);
	assert_string_equal(out, list);
	list_remove(out, WORD "\n" LINE(ONE), ONE);
	assert_string_equal(out, WORD "\n");
	list_remove(out, "damaged, and as long as a word that is followed by a line feed", ONE);
	assert_string_equal(out, LIST_NO_WORD "\n");
}

static void
test_begin(void **state)
{
	char list[LIST_WORD_SIZE + 1], word[LIST_WORD_SIZE];

	(void)state;
	list_begin(list, WORD);
	assert_string_equal(list, WORD "\n");
	list_word(word, list);
	assert_string_equal(word, WORD);
	assert_int_equal(count(list), 0);
}

/* -- when there is no room ------------------------------------------------------------------ */

/* Entries 1 to 4 are on a list of 4 when 5 comes: which one goes? */
static void
test_who_goes(void **state)
{
	enum { LONG_SINCE = NOW - 5000 };
	static const struct {
		const char *name;
		struct {
			time_t since, renewed, until;
		} entries[4];
		unsigned goes;
	} rows[] = {
		{ "the oldest",
		    { { NOW - 30, NOW - 30, NOW + 9 }, { NOW - 40, NOW - 40, NOW + 9 },
			{ NOW - 20, NOW - 20, NOW + 9 }, { NOW - 10, NOW - 10, NOW + 9 } },
		    2 },
		{ "the oldest of those that were renewed",
		    { { NOW - 30, NOW - 1, NOW + 9 }, { NOW - 20, NOW - 2, NOW + 9 },
			{ NOW - 40, NOW - 3, NOW + 9 }, { NOW - 10, NOW - 4, NOW + 9 } },
		    3 },
		{ "one that was never renewed, before older ones",
		    { { LONG_SINCE, NOW - 1, NOW + 9 }, { NOW - 20, NOW - 2, NOW + 9 },
			{ NOW - 1, NOW - 1, NOW + 9 }, { LONG_SINCE, NOW - 4, NOW + 9 } },
		    3 },
		{ "the oldest of those that were never renewed",
		    { { LONG_SINCE, NOW - 1, NOW + 9 }, { NOW - 1, NOW - 1, NOW + 9 },
			{ NOW - 2, NOW - 2, NOW + 9 }, { LONG_SINCE, NOW - 4, NOW + 9 } },
		    3 },
		{ "one that is over, before one that was never renewed",
		    { { LONG_SINCE, LONG_SINCE, NOW + 9 }, { NOW - 1, NOW - 1, NOW + 9 },
			{ NOW - 2, NOW - 2, NOW + 9 }, { NOW - 10, NOW - 4, NOW } },
		    4 },
		{ "of two that are over, the one that was never renewed",
		    { { LONG_SINCE, LONG_SINCE, NOW + 9 }, { LONG_SINCE, NOW - 9, NOW },
			{ NOW - 20, NOW - 20, NOW - 1 }, { NOW - 10, NOW - 4, NOW + 9 } },
		    3 },
		{ "not one whose last second it is",
		    { { NOW - 9, NOW - 9, NOW + 1 }, { NOW - 10, NOW - 10, NOW + 9 },
			{ NOW - 5, NOW - 5, NOW + 9 }, { NOW - 6, NOW - 6, NOW + 9 } },
		    2 },
		{ "the one that comes first, of four alike",
		    { { NOW - 1, NOW - 1, NOW + 9 }, { NOW - 1, NOW - 1, NOW + 9 },
			{ NOW - 1, NOW - 1, NOW + 9 }, { NOW - 1, NOW - 1, NOW + 9 } },
		    1 },
	};
	const struct list_entry new = entry_of(5, LIST_COOKIE, NOW, NOW, NOW + 300);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char list[STORE_VALUE_SIZE] = "";

		for (unsigned n = 0; n < 4; n++) {
			const struct list_entry entry =
			    entry_of(n + 1, LIST_COOKIE, rows[i].entries[n].since,
				rows[i].entries[n].renewed, rows[i].entries[n].until);

			put(list, &entry, 4);
		}
		CHECK(rows[i].name, count(list) == 4);
		put(list, &new, 4);
		CHECK(rows[i].name, count(list) == 4);
		for (unsigned n = 1; n <= 5; n++)
			CHECK(rows[i].name, has(list, n) == (n != rows[i].goes));
	}
}

/* A list of one has the session that began last. */
static void
test_one(void **state)
{
	char list[STORE_VALUE_SIZE] = "";

	(void)state;
	for (unsigned n = 1; n < 9; n++) {
		const struct list_entry entry = entry_of(n, LIST_COOKIE, NOW, NOW + 9, NOW + 300);

		put(list, &entry, 1);
		assert_int_equal(count(list), 1);
		assert_true(has(list, n));
	}
}

/* Fewer are allowed than there were: the setting was changed. */
static void
test_fewer(void **state)
{
	char list[STORE_VALUE_SIZE] = "";

	(void)state;
	for (unsigned n = 1; n <= 20; n++) {
		const struct list_entry entry =
		    entry_of(n, LIST_COOKIE, NOW + n, NOW + n, NOW + 300);

		put(list, &entry, n < 20 ? 100 : 3);
	}
	assert_int_equal(count(list), 3);
	assert_true(has(list, 18) && has(list, 19) && has(list, 20));
}

/* Sessions of one kind drive out none of the other. */
static void
test_kinds(void **state)
{
	char list[STORE_VALUE_SIZE] = "";

	(void)state;
	for (unsigned n = 1; n <= 8; n++) {
		const struct list_entry cookie = entry_of(n, LIST_COOKIE, NOW - 100, NOW, NOW + 9),
					bearer = entry_of(100 + n, LIST_BEARER, NOW, NOW, NOW + 9);

		if (n <= 3)
			put(list, &cookie, 3);
		put(list, &bearer, 3);
	}
	assert_int_equal(count(list), 6);
	for (unsigned n = 1; n <= 3; n++)
		assert_true(has(list, n) && has(list, 105 + n));
}

/* What was over long ago is dropped, of either kind; a clock that is ahead drops nothing else. */
static void
test_over_long_ago(void **state)
{
	static const struct {
		const char *name;
		time_t until;
		bool stays;
	} rows[] = {
		{ "over", NOW, true },
		{ "over for most of a day", NOW - DAY + 1, true },
		{ "over for a day", NOW - DAY, false },
		{ "over for a year", NOW - 365 * DAY, false },
	};
	const struct list_entry new = entry_of(9, LIST_COOKIE, NOW, NOW, NOW + 300);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char list[STORE_VALUE_SIZE] = "", text[512];
		const struct list_entry kept = entry_of(3, LIST_BEARER, NOW, NOW, NOW + 300);

		snprintf(text, sizeof(text),
		    WORD "\n%s b 0000000001 0000000001 %010lld\n%s c 0000000001 0000000001 "
			 "%010lld\n",
		    sid(1), (long long)rows[i].until, sid(2), (long long)rows[i].until);
		strcpy(list, text);
		put(list, &kept, 100);
		put(list, &new, 100);
		CHECK(rows[i].name, has(list, 1) == rows[i].stays);
		CHECK(rows[i].name, has(list, 2) == rows[i].stays);
		CHECK(rows[i].name, has(list, 3) && has(list, 9));
	}
}

/* As many as the settings allow, of both kinds, with the latest times there are. */
static void
test_longest(void **state)
{
	static char list[STORE_VALUE_SIZE], out[STORE_VALUE_SIZE];
	const time_t last = STORE_FOREVER;
	size_t length = LIST_WORD_SIZE;

	(void)state;
	list_begin(list, WORD);
	for (unsigned n = 0; n < 2 * CONFIG_SESSIONS_MAX; n++)
		length += (size_t)snprintf(list + length, sizeof(list) - length,
		    "%s %c %010lld %010lld %010lld\n", sid(n), n % 2 ? LIST_COOKIE : LIST_BEARER,
		    (long long)last, (long long)last, (long long)last);
	assert_int_equal(strlen(list), length);
	assert_int_equal(count(list), 2 * CONFIG_SESSIONS_MAX);
	for (unsigned n = 1; n <= 2; n++) {
		const struct list_entry entry =
		    entry_of(10000 + n, n % 2 ? LIST_COOKIE : LIST_BEARER, last, last, last);

		assert_true(list_put(out, sizeof(out), list, &entry, CONFIG_SESSIONS_MAX, NOW));
		assert_int_equal(count(out), 2 * CONFIG_SESSIONS_MAX);
		strcpy(list, out);
	}
	assert_true(has(list, 10001) && has(list, 10002) && !has(list, 0) && !has(list, 1));
}

static void
test_does_not_fit(void **state)
{
	const struct list_entry entry = entry_of(1, LIST_COOKIE, NOW, NOW, NOW + 300);
	const size_t size = strlen(LIST_NO_WORD "\n" LINE(ONE)) + 1;
	char out[256] = "unset";

	(void)state;
	assert_true(list_put(out, size, "", &entry, 100, NOW));
	assert_int_equal(strlen(out), size - 1);
	assert_false(list_put(out, size - 1, "", &entry, 100, NOW));
	assert_string_equal(out, "");
}

/* -- what is no list ------------------------------------------------------------------------ */

static void
test_no_list(void **state)
{
	static const char *const rows[] = { "", "\n", " ", WORD, WORD " ", WORD "\r\n",
		"\n" WORD "\n", "x", "0123456789abcdef0123456789abcde\n" LINE(ONE),
		"0123456789abcdef0123456789abcdef0\n" LINE(ONE),
		"0123456789ABCDEF0123456789ABCDEF\n" LINE(ONE),
		"0123456789abcdef0123456789abcdeg\n" LINE(ONE), LINE(ONE), LINE(ONE) LINE(TWO),
		"\n" LINE(ONE), "{\"sessions\":[]}" };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK(rows[i], is_nothing(rows[i]));
}

/* A line that is malformed is no session; one of another length hides what follows it. */
static void
test_malformed_lines(void **state)
{
	static const struct {
		const char *name, *line;
	} rows[] = {
		{ "empty", "\n" },
		{ "cut short", ONE " c 0999999000 0999999100 100000030\n" },
		{ "no line feed", ONE " c 0999999000 0999999100 1000000300" },
		{ "a time more", ONE " c 0999999000 0999999100 1000000300 1\n" },
		{ "a time less", ONE " c 0999999000 0999999100\n" },
		{ "a longer time", ONE " c 0999999000 0999999100 10000003000\n" },
		{ "a time that is none", ONE " c 0999999000 0999999100 100000030x\n" },
		{ "a time with a sign", ONE " c 0999999000 0999999100 +100000030\n" },
		{ "a negative time", ONE " c 0999999000 0999999100 -100000030\n" },
		{ "a time with a space", ONE " c 0999999000 0999999100  100000030\n" },
		{ "another kind", ONE " x 0999999000 0999999100 1000000300\n" },
		{ "a kind in upper case", ONE " C 0999999000 0999999100 1000000300\n" },
		{ "no kind", ONE " 0999999000 0999999100 1000000300\n" },
		{ "two kinds", ONE " cb 0999999000 0999999100 1000000300\n" },
		{ "tabs", ONE "\tc\t0999999000\t0999999100\t1000000300\n" },
		{ "of DOS", ONE " c 0999999000 0999999100 1000000300\r\n" },
		{ "a sid one shorter", "1111111111111111111111111111111" TIMES },
		{ "a sid one longer", "111111111111111111111111111111111" TIMES },
		{ "a space before it", " " ONE TIMES },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct list_entry entry;
		char text[512], word[LIST_WORD_SIZE], *list;

		snprintf(text, sizeof(text), "%s\n%s%s", WORD, rows[i].line, LINE(TWO));
		list = strdup(text);
		CHECK(rows[i].name, !list_find(&entry, list, ONE));
		CHECK(rows[i].name,
		    list_find(&entry, list, TWO) == (strlen(rows[i].line) == strlen(LINE(ONE))));
		list_word(word, list);
		CHECK_TEXT(rows[i].name, word, WORD);
		free(list);
	}
}

/* Whatever byte stands where another one was, its line is none. */
static void
test_each_byte(void **state)
{
	static const char good[] = WORD "\n" LINE(ONE) LINE(TWO);
	const size_t second = strlen(WORD "\n" LINE(ONE));
	struct list_entry entry;

	(void)state;
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		for (int byte = 0; byte < 256; byte++) {
			char *list = strdup(good);

			list[i] = (char)byte;
			/* Another digit makes another entry: below. */
			if (list[i] != good[i] && (byte == 0 || strchr(HEX, byte) == NULL) &&
			    (list_find(&entry, list, ONE) != (i >= second) ||
				list_find(&entry, list, TWO) !=
				    (i >= strlen(WORD "\n") && i < second && byte != 0)))
				fail_msg("byte %zu is 0x%02x", i, (unsigned)byte);
			free(list);
		}
	}
}

static void
test_each_digit_of_a_sid(void **state)
{
	static const char good[] = WORD "\n" LINE(ONE) LINE(TWO);
	struct list_entry entry;

	(void)state;
	for (size_t i = 0; i < strlen(ONE); i++) {
		for (const char *digit = HEX; *digit != '\0'; digit++) {
			char *list = strdup(good);

			list[strlen(WORD "\n") + i] = *digit;
			assert_int_equal(list_find(&entry, list, ONE), *digit == '1');
			assert_true(list_find(&entry, list, TWO));
			free(list);
		}
	}
}

/* Wherever it ends, what was there whole is read, and no more. */
static void
test_cut(void **state)
{
	static const char good[] = WORD "\n" LINE(ONE) LINE(TWO);

	(void)state;
	for (size_t length = 0; length < sizeof(good); length++) {
		char *list = strndup(good, length), out[sizeof(good)], word[LIST_WORD_SIZE];
		struct list_entry entry;

		list_word(word, list);
		assert_string_equal(word, length < strlen(WORD "\n") ? LIST_NO_WORD : WORD);
		assert_int_equal(list_find(&entry, list, ONE),
		    length >= strlen(WORD "\n" LINE(ONE)));
		assert_int_equal(list_find(&entry, list, TWO), length == sizeof(good) - 1);
		list_remove(out, list, WORD);
		assert_int_equal(list_find(&entry, out, ONE),
		    length >= strlen(WORD "\n" LINE(ONE)));
		free(list);
	}
}

/* A list that is damaged is begun anew: whoever signs in is on it, and nobody else. */
static void
test_put_on_damage(void **state)
{
	static const char *const rows[] = { "", "x", WORD, LINE(ONE), "no word\n" LINE(ONE) };
	const struct list_entry new = entry_of(9, LIST_COOKIE, NOW, NOW, NOW + 300);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct list_entry entry;
		char out[512];

		CHECK(rows[i], list_put(out, sizeof(out), rows[i], &new, 100, NOW));
		CHECK(rows[i], has(out, 9));
		CHECK(rows[i], !list_find(&entry, out, ONE));
		CHECK(rows[i], count(out) == 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_and_find),
		cmocka_unit_test(test_over_is_found),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_who_goes),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_fewer),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_over_long_ago),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_does_not_fit),
		cmocka_unit_test(test_no_list),
		cmocka_unit_test(test_malformed_lines),
		cmocka_unit_test(test_each_byte),
		cmocka_unit_test(test_each_digit_of_a_sid),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_put_on_damage),
	};

	return cmocka_run_group_tests_name("session_list", tests, NULL, NULL);
}
