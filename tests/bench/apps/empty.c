/*
 * empty: a FastCGI program that answers a constant, what welcome.fcgi answers to a good token.
 *
 * It is what the simplest program reaches behind a web server: whatever is asked, it looks only at
 * whether it is asked for a page or as a gate. libfcgi waits after each reply until the server has
 * closed the connection; built with -DAT_ONCE, this program closes it itself.
 */
#include <fcgiapp.h>
#include <string.h>

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

int
main(void)
{
	FCGX_Request request;

	if (FCGX_Init() != 0 || FCGX_InitRequest(&request, 0, 0) != 0)
		return 1;
	while (FCGX_Accept_r(&request) >= 0) {
		const char *role = FCGX_GetParam("FCGI_ROLE", request.envp);

		if ((role != NULL && strcmp(role, "AUTHORIZER") == 0) ||
		    FCGX_GetParam("POSTERN_GATE", request.envp) != NULL)
			FCGX_PutStr(pass, sizeof(pass) - 1, request.out);
		else
			FCGX_PutStr(page, sizeof(page) - 1, request.out);
#ifdef AT_ONCE
		FCGX_Detach(&request);
#endif
		FCGX_Finish_r(&request);
	}
	return 0;
}
