/*
 * test_session_grace: which sessions are known without the store.
 */
#include "auth/session_grace.h"

#include "base/clock.h"
#include "unit.h"

#define ONE "0123456789abcdef0123456789abcdef"
#define TWO "f123456789abcdef0123456789abcdef"

enum { LONG = 3600, MANY = 8 };

static void
test_kept(void **state)
{
	struct session_grace *grace = grace_new(LONG);

	(void)state;
	assert_false(grace_has(grace, ONE));
	grace_keep(grace, ONE);
	grace_keep(grace, TWO);
	grace_keep(grace, ONE);
	assert_true(grace_has(grace, ONE) && grace_has(grace, TWO));
	/* In the same row, where every slot but one is free. */
	assert_false(grace_has(grace, "0123456789abcdef0123456789abcdee"));
	free(grace);
}

static void
test_forgotten(void **state)
{
	struct session_grace *grace = grace_new(LONG);

	(void)state;
	grace_keep(grace, ONE);
	grace_keep(grace, TWO);
	grace_forget(grace, "0123456789abcdef0123456789abcdee");
	assert_true(grace_has(grace, ONE));
	grace_forget(grace, ONE);
	assert_false(grace_has(grace, ONE));
	assert_true(grace_has(grace, TWO));
	grace_keep(grace, ONE);
	grace_forget(grace, NULL);
	assert_false(grace_has(grace, ONE) || grace_has(grace, TWO));
	free(grace);
}

/* Of no second at all: what was said is too long ago at once. */
static void
test_over(void **state)
{
	struct session_grace *grace = grace_new(0);

	(void)state;
	grace_keep(grace, ONE);
	assert_false(grace_has(grace, ONE));
	free(grace);
}

/* There is room for a few of one row; the last one is always known. */
static void
test_full(void **state)
{
	struct session_grace *grace = grace_new(LONG);
	char sid[33] = ONE;
	int known = 0;

	(void)state;
	grace_keep(grace, TWO);
	for (int i = 0; i < MANY; i++) {
		sid[31] = (char)('0' + i);
		grace_keep(grace, sid);
		assert_true(grace_has(grace, sid));
	}
	for (int i = 0; i < MANY; i++) {
		sid[31] = (char)('0' + i);
		known += grace_has(grace, sid);
	}
	assert_in_range(known, 1, MANY - 1);
	assert_true(grace_has(grace, TWO));
	free(grace);
}

/* The sid of that number, all in one row. */
static const char *
sid_of(int number)
{
	static char sid[33] = ONE;

	sid[31] = (char)('0' + number);
	return sid;
}

/* Where there is no room, the one that was said to be open the longest ago goes. */
static void
test_oldest_goes(void **state)
{
	struct session_grace *grace = grace_new(LONG);
	int known[MANY], count = 0;
	int64_t then;

	(void)state;
	for (int i = 0; i < MANY; i++)
		grace_keep(grace, sid_of(i));
	for (int i = 0; i < MANY; i++) {
		if (grace_has(grace, sid_of(i)))
			known[count++] = i;
	}
	assert_in_range(count, 2, MANY - 1);
	/* Each in its turn is the one that is not said again. */
	for (int oldest = 0; oldest < count; oldest++) {
		for (then = clock_ms(); clock_ms() == then;)
			;
		for (int i = 0; i < count; i++) {
			if (i != oldest)
				grace_keep(grace, sid_of(known[i]));
		}
		grace_keep(grace, sid_of(MANY + 1));
		for (int i = 0; i < count; i++)
			assert_int_equal(grace_has(grace, sid_of(known[i])), i != oldest);
		grace_forget(grace, sid_of(MANY + 1));
		grace_keep(grace, sid_of(known[oldest]));
	}
	free(grace);
}

static void
test_none(void **state)
{
	(void)state;
	grace_keep(NULL, ONE);
	assert_false(grace_has(NULL, ONE));
	grace_forget(NULL, ONE);
	grace_forget(NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_over),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_oldest_goes),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests_name("session_grace", tests, NULL, NULL);
}
