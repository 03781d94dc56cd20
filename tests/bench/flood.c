/*
 * flood: count tries of names that nobody has, from addresses that nobody comes from.
 *
 *	flood FOLDER COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/throttle.h"
#include "store/state.h"

int
main(int argc, char **argv)
{
	const unsigned char key[SECRET_DIGEST_BYTES] = "flood";
	const struct log log = log_stderr();
	struct state *state = state_new(argc == 3 ? argv[1] : STATE_NONE, "postern", 0);
	long count = argc == 3 ? atol(argv[2]) : 0, refused = 0;

	for (long i = 0; i < count; i++) {
		struct throttle throttle;
		char name[32], address[32];
		long wait;

		snprintf(name, sizeof(name), "bogus%ld", i);
		/* 25 tries from each address, of the 30 that it has. */
		snprintf(address, sizeof(address), "10.%ld.%ld.%ld", i / 25 / 65536,
		    i / 25 / 256 % 256, i / 25 % 256);
		if (!throttle_begin(&throttle, key, name, address, NULL) ||
		    !state_count(state, throttle.buckets, throttle.count, time(NULL), &wait, &log))
			return EXIT_FAILURE;
		refused += wait > 0;
	}
	printf("%ld names, %ld refused\n", count, refused);
	state_free(state);
	return EXIT_SUCCESS;
}
