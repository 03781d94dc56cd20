#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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
text_refuse(struct text_why *why, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why->text, sizeof(why->text), format, arguments);
	va_end(arguments);
	return false;
}

bool
text_next(struct text_span *part, const char **rest, const char *set)
{
	part->at = *rest + strspn(*rest, set);
	part->length = strcspn(part->at, set);
	*rest = part->at + part->length;
	return part->length > 0;
}

bool
text_is(const struct text_span *part, const char *text)
{
	return strlen(text) == part->length && memcmp(text, part->at, part->length) == 0;
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
		/* The last ones are U+0080 to U+009F, the C1 controls. */
		if (*at <= ' ' || *at == 0x7f || strchr(":;,\"\\=", *at) != NULL ||
		    (at[0] == 0xc2 && at[1] < 0xa0))
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

bool
text_percent_encode(char *out, size_t size, const char *in, const char *plain)
{
	size_t used = 0;

	for (; *in != '\0'; in++) {
		const bool is_plain = strchr(plain, *in) != NULL;
		const size_t length = is_plain ? 1 : 3;

		if (used + length >= size) {
			out[0] = '\0';
			return false;
		}
		snprintf(out + used, 4, is_plain ? "%c" : "%%%02X", (unsigned char)*in);
		used += length;
	}
	out[used] = '\0';
	return true;
}

bool
text_percent_decode(char *text)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; in++) {
		char byte = *in;

		if (byte == '%') {
			if (strspn(in + 1, "0123456789abcdefABCDEF") < 2)
				return false;
			byte = (char)strtol((char[]){ in[1], in[2], '\0' }, NULL, 16);
			in += 2;
		}
		if (byte == '\0')
			return false;
		*out++ = byte;
	}
	*out = '\0';
	return true;
}
