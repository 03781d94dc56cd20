/*
 * The bodies of requests, and query strings. The first byte chooses the Content-Type.
 */
#include "web/form.h"

#include "base/text.h"
#include "fuzz.h"

/* A field is a text of its own in the body, which nobody has to free. */
static void
check_field(const char *field, const char *body, size_t length)
{
	if (field == NULL)
		return;
	CHECK(field >= body && field <= body + length);
	CHECK(memchr(field, '\0', length + 1 - (size_t)(field - body)) != NULL);
	CHECK(text_is_utf8(field, strlen(field)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "", "application/json", FORM_TYPE,
		"Application/JSON; charset=utf-8", FORM_TYPE ";charset=latin1", "text/plain" };
	const char *type = types[fuzz_byte(&data, &size) % COUNT(types)];
	char *body = fuzz_text(data, size);
	struct form form;
	int status = form_read(&form, body, size, type);
	const char *const fields[] = { form.username, form.password, form.next, form.everywhere };

	CHECK(status == (size == 0 ? 0 : 415) || (type[0] != '\0' && type[0] != 't'));
	CHECK(status == 0 || status == 400 || status == 415);
	for (size_t i = 0; i < COUNT(fields); i++) {
		CHECK(status == 0 || fields[i] == NULL);
		check_field(fields[i], body, size);
		for (size_t j = 0; j < i; j++)
			CHECK(fields[i] == NULL || fields[i] != fields[j]);
	}
	free(body);
	return 0;
}
