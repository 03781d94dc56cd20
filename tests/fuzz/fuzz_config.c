/*
 * The environment file. A user file that it may name is /proc/self/fd/100.
 */
#include "base/config.h"

#include "base/text.h"
#include "fuzz.h"

enum { NOW = 1700000000, USERS_FD = 100, ENV_FD };

static bool
is_path(const char *text)
{
	return text[0] == '/' && text[1] != '/' && strpbrk(text, " \\\"<>") == NULL;
}

static void
check_right(const struct config *config)
{
	CHECK(strlen(config->secret) >= CONFIG_SECRET_MIN);
	CHECK(config->secret_previous[0] == '\0' ||
	    strlen(config->secret_previous) >= CONFIG_SECRET_MIN);
	CHECK(config->users[0] == '/' && config->state[0] != '\0');
	CHECK(config->token_ttl > 0 && config->token_ttl <= 99999999);
	CHECK(config->session_ttl > 0 && config->session_ttl <= 99999999);
	CHECK(config->state_grace >= 0 && config->state_grace <= 99999999);
	CHECK(config->sessions >= 1 && config->sessions <= CONFIG_SESSIONS_MAX);
	CHECK(config->issuer[0] != '\0' && text_is_utf8(config->title, strlen(config->title)));
	CHECK(config->cookie[0] != '\0' && strpbrk(config->cookie, " ;,=\"\\") == NULL);
	CHECK(is_path(config->login) && is_path(config->logout) && is_path(config->home));
	CHECK(config->origin[0] == '\0' || strstr(config->origin, "://") != NULL);
	CHECK(config->secure || strncmp(config->cookie, "__", 2) != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config none;
	static char path[FUZZ_PATH_SIZE];
	struct config config;
	struct text_why why;

	if (path[0] == '\0') {
		fuzz_file(path, USERS_FD);
		fuzz_file(path, ENV_FD);
		setenv("POSTERN_ENV", path, 1);
	}
	fuzz_write(ENV_FD, data, size);
	if (config_load(&config, NOW, &why)) {
		CHECK(why.text[0] == '\0' && memchr(data, '\0', size) == NULL);
		check_right(&config);
		config_is_served(&config, config.login, &why);
	} else {
		CHECK(why.text[0] != '\0' && strlen(why.text) < sizeof(why.text));
		CHECK(memcmp(&config, &none, sizeof(config)) == 0);
	}
	return 0;
}
