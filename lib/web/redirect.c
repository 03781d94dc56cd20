#include "web/redirect.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

/* Does it begin with a path of this site? Browsers take `\` for `/`. */
static bool
begins_as_path(const char *text)
{
	return text[0] == '/' && text[1] != '/' && text[1] != '\\';
}

bool
redirect_accept(char out[static REDIRECT_SIZE], const char *in)
{
	char plain['~' - '!' + 2] = "", path[REDIRECT_SIZE];
	bool safe = begins_as_path(in);

	for (char c = '!'; c <= '~'; c++)
		plain[c - '!'] = c;
	for (const char *at = in; *at != '\0' && safe; at++)
		safe = !iscntrl((unsigned char)*at) && *at != ' ' && *at != '\\';
	out[0] = '\0';
	if (!safe || !text_percent_encode(out, REDIRECT_SIZE, in, plain))
		return false;
	/* It must still look like one after a server or a browser has decoded it. */
	text_copy(path, sizeof(path), out);
	path[strcspn(path, "?#")] = '\0';
	safe = text_percent_decode(path) && begins_as_path(path);
	for (const char *at = path; *at != '\0' && safe; at++)
		safe = !iscntrl((unsigned char)*at);
	if (!safe)
		out[0] = '\0';
	return safe;
}

void
redirect_location(char out[static REDIRECT_LOCATION_SIZE], const char *login, const char *target)
{
	char encoded[REDIRECT_LOCATION_SIZE];

	if (target[0] == '\0' ||
	    !text_percent_encode(encoded, sizeof(encoded), target,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$'()*,:@/") ||
	    !text_format(out, REDIRECT_LOCATION_SIZE, "%s?next=%s", login, encoded))
		text_copy(out, REDIRECT_LOCATION_SIZE, login);
}
