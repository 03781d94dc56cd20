/*
 * The address of Valkey or Redis.
 */
#include "store/redis_url.h"

#include <arpa/inet.h>

#include "fuzz.h"

/* The text of a field lies in the struct, and ends in it. */
static void
check_inside(const struct redis_url *url, const char *text)
{
	const char *end = url->text + sizeof(url->text);

	if (text[0] == '\0')
		return;
	CHECK(text >= url->text && text < end);
	CHECK(memchr(text, '\0', (size_t)(end - text)) != NULL);
}

static void
check_host(const struct redis_url *url, bool is_path)
{
	unsigned char bytes[16];

	CHECK(url->host[0] != '\0' && is_path == (url->host[0] == '/'));
	CHECK(is_path == (url->port == 0) && url->port >= 0 && url->port <= 65535);
	CHECK(!is_path || (!url->is_name && !url->tls && strlen(url->host) <= 107));
	CHECK(is_path || url->is_name || inet_pton(AF_INET, url->host, bytes) == 1 ||
	    inet_pton(AF_INET6, url->host, bytes) == 1);
	CHECK(!url->is_name || strspn(url->host, "0123456789.") < strlen(url->host));
	CHECK(!url->is_name || strpbrk(url->host, " /:@[],%\\\"") == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *value = fuzz_text(data, size);
	struct redis_url url;
	const char *wrong = redis_url_read(&url, value);

	if (wrong != NULL) {
		/* It goes to the log, and the value has a password in it. */
		CHECK(wrong[0] != '\0' && (wrong < value || wrong > value + strlen(value)));
		CHECK(wrong < (const char *)&url || wrong >= (const char *)(&url + 1));
	} else {
		CHECK(strncmp(value, "unix:", 5) == 0 || strncmp(value, "redis://", 8) == 0 ||
		    strncmp(value, "rediss://", 9) == 0);
		check_inside(&url, url.user);
		check_inside(&url, url.password);
		check_inside(&url, url.host);
		CHECK(url.user[0] == '\0' || url.password[0] != '\0');
		CHECK(url.database >= -1 && url.tls == (strncmp(value, "rediss:", 7) == 0));
		check_host(&url, strncmp(value, "unix:", 5) == 0);
		/* It goes to the log between quotes. */
		CHECK(url.shown[0] != '\0' && strpbrk(url.shown, " \"\\") == NULL);
		CHECK(strstr(url.shown, url.is_name ? url.host : "") != NULL);
	}
	free(value);
	return 0;
}
