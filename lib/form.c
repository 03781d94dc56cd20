#include "form.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <strings.h>

#include "secret.h"
#include "text.h"

enum { JSON_DEPTH = 8 };

static const struct field {
	const char *name;
	size_t offset;
} fields[] = {
	{ "username", offsetof(struct form, username) },
	{ "password", offsetof(struct form, password) },
	{ "next", offsetof(struct form, next) },
};

static const char **
slot(struct form *form, const struct field *field)
{
	return (const char **)((char *)form + field->offset);
}

/* Undo form encoding in place. False at a broken escape, a NUL, or what is not UTF-8. */
static bool
decode(char *text)
{
	for (char *at = text; (at = strchr(at, '+')) != NULL;)
		*at = ' ';
	return text_percent_decode(text) && text_is_utf8(text, strlen(text));
}

/* Take one name=value. False when it is malformed, or stands twice. */
static bool
take_pair(struct form *form, char *pair)
{
	char *value = pair + strcspn(pair, "=");

	if (*value == '=')
		*value++ = '\0';
	if (!decode(pair) || !decode(value))
		return false;
	for (size_t i = 0; i < COUNT(fields); i++) {
		if (strcmp(fields[i].name, pair) != 0)
			continue;
		if (*slot(form, &fields[i]) != NULL)
			return false;
		*slot(form, &fields[i]) = value;
	}
	return true;
}

static bool
read_pairs(struct form *form, char *text)
{
	char *pair;

	while ((pair = strsep(&text, "&")) != NULL) {
		if (!take_pair(form, pair))
			return false;
	}
	return true;
}

/*
 * Move a member's text to `*at`, wiping json-c's copy. Decoded text is never longer than
 * its JSON, so all of them fit where the body was. False when it is no string or has a NUL.
 */
static bool
take_member(struct form *form, const struct field *field, struct json_object *member, char **at)
{
	size_t length;
	char *text;

	if (!json_object_is_type(member, json_type_string))
		return false;
	length = (size_t)json_object_get_string_len(member);
	text = (char *)json_object_get_string(member);
	if (strlen(text) != length)
		return false;
	memcpy(*at, text, length + 1);
	secret_wipe(text, length);
	*slot(form, field) = *at;
	*at += length + 1;
	return true;
}

static bool
take_members(struct form *form, struct json_object *object, char *at)
{
	if (!json_object_is_type(object, json_type_object))
		return false;
	for (size_t i = 0; i < COUNT(fields); i++) {
		struct json_object *member;

		if (json_object_object_get_ex(object, fields[i].name, &member) &&
		    !take_member(form, &fields[i], member, &at))
			return false;
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
	read = take_members(form, object, body);
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
	if (is_type(type, "application/x-www-form-urlencoded"))
		read = read && read_pairs(form, body);
	else if (is_type(type, "application/json"))
		read = read && text_is_utf8(body, length) && read_json(form, body, length);
	else
		return 415;
	/* Short of memory, json-c may also leave a member out. */
	if (read && errno != ENOMEM)
		return 0;
	*form = (struct form){ 0 };
	return errno == ENOMEM ? 500 : 400;
}

bool
form_read_query(struct form *form, char *query)
{
	*form = (struct form){ 0 };
	if (read_pairs(form, query))
		return true;
	*form = (struct form){ 0 };
	return false;
}
