/*
 * `next`, the REQUEST_URI, and whatever else wants to become a Location.
 */
#include "web/redirect.h"

#include "base/text.h"
#include "fuzz.h"

static const char *
after_path(const char *text)
{
	return text + strcspn(text, "?#");
}

/* What target.h says of one that was accepted. */
static void
check_target(const char *target, char *again)
{
	char *path = fuzz_text(target, (size_t)(after_path(target) - target));

	CHECK(strlen(target) < REDIRECT_SIZE);
	CHECK(target[0] == '/' && target[1] != '/' && target[1] != '\\');
	for (const char *at = target; *at != '\0'; at++)
		CHECK(*at > ' ' && *at <= '~' && *at != '\\');
	CHECK(redirect_accept(again, target) && strcmp(again, target) == 0);
	CHECK(text_percent_decode(path));
	CHECK(path[0] == '/' && path[1] != '/' && path[1] != '\\');
	for (const char *at = path; *at != '\0'; at++)
		CHECK((unsigned char)*at >= ' ' && *at != 0x7f);
	free(path);
}

/* The login page gets back what it was sent with, or nothing. */
static void
check_location(const char *target)
{
	static const char login[] = "/login";
	char *location = malloc(REDIRECT_LOCATION_SIZE), *next;

	CHECK(location != NULL);
	redirect_location(location, login, target);
	CHECK(strlen(location) < REDIRECT_LOCATION_SIZE && text_begins(location, login));
	next = location + strlen(login);
	if (*next != '\0') {
		CHECK(text_begins(next, "?next="));
		next += strlen("?next=");
		CHECK(strpbrk(next, "&+#") == NULL);
		CHECK(text_percent_decode(next) && strcmp(next, target) == 0);
	} else {
		CHECK(target[0] == '\0' || strlen(target) > REDIRECT_LOCATION_SIZE / 3 - 10);
	}
	free(location);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *in = fuzz_text(data, size), *out = malloc(REDIRECT_SIZE),
	     *again = malloc(REDIRECT_SIZE);

	CHECK(out != NULL && again != NULL);
	if (redirect_accept(out, in))
		check_target(out, again);
	else
		CHECK(out[0] == '\0');
	check_location(out);
	free(again);
	free(out);
	free(in);
	return 0;
}
