#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool
text_copy(char *out, size_t size, const char *in)
{
	size_t length = strlen(in);

	out[0] = '\0';
	if (length >= size)
		return false;
	memcpy(out, in, length + 1);
	return true;
}

bool
text_format(char *out, size_t size, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(out, size, format, arguments);
	va_end(arguments);
	if ((size_t)length < size)
		return true;
	out[0] = '\0';
	return false;
}

bool
text_is_utf8(const char *text, size_t length)
{
	/* The least code point that needs so many bytes more than one: less is overlong. */
	static const unsigned long least[] = { 0, 0x80, 0x800, 0x10000 };
	const unsigned char *at = (const unsigned char *)text, *end = at + length;

	while (at < end) {
		unsigned long point = *at++;
		int more = point < 0x80 ? 0 : point < 0xe0 ? 1 : point < 0xf0 ? 2 : 3;

		if (more == 0)
			continue;
		if (point < 0xc0 || point > 0xf7 || end - at < more)
			return false;
		point &= 0x3fUL >> more;
		for (int i = 0; i < more; i++, at++) {
			if ((*at & 0xc0) != 0x80)
				return false;
			point = point << 6 | (*at & 0x3f);
		}
		if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
			return false;
	}
	return true;
}

bool
text_is_name(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length >= TEXT_NAME_SIZE || !text_is_utf8(text, length))
		return false;
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
		if (*at <= ' ' || *at == 0x7f || strchr(":;,\"\\=", *at) != NULL)
			return false;
		/* U+0080 to U+009F, the C1 controls. */
		if (at[0] == 0xc2 && at[1] < 0xa0)
			return false;
	}
	return true;
}

bool
text_is_made_of(const char *text, const char *set)
{
	return text[strspn(text, set)] == '\0';
}

bool
text_begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)((at - digits) % 16) : -1;
}

bool
text_percent_decode(char *text)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; in++) {
		int high, low;

		if (*in != '%') {
			*out++ = *in;
			continue;
		}
		if ((high = hex_digit(in[1])) < 0 || (low = hex_digit(in[2])) < 0 ||
		    high + low == 0)
			return false;
		*out++ = (char)(high * 16 + low);
		in += 2;
	}
	*out = '\0';
	return true;
}
