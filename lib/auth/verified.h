/*
 * verified: the tokens that this process has verified, so that it need not do so again.
 *
 * Of fixed size: a token that takes another one's place only costs that one a full check. They stay
 * in memory until then, or until the table is freed, be they over or not.
 */
#ifndef POSTERN_VERIFIED_H
#define POSTERN_VERIFIED_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/token.h"

struct verified;

/*
 * An empty table for tokens of up to `longest` bytes, or NULL without memory: every function takes
 * NULL for a table of no size.
 */
struct verified *verified_new(size_t longest);

/* Wipe it, and free it. */
void verified_free(struct verified *verified);

/* Remember what token_verify() made of `text`. One that is too long is not remembered. */
void verified_keep(struct verified *verified, const char *text, const struct token *token);

/*
 * What token_verify() would say now, of the very same text: `rules` may differ from those of then
 * in the time only. False, with `token` as it was, where that is no, or not known.
 */
bool verified_find(struct token *token, const struct verified *verified, const char *text,
    const struct token_rules *rules);

#endif
