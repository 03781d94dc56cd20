/*
 * setup: what a new site is given: a page that says how to set it up, lines of its user file.
 */
#ifndef POSTERN_SETUP_H
#define POSTERN_SETUP_H

#include <stdbool.h>

#include "web/site.h"

/*
 * Answer for a site that has no settings: 503, and a page that says which file to make. Over TLS,
 * or where the browser seems to be on this machine, it has a fresh secret to put into that, and
 * makes a line of the user file of a user name and a password: one process does so at a time.
 * Nothing is written or kept. False, with the request not answered, when there are settings, be
 * they wrong, or a gate is asked.
 */
bool setup_answers(const struct request *request);

/*
 * login.fcgi as a command, `--hash [NAME]`: read a password, twice from a terminal or else a line
 * of standard input, and print NAME:hash, or the hash alone when `name` is NULL. Returns a code of
 * sysexits.h: 0, 65 (EX_DATAERR) for a name or a password that cannot be, 70 (EX_SOFTWARE).
 */
int setup_command(const char *name);

#endif
