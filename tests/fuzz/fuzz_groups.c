/*
 * The group file: what a gate lists of a user's groups is what it finds the user in.
 */
#include "auth/groups.h"

#include "base/text.h"
#include "fuzz.h"

enum { NOW = 1700000000, GROUPS_FD = 100 };

static void
check_groups(const struct groups *groups, const char *user)
{
	char names[4096], *rest = names, *group;
	bool listed = groups_of(names, sizeof(names), groups, user);

	CHECK(listed || names[0] == '\0');
	if (names[0] == '\0')
		return;
	while ((group = strsep(&rest, ",")) != NULL) {
		CHECK(text_is_name(group));
		CHECK(groups_have(groups, group, user));
		/* Each is listed once. */
		for (char *later = rest; later != NULL; later = strchr(later, ',')) {
			size_t length = strlen(group);

			later += *later == ',';
			CHECK(strncmp(later, group, length) != 0 ||
			    (later[length] != ',' && later[length] != '\0'));
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	const struct log log = { fuzz_check_line, NULL };
	struct groups groups = { 0 };

	if (config.groups[0] == '\0')
		fuzz_file(config.groups, GROUPS_FD);
	fuzz_write(GROUPS_FD, data, size);
	CHECK(groups_read(&groups, &config, NOW, &log));
	check_groups(&groups, "ada");
	check_groups(&groups, "b");
	CHECK(
	    !groups_have(&groups, "no name:", "ada") && !groups_have(&groups, "staff", "no name,"));
	groups_forget(&groups);
	return 0;
}
