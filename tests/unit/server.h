/*
 * server: a real redis-server, on a socket in a folder of its own.
 */
#ifndef POSTERN_SERVER_H
#define POSTERN_SERVER_H

#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "unit.h"

enum { SERVER_ARGUMENTS = 48, SERVER_SECONDS = 20 };

struct server {
	char folder[UNIT_PATH_SIZE], socket[UNIT_PATH_SIZE], url[UNIT_PATH_SIZE + 16];
	redisContext *context; /* of the tests themselves */
	pid_t pid;
};

/* Connect, unless that is done. False where nobody listens. */
static inline bool
server_connect(struct server *server)
{
	if (server->context == NULL)
		server->context = redisConnectUnix(server->socket);
	assert_non_null(server->context);
	if (server->context->err == 0)
		return true;
	redisFree(server->context);
	server->context = NULL;
	return false;
}

/* Start it in its folder, with these options. */
static inline void
server_start(struct server *server, const char *const options[])
{
	const char *arguments[SERVER_ARGUMENTS] = { "redis-server", "--port", "0", "--unixsocket",
		server->socket, "--dir", server->folder, "--save", "", "--loglevel", "warning" };
	const time_t end = time(NULL) + SERVER_SECONDS;
	size_t count = 11;

	while (options != NULL && *options != NULL)
		arguments[count++] = *options++;
	assert_true(count < SERVER_ARGUMENTS);
	if ((server->pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (freopen("/dev/null", "w", stdout) != NULL)
			execvp("redis-server", (char **)arguments);
		_exit(127);
	}
	while (!server_connect(server)) {
		assert_true(time(NULL) < end && waitpid(server->pid, NULL, WNOHANG) == 0);
		usleep(2000);
	}
}

static inline void
server_stop(struct server *server)
{
	if (server->context != NULL)
		redisFree(server->context);
	server->context = NULL;
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	unlink(server->socket);
}

/* A folder for one, in memory if there is such a place. */
static inline void
server_make(struct server *server)
{
	void *folder;

	*server = (struct server){ .context = NULL };
	assert_int_equal(unit_make_memory_folder(&folder), 0);
	memcpy(server->folder, folder, UNIT_PATH_SIZE);
	unit_path(server->socket, folder, "socket");
	snprintf(server->url, sizeof(server->url), "unix:%s/socket", (char *)folder);
	free(folder);
}

static inline void
server_remove(struct server *server)
{
	assert_int_equal(nftw(server->folder, unit_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Do something there; the reply, if it is an integer. */
__attribute__((format(printf, 2, 3))) static inline long long
server_do(struct server *server, const char *format, ...)
{
	redisReply *reply;
	long long integer;
	va_list arguments;

	assert_true(server_connect(server));
	va_start(arguments, format);
	reply = redisvCommand(server->context, format, arguments);
	va_end(arguments);
	assert_non_null(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", format, reply->str);
	integer = reply->integer;
	freeReplyObject(reply);
	return integer;
}

#endif
