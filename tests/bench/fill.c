/*
 * fill: begin a session for each of many users.
 *
 *	fill STORE COUNT
 *
 * STORE is as POSTERN_STATE names one. The users are user0, user1 and so on; the sid of a user's
 * session is the number in 32 hexadecimal digits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/session_list.h"
#include "store/store.h"

enum { SECONDS = 86400 };

int
main(int argc, char **argv)
{
	const struct log log = log_stderr();
	const long count = argc == 3 ? atol(argv[2]) : 0;
	const time_t now = time(NULL);
	const char *wrong;
	struct store *store = store_open(argc == 3 ? argv[1] : STORE_NONE, "postern", &wrong);

	for (long i = 0; i < count; i++) {
		struct list_entry entry = { "", LIST_COOKIE, now, now, now + SECONDS };
		char name[32], list[256];

		snprintf(name, sizeof(name), "user%ld", i);
		snprintf(entry.sid, sizeof(entry.sid), "%032lx", i);
		if (store == NULL ||
		    !list_put(list, sizeof(list), LIST_NO_WORD "\n", &entry, 1, now) ||
		    store_swap(store, &(struct store_key){ "sessions", name }, NULL, list,
			now + SECONDS, now, &log) != STORE_DONE)
			return EXIT_FAILURE;
	}
	store_close(store);
	return EXIT_SUCCESS;
}
