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
	char *header = fuzz_text(data, size);
	const char *at = header, *before = at;
	struct text_span found;

	for (; cookie_next(&found, &at, name); before = at) {
		char *value = fuzz_text(found.at, found.length);
		const char *pair = found.at - strlen(name) - 1;

		CHECK(at > before && at <= header + strlen(header));
		CHECK(pair >= before && found.at + found.length <= at);
		CHECK(strncmp(pair, name, strlen(name)) == 0 && found.at[-1] == '=');
		CHECK(strlen(value) == found.length && strchr(value, ';') == NULL);
		check_set(name, value);
		free(value);
	}
	CHECK(*at == '\0');
	free(header);
	return 0;
}
