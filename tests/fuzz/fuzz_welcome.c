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
	struct http *http = &from->http;

	if (!site_admits(&from->site, http, REQUEST_NOW))
		return;
	if (gate_is_asked(http))
		gate_answer(&gate, &from->site, &from->users, http, REQUEST_NOW);
	else if (site_sent(&from->site, http))
		answer(http, &from->site, &from->users, REQUEST_NOW);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char enters[] = { REQUEST_TOKEN, REQUEST_OLD_TOKEN, '\0' };

	/* What it remembers of one input must not change the next. */
	gate_close(&gate);
	gate = (struct gate){ 0 };
	request_run(data, size, answer_welcome, enters,
	    "REQUEST_METHOD=GET\nSCRIPT_NAME=/welcome\nREMOTE_ADDR=192.0.2.1\n",
	    "Status: 401 Unauthorized");
	return 0;
}
