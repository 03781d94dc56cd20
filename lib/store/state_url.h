/*
 * state_url: where the engine is that keeps the state, Valkey or Redis.
 *
 *	redis://[[USER]:PASSWORD@]ADDRESS[:PORT][,ADDRESS[:PORT]...][/DATABASE]
 *	rediss://                       the same, over TLS
 *	unix:/PATH
 *	unix://[USER]:PASSWORD@/PATH
 *
 * USER and PASSWORD are percent-encoded. ADDRESS is an IPv4 address, or an IPv6 one in brackets;
 * several are those of a master and its replicas.
 */
#ifndef POSTERN_STATE_URL_H
#define POSTERN_STATE_URL_H

#include <stdbool.h>
#include <stddef.h>

enum {
	STATE_ADDRESSES_MAX = 8,
	STATE_HOST_SIZE = 108, /* of an address or a path, with the NUL */
	STATE_USER_SIZE = 128,
	STATE_PASSWORD_SIZE = 513,
	STATE_PORT = 6379,
};

struct state_address {
	char host[STATE_HOST_SIZE]; /* an address, or the path of a socket */
	int port;                   /* 0: a path */
};

struct state_url {
	bool tls;
	char user[STATE_USER_SIZE];         /* or empty */
	char password[STATE_PASSWORD_SIZE]; /* or empty: neither */
	struct state_address addresses[STATE_ADDRESSES_MAX];
	size_t count;
	long database; /* or -1: the one that a new connection has */
};

/* Does it begin as one? */
bool state_url_is_meant(const char *value);

/*
 * Read one. NULL; or, with `url` wiped, what is wrong with it and how to mend it, to be read
 * after the name of the setting. The caller wipes `url` in the end: it has a password in it.
 */
const char *state_url_read(struct state_url *url, const char *value);

#endif
