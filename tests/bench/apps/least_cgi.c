/*
 * least_cgi: the least that a plain CGI program does if it looks whether a session is listed.
 *
 * It decodes the only cookie with libjwt, reads the record of the user's sessions, looks for the
 * sid and answers a constant. It reads no settings, looks for no damage and frees nothing. The
 * bytes of the secret are in SECRET, the path of the record in RECORD.
 */
#include <fcntl.h>
#include <jwt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char page[] = "Status: 200 OK\r\n"
			   "Content-Type: application/json; charset=utf-8\r\n"
			   "Content-Length: 29\r\n"
			   "\r\n"
			   "{\"message\":\"Have a good day\"}";

static const char refusal[] = "Status: 401 Unauthorized\r\n\r\n";

/* The sid of a good token, or NULL. */
static const char *
read_sid(const char *cookie, const char *secret)
{
	const char *token = cookie != NULL ? strstr(cookie, "token=") : NULL;
	jwt_t *jwt = NULL;

	if (token == NULL || secret == NULL ||
	    jwt_decode(&jwt, token + strlen("token="), (const unsigned char *)secret,
		(int)strlen(secret)) != 0 ||
	    jwt_get_alg(jwt) != JWT_ALG_HS256 || jwt_get_grant_int(jwt, "exp") <= time(NULL))
		return NULL;
	return jwt_get_grant(jwt, "sid");
}

static bool
is_listed(const char *sid, const char *path)
{
	char record[8192];
	int fd = open(path, O_RDONLY);
	ssize_t length = fd >= 0 ? read(fd, record, sizeof(record) - 1) : -1;

	if (length < 0)
		return false;
	record[length] = '\0';
	return strstr(record, sid) != NULL;
}

int
main(void)
{
	const char *path = getenv("RECORD");
	const char *sid = read_sid(getenv("HTTP_COOKIE"), getenv("SECRET"));

	if (path == NULL || sid == NULL || !is_listed(sid, path))
		return write(STDOUT_FILENO, refusal, sizeof(refusal) - 1) != sizeof(refusal) - 1;
	return write(STDOUT_FILENO, page, sizeof(page) - 1) != sizeof(page) - 1;
}
