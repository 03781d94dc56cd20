#include "auth/groups.h"

#include <string.h>

#include "base/text.h"

enum { GROUPS_FILE_MAX = 16 * 1024 * 1024 };

#define BLANK " \t\r"

/* A piece of the file's text. */
struct span {
	const char *at;
	size_t length;
};

/* strchr() alone finds a NUL in every set. */
static bool
is_in(const char *set, char c)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Take the next of the pieces that are parted by bytes of `set`. False when there is none. */
static bool
next_span(const char **at, const char *end, const char *set, struct span *out)
{
	while (*at < end && is_in(set, **at))
		(*at)++;
	out->at = *at;
	while (*at < end && !is_in(set, **at))
		(*at)++;
	out->length = (size_t)(*at - out->at);
	return out->length > 0;
}

static bool
span_is(const struct span *span, const char *text)
{
	return strlen(text) == span->length && memcmp(text, span->at, span->length) == 0;
}

static bool
is_name(const struct span *span)
{
	char name[TEXT_NAME_SIZE];

	if (span->length >= sizeof(name))
		return false;
	memcpy(name, span->at, span->length);
	name[span->length] = '\0';
	return strlen(name) == span->length && text_is_name(name);
}

/* Split a line into the name of its group and the rest. False for a comment or a bad line. */
static bool
split(const struct span *line, struct span *group, const char **members)
{
	const char *colon = memchr(line->at, ':', line->length);

	if (line->at[0] == '#' || colon == NULL)
		return false;
	*group = (struct span){ line->at, (size_t)(colon - line->at) };
	*members = colon + 1;
	return is_name(group);
}

static bool
has_member(const struct span *line, const char *members, const char *user)
{
	struct span member;

	while (next_span(&members, line->at + line->length, BLANK, &member)) {
		if (span_is(&member, user))
			return true;
	}
	return false;
}

/* Find the next line of a group that has this member. */
static bool
next_group(const struct groups *groups, const char **at, const char *user, struct span *group)
{
	const char *end = groups->file.text + groups->file.length;
	const char *members;
	struct span line;

	while (next_span(at, end, "\n", &line)) {
		if (split(&line, group, &members) && has_member(&line, members, user))
			return true;
	}
	return false;
}

static void
name_bad_lines(const struct groups *groups, const struct log *log)
{
	const char *at = groups->file.text, *members;
	struct span line, group;
	char quoted[LOG_TEXT_SIZE], start[LOG_TEXT_BYTES + 1];

	while (next_span(&at, groups->file.text + groups->file.length, "\n", &line)) {
		const char *blank = line.at;
		struct span word;

		if (line.at[0] == '#' || split(&line, &group, &members) ||
		    !next_span(&blank, line.at + line.length, BLANK, &word))
			continue;
		text_format(start, sizeof(start), "%.*s",
		    line.length < LOG_TEXT_BYTES ? (int)line.length : LOG_TEXT_BYTES, line.at);
		log_event(log, "config",
		    "setting=POSTERN_GROUPS line=%s reason=\"is not group: name name\"",
		    log_text(quoted, start));
	}
}

bool
groups_read(struct groups *groups, const char *path, time_t now, const struct log *log)
{
	char why[FILE_WHY_SIZE];

	switch (file_read(&groups->file, path, GROUPS_FILE_MAX, true, now, why)) {
	case FILE_FAULT:
		log_event(log, "config", "setting=POSTERN_GROUPS reason=\"%s\"", why);
		return false;
	case FILE_READ:
		name_bad_lines(groups, log);
		break;
	case FILE_UNCHANGED:
		break;
	}
	return true;
}

bool
groups_have(const struct groups *groups, const char *group, const char *user)
{
	const char *at = groups->file.text;
	struct span found;

	if (at == NULL)
		return false;
	while (next_group(groups, &at, user, &found)) {
		if (span_is(&found, group))
			return true;
	}
	return false;
}

/* Is the group among those of the list already, by another line? */
static bool
is_listed(const char *list, const struct span *group)
{
	const char *end = list + strlen(list);
	struct span listed;

	while (next_span(&list, end, ",", &listed)) {
		if (listed.length == group->length &&
		    memcmp(listed.at, group->at, group->length) == 0)
			return true;
	}
	return false;
}

bool
groups_of(char *out, size_t size, const struct groups *groups, const char *user)
{
	const char *at = groups->file.text;
	struct span group;
	size_t used = 0;

	out[0] = '\0';
	while (next_group(groups, &at, user, &group)) {
		if (is_listed(out, &group))
			continue;
		if (!text_format(out + used, size - used, "%s%.*s", used > 0 ? "," : "",
			(int)group.length, group.at)) {
			out[0] = '\0';
			return false;
		}
		used += strlen(out + used);
	}
	return true;
}

void
groups_forget(struct groups *groups)
{
	file_forget(&groups->file);
}
