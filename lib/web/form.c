#include "web/form.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <strings.h>

#include "base/secret.h"
#include "base/text.h"

enum { JSON_DEPTH = 8 };

/* The field of this name; NULL when it is none of ours. */
static const char **
find_field(struct form *form, const char *name)
{
	if (strcmp(name, "username") == 0)
		return &form->username;
	if (strcmp(name, "password") == 0)
		return &form->password;
	if (strcmp(name, "next") == 0)
		return &form->next;
	if (strcmp(name, "everywhere") == 0)
		return &form->everywhere;
	return NULL;
}

/* Undo form encoding in place. False at a broken escape, a NUL, or what is not UTF-8. */
static bool
decode(char *text)
{
	for (char *at = text; (at = strchr(at, '+')) != NULL;)
		*at = ' ';
	return text_percent_decode(text) && text_is_utf8(text, strlen(text));
}

static bool
read_pairs(struct form *form, char *body)
{
	char *name;

	while ((name = strsep(&body, "&")) != NULL) {
		char *value = name + strcspn(name, "=");
		const char **field;

		if (*value == '=')
			*value++ = '\0';
		if (!decode(name) || !decode(value))
			return false;
		if ((field = find_field(form, name)) == NULL)
			continue;
		if (*field != NULL)
			return false;
		*field = value;
	}
	return true;
}

/* Of the escape that begins with this u: 1 for the first of a surrogate pair, 2 for the second. */
static int
surrogate(const char *u)
{
	if (strncasecmp(u, "ud", 2) != 0)
		return 0;
	return strchr("89abAB", u[2]) != NULL ? 1 : strchr("cdefCDEF", u[2]) != NULL ? 2 : 0;
}

/*
 * Does JSON text keep what json-c does not ask of it: no control character in a string, no NUL
 * even escaped, surrogates in pairs (RFC 8259, sections 7 and 8), neither NaN nor Infinity?
 */
static bool
is_strict(const char *text)
{
	bool in_string = false;

	for (; *text != '\0'; text++) {
		if (*text == '"')
			in_string = !in_string;
		if (in_string ? (unsigned char)*text < ' ' : *text == 'N' || *text == 'I')
			return false;
		if (*text != '\\')
			continue;
		text++;
		if (*text == '\0' || text_begins(text, "u0000") || surrogate(text) == 2)
			return false;
		if (surrogate(text) == 0)
			continue;
		if (strlen(text) < 11 || text[5] != '\\' || surrogate(text + 6) != 2)
			return false;
		text += 10;
	}
	return true;
}

/*
 * Move the texts of the members to where the body was, wiping json-c's copies: decoded text is
 * never longer than its JSON. False when a field of ours is no string.
 */
static bool
take_members(struct form *form, struct json_object *object, char *body)
{
	json_object_object_foreach(object, name, member)
	{
		const char **field = find_field(form, name);
		size_t length;
		char *text;

		if (field == NULL)
			continue;
		if (!json_object_is_type(member, json_type_string))
			return false;
		length = (size_t)json_object_get_string_len(member);
		text = (char *)json_object_get_string(member);
		memcpy(body, text, length + 1);
		secret_wipe(text, length);
		*field = body;
		body += length + 1;
	}
	return true;
}

static bool
read_json(struct form *form, char *body, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
	struct json_object *object;
	bool read;

	if (tokener == NULL)
		return false;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, body, (int)length);
	read = json_object_is_type(object, json_type_object) && take_members(form, object, body);
	json_object_put(object);
	json_tokener_free(tokener);
	return read;
}

/* Is `type` this media type, with or without parameters (RFC 9110, section 8.3.1)? */
static bool
is_type(const char *type, const char *wanted)
{
	size_t length = strlen(wanted);

	return strncasecmp(type, wanted, length) == 0 && strchr("; \t", type[length]) != NULL;
}

int
form_read(struct form *form, char *body, size_t length, const char *type)
{
	bool read = strlen(body) == length;

	*form = (struct form){ 0 };
	if (length == 0)
		return 0;
	errno = 0;
	if (is_type(type, FORM_TYPE))
		read = read && read_pairs(form, body);
	else if (is_type(type, "application/json"))
		read = read && text_is_utf8(body, length) && is_strict(body) &&
		    read_json(form, body, length);
	else
		return 415;
	/* Short of memory, json-c may also leave a member out. */
	if (read && errno != ENOMEM)
		return 0;
	*form = (struct form){ 0 };
	return errno == ENOMEM ? 500 : 400;
}
