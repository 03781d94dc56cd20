/*
 * base64: what libjwt 1.17.2 leaves to whoever builds it, under the names that it uses.
 *
 * The strict kind of RFC 4648, section 3: no space, no line end, no bits that are left over, nothing
 * after the padding.
 */
#pragma once

/* Write the text of `length` bytes, and a NUL: 4 characters for 3 bytes. Its length. */
int jwt_Base64encode(char *out, const char *bytes, int length);

/* Write the bytes of a text: at most 3 for 4 characters. How many, or 0 if it is not base64. */
int jwt_Base64decode(char *out, const char *text);
