/*
 * csrf: did a page of this site send the request?
 *
 * HttpOnly keeps a cookie from scripts, not from another site's forms. The rule is that of Go's
 * CrossOriginProtection, on Fetch Metadata and the Origin header (RFC 6454).
 */
#ifndef POSTERN_CSRF_H
#define POSTERN_CSRF_H

#include <stdbool.h>

/* What a request says about where it comes from; a header that was not sent is empty. */
struct csrf {
	const char *method;
	const char *fetch_site; /* Sec-Fetch-Site */
	const char *origin;     /* Origin */
	const char *host;       /* Host */
	const char *upgrade;    /* Upgrade */
};

/* Is this a safe method (RFC 9110, section 9.2.1): GET, HEAD or OPTIONS? */
bool csrf_is_safe(const char *method);

/*
 * May the request be carried out? Always if its method is safe and it asks for no upgrade to a
 * WebSocket. `configured` is the site's own origin, or empty; then `host` is it.
 */
bool csrf_allows(const struct csrf *request, const char *configured);

#endif
