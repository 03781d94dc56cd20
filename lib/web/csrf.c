#include "web/csrf.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "web/reply.h"

/* The length of a host and port without `port` at its end. */
static size_t
host_length(const char *host, const char *port)
{
	const size_t length = strlen(host), end = strlen(port);

	return length > end && strcmp(host + length - end, port) == 0 ? length - end : length;
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
	const char *port = strncasecmp(origin, "https:", 6) == 0 ? ":443" : ":80";
	const char *theirs = strstr(origin, "://"), *ours = strstr(configured, "://");

	if (theirs == NULL)
		return false;
	if (configured[0] == '\0')
		return same_host(theirs + 3, host, port);
	return theirs - origin == ours - configured &&
	    strncasecmp(origin, configured, (size_t)(theirs - origin)) == 0 &&
	    same_host(theirs + 3, ours + 3, port);
}

bool
csrf_allows(const struct http *http, const char *origin)
{
	/* Browsers open a WebSocket across sites, cookies and all, with a plain GET. */
	if (strcasestr(http->upgrade, "websocket") != NULL)
		return is_ours(http->origin, origin, http->host);
	if (strcmp(http->method, "GET") == 0 || strcmp(http->method, "HEAD") == 0 ||
	    strcmp(http->method, "OPTIONS") == 0)
		return true;
	if (http->fetch_site[0] != '\0')
		return strcmp(http->fetch_site, "same-origin") == 0 ||
		    strcmp(http->fetch_site, "none") == 0;
	return http->origin[0] == '\0' || is_ours(http->origin, origin, http->host);
}

bool
csrf_admits(const struct request *request)
{
	const struct http *http = request->http;
	const char *ours = request->site->config.origin;
	char origin[LOG_TEXT_SIZE], host[LOG_TEXT_SIZE], fetch_site[LOG_TEXT_SIZE];

	if (csrf_allows(http, ours))
		return true;
	log_event(&http->log, "cross_site",
	    "ip=%s origin=%s host=%s sec_fetch_site=%s POSTERN_ORIGIN=\"%s\"", http->remote_addr,
	    log_text(origin, http->origin), log_text(host, http->host),
	    log_text(fetch_site, http->fetch_site), ours);
	reply_error(request, 403);
	return false;
}
