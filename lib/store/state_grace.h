/*
 * state_grace: which sessions the engine has said to be open, not long ago.
 *
 * Each process remembers a thousand or so, for the time in which nobody can be asked. Where
 * there is no grace it is NULL, and knows nothing.
 */
#ifndef POSTERN_STATE_GRACE_H
#define POSTERN_STATE_GRACE_H

#include <stdbool.h>
#include <stdint.h>

struct grace;

/* NULL without memory; free(3) ends it. */
struct grace *grace_new(void);

/* The engine said that this session of `user` is open. All times are engine_clock()'s. */
void grace_keep(struct grace *grace, const char *sid, const char *user, int64_t now);

/* Forget a session, or those of a user. */
void grace_forget(struct grace *grace, const char *sid);
void grace_forget_user(struct grace *grace, const char *user);

/* Was that said since? */
bool grace_has(struct grace *grace, const char *sid, int64_t since);

#endif
