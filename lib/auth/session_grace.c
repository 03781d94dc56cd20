#include "auth/session_grace.h"

#include <stdlib.h>
#include <string.h>

#include "auth/session_list.h"
#include "base/clock.h"
#include "base/text.h"

enum { ROWS = 256, WAYS = 4 };

struct session_grace {
	int64_t ms;
	struct slot {
		char sid[LIST_SID_SIZE]; /* empty: free */
		int64_t at;
	} slots[ROWS * WAYS];
};

struct session_grace *
grace_new(long seconds)
{
	struct session_grace *grace = calloc(1, sizeof(*grace));

	if (grace != NULL)
		grace->ms = (int64_t)seconds * 1000;
	return grace;
}

/*
 * The slot of a session, or the oldest of those that may be its. A sid is random: nobody chooses
 * which one it drives out.
 */
static struct slot *
find_slot(struct session_grace *grace, const char *sid)
{
	const char row_of[] = { sid[0], sid[1], '\0' };
	struct slot *row = &grace->slots[strtoul(row_of, NULL, 16) * WAYS], *oldest = row;

	for (size_t i = 0; i < WAYS; i++) {
		if (strcmp(row[i].sid, sid) == 0)
			return &row[i];
		if (row[i].at < oldest->at)
			oldest = &row[i];
	}
	return oldest;
}

void
grace_keep(struct session_grace *grace, const char *sid)
{
	struct slot *slot;

	if (grace == NULL)
		return;
	slot = find_slot(grace, sid);
	text_copy(slot->sid, sizeof(slot->sid), sid);
	slot->at = clock_ms();
}

void
grace_forget(struct session_grace *grace, const char *sid)
{
	if (grace == NULL)
		return;
	if (sid == NULL)
		memset(grace->slots, 0, sizeof(grace->slots));
	else if (strcmp(find_slot(grace, sid)->sid, sid) == 0)
		*find_slot(grace, sid) = (struct slot){ 0 };
}

bool
grace_has(struct session_grace *grace, const char *sid)
{
	const struct slot *slot = grace != NULL ? find_slot(grace, sid) : NULL;

	return slot != NULL && strcmp(slot->sid, sid) == 0 && clock_ms() - slot->at < grace->ms;
}
