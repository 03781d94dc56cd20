/*
 * The Cookie header. The first byte chooses the name that is looked for, the rest is the header.
 * Whatever is found also goes out again in a Set-Cookie.
 */
#include "web/cookie.h"

#include "fuzz.h"

static void
check_set(const char *name, const char *value)
{
	char *out = malloc(COOKIE_SET_SIZE);
	size_t length = strlen(name) + 1 + strlen(value);
	bool fits;

	CHECK(out != NULL);
	fits = cookie_set(out, name, value, 300, true);
	CHECK(fits == (out[0] != '\0') && strlen(out) < COOKIE_SET_SIZE);
	CHECK(fits ==
	    (length + strlen("; Path=/; Max-Age=300; HttpOnly; SameSite=Lax; Secure") <
		COOKIE_SET_SIZE));
	CHECK(!fits || (strncmp(out, name, strlen(name)) == 0 && out[length] == ';'));
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "token", "__Host-token", "t", "token-device" };
	const char *name = names[fuzz_byte(&data, &size) % 4];
	char *header = fuzz_text(data, size), *value = malloc(COOKIE_VALUE_SIZE);
	const char *at = header, *before = at;

	CHECK(value != NULL);
	for (; cookie_next(&at, name, value); before = at) {
		const char *found = strstr(before, name);

		CHECK(at > before && at <= header + strlen(header));
		CHECK(strlen(value) < COOKIE_VALUE_SIZE && strchr(value, ';') == NULL);
		CHECK(found != NULL && strstr(found, value) != NULL && strstr(found, value) < at);
		check_set(name, value);
	}
	CHECK(*at == '\0' && value[0] == '\0');
	free(value);
	free(header);
	return 0;
}
