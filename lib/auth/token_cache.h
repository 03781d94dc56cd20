/*
 * token_cache: the tokens that this process has verified, so that it need not do so again.
 *
 * Kept apart from token, its only caller, as it knows nothing of JWT. It is of fixed size: a token
 * that takes another one's place only costs that one a full check.
 */
#ifndef POSTERN_TOKEN_CACHE_H
#define POSTERN_TOKEN_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/token.h"

/*
 * An empty cache for tokens of up to `longest` bytes, or NULL without memory: every function takes
 * NULL for a cache of no size.
 */
struct token_cache *token_cache_new(size_t longest);

/* Wipe it, and free it. */
void token_cache_free(struct token_cache *cache);

/* Remember what token_verify() made of `text`. One that is too long is not remembered. */
void token_cache_keep(struct token_cache *cache, const char *text, const struct token *token);

/* What token_verify() made of the very same text; or NULL. Its times may be over by now. */
const struct token *token_cache_find(const struct token_cache *cache, const char *text);

#endif
