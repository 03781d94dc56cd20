/*
 * mint: tokens with any header and any claims, signed, to see which of them are refused.
 *
 * JSON is written with ' for " here.
 */
#ifndef POSTERN_MINT_H
#define POSTERN_MINT_H

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "auth/token.h"

#define MINT_SECRET "correct-horse-battery-staple-0001"
#define MINT_PREVIOUS "correct-horse-battery-staple-0000"
#define MINT_STRANGER "correct-horse-battery-staple-9999"

enum { MINT_SIZE = 4096 };

/* One member of a JSON object: the text of its value, or NULL to leave it out. */
struct mint_member {
	const char *name, *value;
};

/* Write the members as an object, the one called `name` with `value` instead, or added. */
static inline void
mint_object(char out[static MINT_SIZE], const struct mint_member members[], size_t count,
    const char *name, const char *value)
{
	bool seen = false;
	char *end = out;

	*end++ = '{';
	for (size_t i = 0; i <= count; i++) {
		struct mint_member member = { name, value };

		if (i < count && strcmp(members[i].name, name) != 0)
			member = members[i];
		else if (seen)
			continue;
		else
			seen = true;
		if (member.value != NULL)
			end += snprintf(end, (size_t)(out + MINT_SIZE - end), "%s'%s':%s",
			    end == out + 1 ? "" : ",", member.name, member.value);
	}
	snprintf(end, (size_t)(out + MINT_SIZE - end), "}");
	for (char *at = out; *at != '\0'; at++) {
		if (*at == '\'')
			*at = '"';
	}
}

/* Write `length` bytes as base64url and return its length. */
static inline size_t
mint_base64url(char *out, const void *bytes, size_t length)
{
	EVP_EncodeBlock((unsigned char *)out, bytes, (int)length);
	out[strcspn(out, "=")] = '\0';
	for (char *at = out; *at != '\0'; at++)
		*at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
	return strlen(out);
}

/* Sign what stands in `out` with HMAC, and append a dot and the signature. */
static inline void
mint_sign(char out[static MINT_SIZE], const EVP_MD *hash, const char *secret)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	size_t signed_length = strlen(out);

	HMAC(hash, secret, (int)strlen(secret), (unsigned char *)out, signed_length, mac, &length);
	out[signed_length] = '.';
	mint_base64url(out + signed_length + 1, mac, length);
}

/* Make a token of a header and claims, both JSON. */
static inline void
mint(char out[static MINT_SIZE], const char *header, const char *claims, const EVP_MD *hash,
    const char *secret)
{
	size_t length = mint_base64url(out, header, strlen(header));

	out[length++] = '.';
	mint_base64url(out + length, claims, strlen(claims));
	mint_sign(out, hash, secret);
}

/*
 * Write a text in which $ and a letter stand for a token: G a good one, L a good one that lives
 * longer, of another session, P of the previous secret, X an expired one, S a stranger's.
 */
static inline void
mint_expand(char *out, size_t size, const char *text, char tokens[][TOKEN_SIZE])
{
	static const char letters[] = "GLPXS";
	size_t length = 0;

	out[0] = '\0';
	for (; *text != '\0'; text++) {
		const char *letter = text[0] == '$' ? strchr(letters, text[1]) : NULL;

		if (letter != NULL)
			text++;
		length += (size_t)snprintf(out + length, size - length, "%.*s",
		    letter != NULL ? TOKEN_SIZE : 1,
		    letter != NULL ? tokens[letter - letters] : text);
	}
}

#endif
