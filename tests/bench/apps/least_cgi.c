/*
 * least_cgi: the least that a plain CGI program does if it asks LMDB for something.
 *
 * It decodes the only cookie with libjwt, opens the database, looks for one key and answers a
 * constant. It reads no settings, looks for no damage and frees nothing. The bytes of the secret
 * are in SECRET, the file of the database in ENDED.
 */
#include <jwt.h>
#include <lmdb.h>
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

static bool
is_good(const char *cookie, const char *secret)
{
	const char *token = cookie != NULL ? strstr(cookie, "token=") : NULL;
	jwt_t *jwt = NULL;

	return token != NULL && secret != NULL &&
	    jwt_decode(&jwt, token + strlen("token="), (const unsigned char *)secret,
		(int)strlen(secret)) == 0 &&
	    jwt_get_alg(jwt) == JWT_ALG_HS256 && jwt_get_grant_int(jwt, "exp") > time(NULL);
}

static bool
is_open(const char *path)
{
	MDB_val key = { strlen(path), (void *)path }, value;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi database;

	return mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, 64 << 20) == 0 &&
	    mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD, 0600) == 0 &&
	    mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0 &&
	    mdb_dbi_open(txn, NULL, 0, &database) == 0 &&
	    mdb_get(txn, database, &key, &value) == MDB_NOTFOUND;
}

int
main(void)
{
	const char *path = getenv("ENDED");

	if (path == NULL || !is_good(getenv("HTTP_COOKIE"), getenv("SECRET")) || !is_open(path))
		return write(STDOUT_FILENO, refusal, sizeof(refusal) - 1) != sizeof(refusal) - 1;
	return write(STDOUT_FILENO, page, sizeof(page) - 1) != sizeof(page) - 1;
}
