/*
 * A request to welcome.fcgi, its page or a gate. Only a token lets somebody in.
 */
#include "request.h"

int welcome_main(int argc, char **argv);
#define main welcome_main
#include "../../src/welcome.c"
#undef main

static struct gate gate;

static void
answer_welcome(struct server *from)
{
	const struct request request = { &from->http, &from->site, &from->http.log, REQUEST_NOW };

	if (!site_admits(&request))
		return;
	if (gate_is_asked(request.http))
		gate_answer(&gate, &request);
	else if (csrf_admits(&request))
		answer(&request);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char enters[] = { REQUEST_TOKEN, REQUEST_OLD_TOKEN, '\0' };

	/* What it remembers of one input must not change the next. */
	gate = (struct gate){ 0 };
	request_run(data, size, answer_welcome, enters,
	    "REQUEST_METHOD=GET\nSCRIPT_NAME=/welcome\nREMOTE_ADDR=192.0.2.1\n",
	    "Status: 401 Unauthorized");
	return 0;
}
