/*
 * A request to login.fcgi. Only a password lets somebody in.
 */
#include "request.h"

/* The clock stands still. */
static time_t
request_time(time_t *out)
{
	(void)out;
	return REQUEST_NOW;
}

int login_main(int argc, char **argv);
#define main login_main
#define time request_time
#include "../../src/login.c"
#undef time
#undef main

static void
answer_login(struct server *from)
{
	const struct request request = { &from->http, &from->site, &from->http.log, REQUEST_NOW };

	if (site_admits(&request))
		answer(&request);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char enters[] = { REQUEST_PASSWORD, '\0' };

	request_run(data, size, answer_login, enters,
	    "REQUEST_METHOD=GET\nSCRIPT_NAME=/login\nREMOTE_ADDR=192.0.2.1\n", "Status: 200 OK");
	return 0;
}
