/*
 * state_tls: TLS for lib/store/state_engine, where hiredis has it.
 *
 * The other end must have a certificate for its address, of an authority that this system
 * trusts. Nothing here waits.
 */
#ifndef POSTERN_STATE_TLS_H
#define POSTERN_STATE_TLS_H

#include <stdbool.h>

struct redisContext;
struct ssl_ctx_st;
struct ssl_st;

/* What is trusted. NULL without memory; tls_forget() ends it. */
struct ssl_ctx_st *tls_new(void);

void tls_forget(struct ssl_ctx_st *trusted);

/*
 * Begin on a connection that is made. It owns what is returned, which tls_step() takes; NULL on
 * a fault, and `why` says why.
 */
struct ssl_st *tls_begin(struct redisContext *context, struct ssl_ctx_st *trusted,
    const char *address, const char **why);

/* Go on. 0: it is done; else for which events of poll(2) to wait; or -1, and `why` says why. */
int tls_step(struct ssl_st *tls, const char **why);

/* Forget errors of others, which would be taken for errors of the connection. */
void tls_forget_errors(void);

#endif
