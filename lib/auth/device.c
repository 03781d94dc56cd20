#include "auth/device.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ID.EXPIRY.MAC: the line is signed too, but not shown. */
static bool
write_value(char out[static DEVICE_SIZE], const char *id, long expiry, const char *line,
    const unsigned char key[static SECRET_DIGEST_BYTES])
{
	unsigned char digest[SECRET_DIGEST_BYTES];
	char hex[2 * SECRET_DIGEST_BYTES + 1];

	if (!text_format(out, DEVICE_SIZE, "%s.%ld.%s", id, expiry, line))
		return false;
	secret_digest(digest, key, SECRET_DIGEST_BYTES, out, strlen(out));
	secret_hex(hex, digest, sizeof(digest));
	return text_format(out, DEVICE_SIZE, "%s.%ld.%s", id, expiry, hex);
}

bool
device_make(char out[static DEVICE_SIZE], const char *id, const char *line,
    const unsigned char key[static SECRET_DIGEST_BYTES], time_t now)
{
	unsigned char random[(DEVICE_ID_SIZE - 1) / 2];
	char new_id[DEVICE_ID_SIZE];

	out[0] = '\0';
	if (id[0] == '\0') {
		if (!secret_random(random, sizeof(random)))
			return false;
		secret_hex(new_id, random, sizeof(random));
		id = new_id;
	}
	return write_value(out, id, now + DEVICE_SECONDS, line, key);
}

bool
device_check(char id[static DEVICE_ID_SIZE], const char *text, const char *line,
    const unsigned char key[static SECRET_DIGEST_BYTES], time_t now)
{
	size_t length = strcspn(text, ".");
	char expected[DEVICE_SIZE];
	long expiry;

	id[0] = '\0';
	if (length != DEVICE_ID_SIZE - 1)
		return false;
	memcpy(id, text, length);
	id[length] = '\0';
	/* What it should be says whether it is: one way of writing it, and nothing around it. */
	if (text[length] == '.' && (expiry = strtol(text + length + 1, NULL, 10)) > now &&
	    write_value(expected, id, expiry, line, key) && strlen(text) == strlen(expected) &&
	    secret_equal(text, expected, strlen(expected)))
		return true;
	id[0] = '\0';
	return false;
}
