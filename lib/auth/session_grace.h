/*
 * session_grace: the sessions that this process was told are open, less than so long ago.
 *
 * For the time in which the store is not to be had. Kept apart from session, its only caller, as it
 * knows sids and the clock and nothing else. Without a grace it is NULL, and knows no session.
 */
#ifndef POSTERN_SESSION_GRACE_H
#define POSTERN_SESSION_GRACE_H

#include <stdbool.h>

struct session_grace;

/* For so many seconds each. NULL without memory; free(3) ends it. */
struct session_grace *grace_new(long seconds);

/* The store says that this session is open. */
void grace_keep(struct session_grace *grace, const char *sid);

/* Forget a session, or all of them where `sid` is NULL. */
void grace_forget(struct session_grace *grace, const char *sid);

/* Was that said less than so long ago? */
bool grace_has(struct session_grace *grace, const char *sid);

#endif
