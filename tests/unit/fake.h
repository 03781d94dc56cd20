/*
 * fake: a server that answers as a test wants it to, on a socket in a folder.
 */
#ifndef POSTERN_FAKE_H
#define POSTERN_FAKE_H

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "unit.h"

#define FAKE_MASTER "*1\r\n$6\r\nmaster\r\n"

/* How it answers; a test may change that while it runs. */
struct fake {
	char socket[UNIT_PATH_SIZE], url[UNIT_PATH_SIZE + 16];
	pid_t pid;
	struct fake_answers {
		char role[128], reply[256]; /* to ROLE, and to anything else */
		char set[64], then[256];    /* to SET, if any, and to anything after that */
		int delay;                  /* milliseconds before each byte */
		bool hangs_up;              /* instead of the reply */
		int connections, commands;  /* how many there were; ROLE is none */
	} * answers;                        /* in memory that it shares */
};

static inline void
fake_send(int fd, const char *answer, int delay)
{
	char bytes[256];
	size_t step;

	/* The test may change the answer as soon as it has this one. */
	snprintf(bytes, sizeof(bytes), "%s", answer);
	step = delay > 0 ? 1 : strlen(bytes);
	for (const char *at = bytes; *at != '\0'; at += step) {
		usleep((useconds_t)delay * 1000);
		if (send(fd, at, step, MSG_NOSIGNAL) < 0)
			return;
	}
}

/* Answer the commands of one connection: each is an array, and no word of ours begins as one. */
static inline void
fake_serve(int fd, struct fake_answers *answers)
{
	char bytes[8192];
	ssize_t length;

	answers->connections++;
	while ((length = read(fd, bytes, sizeof(bytes) - 1)) > 0) {
		bytes[length] = '\0';
		for (char *at = bytes; at != NULL; at = strstr(at, "\r\n*")) {
			char *name = strstr(strstr(at, "$"), "\r\n") + 2;

			at = name;
			if (strncmp(name, "ROLE", 4) == 0) {
				fake_send(fd, answers->role, answers->delay);
				continue;
			}
			answers->commands++;
			if (answers->hangs_up)
				return;
			if (strncmp(name, "SET", 3) != 0 || answers->set[0] == '\0') {
				fake_send(fd, answers->reply, answers->delay);
				continue;
			}
			fake_send(fd, answers->set, answers->delay);
			memcpy(answers->reply, answers->then, sizeof(answers->reply));
		}
	}
}

static inline void
fake_start(struct fake *fake, const char *folder, const char *reply)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	unit_path(fake->socket, folder, "fake");
	snprintf(fake->url, sizeof(fake->url), "unix:%s", fake->socket);
	assert_in_range(strlen(fake->socket), 1, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, fake->socket, strlen(fake->socket));
	(void)!unlink(fake->socket);
	fake->answers = mmap(NULL, sizeof(*fake->answers), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(fake->answers != MAP_FAILED);
	*fake->answers = (struct fake_answers){ .role = FAKE_MASTER };
	snprintf(fake->answers->reply, sizeof(fake->answers->reply), "%s", reply);
	assert_true(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(listener, 16) == 0);
	if ((fake->pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			int fd = accept(listener, NULL, NULL);

			fake_serve(fd, fake->answers);
			close(fd);
		}
	}
	close(listener);
}

static inline void
fake_stop(struct fake *fake)
{
	kill(fake->pid, SIGKILL);
	waitpid(fake->pid, NULL, 0);
	munmap(fake->answers, sizeof(*fake->answers));
}

#endif
