#include "text.h"

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
	if (length >= 0 && (size_t)length < size)
		return true;
	out[0] = '\0';
	return false;
}

/* How many bytes the character at `at` takes, or 0 when it is not UTF-8. */
static size_t
utf8_character(const unsigned char *at, size_t left)
{
	/* The second byte's range is narrower after some first bytes: RFC 3629, section 4. */
	static const struct {
		unsigned char first, last, low, high;
		size_t length;
	} forms[] = {
		{ 0x00, 0x7f, 0x00, 0x00, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (at[0] < forms[i].first || at[0] > forms[i].last)
			continue;
		if (forms[i].length > left)
			return 0;
		if (forms[i].length > 1 && (at[1] < forms[i].low || at[1] > forms[i].high))
			return 0;
		for (size_t k = 2; k < forms[i].length; k++) {
			if ((at[k] & 0xc0) != 0x80)
				return 0;
		}
		return forms[i].length;
	}
	return 0;
}

bool
text_is_utf8(const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;

	while (length > 0) {
		size_t step = utf8_character(at, length);

		if (step == 0)
			return false;
		at += step;
		length -= step;
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
text_is_made_of(const char *text, size_t length, const char *set)
{
	return strlen(text) == length && strspn(text, set) == length;
}

bool
text_begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

int
text_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}
