#include "auth/throttle.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/text.h"

enum { PAIR, ADDRESS, NAME, DEVICE };

/* A success takes back its own try; of the pair and of the device, all that was counted. */
static const struct limit {
	long tries, seconds; /* how many it holds; in which time one of them drains */
	bool emptied;
} limits[STATE_KINDS] = {
	[PAIR] = { 5, 2 * 60, true },
	[ADDRESS] = { 30, 60, false },
	[NAME] = { 100, 10 * 60, false },
	[DEVICE] = { 10, 10 * 60, true },
};

bool
throttle_network(char out[static THROTTLE_NETWORK_SIZE], const char *address)
{
	/* IPv4 in IPv6: RFC 4291, section 2.5.5.2, and, of a translator, RFC 6052, section 2.1. */
	static const unsigned char mapped[12] = { [10] = 0xff, 0xff },
				   translated[12] = { 0, 0x64, 0xff, 0x9b };
	unsigned char bytes[16];

	/* Of a link-local address Apache also names the interface: fe80::1%eth0. */
	if (!text_copy(out, THROTTLE_NETWORK_SIZE, address))
		return false;
	out[strcspn(out, "%")] = '\0';
	if (inet_pton(AF_INET, out, bytes) == 1)
		return true;
	if (inet_pton(AF_INET6, out, bytes) != 1) {
		out[0] = '\0';
		return false;
	}
	if (memcmp(bytes, mapped, 12) == 0 || memcmp(bytes, translated, 12) == 0) {
		inet_ntop(AF_INET, bytes + 12, out, THROTTLE_NETWORK_SIZE);
	} else {
		memset(bytes + 8, 0, 8);
		inet_ntop(AF_INET6, bytes, out, THROTTLE_NETWORK_SIZE);
	}
	return true;
}

/* Add the bucket of a name, or none, and something that has no newline in it, or nothing. */
static bool
add(struct throttle *throttle, unsigned kind, const unsigned char key[static SECRET_DIGEST_BYTES],
    const char *what, const char *name)
{
	const struct limit *limit = &limits[kind];
	struct state_bucket *bucket = &throttle->buckets[throttle->count++];
	unsigned char digest[SECRET_DIGEST_BYTES], name_digest[SECRET_DIGEST_BYTES];
	char hex[2 * SECRET_DIGEST_BYTES + 1], text[sizeof(hex) + THROTTLE_NETWORK_SIZE + 16];

	*bucket = (struct state_bucket){
		.kind = kind,
		.size = limit->tries * limit->seconds,
		.cost = limit->seconds,
		.back = limit->emptied ? limit->tries * limit->seconds : limit->seconds,
	};
	/* A name in a request may be longer than any user's. */
	secret_digest(name_digest, key, SECRET_DIGEST_BYTES, name, strlen(name));
	secret_hex(hex, name_digest, sizeof(name_digest));
	if (!text_format(text, sizeof(text), "%u %s %s", kind, hex, what))
		return false;
	secret_digest(digest, key, SECRET_DIGEST_BYTES, text, strlen(text));
	memcpy(bucket->key, digest, sizeof(bucket->key));
	return true;
}

bool
throttle_begin(struct throttle *throttle, const unsigned char key[static SECRET_DIGEST_BYTES],
    const char *name, const char *network, const char *device)
{
	*throttle = (struct throttle){ .count = 0 };
	if (device != NULL)
		return add(throttle, DEVICE, key, device, name);
	if (network != NULL &&
	    (!add(throttle, PAIR, key, network, name) || !add(throttle, ADDRESS, key, network, "")))
		return false;
	return add(throttle, NAME, key, "", name);
}
