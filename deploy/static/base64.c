#include "base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

int
jwt_Base64encode(char *out, const char *bytes, int length)
{
	return EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)bytes, length);
}

int
jwt_Base64decode(char *out, const char *text)
{
	size_t length = strlen(text), body = strspn(text, ALPHABET);
	size_t padding = strspn(text + body, "=");
	int made;

	if (length > INT_MAX || length % 4 != 0 || padding > 2 || body + padding != length)
		return 0;
	made = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text, (int)length);
	/* It takes the padding for zeros, and counts them. */
	return made > 0 ? made - (int)padding : 0;
}
