/*
 * decode: the simplest FastCGI program that verifies a token with libjwt.
 *
 * What the empty program does, and before it: find the cookie, jwt_decode() it, look at its "alg"
 * and its "exp". It asks for nothing else, knows no list of sessions and renews none. The bytes of
 * the secret are in SECRET.
 */
#include <fcgiapp.h>
#include <jwt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char page[] =
    "Status: 200 OK\r\n"
    "Cache-Control: no-store\r\n"
    "Vary: Accept, Cookie, Authorization, Sec-Fetch-Mode\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: same-origin\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Content-Security-Policy: default-src 'none'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Content-Length: 29\r\n"
    "\r\n"
    "{\"message\":\"Have a good day\"}";

static const char pass[] = "Status: 200 OK\r\n"
			   "Variable-REMOTE_USER: admin\r\n"
			   "\r\n";

static const char refusal[] = "Status: 401 Unauthorized\r\n"
			      "Content-Length: 0\r\n"
			      "\r\n";

/* The only cookie of a request, and so the last. */
static bool
is_good(const char *cookie, const char *secret)
{
	const char *token = cookie != NULL ? strstr(cookie, "token=") : NULL;
	jwt_t *jwt = NULL;
	bool good;

	if (token == NULL ||
	    jwt_decode(&jwt, token + strlen("token="), (const unsigned char *)secret,
		(int)strlen(secret)) != 0)
		return false;
	good = jwt_get_alg(jwt) == JWT_ALG_HS256 && jwt_get_grant_int(jwt, "exp") > time(NULL);
	jwt_free(jwt);
	return good;
}

int
main(void)
{
	const char *secret = getenv("SECRET");
	FCGX_Request request;

	if (secret == NULL || secret[0] == '\0' || FCGX_Init() != 0 ||
	    FCGX_InitRequest(&request, 0, 0) != 0)
		return 1;
	while (FCGX_Accept_r(&request) >= 0) {
		const char *role = FCGX_GetParam("FCGI_ROLE", request.envp);

		if (!is_good(FCGX_GetParam("HTTP_COOKIE", request.envp), secret))
			FCGX_PutStr(refusal, sizeof(refusal) - 1, request.out);
		else if (role != NULL && strcmp(role, "AUTHORIZER") == 0)
			FCGX_PutStr(pass, sizeof(pass) - 1, request.out);
		else
			FCGX_PutStr(page, sizeof(page) - 1, request.out);
		FCGX_Finish_r(&request);
	}
	return 0;
}
