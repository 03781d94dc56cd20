/*
 * absent: what a program with every library inside does without.
 *
 * glibc loads plugins and looks up names with the help of libraries of the machine, which must
 * be of the very same glibc: the linker warns of it. libcrypto and libfcgi have code that would
 * ask for that, on behalf of callers unlike us. It is told no here, whatever the machine has.
 *
 * static.mk sets these functions in the place of glibc's.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stddef.h>

void *
dlopen(const char *file, int mode)
{
	(void)file;
	(void)mode;
	return NULL;
}

void *
dlsym(void *restrict handle, const char *restrict name)
{
	(void)handle;
	(void)name;
	return NULL;
}

int
dlclose(void *handle)
{
	(void)handle;
	return -1;
}

int
dladdr(const void *address, Dl_info *info)
{
	(void)address;
	(void)info;
	return 0;
}

char *
dlerror(void)
{
	static char why[] = "no libraries are loaded by a static program";

	return why;
}

int
getaddrinfo(const char *restrict node, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
	(void)node;
	(void)service;
	(void)hints;
	*found = NULL;
	return EAI_FAIL;
}

void
freeaddrinfo(struct addrinfo *found)
{
	(void)found;
}

int
getnameinfo(const struct sockaddr *restrict address, socklen_t length, char *restrict host,
    socklen_t host_size, char *restrict service, socklen_t service_size, int flags)
{
	(void)address;
	(void)length;
	(void)host;
	(void)host_size;
	(void)service;
	(void)service_size;
	(void)flags;
	return EAI_FAIL;
}

struct hostent *
gethostbyname(const char *name)
{
	(void)name;
	return NULL;
}
