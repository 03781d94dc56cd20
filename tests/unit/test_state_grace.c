/*
 * test_state_grace: who is remembered, and who is not any more.
 */
#include "store/state_grace.h"

#include "unit.h"

#define LONG                                                                                       \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"

static void
test_remembered(void **state)
{
	struct grace *grace = grace_new();

	(void)state;
	assert_non_null(grace);
	assert_false(grace_has(grace, "one", -1));
	assert_false(grace_has(grace, "", -1));
	grace_keep(grace, "one", "ada", 1000);
	grace_keep(grace, "two", "ada", 1000);
	grace_keep(grace, "three", "bob", 1000);
	assert_true(grace_has(grace, "one", 999));
	assert_false(grace_has(grace, "one", 1000));
	assert_false(grace_has(grace, "on", 999));
	grace_keep(grace, "one", "ada", 2000);
	assert_true(grace_has(grace, "one", 1999));
	grace_forget(grace, "one");
	assert_false(grace_has(grace, "one", -1));
	assert_true(grace_has(grace, "two", 999));
	grace_forget_user(grace, "ada");
	assert_false(grace_has(grace, "two", -1));
	assert_true(grace_has(grace, "three", 999));
	free(grace);
}

/* Of five that have the same four slots the oldest goes; and only its own end frees a slot. */
static void
test_one_row(void **state)
{
	static const char *const sids[] = { "AaAaAa", "AaAaBB", "AaBBAa", "AaBBBB", "BBAaAa" };
	struct grace *grace = grace_new();

	(void)state;
	assert_non_null(grace);
	for (int i = 0; i < 4; i++)
		grace_keep(grace, sids[i], i == 0 ? "ada" : "bob", 1000 + i);
	for (size_t i = 0; i < 4; i++)
		CHECK(sids[i], grace_has(grace, sids[i], 999));
	grace_keep(grace, sids[1], "bob", 900);
	grace_keep(grace, sids[4], "bob", 1004);
	for (size_t i = 0; i < 5; i++)
		CHECK(sids[i], grace_has(grace, sids[i], -1) == (i != 1));
	grace_forget(grace, sids[1]);
	grace_forget_user(grace, "ada");
	for (size_t i = 0; i < 5; i++)
		CHECK(sids[i], grace_has(grace, sids[i], -1) == (i > 1));
	grace_keep(grace, sids[0], "ada", 800);
	CHECK(sids[0], grace_has(grace, sids[0], -1) && grace_has(grace, sids[2], -1));
	free(grace);
}

/* No part of one that is too long is remembered. */
static void
test_too_long(void **state)
{
	struct grace *grace = grace_new();

	(void)state;
	assert_non_null(grace);
	grace_keep(grace, LONG, "ada", 1000);
	assert_false(grace_has(grace, LONG, 999));
	grace_keep(grace, "one", LONG, 1000);
	assert_false(grace_has(grace, "one", 999));
	free(grace);
}

static void
test_without(void **state)
{
	(void)state;
	grace_keep(NULL, "one", "ada", 1000);
	grace_forget(NULL, "one");
	grace_forget_user(NULL, "ada");
	assert_false(grace_has(NULL, "one", 999));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_one_row),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_without),
	};

	return cmocka_run_group_tests_name("state_grace", tests, NULL, NULL);
}
