/*
 * csrf: did a page of this site send the request? (cross-site request forgery)
 *
 * HttpOnly keeps a cookie from scripts, not from another site's forms. The rule is that of Go's
 * CrossOriginProtection, on Fetch Metadata and the Origin header (RFC 6454).
 */
#ifndef POSTERN_CSRF_H
#define POSTERN_CSRF_H

#include <stdbool.h>

#include "web/site.h"

/*
 * May the request be carried out? Always if its method is safe (RFC 9110, section 9.2.1) and it
 * asks for no upgrade to a WebSocket. `origin` is the site's own, or empty: then Host says it.
 */
bool csrf_allows(const struct http *http, const char *origin);

/* The same; a request that may not is answered with 403. */
bool csrf_admits(const struct request *request);

#endif
