#include "throttle.h"

#include <arpa/inet.h>
#include <string.h>

#include "text.h"

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

/* Write what of an address counts. */
static void
network_of(char out[static INET6_ADDRSTRLEN], const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_V4MAPPED(&six)) {
		memcpy(&four, six.s6_addr + 12, sizeof(four));
		inet_ntop(AF_INET, &four, out, INET6_ADDRSTRLEN);
	} else if (inet_pton(AF_INET6, address, &six) == 1) {
		memset(six.s6_addr + 8, 0, 8);
		inet_ntop(AF_INET6, &six, out, INET6_ADDRSTRLEN);
	} else {
		text_copy(out, INET6_ADDRSTRLEN, address);
	}
}

/* Add the bucket of a name, or none, and something that has no newline in it, or nothing. */
static bool
add(struct throttle *throttle, unsigned kind, const unsigned char key[static SECRET_DIGEST_BYTES],
    const char *what, const char *name)
{
	const struct limit *limit = &limits[kind];
	struct state_bucket *bucket = &throttle->buckets[throttle->count++];
	unsigned char digest[SECRET_DIGEST_BYTES], name_digest[SECRET_DIGEST_BYTES];
	char hex[2 * SECRET_DIGEST_BYTES + 1], text[sizeof(hex) + INET6_ADDRSTRLEN + 64];

	*bucket = (struct state_bucket){
		.kind = kind,
		.size = limit->tries * limit->seconds,
		.cost = limit->seconds,
		.back = limit->emptied ? limit->tries * limit->seconds : limit->seconds,
	};
	/* A name in a request may be longer than any user's. */
	if (!secret_digest(name_digest, key, SECRET_DIGEST_BYTES, name, strlen(name)))
		return false;
	secret_hex(hex, name_digest, sizeof(name_digest));
	if (!text_format(text, sizeof(text), "%u %s %s", kind, hex, what) ||
	    !secret_digest(digest, key, SECRET_DIGEST_BYTES, text, strlen(text)))
		return false;
	memcpy(bucket->key, digest, sizeof(bucket->key));
	return true;
}

bool
throttle_begin(struct throttle *throttle, const unsigned char key[static SECRET_DIGEST_BYTES],
    const char *name, const char *address, const char *device)
{
	char network[INET6_ADDRSTRLEN];

	*throttle = (struct throttle){ .count = 0 };
	if (device != NULL)
		return add(throttle, DEVICE, key, device, name);
	if (address != NULL) {
		network_of(network, address);
		if (!add(throttle, PAIR, key, network, name) ||
		    !add(throttle, ADDRESS, key, network, ""))
			return false;
	}
	return add(throttle, NAME, key, "", name);
}
