/*
 * redis_url: where Valkey or Redis is.
 *
 *	redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]
 *	rediss://                       the same, over TLS
 *	unix:/PATH
 *	unix://[USER]:PASSWORD@/PATH
 *
 * USER and PASSWORD are percent-encoded. HOST is a name, an IPv4 address, or an IPv6 address in
 * brackets.
 */
#ifndef POSTERN_REDIS_URL_H
#define POSTERN_REDIS_URL_H

#include <stdbool.h>

struct redis_url {
	char text[1024];             /* that the rest points into */
	const char *user, *password; /* both may be empty */
	const char *host;            /* or the path of a socket */
	int port;                    /* 0: it is a path */
	long database;               /* -1: the one that a new connection has */
	bool tls, is_name;           /* whether the host has to be looked up */
	char shown[288];             /* HOST:PORT, or the path, for the log */
};

/*
 * Read one. NULL; or what is wrong with it and how to mend it, to be read after the name of the
 * setting. The caller wipes `url` in the end: it has a password in it.
 */
const char *redis_url_read(struct redis_url *url, const char *value);

#endif
