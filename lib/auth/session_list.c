#include "auth/session_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum {
	WORD_LENGTH = LIST_WORD_SIZE, /* of a line, with its LF */
	TIME_DIGITS = 10,
	ENTRY_LENGTH = LIST_SID_SIZE + 2 + 3 * (TIME_DIGITS + 1),
	FORGET_AFTER = 86400, /* seconds that an entry outlives its session: a clock may be ahead */
};

#define HEX "0123456789abcdef"

/* Read the line of one entry. False where it is malformed. */
static bool
read_entry(struct list_entry *entry, const char *line)
{
	/* h is a hexadecimal digit, d a decimal one, k a kind. */
	static const char form[] =
	    "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh k dddddddddd dddddddddd dddddddddd\n";
	const char *times = line + LIST_SID_SIZE + 2;

	for (size_t i = 0; i < ENTRY_LENGTH; i++) {
		const bool digit = line[i] >= '0' && line[i] <= '9';
		bool right = line[i] == form[i];

		if (form[i] == 'h')
			right = digit || (line[i] >= 'a' && line[i] <= 'f');
		else if (form[i] == 'k')
			right = line[i] == LIST_COOKIE || line[i] == LIST_BEARER;
		else if (form[i] == 'd')
			right = digit;
		if (!right)
			return false;
	}
	*entry = (struct list_entry){ .kind = line[LIST_SID_SIZE],
		.since = strtol(times, NULL, 10),
		.renewed = strtol(times + TIME_DIGITS + 1, NULL, 10),
		.until = strtol(times + 2 * (TIME_DIGITS + 1), NULL, 10) };
	memcpy(entry->sid, line, LIST_SID_SIZE - 1);
	return true;
}

static bool
has_word(const char *list)
{
	return strspn(list, HEX) == WORD_LENGTH - 1 && list[WORD_LENGTH - 1] == '\n';
}

/* The first entry, or the end of the list. */
static const char *
first_entry(const char *list)
{
	return list + (has_word(list) ? WORD_LENGTH : strlen(list));
}

void
list_word(char out[static LIST_WORD_SIZE], const char *list)
{
	snprintf(out, LIST_WORD_SIZE, "%s", has_word(list) ? list : LIST_NO_WORD);
}

bool
list_find(struct list_entry *entry, const char *list, const char *sid)
{
	const char *first = first_entry(list), *at = first;

	*entry = (struct list_entry){ 0 };
	/* On the way of each request: of a long list one line is read, and the others are not. */
	while (sid[0] != '\0' && (at = strstr(at, sid)) != NULL) {
		if ((at - first) % ENTRY_LENGTH == 0 && read_entry(entry, at) &&
		    strcmp(entry->sid, sid) == 0)
			return true;
		at++;
	}
	*entry = (struct list_entry){ 0 };
	return false;
}

void
list_begin(char *out, const char *word)
{
	snprintf(out, WORD_LENGTH + 1, "%s\n", word);
}

void
list_remove(char *out, const char *list, const char *sid)
{
	struct list_entry entry;

	list_word(out, list);
	out[WORD_LENGTH - 1] = '\n';
	out += WORD_LENGTH;
	for (const char *at = first_entry(list); read_entry(&entry, at); at += ENTRY_LENGTH) {
		if (strcmp(entry.sid, sid) != 0) {
			memcpy(out, at, ENTRY_LENGTH);
			out += ENTRY_LENGTH;
		}
	}
	*out = '\0';
}

/* Does the entry go before the other one when there is no room? */
static bool
goes_before(const struct list_entry *entry, const struct list_entry *other, time_t now)
{
	const bool renewed = entry->renewed > entry->since;

	if ((entry->until <= now) != (other->until <= now))
		return entry->until <= now;
	if (renewed != (other->renewed > other->since))
		return !renewed;
	return entry->since < other->since;
}

/* Leave fewer than `max` entries of this kind, and none that was over long ago. */
static void
make_room(char *list, char kind, size_t max, time_t now)
{
	struct list_entry entry, first;
	size_t count;

	do {
		char *last = NULL, *at = list + WORD_LENGTH;

		count = 0;
		while (read_entry(&entry, at)) {
			if (entry.until <= now - FORGET_AFTER) {
				memmove(at, at + ENTRY_LENGTH, strlen(at + ENTRY_LENGTH) + 1);
				continue;
			}
			if (entry.kind == kind &&
			    (count++ == 0 || goes_before(&entry, &first, now))) {
				first = entry;
				last = at;
			}
			at += ENTRY_LENGTH;
		}
		if (count >= max)
			memmove(last, last + ENTRY_LENGTH, strlen(last + ENTRY_LENGTH) + 1);
	} while (count > max);
}

bool
list_put(char *out, size_t size, const char *list, const struct list_entry *entry, size_t max,
    time_t now)
{
	size_t length;

	list_remove(out, list, entry->sid);
	make_room(out, entry->kind, max, now);
	length = strlen(out);
	if (text_format(out + length, size - length, "%s %c %010lld %010lld %010lld\n", entry->sid,
		entry->kind, (long long)entry->since, (long long)entry->renewed,
		(long long)entry->until))
		return true;
	out[0] = '\0';
	return false;
}
