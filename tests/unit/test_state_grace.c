/*
 * test_state_grace: who is remembered, and who is not any more.
 */
#include "state_grace.h"

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

/* Two that have one slot: the later one has it, and only its own end frees it. */
static void
test_one_slot(void **state)
{
	struct grace *grace = grace_new();

	(void)state;
	assert_non_null(grace);
	grace_keep(grace, "Aa", "ada", 1000);
	grace_keep(grace, "BB", "bob", 1000);
	assert_false(grace_has(grace, "Aa", 999));
	assert_true(grace_has(grace, "BB", 999));
	grace_forget(grace, "Aa");
	grace_forget_user(grace, "ada");
	assert_true(grace_has(grace, "BB", 999));
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
		cmocka_unit_test(test_one_slot),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_without),
	};

	return cmocka_run_group_tests_name("state_grace", tests, NULL, NULL);
}
