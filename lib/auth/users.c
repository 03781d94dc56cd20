#include "auth/users.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/password.h"
#include "base/secret.h"
#include "base/text.h"

enum {
	USERS_FILE_MAX = 256 * 1024 * 1024,
	COMPLAINTS_MAX = 100, /* a file full of bad lines must not fill the log */
};

static void
complain(const struct log *log, size_t *complaints, const struct users_line *line,
    const char *reason)
{
	char quoted[LOG_TEXT_SIZE];

	if (++*complaints <= COMPLAINTS_MAX)
		log_event(log, "config", "setting=POSTERN_USERS line=%zu user=%s reason=\"%s\"",
		    line->number, log_text(quoted, line->name), reason);
}

/*
 * Split a line of the file, of `length` bytes and a NUL, in place. False when it holds no user:
 * then `reason` says what is wrong with it, or is NULL for a comment or an empty line.
 */
static bool
split(char *line, size_t length, struct users_line *out, const char **reason)
{
	char *colon = strchr(line, ':');
	char *hash;

	*reason = NULL;
	out->name = "";
	if (length > 0 && line[length - 1] == '\r')
		line[--length] = '\0';
	if (length == 0 || line[0] == '#')
		return false;
	*reason = "the line has a NUL byte";
	if (strlen(line) != length)
		return false;
	*reason = "the line is not name:hash";
	if (colon == NULL)
		return false;
	*colon = '\0';
	hash = colon + 1;
	hash[strcspn(hash, ":")] = '\0';
	*reason = "the name is longer than 63 bytes or has a character that no name may have";
	if (!text_is_name(line))
		return false;
	out->name = line;
	out->hash = hash;
	*reason = password_refuse(hash);
	return *reason == NULL;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct users_line *)a)->name, ((const struct users_line *)b)->name);
}

/* Of the same name, the line that comes first in the file. */
static int
by_name_and_number(const void *a, const void *b)
{
	size_t left = ((const struct users_line *)a)->number;
	size_t right = ((const struct users_line *)b)->number;
	int order = by_name(a, b);

	return order != 0 ? order : (left > right) - (left < right);
}

static size_t
count_lines(const struct file *file)
{
	size_t lines = 1;

	for (size_t i = 0; i < file->length; i++)
		lines += file->text[i] == '\n';
	return lines;
}

/* Sort the lines and leave one of each name. */
static void
sort(struct users *users, const struct log *log, size_t *complaints)
{
	size_t kept = 0;

	qsort(users->lines, users->count, sizeof(users->lines[0]), by_name_and_number);
	for (size_t i = 0; i < users->count; i++) {
		if (kept > 0 && strcmp(users->lines[kept - 1].name, users->lines[i].name) == 0)
			complain(log, complaints, &users->lines[i],
			    "the name stands twice: the first line counts");
		else
			users->lines[kept++] = users->lines[i];
	}
	users->count = kept;
}

static void
parse(struct users *users, const struct log *log)
{
	char *line = users->file.text, *end = line + users->file.length;
	size_t complaints = 0;

	if (text_begins(line, TEXT_BYTE_ORDER_MARK))
		line += strlen(TEXT_BYTE_ORDER_MARK);
	for (size_t number = 1; line < end; number++) {
		struct users_line *slot = &users->lines[users->count];
		char *stop = memchr(line, '\n', (size_t)(end - line));
		const char *reason;

		if (stop == NULL)
			stop = end;
		*stop = '\0';
		slot->number = number;
		if (split(line, (size_t)(stop - line), slot, &reason))
			users->count++;
		else if (reason != NULL)
			complain(log, &complaints, slot, reason);
		line = stop + 1;
	}
	sort(users, log, &complaints);
	if (complaints > COMPLAINTS_MAX)
		log_event(log, "config", "setting=POSTERN_USERS reason=\"%zu bad lines in all\"",
		    complaints);
}

bool
users_read(struct users *users, const char *path, time_t now, const struct log *log)
{
	char why[FILE_WHY_SIZE];

	switch (file_read(&users->file, path, USERS_FILE_MAX, true, now, why)) {
	case FILE_UNCHANGED:
		return true;
	case FILE_FAULT:
		log_event(log, "config", "setting=POSTERN_USERS reason=\"%s\"", why);
		users_forget(users);
		return false;
	case FILE_READ:
		break;
	}
	free(users->lines);
	users->count = 0;
	users->lines = calloc(count_lines(&users->file), sizeof(users->lines[0]));
	if (users->lines == NULL) {
		log_event(log, "config", "setting=POSTERN_USERS reason=\"out of memory\"");
		users_forget(users);
		return false;
	}
	parse(users, log);
	return true;
}

/* Which of `count` lines stands in for an unknown name. Always the same one for a name. */
static size_t
decoy(const char *name, const unsigned char key[static SECRET_DIGEST_BYTES], size_t count)
{
	unsigned char digest[SECRET_DIGEST_BYTES];
	uint64_t number;

	/* On a fault the digest is zero, and so any line does. */
	secret_digest(digest, key, SECRET_DIGEST_BYTES, name, strlen(name));
	memcpy(&number, digest, sizeof(number));
	return (size_t)(number % count);
}

bool
users_find(const struct users *users, const char *name,
    const unsigned char key[static SECRET_DIGEST_BYTES], const char **hash)
{
	const struct users_line wanted = { .name = name };
	const struct users_line *line;

	*hash = NULL;
	if (users->count == 0)
		return false;
	*hash = users->lines[decoy(name, key, users->count)].hash;
	line = bsearch(&wanted, users->lines, users->count, sizeof(users->lines[0]), by_name);
	if (line != NULL)
		*hash = line->hash;
	return line != NULL;
}

void
users_forget(struct users *users)
{
	file_forget(&users->file);
	free(users->lines);
	*users = (struct users){ 0 };
}
