/*
 * The user file, and with it which hashes are taken. None is computed: that is slow.
 */
#include "auth/users.h"

#include "auth/password.h"
#include "base/secret.h"
#include "fuzz.h"

enum { NOW = 1700000000, USERS_FD = 100 };

static struct config config = { .secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" };

/* Does the account say what its line does? The pwv is a digest of name and hash. */
static void
check_pwv(const struct account *account, const char *hash)
{
	unsigned char key[SECRET_DIGEST_BYTES], digest[SECRET_DIGEST_BYTES];
	char text[TEXT_NAME_SIZE + PASSWORD_HASH_SIZE + 1], pwv[TOKEN_PWV_SIZE];

	CHECK(text_format(text, sizeof(text), "%s:%s", account->user, hash));
	secret_derive(key, config.secret, "pwv");
	secret_digest(digest, key, sizeof(key), text, strlen(text));
	secret_hex(pwv, digest, (TOKEN_PWV_SIZE - 1) / 2);
	CHECK(account->pwv_count == 1 && strcmp(account->pwv[0], pwv) == 0);
	CHECK(users_has_pwv(account, pwv) && !users_has_pwv(account, "0000000000000000"));
}

/* Who is not in the file has the account of one who is. */
static void
check_unknown(const struct users *users, const char *name)
{
	struct account account, again;

	users_find(&account, users, name, &config);
	CHECK(!account.known && (account.line == NULL) == (users->count == 0));
	CHECK(account.line != NULL || (account.user[0] == '\0' && account.pwv_count == 0));
	if (account.line == NULL)
		return;
	users_find(&again, users, account.user, &config);
	CHECK(again.known && again.line == account.line);
	CHECK(strcmp(again.pwv[0], account.pwv[0]) == 0);
}

/* Split a line as an htpasswd file is meant. NULL, or the hash, when it may sign in. */
static const char *
split(char *line, size_t length)
{
	char *colon;

	if (length > 0 && line[length - 1] == '\r')
		line[--length] = '\0';
	if (strlen(line) != length || line[0] == '#' || (colon = strchr(line, ':')) == NULL)
		return NULL;
	*colon = '\0';
	colon[1 + strcspn(colon + 1, ":")] = '\0';
	return text_is_name(line) && password_refuse(colon + 1) == NULL ? colon + 1 : NULL;
}

/* Every line that may sign in is a user, once: the first of a name counts. */
static void
check_users(const struct users *users, const uint8_t *data, size_t size)
{
	const char *seen[64], *all[256];
	size_t count = 0, lines = 0;
	const bool marked = size >= 3 && memcmp(data, TEXT_BYTE_ORDER_MARK, 3) == 0;

	for (size_t at = marked ? 3 : 0; at < size && lines < COUNT(all) && count < COUNT(seen);) {
		const uint8_t *stop = memchr(data + at, '\n', size - at);
		const size_t length = stop != NULL ? (size_t)(stop - data) - at : size - at;
		char *line = fuzz_text(data + at, length);
		const char *hash = split(line, length);
		struct account account;
		bool twice = false;

		all[lines++] = line;
		at += length + 1;
		if (hash == NULL)
			continue;
		for (size_t i = 0; i < count; i++)
			twice = twice || strcmp(seen[i], line) == 0;
		users_find(&account, users, line, &config);
		CHECK(account.known && strcmp(account.user, line) == 0);
		if (!twice) {
			check_pwv(&account, hash);
			seen[count++] = line;
		}
	}
	CHECK(users->count == count || lines == COUNT(all) || count == COUNT(seen));
	while (lines > 0)
		free((char *)all[--lines]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct log log = { fuzz_check_line, NULL };
	struct users users = { 0 };
	char *hash = fuzz_text(data, size);

	if (config.users[0] == '\0')
		fuzz_file(config.users, USERS_FD);
	fuzz_write(USERS_FD, data, size);
	CHECK(users_read(&users, &config, NOW, &log));
	check_users(&users, data, size);
	check_unknown(&users, "no name:");
	users_forget(&users);
	if (password_refuse(hash) == NULL)
		CHECK(strlen(hash) < PASSWORD_HASH_SIZE && strchr(hash, ':') == NULL);
	free(hash);
	return 0;
}
