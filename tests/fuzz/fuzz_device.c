/*
 * The device cookie. After a first byte that is even comes its value, which nobody has signed;
 * after one that is odd ID.EXPIRY, which gets the right signature, and after a NUL a tail.
 */
#include "auth/throttle.h"
#include "base/secret.h"
#include "fuzz.h"

enum { NOW = 1700000000, VALUE_SIZE = 4096 };

static const struct config config = { .secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" };
static const struct account ada = {
	.user = "ada",
	.known = true,
	.pwv = { "0123456789abcdef" },
	.pwv_count = 1,
};
static struct store *store;

static void
sign(char out[static VALUE_SIZE], const char *text)
{
	unsigned char key[SECRET_DIGEST_BYTES], digest[SECRET_DIGEST_BYTES];
	char hex[2 * SECRET_DIGEST_BYTES + 1];

	CHECK(text_format(out, VALUE_SIZE, "%s.%s", text, ada.pwv[0]));
	secret_derive(key, config.secret, "device");
	secret_digest(digest, key, sizeof(key), out, strlen(out));
	secret_hex(hex, digest, sizeof(digest));
	CHECK(text_format(out, VALUE_SIZE, "%s.%s", text, hex));
}

/* Which browser's cookie is it? Empty where it is no good one of this account. */
static struct throttle
count(const char *value, const struct account *account, time_t now)
{
	const struct log log = { fuzz_check_line, NULL };
	const struct text_span device = { value, strlen(value) };
	struct throttle throttle = { .name = "ada",
		.account = account,
		.address = "192.0.2.1",
		.devices = &device,
		.device_count = 1 };
	long wait;

	CHECK(throttle_count(&throttle, store, &config, now, &wait, &log) == THROTTLE_GO);
	/* Either it is counted for the browser alone, or for name and address. */
	CHECK(throttle.count == (throttle.device[0] != '\0' ? 1 : 3));
	return throttle;
}

static bool
is_good(const char *value, const struct account *account, time_t now)
{
	return count(value, account, now).device[0] != '\0';
}

/* What is signed and counts is written in one way only, and is worth nothing a second later. */
static void
check_good(const struct throttle *throttle, const char *text, const char *value)
{
	static const struct account unknown = { .user = "ada",
		.pwv = { "0123456789abcdef" },
		.pwv_count = 1 };
	static const struct account other = { .user = "ada",
		.known = true,
		.pwv = { "fedcba9876543210" },
		.pwv_count = 1 };
	const char *id = throttle->device;
	char written[THROTTLE_DEVICE_SIZE];
	long expiry = strtol(text + THROTTLE_DEVICE_ID_SIZE, NULL, 10);

	CHECK(strlen(id) == THROTTLE_DEVICE_ID_SIZE - 1 && strncmp(id, text, strlen(id)) == 0);
	CHECK(expiry > NOW);
	CHECK(text_format(written, sizeof(written), "%s.%ld", id, expiry));
	CHECK(strcmp(written, text) == 0);
	CHECK(!is_good(value, &ada, expiry));
	CHECK(!is_good(value, &other, NOW) && !is_good(value, &unknown, NOW));
	CHECK(throttle_make_device(written, throttle, &config, &ada, NOW));
	CHECK(strcmp(count(written, &ada, NOW).device, id) == 0);
}

/* A value that is not just what was signed. The copy ends where it ends. */
static void
check_other(const char *value, size_t length)
{
	char *other = fuzz_text(value, length);

	CHECK(!is_good(other, &ada, NOW));
	free(other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_signed = fuzz_byte(&data, &size) % 2 == 1;
	char *text = fuzz_part(&data, &size), *tail = fuzz_part(&data, &size);
	char value[VALUE_SIZE];
	const char *wrong;

	if (store == NULL)
		CHECK((store = store_open(STORE_NONE, "postern", &wrong)) != NULL);
	if (!is_signed) {
		check_other(text, strlen(text));
	} else if (strlen(text) + strlen(tail) < VALUE_SIZE / 2) {
		struct throttle throttle;

		sign(value, text);
		throttle = count(value, &ada, NOW);
		if (throttle.device[0] != '\0')
			check_good(&throttle, text, value);
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
