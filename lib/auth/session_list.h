/*
 * session_list: the open sessions of one user, as text.
 *
 *	WORD
 *	SID KIND SINCE RENEWED UNTIL	of each session; times are seconds of ten digits
 *
 * The word changes when all sessions of the user are revoked. A list that is empty, or malformed,
 * has LIST_NO_WORD and no sessions. Kept apart from session, which knows tokens and the store: here
 * text goes in and text comes out.
 */
#ifndef POSTERN_SESSION_LIST_H
#define POSTERN_SESSION_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* Sizes count the NUL. */
enum {
	LIST_SID_SIZE = 33,  /* 128 random bits, hexadecimal */
	LIST_WORD_SIZE = 33, /* the same */
	LIST_COOKIE = 'c',
	LIST_BEARER = 'b',
};

#define LIST_NO_WORD "00000000000000000000000000000000"

struct list_entry {
	char sid[LIST_SID_SIZE];
	char kind;      /* LIST_COOKIE or LIST_BEARER: how the session began */
	time_t since;   /* when it began */
	time_t renewed; /* when `until` was moved on; `since` if it never was */
	time_t until;   /* when it is over */
};

void list_word(char out[static LIST_WORD_SIZE], const char *list);

/* Find the entry of a session, over or not. False, with `entry` zeroed, if it is not there. */
bool list_find(struct list_entry *entry, const char *list, const char *sid);

/*
 * Write `list` to `out`, of `size` bytes, with this entry, in the place of one of the same sid if
 * there is one. Of each kind a list has `max` entries at most: those that are over go first, then
 * those that were never renewed, then the oldest. False, with `out` emptied, when it does not fit.
 */
bool list_put(char *out, size_t size, const char *list, const struct list_entry *entry, size_t max,
    time_t now);

/* Write `list` to `out`, as large as it, without the entry of this session. */
void list_remove(char *out, const char *list, const char *sid);

/* Write a list with this word and no entry. */
void list_begin(char *out, const char *word);

#endif
