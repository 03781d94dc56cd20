/*
 * fault: what a test wants of the system, loaded before the C library by LD_PRELOAD.
 *
 *	FAULT_CLOCK=FILE	seconds in it are added to the time
 *	FAULT_HASHES=FILE	a line is added to it for each password hash
 *	FAULT_CRYPT=1		no password can be hashed
 *	FAULT_RANDOM=1		there is no randomness
 *	FAULT_STOP=CALL:N	the process stops, until SIGCONT, before the Nth call of crypt_r,
 *				flock, link, rename or send: write(2) to a socket is one too
 *	FAULT_FLOCK=1		every lock is had at once, as where locks hold on one machine only
 *	FAULT_MALLOC=N		the Nth allocation fails, in FastCGI after the first accept
 *	FAULT_COUNT=FILE	is told how many there were, at the end
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct crypt_data;
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

time_t
time(time_t *out)
{
	const char *path = getenv("FAULT_CLOCK");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct timespec now;
	char text[32] = "";

	clock_gettime(CLOCK_REALTIME, &now);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		now.tv_sec += atol(text);
	if (fd >= 0)
		close(fd);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

static void
note(const char *variable, const char *line)
{
	const char *path = getenv(variable);
	int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		return;
	close(fd);
}

/* -- places to stop at --------------------------------------------------------------------- */

static void
stop_before(const char *call)
{
	static long calls; /* of the one that is named */
	const char *wanted = getenv("FAULT_STOP");
	const size_t length = strlen(call);

	if (wanted != NULL && strncmp(wanted, call, length) == 0 && wanted[length] == ':' &&
	    ++calls == atol(wanted + length + 1))
		raise(SIGSTOP);
}

int
flock(int fd, int operation)
{
	stop_before("flock");
	return getenv("FAULT_FLOCK") != NULL ? 0 : (int)syscall(SYS_flock, fd, operation);
}

int
linkat(int old_dir, const char *old, int new_dir, const char *new, int flags)
{
	stop_before("link");
	return (int)syscall(SYS_linkat, old_dir, old, new_dir, new, flags);
}

int
renameat(int old_dir, const char *old, int new_dir, const char *new)
{
	stop_before("rename");
	return (int)syscall(SYS_renameat2, old_dir, old, new_dir, new, 0);
}

ssize_t
send(int fd, const void *data, size_t size, int flags)
{
	stop_before("send");
	return sendto(fd, data, size, flags, NULL, 0);
}

ssize_t
write(int fd, const void *data, size_t size)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
		stop_before("send");
	return syscall(SYS_write, fd, data, size);
}

char *
crypt_r(const char *password, const char *setting, struct crypt_data *data)
{
	char *(*real)(const char *, const char *, struct crypt_data *) =
	    (char *(*)(const char *, const char *, struct crypt_data *))dlsym(RTLD_NEXT, "crypt_r");
	char line[16];

	stop_before("crypt_r");
	snprintf(line, sizeof(line), "%.6s\n", setting);
	note("FAULT_HASHES", line);
	if (getenv("FAULT_CRYPT") != NULL)
		return NULL;
	return real(password, setting, data);
}

ssize_t
getrandom(void *out, size_t length, unsigned flags)
{
	if (getenv("FAULT_RANDOM") == NULL)
		return syscall(SYS_getrandom, out, length, flags);
	errno = EIO;
	return -1;
}

/* -- memory ------------------------------------------------------------------------------ */

static long *allocations; /* shared with a child, if there is one */
static int accepted;

int
accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	int got = (int)syscall(SYS_accept4, fd, address, size, flags);

	accepted = accepted || got >= 0;
	return got;
}

static int
fails(void)
{
	const char *nth = getenv("FAULT_MALLOC");

	if (!accepted && getenv("GATEWAY_INTERFACE") == NULL)
		return 0;
	if (allocations == NULL)
		allocations = mmap(NULL, sizeof(*allocations), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (++*allocations != (nth != NULL ? atol(nth) : 0))
		return 0;
	errno = ENOMEM;
	return 1;
}

__attribute__((destructor)) static void
tell(void)
{
	char line[32];

	snprintf(line, sizeof(line), "%ld\n", allocations != NULL ? *allocations : 0);
	note("FAULT_COUNT", line);
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}
