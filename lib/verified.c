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
	size_t length; /* 0 where it is empty */
	char text[TEXT_SIZE];
};

struct verified {
	struct slot slots[SLOTS];
};

struct verified *
verified_new(void)
{
	/* Memory of slots that are not used is not touched, and so not taken. */
	return calloc(1, sizeof(struct verified));
}

void
verified_free(struct verified *verified)
{
	if (verified != NULL)
		secret_wipe(verified, sizeof(*verified));
	free(verified);
}

/*
 * Where this text would be, or NULL. Its end, the signature, is a keyed hash of the rest, and
 * only what is signed gets into a slot: nobody can choose whose place a token takes.
 */
static const struct slot *
slot_of(const struct verified *verified, const char *text, size_t length)
{
	size_t place = 0;

	if (verified == NULL || length < TOKEN_SIGNATURE_LENGTH || length >= TEXT_SIZE)
		return NULL;
	for (size_t i = 0; i < 4; i++)
		place = 33 * place + (unsigned char)text[length - TOKEN_SIGNATURE_LENGTH + i];
	return &verified->slots[place % SLOTS];
}

void
verified_keep(struct verified *verified, const char *text, const struct token *token)
{
	size_t length = strlen(text);
	struct slot *slot = (struct slot *)slot_of(verified, text, length);

	if (slot == NULL)
		return;
	slot->token = *token;
	slot->length = length;
	memcpy(slot->text, text, length);
}

bool
verified_find(struct token *token, const struct verified *verified, const char *text,
    const struct token_rules *rules)
{
	size_t length = strlen(text);
	const struct slot *slot = slot_of(verified, text, length);

	if (slot == NULL || slot->length != length || !secret_equal(slot->text, text, length) ||
	    token_is_untimely(&slot->token, rules) != NULL)
		return false;
	*token = slot->token;
	return true;
}
