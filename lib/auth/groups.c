#include "auth/groups.h"

#include <string.h>

#include "base/text.h"

enum { GROUPS_FILE_MAX = 16 * 1024 * 1024 };

#define BLANK " \t\r"

bool
groups_read(struct groups *groups, const struct config *config, time_t now, const struct log *log)
{
	char quoted[LOG_TEXT_SIZE], name[TEXT_NAME_SIZE];
	struct file_line line;
	struct text_why why;
	enum file_read read;

	/* Settings that are read again may name no group file any more. */
	if (config->groups[0] == '\0') {
		groups_forget(groups);
		return true;
	}
	read = file_read(&groups->file, config->groups, GROUPS_FILE_MAX, FILE_SECRET, now, &why);
	if (read == FILE_FAULT) {
		log_event(log, "config", "setting=POSTERN_GROUPS reason=\"%s\"", why.text);
		groups_forget(groups);
	}
	if (read != FILE_READ)
		return read == FILE_UNCHANGED;
	groups->length = 0;
	line = file_first_line(&groups->file);
	while (file_next_line(&line)) {
		const size_t size = strlen(line.text) + 1;
		char *colon = strchr(line.text, ':');

		if (!line.has_nul && colon != NULL &&
		    text_format(name, sizeof(name), "%.*s", (int)(colon - line.text), line.text) &&
		    text_is_name(name)) {
			*colon = '\0';
			memmove(groups->file.text + groups->length, line.text, size);
			groups->length += size;
		} else if (!text_is_made_of(line.text, BLANK)) {
			log_event(log, "config",
			    "setting=POSTERN_GROUPS line=%s reason=\"is not group: name name\"",
			    log_text(quoted, line.text));
		}
	}
	return true;
}

/* The next group that has this member, from `*at` on, or NULL. */
static const char *
next_group(const struct groups *groups, const char **at, const char *user)
{
	struct text_span member;

	while (groups->length > 0 && *at < groups->file.text + groups->length) {
		const char *group = *at, *members = group + strlen(group) + 1;

		*at = members + strlen(members) + 1;
		while (text_next(&member, &members, BLANK)) {
			if (text_is(&member, user))
				return group;
		}
	}
	return NULL;
}

bool
groups_have(const struct groups *groups, const char *group, const char *user)
{
	const char *at = groups->file.text, *found;

	while ((found = next_group(groups, &at, user)) != NULL) {
		if (strcmp(found, group) == 0)
			return true;
	}
	return false;
}

bool
groups_of(char *out, size_t size, const struct groups *groups, const char *user)
{
	const char *at = groups->file.text, *group;
	size_t used = 0;

	out[0] = '\0';
	while ((group = next_group(groups, &at, user)) != NULL) {
		const char *rest = out;
		struct text_span listed;
		bool again = false;

		while (!again && text_next(&listed, &rest, ","))
			again = text_is(&listed, group);
		if (!again &&
		    !text_format(out + used, size - used, "%s%s", used > 0 ? "," : "", group)) {
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
	groups->length = 0;
}
