#include "auth/throttle.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

enum { NETWORK_SIZE = 46 }; /* as text, with the NUL */

enum { PAIR, ADDRESS, NAME, DEVICE };

/*
 * `size` is the attempts that a bucket holds, times the seconds in which one of them drains. A
 * success takes back its own attempt; of the pair and of the device, all that was counted.
 */
static const struct store_bucket limits[STORE_BUCKET_KINDS] = {
	[PAIR] = { .kind = PAIR, .size = 5 * 120, .cost = 120, .back = 5 * 120 },
	[ADDRESS] = { .kind = ADDRESS, .size = 30 * 60, .cost = 60, .back = 60 },
	[NAME] = { .kind = NAME, .size = 100 * 600, .cost = 600, .back = 600 },
	[DEVICE] = { .kind = DEVICE, .size = 10 * 600, .cost = 600, .back = 10 * 600 },
};

/* ID.EXPIRY.MAC: the pwv of the user's line is signed too, but not shown. */
static bool
write_device(char out[static THROTTLE_DEVICE_SIZE], const char *id, long expiry, const char *pwv,
    const char *secret)
{
	unsigned char digest[SECRET_DIGEST_BYTES];
	char hex[2 * SECRET_DIGEST_BYTES + 1];

	if (!text_format(out, THROTTLE_DEVICE_SIZE, "%s.%ld.%s", id, expiry, pwv))
		return false;
	secret_mac(digest, secret, "device", out);
	secret_hex(hex, digest, sizeof(digest));
	return text_format(out, THROTTLE_DEVICE_SIZE, "%s.%ld.%s", id, expiry, hex);
}

bool
throttle_make_device(char out[static THROTTLE_DEVICE_SIZE], const struct throttle *throttle,
    const struct config *config, const struct account *account, time_t now)
{
	unsigned char random[(THROTTLE_DEVICE_ID_SIZE - 1) / 2];
	char id[THROTTLE_DEVICE_ID_SIZE];

	out[0] = '\0';
	text_copy(id, sizeof(id), throttle->device);
	if (id[0] == '\0') {
		if (!secret_random(random, sizeof(random)))
			return false;
		secret_hex(id, random, sizeof(random));
	}
	return write_device(out, id, now + THROTTLE_DEVICE_SECONDS, account->pwv[0],
	    config->secret);
}

/* `id` tells the browser, if this is a device cookie for this account and not over; or is empty. */
static void
check_device(char id[static THROTTLE_DEVICE_ID_SIZE], const struct text_span *device,
    const struct config *config, const struct account *account, time_t now)
{
	const char *const secrets[] = { config->secret, config->secret_previous };
	char expected[THROTTLE_DEVICE_SIZE];
	long expiry;

	id[0] = '\0';
	if (device->length <= THROTTLE_DEVICE_ID_SIZE)
		return;
	memcpy(id, device->at, THROTTLE_DEVICE_ID_SIZE - 1);
	id[THROTTLE_DEVICE_ID_SIZE - 1] = '\0';
	expiry = strtol(device->at + THROTTLE_DEVICE_ID_SIZE, NULL, 10);
	/* What it should be says whether it is: one way of writing it, and nothing around it. */
	for (size_t i = 0; i < account->pwv_count && expiry > now; i++) {
		if (write_device(expected, id, expiry, account->pwv[i], secrets[i]) &&
		    strlen(expected) == device->length &&
		    secret_equal(device->at, expected, device->length))
			return;
	}
	id[0] = '\0';
}

/*
 * Write what counts of a REMOTE_ADDR: all of an IPv4 address, the first 64 bits of an IPv6 one.
 * False, with `out` emptied, when it is neither.
 */
static bool
read_network(char out[static NETWORK_SIZE], const char *address)
{
	/* IPv4 in IPv6: RFC 4291, section 2.5.5.2, and, of a translator, RFC 6052, section 2.1. */
	static const unsigned char mapped[12] = { [10] = 0xff, 0xff },
				   translated[12] = { 0, 0x64, 0xff, 0x9b };
	unsigned char bytes[16];

	/* Of a link-local address Apache also names the interface: fe80::1%eth0. */
	text_copy(out, NETWORK_SIZE, address);
	out[strcspn(out, "%")] = '\0';
	if (inet_pton(AF_INET, out, bytes) == 1)
		return true;
	if (inet_pton(AF_INET6, out, bytes) != 1) {
		out[0] = '\0';
		return false;
	}
	if (memcmp(bytes, mapped, 12) == 0 || memcmp(bytes, translated, 12) == 0)
		return inet_ntop(AF_INET, bytes + 12, out, NETWORK_SIZE) != NULL;
	memset(bytes + 8, 0, 8);
	return inet_ntop(AF_INET6, bytes, out, NETWORK_SIZE) != NULL;
}

bool
throttle_is_address(const char *address, bool *here)
{
	char network[NETWORK_SIZE];
	const bool is_address = read_network(network, address);

	/* Of ::1 its first half, too. */
	*here = text_begins(network, "127.") || strcmp(network, "::") == 0;
	return is_address;
}

/* Add the bucket of a name, or none, and of something that has no newline in it, or nothing. */
static void
add_bucket(struct throttle *throttle, unsigned kind, const char *secret, const char *name,
    const char *what)
{
	struct store_bucket *bucket = &throttle->buckets[throttle->count++];
	unsigned char digest[SECRET_DIGEST_BYTES];
	char hex[2 * SECRET_DIGEST_BYTES + 1], text[sizeof(hex) + NETWORK_SIZE + 16];

	*bucket = limits[kind];
	/* A name in a request may be longer than any user's. */
	secret_mac(digest, secret, "throttle", name);
	secret_hex(hex, digest, sizeof(digest));
	text_format(text, sizeof(text), "%u %s %s", kind, hex, what);
	secret_mac(digest, secret, "throttle", text);
	memcpy(bucket->key, digest, sizeof(bucket->key));
}

enum throttle_verdict
throttle_count(struct throttle *throttle, struct store *store, const struct config *config,
    time_t now, long *wait, const struct log *log)
{
	const char *name = throttle->name, *secret = config->secret;
	char network[NETWORK_SIZE];

	throttle->count = 0;
	throttle->device[0] = '\0';
	/* An unknown name's account is another user's. */
	for (size_t i = 0;
	     i < throttle->device_count && throttle->account->known && throttle->device[0] == '\0';
	     i++)
		check_device(throttle->device, &throttle->devices[i], config, throttle->account,
		    now);
	if (throttle->device[0] != '\0') {
		add_bucket(throttle, DEVICE, secret, name, throttle->device);
	} else {
		if (throttle->address != NULL && read_network(network, throttle->address)) {
			add_bucket(throttle, PAIR, secret, name, network);
			add_bucket(throttle, ADDRESS, secret, "", network);
		}
		add_bucket(throttle, NAME, secret, name, "");
	}
	if (!store_count(store, throttle->buckets, throttle->count, now, wait, log))
		return THROTTLE_FAULT;
	return *wait > 0 ? THROTTLE_WAIT : THROTTLE_GO;
}

void
throttle_forgive(const struct throttle *throttle, struct store *store, time_t now,
    const struct log *log)
{
	store_uncount(store, throttle->buckets, throttle->count, now, log);
}
