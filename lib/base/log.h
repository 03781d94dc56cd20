/*
 * log: one line an event, logfmt.
 *
 *	postern: event=login_failed user="ada" ip=203.0.113.7 reason=password
 *
 * Never a password, a token, a cookie, a body or a key.
 */
#ifndef POSTERN_LOG_H
#define POSTERN_LOG_H

#include <stddef.h>

enum {
	LOG_TEXT_BYTES = 63,                    /* of a quoted text, longer ones are cut */
	LOG_TEXT_SIZE = 4 * LOG_TEXT_BYTES + 3, /* every byte escaped, the quotes, the NUL */
};

/* Where lines go: `put` is called with `to` and a whole line, its newline included. */
struct log {
	void (*put)(void *to, const char *line, size_t length);
	void *to;
};

/* A log whose lines go to file descriptor 2. */
struct log log_stderr(void);

/*
 * Write one line. `format` makes the fields after event=NAME; a text that somebody else
 * chose goes through log_text() first. Whatever is not printable ASCII becomes a `?`, so
 * a line is always one line; one longer than 1,000 bytes is cut.
 */
void log_event(const struct log *log, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Write `text` to `out` in double quotes, `"`, `\` and whatever is not printable ASCII
 * as \xHH, and return `out`.
 */
const char *log_text(char out[static LOG_TEXT_SIZE], const char *text);

#endif
