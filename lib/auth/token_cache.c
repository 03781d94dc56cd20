#include "auth/token_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

enum { SLOTS = 512 };

struct token_cache {
	size_t longest;
	size_t lengths[SLOTS]; /* of each text, 0 where the slot is empty */
	struct token tokens[SLOTS];
	char texts[]; /* `longest` bytes each */
};

struct token_cache *
token_cache_new(size_t longest)
{
	struct token_cache *cache = calloc(1, sizeof(*cache) + SLOTS * longest);

	if (cache != NULL)
		cache->longest = longest;
	return cache;
}

void
token_cache_free(struct token_cache *cache)
{
	/* A slot that was not used is not touched, and so takes no memory. */
	for (size_t i = 0; cache != NULL && i < SLOTS; i++) {
		if (cache->lengths[i] > 0) {
			secret_wipe(&cache->tokens[i], sizeof(cache->tokens[i]));
			secret_wipe(&cache->texts[i * cache->longest], cache->lengths[i]);
		}
	}
	free(cache);
}

/*
 * The slot of a text, or SLOTS for one that has none. Nobody can choose whose place a token takes:
 * only what is signed gets into a slot, and how its signature begins needs the key.
 */
static size_t
slot_of(const struct token_cache *cache, const char *text)
{
	const char *dot = strrchr(text, '.');
	size_t slot = 0;

	if (cache == NULL || strlen(text) > cache->longest || dot == NULL || strlen(dot) < 5)
		return SLOTS;
	for (size_t i = 1; i < 5; i++)
		slot = 33 * slot + (unsigned char)dot[i];
	return slot % SLOTS;
}

void
token_cache_keep(struct token_cache *cache, const char *text, const struct token *token)
{
	const size_t slot = slot_of(cache, text);

	if (slot == SLOTS)
		return;
	cache->lengths[slot] = strlen(text);
	cache->tokens[slot] = *token;
	memcpy(&cache->texts[slot * cache->longest], text, cache->lengths[slot]);
}

const struct token *
token_cache_find(const struct token_cache *cache, const char *text)
{
	const size_t slot = slot_of(cache, text);

	if (slot == SLOTS || cache->lengths[slot] != strlen(text) ||
	    !secret_equal(&cache->texts[slot * cache->longest], text, strlen(text)))
		return NULL;
	return &cache->tokens[slot];
}
