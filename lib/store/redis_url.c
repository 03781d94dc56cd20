#include "store/redis_url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define DIGITS "0123456789"
#define NAME_BYTES DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_"

enum { PORT = 6379, PATH_BYTES_MAX = 107, NAME_BYTES_MAX = 253 };

/* Read a number, which is 0 where there is none. False at anything else, or more than `most`. */
static bool
read_number(long *out, const char *text, long most)
{
	*out = strtol(text, NULL, 10);
	return text_is_made_of(text, DIGITS) && *out <= most;
}

/* Read `[USER]:PASSWORD`. */
static const char *
read_credentials(struct redis_url *url, char *text)
{
	char *colon = strchr(text, ':');

	if (colon == NULL || colon[1] == '\0')
		return "has no password before the @: write :password@ or user:password@";
	*colon = '\0';
	if (strpbrk(text, "@[]") != NULL || strpbrk(colon + 1, "@[]") != NULL)
		return "has an @ or a bracket in its user or password: write %40, %5B or %5D";
	if (!text_percent_decode(text) || !text_percent_decode(colon + 1))
		return "has a % in its user or password that is none of %00 to %FF: write %25";
	url->user = text;
	url->password = colon + 1;
	return NULL;
}

/* Read `HOST[:PORT]`. */
static const char *
read_host(struct redis_url *url, char *text)
{
	char *port = strchr(text, ':'), *bracket = strchr(text, ']');
	bool is_6 = text[0] == '[' && bracket != NULL;
	unsigned char bytes[16];
	struct in_addr loose;
	long number = PORT;

	if (strchr(text, ',') != NULL)
		return "has a comma: several addresses are no longer taken: name the one that "
		       "leads to the master, such as a managed Redis' name, a virtual address, or "
		       "that of HAProxy";
	if (is_6) {
		*bracket = '\0';
		port = bracket[1] == '\0' ? NULL : bracket + 1;
		text++;
	}
	if (port != NULL && (*port != ':' || !read_number(&number, port + 1, 65535) || number == 0))
		return "has a port that is not a number from 1 to 65535";
	if (port != NULL)
		*port = '\0';
	url->host = text;
	url->port = (int)number;
	/* The look-up would take 127.1 and 0x7f.1 for addresses, too. */
	url->is_name = !is_6 && text_is_made_of(text, NAME_BYTES) &&
	    !text_is_made_of(text, DIGITS ".") && text[0] != '.' && inet_aton(text, &loose) == 0 &&
	    strlen(text) <= NAME_BYTES_MAX;
	if (!url->is_name && inet_pton(is_6 ? AF_INET6 : AF_INET, text, bytes) != 1)
		return "names a host that is neither a name such as redis.example.org nor an "
		       "address such as 192.0.2.1 or [2001:db8::1]";
	text_format(url->shown, sizeof(url->shown), is_6 ? "[%s]:%ld" : "%s:%ld", text, number);
	return NULL;
}

/* Read what follows `redis://` or `rediss://`. */
static const char *
read_redis(struct redis_url *url, char *text)
{
	char *at, *slash = strpbrk(text, "/?#");
	const char *wrong;

	if (slash != NULL) {
		if (*slash != '/' ||
		    (slash[1] != '\0' && !read_number(&url->database, slash + 1, 99999999)))
			return "has something after the host that is no number of a database; "
			       "in a password write %2F for /, %3F for ?, %23 for #";
		*slash = '\0';
	}
	if ((at = strrchr(text, '@')) != NULL) {
		*at = '\0';
		if ((wrong = read_credentials(url, text)) != NULL)
			return wrong;
		text = at + 1;
	}
	return read_host(url, text);
}

/* Read what follows `unix:`. */
static const char *
read_unix(struct redis_url *url, char *text)
{
	const char *wrong;
	char *at;

	if (text_begins(text, "//")) {
		if ((at = strstr(text, "@/")) == NULL)
			return "is not like unix:/path or unix://user:password@/path";
		*at = '\0';
		if ((wrong = read_credentials(url, text + 2)) != NULL)
			return wrong;
		text = at + 1;
	}
	url->host = text;
	if (text[0] != '/')
		return "is not like unix:/path: the path is not absolute";
	if (strlen(text) > PATH_BYTES_MAX)
		return "has a path of more than 107 bytes: no socket can have one";
	text_copy(url->shown, sizeof(url->shown), text);
	for (char *strange = url->shown; (strange = strpbrk(strange, " \"\\")) != NULL;)
		*strange = '?';
	return NULL;
}

const char *
redis_url_read(struct redis_url *url, const char *value)
{
	char *text = url->text;

	*url = (struct redis_url){ .user = "", .password = "", .database = -1 };
	if (!text_copy(text, sizeof(url->text), value))
		return "is too long";
	if (text_begins(text, "unix:"))
		return read_unix(url, text + strlen("unix:"));
	url->tls = text_begins(text, "rediss://");
	if (!url->tls && !text_begins(text, "redis://"))
		return "is not like redis://192.0.2.1:6379, rediss://192.0.2.1 or unix:/path";
	if (url->tls && !STORE_TLS)
		return "is for TLS, which the hiredis of this system has not: run stunnel, "
		       "and write redis:// with its address";
	return read_redis(url, strchr(text, '/') + 2);
}
