/*
 * test_log: one line an event, whatever is in it.
 */
#include "base/log.h"

#include "child.h"

#define TEN "0123456789"

static void
test_event(void **state)
{
	static const struct {
		const char *name, *field, *want;
	} cases[] = {
		{ "plain", "ip=::1", "postern: event=test ip=::1\n" },
		{ "nothing", "", "postern: event=test \n" },
		{ "a line feed", "a\nb", "postern: event=test a?b\n" },
		{ "a carriage return", "a\rb", "postern: event=test a?b\n" },
		{ "an escape sequence", "\x1b[0m", "postern: event=test ?[0m\n" },
		{ "DEL", "\x7f", "postern: event=test ?\n" },
		{ "bytes above ASCII", "\x80\xff", "postern: event=test ??\n" },
		{ "the first and the last printable byte", " ~", "postern: event=test  ~\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct unit_log caught;
		const struct log log = unit_log(&caught);

		log_event(&log, "test", "%s", cases[i].field);
		CHECK_TEXT(cases[i].name, caught.text, cases[i].want);
		CHECK(cases[i].name, caught.lines == 1);
	}
}

static void
test_length(void **state)
{
	struct unit_log caught;
	struct log log = unit_log(&caught);

	(void)state;
	log_event(&log, "test", "%0*d", 1000 - 20, 0);
	assert_int_equal(caught.length, 1001);
	log = unit_log(&caught);
	log_event(&log, "test", "%0*d", 2000, 0);
	assert_int_equal(caught.length, 1001);
	assert_int_equal(caught.text[1000], '\n');
}

static void
test_text(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} cases[] = {
		{ "plain", "ada", "\"ada\"" },
		{ "nothing", "", "\"\"" },
		{ "the first and the last printable byte", " ~", "\" ~\"" },
		{ "a double quote", "a\"b", "\"a\\x22b\"" },
		{ "a backslash", "a\\b", "\"a\\x5cb\"" },
		{ "a line feed", "a\nb", "\"a\\x0ab\"" },
		{ "DEL", "\x7f", "\"\\x7f\"" },
		{ "bytes above ASCII", "\xc3\xab\xff", "\"\\xc3\\xab\\xff\"" },
		{ "63 bytes", TEN TEN TEN TEN TEN TEN "abc", "\"" TEN TEN TEN TEN TEN TEN "abc\"" },
		{ "64 bytes", TEN TEN TEN TEN TEN TEN "abcd",
		    "\"" TEN TEN TEN TEN TEN TEN "abc\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *out = malloc(LOG_TEXT_SIZE);

		assert_non_null(out);
		assert_ptr_equal(log_text(out, cases[i].text), out);
		CHECK_TEXT(cases[i].name, out, cases[i].want);
		free(out);
	}
}

static void
test_text_escaped_throughout(void **state)
{
	char text[100], *out = malloc(LOG_TEXT_SIZE);

	(void)state;
	assert_non_null(out);
	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(strlen(log_text(out, text)), LOG_TEXT_SIZE - 1);
	free(out);
}

static int
write_line(void *argument)
{
	const struct log log = log_stderr();

	(void)argument;
	log_event(&log, "test", "a=%d", 1);
	log_event(&log, "test", "a=%d", 2);
	close(STDERR_FILENO);
	log_event(&log, "test", "a=%d", 3);
	return 0;
}

static void
test_stderr(void **state)
{
	static struct child child;

	(void)state;
	child_run(&child, NULL, "", write_line, NULL);
	assert_int_equal(child.status, 0);
	assert_string_equal(child.err, "postern: event=test a=1\npostern: event=test a=2\n");
	assert_string_equal(child.out, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_escaped_throughout),
		cmocka_unit_test(test_stderr),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
