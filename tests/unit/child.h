/*
 * child: a function run in a process of its own, as a web server would start it.
 */
#ifndef POSTERN_CHILD_H
#define POSTERN_CHILD_H

#include <signal.h>
#include <sys/wait.h>

#include "unit.h"

extern char **environ;

enum { CHILD_SECONDS = 20 }; /* after which it is killed: it hangs */

struct child {
	char out[131072 + 4096], err[8192]; /* what it wrote to fd 1 and 2 */
	int status;                         /* what it returned, or -1 if it was killed */
};

static inline void
child_slurp(char *out, size_t size, FILE *file)
{
	size_t length;

	rewind(file);
	length = fread(out, 1, size - 1, file);
	out[length] = '\0';
	fclose(file);
}

/* Become a process with these descriptors and this environment, run, and end. */
static inline void
child_become(const int fds[3], const char *const environment[], int (*run)(void *), void *argument)
{
	for (int fd = 0; fd < 3; fd++)
		dup2(fds[fd], fd);
	if (environment != NULL)
		environ = (char **)environment;
	alarm(CHILD_SECONDS);
	_exit(run(argument));
}

/*
 * Run with `environment`, or ours if it is NULL, and with `body` on fd 0: in a pipe, which is
 * closed behind it unless `body` is NULL: then nothing comes, and no end either.
 */
static inline void
child_run(struct child *child, const char *const environment[], const char *body,
    int (*run)(void *), void *argument)
{
	FILE *out = tmpfile(), *err = tmpfile();
	int in[2], status = 0;
	pid_t pid;

	assert_true(out != NULL && err != NULL && pipe(in) == 0);
	if (body != NULL) {
		assert_true(write(in[1], body, strlen(body)) == (ssize_t)strlen(body));
		close(in[1]);
	}
	if ((pid = fork()) == 0)
		child_become((int[]){ in[0], fileno(out), fileno(err) }, environment, run,
		    argument);
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	close(in[0]);
	if (body == NULL)
		close(in[1]);
	child_slurp(child->out, sizeof(child->out), out);
	child_slurp(child->err, sizeof(child->err), err);
	child->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
