#include "store/state_url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"

#define DIGITS "0123456789"

static const char too_long[] = "is too long";

bool
state_url_is_meant(const char *value)
{
	return text_begins(value, "redis:") || text_begins(value, "rediss:") ||
	    text_begins(value, "unix:");
}

/* Read a number, which is 0 where there is none. False at anything else, or more than `most`. */
static bool
read_number(long *out, const char *text, long most)
{
	*out = strtol(text, NULL, 10);
	return text_is_made_of(text, DIGITS) && *out <= most;
}

/* Read `[USER]:PASSWORD`. */
static const char *
read_credentials(struct state_url *url, char *text)
{
	char *colon = strchr(text, ':');

	if (colon == NULL || colon[1] == '\0')
		return "has no password before the @: write :password@ or user:password@";
	*colon = '\0';
	if (strpbrk(text, "@,[]") != NULL || strpbrk(colon + 1, "@[]") != NULL)
		return "has an @ or a bracket in its user or password: write %40, %5B or %5D";
	if (!text_percent_decode(text) || !text_percent_decode(colon + 1))
		return "has a % in its user or password that is none of %00 to %FF: write %25";
	if (!text_copy(url->user, sizeof(url->user), text) ||
	    !text_copy(url->password, sizeof(url->password), colon + 1))
		return too_long;
	return NULL;
}

/* Read `ADDRESS[:PORT]`. */
static const char *
read_address(struct state_address *address, char *text)
{
	char *port = strchr(text, ':'), *bracket = strchr(text, ']');
	bool is_6 = text[0] == '[' && bracket != NULL;
	unsigned char bytes[16];
	long number = STATE_PORT;

	if (is_6) {
		*bracket = '\0';
		port = bracket[1] == '\0' ? NULL : bracket + 1;
		text++;
	}
	if (port != NULL && (*port != ':' || !read_number(&number, port + 1, 65535) || number == 0))
		return "has a port that is not a number from 1 to 65535";
	if (port != NULL)
		*port = '\0';
	if (inet_pton(is_6 ? AF_INET6 : AF_INET, text, bytes) != 1)
		return "names a host that is no address such as 192.0.2.1 or [2001:db8::1]: "
		       "names are not looked up, as nothing limits how long that takes";
	address->port = (int)number;
	return text_copy(address->host, sizeof(address->host), text) ? NULL : too_long;
}

static const char *
read_addresses(struct state_url *url, char *text)
{
	char *one;

	while ((one = strsep(&text, ",")) != NULL) {
		const char *wrong;

		if (url->count == STATE_ADDRESSES_MAX)
			return "has more than eight addresses";
		if ((wrong = read_address(&url->addresses[url->count++], one)) != NULL)
			return wrong;
	}
	return NULL;
}

static const char *
read_path(struct state_url *url, const char *path)
{
	url->count = 1;
	if (path[0] != '/')
		return "is not like unix:/path: the path is not absolute";
	if (!text_copy(url->addresses[0].host, STATE_HOST_SIZE, path))
		return "has a path of more than 107 bytes: no socket can have one";
	return NULL;
}

/* Read what follows `unix:`. */
static const char *
read_unix(struct state_url *url, char *text)
{
	const char *wrong;
	char *at;

	if (!text_begins(text, "//"))
		return read_path(url, text);
	if ((at = strstr(text, "@/")) == NULL)
		return "is not like unix:/path or unix://user:password@/path";
	*at = '\0';
	wrong = read_credentials(url, text + 2);
	return wrong != NULL ? wrong : read_path(url, at + 1);
}

/* Read what follows `redis:` or `rediss:`. */
static const char *
read_redis(struct state_url *url, char *text)
{
	const char *wrong = NULL;
	char *at, *slash;

	if (!text_begins(text, "//"))
		return "is not like redis://192.0.2.1:6379";
	text += 2;
	if ((slash = strpbrk(text, "/?#")) != NULL) {
		if (*slash != '/' ||
		    (slash[1] != '\0' && !read_number(&url->database, slash + 1, 99999999)))
			return "has something after the addresses that is no number of a database; "
			       "in a password write %2F for /, %3F for ?, %23 for #";
		*slash = '\0';
	}
	if ((at = strrchr(text, '@')) != NULL) {
		*at = '\0';
		wrong = read_credentials(url, text);
		text = at + 1;
	}
	return wrong != NULL ? wrong : read_addresses(url, text);
}

static const char *
read_copy(struct state_url *url, char *text)
{
	char *rest = strchr(text, ':') + 1;

	if (text_begins(text, "unix:"))
		return read_unix(url, rest);
	url->tls = text_begins(text, "rediss:");
	return read_redis(url, rest);
}

const char *
state_url_read(struct state_url *url, const char *value)
{
	char text[1024];
	const char *wrong = too_long;

	*url = (struct state_url){ .database = -1 };
	if (!state_url_is_meant(value))
		wrong = "is not like redis://192.0.2.1, rediss://192.0.2.1 or unix:/path";
	else if (text_copy(text, sizeof(text), value))
		wrong = read_copy(url, text);
	secret_wipe(text, sizeof(text));
	if (wrong != NULL)
		secret_wipe(url, sizeof(*url));
	return wrong;
}
