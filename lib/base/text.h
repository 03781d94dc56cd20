/*
 * text: strings that fit, or are refused; what a name may look like.
 *
 * Nothing but a reason is ever cut short: a truncated name or path is another name or path.
 */
#ifndef POSTERN_TEXT_H
#define POSTERN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum { TEXT_NAME_SIZE = 64 }; /* the longest name of a user or group, with the NUL */

/* What editors of Windows put before the first line of a file. */
#define TEXT_BYTE_ORDER_MARK "\xef\xbb\xbf"

/* How many elements an array has. */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Copy `in` to `out`. False, with `out` emptied, when it needs more than `size` bytes. */
bool text_copy(char *out, size_t size, const char *in);

/* Like snprintf(3). False, with `out` emptied, when the text needs more than `size` bytes. */
bool text_format(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Why something is refused and how to mend it, for a person; empty where nothing is. */
struct text_why {
	char text[1024];
};

/* Say why, like snprintf(3); a reason that is too long is cut. Always false. */
bool text_refuse(struct text_why *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A part of a text, which has no NUL at its end. */
struct text_span {
	const char *at;
	size_t length;
};

/*
 * Take the next of the parts of `*rest` that bytes of `set` separate, and move `*rest` past it; no
 * part is empty. False when there is none.
 */
bool text_next(struct text_span *part, const char **rest, const char *set);

/* Is the part this text? */
bool text_is(const struct text_span *part, const char *text);

/* Are these `length` bytes UTF-8 (RFC 3629): no overlong form, surrogate or stray byte? */
bool text_is_utf8(const char *text, size_t length);

/*
 * Is this a name: 1 to 63 bytes of UTF-8 without control characters (C0, DEL, C1),
 * space, or any of : ; , " \ = ?
 */
bool text_is_name(const char *text);

/* Is every byte of `text` in `set`? */
bool text_is_made_of(const char *text, const char *set);

/* Does `text` begin with `prefix`? */
bool text_begins(const char *text, const char *prefix);

/*
 * Copy `in` to `out`, percent-encoded (RFC 3986, section 2.1) but for the bytes of `plain`. False,
 * with `out` emptied, when it needs more than `size` bytes.
 */
bool text_percent_encode(char *out, size_t size, const char *in, const char *plain);

/* Undo percent-encoding (RFC 3986, section 2.1) in place. False at a broken escape or a NUL. */
bool text_percent_decode(char *text);

#endif
