#include "web/cookie.h"

#include <string.h>

#include "base/text.h"

bool
cookie_next(const char **at, const char *name, char value[static COOKIE_VALUE_SIZE])
{
	size_t name_length = strlen(name);

	value[0] = '\0';
	while (**at != '\0') {
		const char *pair = *at + strspn(*at, " \t;");
		const char *end = pair + strcspn(pair, ";");

		*at = end;
		if (strncmp(pair, name, name_length) != 0 || pair[name_length] != '=')
			continue;
		pair += name_length + 1;
		while (end[-1] == ' ' || end[-1] == '\t')
			end--;
		if (end - pair < COOKIE_VALUE_SIZE) {
			memcpy(value, pair, (size_t)(end - pair));
			value[end - pair] = '\0';
		}
		return true;
	}
	return false;
}

bool
cookie_set(char out[static COOKIE_SET_SIZE], const char *name, const char *value, long max_age,
    bool secure)
{
	return text_format(out, COOKIE_SET_SIZE,
	    "%s=%s; Path=/; Max-Age=%ld; HttpOnly; SameSite=Lax%s", name, value, max_age,
	    secure ? "; Secure" : "");
}
