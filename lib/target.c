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

/* Write `in` percent-decoded to `out`, which is as large. A broken escape stays as it is. */
static size_t
decode(char *out, const char *in)
{
	char *end = out;

	for (; *in != '\0'; in++) {
		if (in[0] == '%' && text_hex_digit(in[1]) >= 0 && text_hex_digit(in[2]) >= 0) {
			*end++ = (char)(text_hex_digit(in[1]) * 16 + text_hex_digit(in[2]));
			in += 2;
		} else {
			*end++ = *in;
		}
	}
	*end = '\0';
	return (size_t)(end - out);
}

/* Does the target still look like one after a server or a browser has decoded it? */
static bool
is_safe_decoded(const char *target)
{
	char path[TARGET_SIZE], decoded[TARGET_SIZE];
	size_t length;

	if (!text_copy(path, sizeof(path), target))
		return false;
	path[strcspn(path, "?#")] = '\0';
	length = decode(decoded, path);
	for (size_t i = 0; i < length; i++) {
		if (is_control((unsigned char)decoded[i]))
			return false;
	}
	return begins_as_path(decoded);
}

bool
target_accept(char out[static TARGET_SIZE], const char *in)
{
	char *end = out;

	out[0] = '\0';
	if (!begins_as_path(in))
		return false;
	for (; *in != '\0'; in++) {
		unsigned char c = (unsigned char)*in;

		if (is_control(c) || c == ' ' || c == '\\' || end - out > TARGET_SIZE - 4)
			break;
		if (c <= '~') {
			*end++ = *in;
		} else {
			*end++ = '%';
			*end++ = hex[c >> 4];
			*end++ = hex[c & 15];
		}
	}
	*end = '\0';
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
