#include "web/cookie.h"

#include <string.h>

bool
cookie_next(struct text_span *value, const char **at, const char *name)
{
	const size_t length = strlen(name);
	struct text_span pair;

	while (text_next(&pair, at, ";")) {
		while (pair.length > 0 && strchr(" \t", *pair.at) != NULL)
			pair.at++, pair.length--;
		while (pair.length > 0 && strchr(" \t", pair.at[pair.length - 1]) != NULL)
			pair.length--;
		if (pair.length <= length || strncmp(pair.at, name, length) != 0 ||
		    pair.at[length] != '=')
			continue;
		value->at = pair.at + length + 1;
		value->length = pair.length - length - 1;
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
