#include "state_grace.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { SLOTS = 1024, SID_SIZE = 40 };

struct slot {
	char sid[SID_SIZE]; /* empty: free */
	char user[TEXT_NAME_SIZE];
	int64_t at;
};

struct grace {
	struct slot slots[SLOTS];
};

struct grace *
grace_new(void)
{
	return calloc(1, sizeof(struct grace));
}

/* A sid is random: nobody chooses whom it drives out. */
static size_t
place(const char *sid)
{
	size_t sum = 0;

	for (; *sid != '\0'; sid++)
		sum = sum * 31 + (unsigned char)*sid;
	return sum % SLOTS;
}

void
grace_keep(struct grace *grace, const char *sid, const char *user, int64_t now)
{
	struct slot *slot;

	if (grace == NULL)
		return;
	slot = &grace->slots[place(sid)];
	slot->at = now;
	if (!text_copy(slot->sid, sizeof(slot->sid), sid) ||
	    !text_copy(slot->user, sizeof(slot->user), user))
		slot->sid[0] = '\0';
}

void
grace_forget(struct grace *grace, const char *sid)
{
	if (grace != NULL && strcmp(grace->slots[place(sid)].sid, sid) == 0)
		grace->slots[place(sid)].sid[0] = '\0';
}

void
grace_forget_user(struct grace *grace, const char *user)
{
	for (size_t i = 0; grace != NULL && i < SLOTS; i++) {
		if (strcmp(grace->slots[i].user, user) == 0)
			grace->slots[i].sid[0] = '\0';
	}
}

bool
grace_has(const struct grace *grace, const char *sid, int64_t since)
{
	const struct slot *slot;

	if (grace == NULL || sid[0] == '\0')
		return false;
	slot = &grace->slots[place(sid)];
	return strcmp(slot->sid, sid) == 0 && slot->at > since;
}
