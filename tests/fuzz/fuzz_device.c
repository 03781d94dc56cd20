/*
 * The device cookie. After a first byte that is even comes its value, which nobody has signed;
 * after one that is odd ID.EXPIRY, which gets the right signature, and after a NUL a tail.
 */
#include "auth/device.h"

#include "base/text.h"
#include "fuzz.h"

#define LINE "0123456789abcdef"

enum { NOW = 1700000000, VALUE_SIZE = 4096 };

static const unsigned char key[SECRET_DIGEST_BYTES] = "a key of the device cookie only";

static void
sign(char out[static VALUE_SIZE], const char *text)
{
	unsigned char digest[SECRET_DIGEST_BYTES];
	char hex[2 * SECRET_DIGEST_BYTES + 1];

	CHECK(text_format(out, VALUE_SIZE, "%s.%s", text, LINE));
	secret_digest(digest, key, sizeof(key), out, strlen(out));
	secret_hex(hex, digest, sizeof(digest));
	CHECK(text_format(out, VALUE_SIZE, "%s.%s", text, hex));
}

/* What is signed and counts is written in one way only, and is worth nothing a second later. */
static void
check_good(const char *id, const char *text, const char *value)
{
	char written[DEVICE_SIZE], other[DEVICE_ID_SIZE];
	long expiry = strtol(text + DEVICE_ID_SIZE, NULL, 10);

	CHECK(strlen(id) == DEVICE_ID_SIZE - 1 && strncmp(id, text, strlen(id)) == 0);
	CHECK(expiry > NOW);
	CHECK(text_format(written, sizeof(written), "%s.%ld", id, expiry));
	CHECK(strcmp(written, text) == 0);
	CHECK(!device_check(other, value, LINE, key, expiry) && other[0] == '\0');
	CHECK(!device_check(other, value, "fedcba9876543210", key, NOW) && other[0] == '\0');
	CHECK(device_make(written, id, LINE, key, NOW));
	CHECK(device_check(other, written, LINE, key, NOW) && strcmp(other, id) == 0);
}

/* A value that is not just what was signed. The copy ends where it ends. */
static void
check_other(const char *value, size_t length)
{
	char *other = fuzz_text(value, length), id[DEVICE_ID_SIZE];

	CHECK(!device_check(id, other, LINE, key, NOW) && id[0] == '\0');
	free(other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_signed = fuzz_byte(&data, &size) % 2 == 1;
	char *text = fuzz_part(&data, &size), *tail = fuzz_part(&data, &size);
	char value[VALUE_SIZE], id[DEVICE_ID_SIZE];

	if (!is_signed) {
		check_other(text, strlen(text));
	} else if (strlen(text) + strlen(tail) < VALUE_SIZE / 2) {
		sign(value, text);
		if (device_check(id, value, LINE, key, NOW))
			check_good(id, text, value);
		else
			CHECK(id[0] == '\0');
		check_other(value, strlen(value) - 1);
		if (tail[0] != '\0') {
			strcat(value, tail);
			check_other(value, strlen(value));
		}
	}
	free(tail);
	free(text);
	return 0;
}
