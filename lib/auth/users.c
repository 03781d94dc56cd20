#include "auth/users.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

enum {
	USERS_FILE_MAX = 256 * 1024 * 1024,
	COMPLAINTS_MAX = 100, /* a file full of bad lines must not fill the log */
};

/* One usable line of the file; both texts lie in the file's own memory. */
struct users_line {
	const char *name, *hash;
	size_t number;
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

/* Split a line in place. NULL, or what is wrong with it. */
static const char *
split(struct users_line *out, const struct file_line *line)
{
	char *colon = strchr(line->text, ':');

	*out = (struct users_line){ .name = "", .number = line->number };
	if (line->has_nul)
		return "the line has a NUL byte";
	if (colon == NULL)
		return "the line is not name:hash";
	*colon = '\0';
	if (!text_is_name(line->text))
		return "the name is longer than 63 bytes or has a character that no name may have";
	out->name = line->text;
	out->hash = colon + 1;
	colon[1 + strcspn(out->hash, ":")] = '\0';
	return password_refuse(out->hash);
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
	const struct users_line *left = a, *right = b;
	const int order = by_name(a, b);

	return order != 0 ? order : (left->number > right->number) - (left->number < right->number);
}

/* Sort the lines, and leave the first of each name. */
static void
sort_lines(struct users *users, const struct log *log, size_t *complaints)
{
	size_t kept = 0;

	qsort(users->lines, users->count, sizeof(users->lines[0]), by_name_and_number);
	for (size_t i = 0; i < users->count; i++) {
		if (kept > 0 && by_name(&users->lines[kept - 1], &users->lines[i]) == 0)
			complain(log, complaints, &users->lines[i],
			    "the name stands twice: the first line counts");
		else
			users->lines[kept++] = users->lines[i];
	}
	users->count = kept;
}

bool
users_read(struct users *users, const struct config *config, time_t now, const struct log *log)
{
	size_t lines = 1, complaints = 0;
	struct text_why why;
	struct file_line line;

	switch (file_read(&users->file, config->users, USERS_FILE_MAX, FILE_SECRET, now, &why)) {
	case FILE_UNCHANGED:
		return true;
	case FILE_FAULT:
		log_event(log, "config", "setting=POSTERN_USERS reason=\"%s\"", why.text);
		users_forget(users);
		return false;
	case FILE_READ:
		break;
	}
	for (size_t i = 0; i < users->file.length; i++)
		lines += users->file.text[i] == '\n';
	free(users->lines);
	users->count = 0;
	users->lines = calloc(lines, sizeof(users->lines[0]));
	if (users->lines == NULL) {
		log_event(log, "config", "setting=POSTERN_USERS reason=\"out of memory\"");
		users_forget(users);
		return false;
	}
	line = file_first_line(&users->file);
	while (file_next_line(&line)) {
		struct users_line *next = &users->lines[users->count];
		const char *wrong = split(next, &line);

		if (wrong == NULL)
			users->count++;
		else
			complain(log, &complaints, next, wrong);
	}
	sort_lines(users, log, &complaints);
	if (complaints > COMPLAINTS_MAX)
		log_event(log, "config", "setting=POSTERN_USERS reason=\"%zu bad lines in all\"",
		    complaints);
	return true;
}

void
users_find(struct account *account, const struct users *users, const char *name,
    const struct config *config)
{
	const char *const secrets[] = { config->secret, config->secret_previous };
	const struct users_line wanted = { .name = name };
	unsigned char digest[SECRET_DIGEST_BYTES];
	char text[TEXT_NAME_SIZE + PASSWORD_HASH_SIZE + 1];
	uint64_t number;

	*account = (struct account){ .line = NULL };
	if (users->count == 0)
		return;
	account->line =
	    bsearch(&wanted, users->lines, users->count, sizeof(users->lines[0]), by_name);
	account->known = account->line != NULL;
	/* The line that stands in for an unknown name is always the same one for a name. */
	if (!account->known) {
		secret_mac(digest, config->secret, "decoy", name);
		memcpy(&number, digest, sizeof(number));
		account->line = &users->lines[number % users->count];
	}
	text_copy(account->user, sizeof(account->user), account->line->name);
	text_format(text, sizeof(text), "%s:%s", account->user, account->line->hash);
	for (size_t i = 0; i < COUNT(secrets) && secrets[i][0] != '\0'; i++) {
		secret_mac(digest, secrets[i], "pwv", text);
		secret_hex(account->pwv[i], digest, (TOKEN_PWV_SIZE - 1) / 2);
		account->pwv_count++;
	}
	secret_wipe(text, sizeof(text));
}

enum password
users_check(const struct account *account, const char *password)
{
	enum password match;

	if (account->line == NULL)
		return PASSWORD_WRONG;
	match = password_check(password, account->line->hash);
	return match == PASSWORD_RIGHT && !account->known ? PASSWORD_WRONG : match;
}

bool
users_has_pwv(const struct account *account, const char pwv[static TOKEN_PWV_SIZE])
{
	bool same = false;

	for (size_t i = 0; i < account->pwv_count; i++)
		same = same || secret_equal(account->pwv[i], pwv, TOKEN_PWV_SIZE);
	return same;
}

void
users_forget(struct users *users)
{
	file_forget(&users->file);
	free(users->lines);
	*users = (struct users){ 0 };
}
