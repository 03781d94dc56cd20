/*
 * The list of a user's open sessions. A first byte says the most entries; then come the text of a
 * list, a NUL, and commands of three bytes: put or remove; which sid, of 16; how much later.
 */
#include "auth/session_list.h"

#include "base/text.h"
#include "fuzz.h"

enum { NOW = 1700000000, SIDS = 16, PUT_SIZE = 128, CHANGES_MAX = 48 };

static void
make_sid(char out[static LIST_SID_SIZE], unsigned number)
{
	CHECK(text_format(out, LIST_SID_SIZE, "%032x", 0xabc00 + number % SIDS));
}

/* Is this sid somewhere in the text, as a line that begins with it? */
static bool
has_line(const char *list, const char *sid)
{
	for (const char *at = list; at != NULL; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, sid, strlen(sid)) == 0)
			return true;
		if (*at == '\0')
			break;
	}
	return false;
}

static void
check_word(const char *list)
{
	char word[LIST_WORD_SIZE];

	list_word(word, list);
	CHECK(strlen(word) == LIST_WORD_SIZE - 1 && text_is_made_of(word, "0123456789abcdef"));
	CHECK(strcmp(word, LIST_NO_WORD) == 0 || text_begins(list, word));
}

static bool
is_same(const struct list_entry *a, const struct list_entry *b)
{
	return strcmp(a->sid, b->sid) == 0 && a->kind == b->kind && a->since == b->since &&
	    a->renewed == b->renewed && a->until == b->until;
}

/* What is found of a sid is in the text; what is not found is nothing. */
static bool
find(struct list_entry *entry, const char *list, const char *sid)
{
	static const struct list_entry none;

	if (!list_find(entry, list, sid)) {
		CHECK(is_same(entry, &none));
		return false;
	}
	CHECK(strcmp(entry->sid, sid) == 0 && has_line(list, sid));
	CHECK(entry->kind == LIST_COOKIE || entry->kind == LIST_BEARER);
	CHECK(entry->since >= 0 && entry->renewed >= 0 && entry->until >= 0);
	return true;
}

/* No sid but this one is found that was not found before. */
static void
check_others(const char *before, const char *after, const char *changed)
{
	struct list_entry old, new;
	char sid[LIST_SID_SIZE];

	for (unsigned i = 0; i < SIDS; i++) {
		make_sid(sid, i);
		if (strcmp(sid, changed) == 0 || !find(&new, after, sid))
			continue;
		CHECK(find(&old, before, sid) && is_same(&old, &new));
	}
}

static size_t
count_kind(const char *list, char kind)
{
	struct list_entry entry;
	char sid[LIST_SID_SIZE];
	size_t count = 0;

	for (unsigned i = 0; i < SIDS; i++) {
		make_sid(sid, i);
		count += find(&entry, list, sid) && entry.kind == kind;
	}
	return count;
}

/* Carry out a command, and return the changed list; the one before is freed. */
static char *
change(char *list, const uint8_t command[static 3], size_t max)
{
	const size_t size = strlen(list) + PUT_SIZE;
	struct list_entry entry = { .kind = command[0] & 4 ? LIST_BEARER : LIST_COOKIE,
		.since = NOW + command[2],
		.renewed = NOW + command[2] + (command[0] & 8),
		.until = NOW + 8L * command[2] };
	struct list_entry found;
	char *out = malloc(size);

	CHECK(out != NULL);
	make_sid(entry.sid, command[1]);
	if (command[0] % 4 == 0) {
		list_remove(out, list, entry.sid);
		CHECK(!find(&found, out, entry.sid));
	} else {
		CHECK(list_put(out, size, list, &entry, max, NOW));
		CHECK(find(&found, out, entry.sid));
		CHECK(is_same(&found, &entry));
		CHECK(count_kind(out, entry.kind) <= max);
	}
	check_word(out);
	check_others(list, out, entry.sid);
	free(list);
	return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t max = 1 + fuzz_byte(&data, &size) % SIDS;
	char *list = fuzz_part(&data, &size);
	struct list_entry entry;

	check_word(list);
	/* It is in no list unless it is written out in it. */
	find(&entry, list, "0123456789abcdef0123456789abcdef");
	CHECK(!find(&entry, list, ""));
	for (int i = 0; i < CHANGES_MAX && size >= 3; i++, data += 3, size -= 3)
		list = change(list, data, max);
	free(list);
	return 0;
}
