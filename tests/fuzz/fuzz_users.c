/*
 * The user file, and with it which hashes are taken. None is computed: that is slow.
 */
#include "auth/users.h"

#include "auth/password.h"
#include "base/text.h"
#include "fuzz.h"

enum { NOW = 1700000000, USERS_FD = 100 };

static const unsigned char key[SECRET_DIGEST_BYTES] = "a key that chooses decoys";

static bool
is_a_hash_of(const struct users *users, const char *hash)
{
	size_t i = 0;

	while (i < users->count && users->lines[i].hash != hash)
		i++;
	return i < users->count;
}

static void
check_users(const struct users *users)
{
	const char *hash;

	for (size_t i = 0; i < users->count; i++) {
		const struct users_line *line = &users->lines[i];

		CHECK(text_is_name(line->name) && password_refuse(line->hash) == NULL);
		CHECK(strlen(line->hash) < PASSWORD_HASH_SIZE && strchr(line->hash, ':') == NULL);
		CHECK(i == 0 || strcmp(users->lines[i - 1].name, line->name) < 0);
		CHECK(users_find(users, line->name, key, &hash) && hash == line->hash);
	}
	CHECK(!users_find(users, "no name:", key, &hash));
	CHECK(users->count == 0 ? hash == NULL : is_a_hash_of(users, hash));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[FUZZ_PATH_SIZE];
	const struct log log = { fuzz_check_line, NULL };
	struct users users = { 0 };
	char *hash = fuzz_text(data, size);

	if (path[0] == '\0')
		fuzz_file(path, USERS_FD);
	fuzz_write(USERS_FD, data, size);
	CHECK(users_read(&users, path, NOW, &log));
	check_users(&users);
	users_forget(&users);
	if (password_refuse(hash) == NULL)
		CHECK(strlen(hash) < PASSWORD_HASH_SIZE && strchr(hash, ':') == NULL);
	free(hash);
	return 0;
}
