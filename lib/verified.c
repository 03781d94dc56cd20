#include "verified.h"

#include <stdlib.h>
#include <string.h>

#include "secret.h"

enum {
	SLOTS = 1024,
	TEXT_SIZE =
	    512, /* of a token, with the NUL: with the longest name and issuer it is longer */
};

struct slot {
	struct token token;
	char text[TEXT_SIZE];
};

struct verified {
	size_t lengths[SLOTS]; /* of each text, 0 where the slot is empty */
	struct slot slots[SLOTS];
};

struct verified *
verified_new(void)
{
	return calloc(1, sizeof(struct verified));
}

void
verified_free(struct verified *verified)
{
	/* A slot that was not used is not touched, and so takes no memory. */
	for (size_t i = 0; verified != NULL && i < SLOTS; i++) {
		if (verified->lengths[i] > 0)
			secret_wipe(&verified->slots[i], sizeof(verified->slots[i]));
	}
	free(verified);
}

/*
 * The slot of a text, or SLOTS for one that has none. Its end, the signature, is a keyed hash of
 * the rest, and only what is signed gets into a slot: nobody can choose whose place a token takes.
 */
static size_t
slot_of(const struct verified *verified, const char *text, size_t length)
{
	size_t slot = 0;

	if (verified == NULL || length < TOKEN_SIGNATURE_LENGTH || length >= TEXT_SIZE)
		return SLOTS;
	for (size_t i = 0; i < 4; i++)
		slot = 33 * slot + (unsigned char)text[length - TOKEN_SIGNATURE_LENGTH + i];
	return slot % SLOTS;
}

void
verified_keep(struct verified *verified, const char *text, const struct token *token)
{
	size_t length = strlen(text), slot = slot_of(verified, text, length);

	if (slot == SLOTS)
		return;
	verified->lengths[slot] = length;
	verified->slots[slot].token = *token;
	memcpy(verified->slots[slot].text, text, length);
}

bool
verified_find(struct token *token, const struct verified *verified, const char *text,
    const struct token_rules *rules)
{
	size_t length = strlen(text), slot = slot_of(verified, text, length);

	if (slot == SLOTS || verified->lengths[slot] != length ||
	    !secret_equal(verified->slots[slot].text, text, length) ||
	    token_is_untimely(&verified->slots[slot].token, rules) != NULL)
		return false;
	*token = verified->slots[slot].token;
	return true;
}
