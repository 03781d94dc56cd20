/*
 * flood: count attempts with names that nobody has, from addresses that nobody comes from.
 *
 *	flood STORE COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/throttle.h"
#include "store/store.h"

int
main(int argc, char **argv)
{
	static const struct config config = { .secret = "flood" };
	static const struct account unknown;
	const struct log log = log_stderr();
	const char *wrong;
	struct store *store = store_open(argc == 3 ? argv[1] : STORE_NONE, "postern", &wrong);
	long count = argc == 3 ? atol(argv[2]) : 0, refused = 0;

	for (long i = 0; i < count; i++) {
		char name[32], address[32];
		struct throttle attempt = { .name = name, .account = &unknown, .address = address };
		long wait;

		snprintf(name, sizeof(name), "bogus%ld", i);
		/* 25 attempts from each address, of the 30 that it has. */
		snprintf(address, sizeof(address), "10.%ld.%ld.%ld", i / 25 / 65536,
		    i / 25 / 256 % 256, i / 25 % 256);
		if (store == NULL ||
		    throttle_count(&attempt, store, &config, time(NULL), &wait, &log) ==
			THROTTLE_FAULT)
			return EXIT_FAILURE;
		refused += wait > 0;
	}
	printf("%ld names, %ld refused\n", count, refused);
	store_close(store);
	return EXIT_SUCCESS;
}
