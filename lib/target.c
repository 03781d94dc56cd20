#include "target.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

static const char hex[] = "0123456789ABCDEF";

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
	char path[TARGET_SIZE];

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

bool
target_accept(char out[static TARGET_SIZE], const char *in)
{
	size_t used = 0;

	out[0] = '\0';
	if (!begins_as_path(in))
		return false;
	for (; *in != '\0'; in++) {
		unsigned char c = (unsigned char)*in;
		size_t needed = c <= '~' ? 1 : 3;

		if (is_control(c) || c == ' ' || c == '\\' || used + needed >= TARGET_SIZE)
			break;
		if (needed == 1) {
			out[used++] = *in;
		} else {
			out[used++] = '%';
			out[used++] = hex[c >> 4];
			out[used++] = hex[c & 15];
		}
	}
	out[used] = '\0';
	if (*in == '\0' && is_safe_decoded(out))
		return true;
	out[0] = '\0';
	return false;
}

void
target_location(char out[static TARGET_LOCATION_SIZE], const char *login, const char *target)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-._~!$'()*,:@/";
	size_t used = (size_t)snprintf(out, TARGET_LOCATION_SIZE, "%s?next=", login);

	for (const char *in = target; *in != '\0'; in++) {
		unsigned char c = (unsigned char)*in;

		if (used + 4 > TARGET_LOCATION_SIZE) {
			target = "";
			break;
		}
		if (strchr(plain, c) != NULL) {
			out[used++] = *in;
		} else {
			out[used++] = '%';
			out[used++] = hex[c >> 4];
			out[used++] = hex[c & 15];
		}
	}
	out[target[0] == '\0' ? strlen(login) : used] = '\0';
}
