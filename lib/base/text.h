/*
 * text: strings that fit, or are refused; what a name may look like.
 *
 * Nothing is ever cut short: a truncated name or path is another name or path.
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

/* Undo percent-encoding (RFC 3986, section 2.1) in place. False at a broken escape or a NUL. */
bool text_percent_decode(char *text);

#endif
