#include "web/redirect.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Does it begin with a path of this site? Browsers take `\` for `/`. */
static bool
begins_as_path(const char *text)
{
	return text[0] == '/' && text[1] != '/' && text[1] != '\\';
}

static bool
is_control(unsigned char c)
{
	return c < ' ' || c == 0x7f;
}

/* Does the target still look like one after a server or a browser has decoded it? */
static bool
is_safe_decoded(const char *target)
{
	char path[REDIRECT_SIZE];

	text_copy(path, sizeof(path), target); /* which is as long at most */
	path[strcspn(path, "?#")] = '\0';
	if (!text_percent_decode(path) || !begins_as_path(path))
		return false;
	for (const char *at = path; *at != '\0'; at++) {
		if (is_control((unsigned char)*at))
			return false;
	}
	return true;
}

/*
 * Write a byte, percent-encoded unless it is `plain`. Where the next one goes, or 0 when this one
 * and a NUL do not fit.
 */
static size_t
put(char *out, size_t size, size_t used, char byte, bool plain)
{
	static const char hex[] = "0123456789ABCDEF";

	if (used + (plain ? 1 : 3) >= size)
		return 0;
	if (plain) {
		out[used++] = byte;
	} else {
		out[used++] = '%';
		out[used++] = hex[(unsigned char)byte >> 4];
		out[used++] = hex[byte & 15];
	}
	return used;
}

bool
redirect_accept(char out[static REDIRECT_SIZE], const char *in)
{
	size_t used = 0;

	out[0] = '\0';
	if (!begins_as_path(in))
		return false;
	do {
		unsigned char c = (unsigned char)*in;

		if (!is_control(c) && c != ' ' && c != '\\')
			used = put(out, REDIRECT_SIZE, used, *in, c <= '~');
		else
			used = 0;
	} while (used > 0 && *++in != '\0');
	out[used] = '\0';
	if (is_safe_decoded(out))
		return true;
	out[0] = '\0';
	return false;
}

void
redirect_location(char out[static REDIRECT_LOCATION_SIZE], const char *login, const char *target)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-._~!$'()*,:@/";
	size_t used = (size_t)snprintf(out, REDIRECT_LOCATION_SIZE, "%s?next=", login);

	for (const char *in = target; *in != '\0' && used > 0; in++)
		used = put(out, REDIRECT_LOCATION_SIZE, used, *in, strchr(plain, *in) != NULL);
	out[target[0] != '\0' && used > 0 ? used : strlen(login)] = '\0';
}
