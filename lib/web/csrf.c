#include "web/csrf.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* The scheme's default port, as it ends a host and port. */
static const char *
default_port(const char *origin)
{
	return strncasecmp(origin, "https:", 6) == 0 ? ":443" : ":80";
}

static const char *
after_scheme(const char *origin)
{
	const char *slashes = strstr(origin, "://");

	return slashes != NULL ? slashes + strlen("://") : "";
}

/* The length of a host and port without `port` at its end. */
static size_t
host_length(const char *host, const char *port)
{
	size_t length = strlen(host);

	if (length > strlen(port) && strcmp(host + length - strlen(port), port) == 0)
		length -= strlen(port);
	return length;
}

/* Are these the same host and port, where `port` need not be said? */
static bool
same_host(const char *a, const char *b, const char *port)
{
	size_t length = host_length(a, port);

	return length > 0 && length == host_length(b, port) && strncasecmp(a, b, length) == 0;
}

static bool
is_ours(const char *origin, const char *configured, const char *host)
{
	const char *port = default_port(origin);

	if (configured[0] == '\0')
		return same_host(after_scheme(origin), host, port);
	return strcspn(origin, ":") == strcspn(configured, ":") &&
	    strncasecmp(origin, configured, strcspn(origin, ":")) == 0 &&
	    same_host(after_scheme(origin), after_scheme(configured), port);
}

bool
csrf_is_safe(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
	    strcmp(method, "OPTIONS") == 0;
}

bool
csrf_allows(const struct csrf *request, const char *configured)
{
	/* Browsers open a WebSocket across sites, cookies and all, with a plain GET. */
	if (strcasestr(request->upgrade, "websocket") != NULL)
		return is_ours(request->origin, configured, request->host);
	if (csrf_is_safe(request->method))
		return true;
	if (request->fetch_site[0] != '\0')
		return strcmp(request->fetch_site, "same-origin") == 0 ||
		    strcmp(request->fetch_site, "none") == 0;
	return request->origin[0] == '\0' || is_ours(request->origin, configured, request->host);
}
