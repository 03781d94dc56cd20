/*
 * gate: a verdict said so that this web server understands it.
 *
 * A web server asks whether a request for something that it guards may pass. The verdicts are
 * 200, and 302, 401, 403 or 503; whatever goes wrong is not a pass. What is guarded is for the
 * server's configuration to say: no path is looked at here.
 */
#ifndef POSTERN_GATE_H
#define POSTERN_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "auth/token.h"
#include "web/site.h"

enum {
	GATE_SENT_MAX = 64,
	GATE_GROUPS_SIZE = 1024, /* of Variable-REMOTE_GROUPS, with the NUL */
};

/*
 * The last tokens of this process that were sent round to come back as renewed ones; none twice.
 * Zero one first.
 */
struct gate {
	struct {
		char sid[TOKEN_SID_SIZE];
		time_t expires;
	} sent[GATE_SENT_MAX];
	size_t next;
};

/* Does the request ask a gate, even if by a mistake of the configuration? */
bool gate_is_asked(const struct http *http);

/* Answer for the gate. */
void gate_answer(struct gate *gate, const struct request *request);

/*
 * Answer a visitor who is not signed in: a browser is sent to the login page, from where it comes
 * back, unless that would lose what it has sent, in a request that is neither GET nor HEAD; a
 * program is told.
 */
void gate_send_to_login(const struct request *request);

/* Is the visitor signed in? If not, or if it cannot be told, that is answered. */
bool gate_finds_user(struct token *token, const struct request *request);

/* Tell a visitor who is signed in why the gate said no: Apache leaves that to an error document. */
void gate_explain(const struct request *request, const struct token *token);

#endif
