/*
 * The URL of an engine.
 */
#include "store/state_url.h"

#include <arpa/inet.h>

#include "fuzz.h"

static void
check_address(const struct state_address *address, bool is_path)
{
	unsigned char bytes[16];
	const size_t length = strnlen(address->host, sizeof(address->host));

	CHECK(length > 0 && length < sizeof(address->host));
	CHECK(is_path == (address->port == 0) && is_path == (address->host[0] == '/'));
	CHECK(address->port >= 0 && address->port <= 65535);
	CHECK(is_path || inet_pton(AF_INET, address->host, bytes) == 1 ||
	    inet_pton(AF_INET6, address->host, bytes) == 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct state_url none;
	char *value = fuzz_text(data, size);
	struct state_url url;
	const char *wrong = state_url_read(&url, value);

	if (wrong != NULL) {
		CHECK(memcmp(&url, &none, sizeof(url)) == 0);
		/* It goes to the log, and the value has a password in it. */
		CHECK(wrong[0] != '\0' && (wrong < value || wrong > value + strlen(value)));
	} else {
		CHECK(state_url_is_meant(value));
		CHECK(url.count >= 1 && url.count <= STATE_ADDRESSES_MAX);
		CHECK(strnlen(url.user, sizeof(url.user)) < sizeof(url.user));
		CHECK(strnlen(url.password, sizeof(url.password)) < sizeof(url.password));
		CHECK(url.user[0] == '\0' || url.password[0] != '\0');
		CHECK(url.database >= -1 && url.tls == (strncmp(value, "rediss:", 7) == 0));
		for (size_t i = 0; i < url.count; i++)
			check_address(&url.addresses[i], strncmp(value, "unix:", 5) == 0);
	}
	free(value);
	return 0;
}
