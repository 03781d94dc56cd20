#include "store/state_grace.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { ROWS = 256, WAYS = 4, SID_SIZE = 40 };

struct slot {
	char sid[SID_SIZE]; /* empty: free */
	char user[TEXT_NAME_SIZE];
	int64_t at;
};

struct grace {
	struct slot rows[ROWS][WAYS];
};

struct grace *
grace_new(void)
{
	return calloc(1, sizeof(struct grace));
}

/* The slots that may be its. A sid is random: nobody chooses whom it drives out. */
static struct slot *
row_of(struct grace *grace, const char *sid)
{
	size_t sum = 0;

	for (; *sid != '\0'; sid++)
		sum = sum * 31 + (unsigned char)*sid;
	return grace->rows[sum % ROWS];
}

/* Its slot, or NULL. */
static struct slot *
find(struct grace *grace, const char *sid)
{
	struct slot *row;

	if (grace == NULL || sid[0] == '\0')
		return NULL;
	row = row_of(grace, sid);
	for (size_t i = 0; i < WAYS; i++) {
		if (strcmp(row[i].sid, sid) == 0)
			return &row[i];
	}
	return NULL;
}

static struct slot *
oldest(struct slot row[static WAYS])
{
	struct slot *found = row;

	for (size_t i = 1; i < WAYS; i++) {
		if (row[i].at < found->at)
			found = &row[i];
	}
	return found;
}

void
grace_keep(struct grace *grace, const char *sid, const char *user, int64_t now)
{
	struct slot *slot = find(grace, sid);

	if (grace == NULL)
		return;
	if (slot == NULL)
		slot = oldest(row_of(grace, sid));
	slot->at = now;
	if (!text_copy(slot->sid, sizeof(slot->sid), sid) ||
	    !text_copy(slot->user, sizeof(slot->user), user))
		*slot = (struct slot){ 0 };
}

void
grace_forget(struct grace *grace, const char *sid)
{
	struct slot *slot = find(grace, sid);

	if (slot != NULL)
		*slot = (struct slot){ 0 };
}

void
grace_forget_user(struct grace *grace, const char *user)
{
	for (size_t i = 0; grace != NULL && i < ROWS; i++) {
		for (size_t j = 0; j < WAYS; j++) {
			if (strcmp(grace->rows[i][j].user, user) == 0)
				grace->rows[i][j] = (struct slot){ 0 };
		}
	}
}

bool
grace_has(struct grace *grace, const char *sid, int64_t since)
{
	const struct slot *slot = find(grace, sid);

	return slot != NULL && slot->at > since;
}
