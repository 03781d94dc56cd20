#include "base64.h"

#include <limits.h>
#include <nettle/base64.h>
#include <string.h>

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

int
jwt_Base64encode(char *out, const char *bytes, int length)
{
	size_t made = BASE64_ENCODE_RAW_LENGTH((size_t)length);

	base64_encode_raw(out, (size_t)length, (const uint8_t *)bytes);
	out[made] = '\0';
	return (int)made;
}

int
jwt_Base64decode(char *out, const char *text)
{
	size_t length = strlen(text), body = strspn(text, ALPHABET), made = length;
	size_t padding = strspn(text + body, "=");
	struct base64_decode_ctx base64;

	if (length > INT_MAX || length % 4 != 0 || padding > 2 || body + padding != length)
		return 0;
	base64_decode_init(&base64);
	if (!base64_decode_update(&base64, &made, (uint8_t *)out, length, text) ||
	    !base64_decode_final(&base64))
		return 0;
	return (int)made;
}
