#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 1002 }; /* with the newline and the NUL */

static void
put_stderr(void *to, const char *line, size_t length)
{
	(void)to;
	/* There is nobody to tell when even this fails. */
	if (write(STDERR_FILENO, line, length) < 0)
		return;
}

struct log
log_stderr(void)
{
	return (struct log){ .put = put_stderr };
}

void
log_event(const struct log *log, const char *event, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list arguments;
	size_t length;

	length = (size_t)snprintf(line, sizeof(line) - 1, "postern: event=%s ", event);
	va_start(arguments, format);
	vsnprintf(line + length, sizeof(line) - 1 - length, format, arguments);
	va_end(arguments);
	length = strlen(line);
	for (size_t i = 0; i < length; i++) {
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
	}
	line[length] = '\n';
	log->put(log->to, line, length + 1);
}

const char *
log_text(char out[static LOG_TEXT_SIZE], const char *text)
{
	char *end = out;

	*end++ = '"';
	for (size_t i = 0; i < LOG_TEXT_BYTES && text[i] != '\0'; i++) {
		if (text[i] >= ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\')
			*end++ = text[i];
		else
			end += snprintf(end, 5, "\\x%02x", (unsigned)(unsigned char)text[i]);
	}
	*end++ = '"';
	*end = '\0';
	return out;
}
