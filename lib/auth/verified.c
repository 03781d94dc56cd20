#include "auth/verified.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

enum { SLOTS = 512 };

struct verified {
	size_t longest;
	size_t lengths[SLOTS]; /* of each text, 0 where the slot is empty */
	struct token tokens[SLOTS];
	char texts[]; /* `longest` bytes each */
};

struct verified *
verified_new(size_t longest)
{
	struct verified *verified = calloc(1, sizeof(struct verified) + SLOTS * longest);

	if (verified != NULL)
		verified->longest = longest;
	return verified;
}

void
verified_free(struct verified *verified)
{
	/* A slot that was not used is not touched, and so takes no memory. */
	for (size_t i = 0; verified != NULL && i < SLOTS; i++) {
		if (verified->lengths[i] > 0) {
			secret_wipe(&verified->tokens[i], sizeof(verified->tokens[i]));
			secret_wipe(&verified->texts[i * verified->longest], verified->lengths[i]);
		}
	}
	free(verified);
}

/*
 * The slot of a text, or SLOTS for one that has none. How its signature begins nobody can choose
 * who has no key, and only what is signed gets into a slot: nobody can choose whose place a token
 * takes.
 */
static size_t
slot_of(const struct verified *verified, const char *text, size_t length)
{
	const char *dot = strrchr(text, '.');
	size_t slot = 0;

	if (verified == NULL || length > verified->longest || dot == NULL || strlen(dot) < 5)
		return SLOTS;
	for (size_t i = 1; i < 5; i++)
		slot = 33 * slot + (unsigned char)dot[i];
	return slot % SLOTS;
}

void
verified_keep(struct verified *verified, const char *text, const struct token *token)
{
	size_t length = strlen(text), slot = slot_of(verified, text, length);

	if (slot == SLOTS)
		return;
	verified->lengths[slot] = length;
	verified->tokens[slot] = *token;
	memcpy(&verified->texts[slot * verified->longest], text, length);
}

bool
verified_find(struct token *token, const struct verified *verified, const char *text,
    const struct token_rules *rules)
{
	size_t length = strlen(text), slot = slot_of(verified, text, length);

	if (slot == SLOTS || verified->lengths[slot] != length ||
	    !secret_equal(&verified->texts[slot * verified->longest], text, length) ||
	    token_is_untimely(&verified->tokens[slot], rules) != NULL)
		return false;
	*token = verified->tokens[slot];
	return true;
}
