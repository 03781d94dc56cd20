/*
 * fill: end sessions that nobody began.
 *
 *	fill FOLDER COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/token.h"
#include "store/state.h"

int
main(int argc, char **argv)
{
	const struct log log = log_stderr();
	struct state *state = state_new(argc == 3 ? argv[1] : STATE_NONE, "postern", 0);
	long count = argc == 3 ? atol(argv[2]) : 0;
	time_t now = time(NULL);

	for (long i = 0; i < count; i++) {
		char sid[TOKEN_SID_SIZE];

		snprintf(sid, sizeof(sid), "%08lx%08lx%016lx", i * 2654435761L & 0xffffffffL,
		    i * 40503L & 0xffffffffL, i);
		if (!state_end_session(state, sid, now, now + 86400, &log))
			return EXIT_FAILURE;
	}
	state_free(state);
	return EXIT_SUCCESS;
}
