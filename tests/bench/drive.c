/*
 * drive: ask a FastCGI program the same things again and again, with no web server between.
 *
 *	drive SOCKET REQUESTS COUNT
 *
 * REQUESTS is a file of whole requests, each after its length in four bytes, in the machine's own
 * order. They are asked in turn, one at a time; every reply must say 200. Prints the nanoseconds
 * that a request took: the median, and the mean of all.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct request {
	const char *bytes;
	size_t length;
};

static void
fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static long
nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

/* The whole file; `*length` says how long it is. */
static char *
read_file(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	char *bytes;
	long size;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
		fail(path);
	rewind(file);
	*length = (size_t)size;
	if ((bytes = malloc(*length + 1)) == NULL || fread(bytes, 1, *length, file) != *length)
		fail(path);
	fclose(file);
	return bytes;
}

/* Take the file apart; how many requests there are. */
static size_t
split(struct request **requests, const char *bytes, size_t length)
{
	size_t count = 0;

	if ((*requests = calloc(length / sizeof(uint32_t), sizeof(**requests))) == NULL)
		fail("memory");
	for (size_t at = 0; at + sizeof(uint32_t) <= length; count++) {
		uint32_t size;

		memcpy(&size, bytes + at, sizeof(size));
		(*requests)[count] = (struct request){ bytes + at + sizeof(size), size };
		at += sizeof(size) + size;
	}
	return count;
}

static void
ask(const struct sockaddr_un *address, const struct request *request)
{
	static const char good[] = "Status: 200";
	char reply[16384];
	size_t length = 0;
	ssize_t got;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		fail("connect");
	if (write(fd, request->bytes, request->length) != (ssize_t)request->length)
		fail("write");
	while ((got = read(fd, reply + length, sizeof(reply) - length)) > 0)
		length += (size_t)got;
	close(fd);
	/* After the eight bytes before a record. */
	if (length < 8 + sizeof(good) || memcmp(reply + 8, good, sizeof(good) - 1) != 0) {
		fprintf(stderr, "the reply is not 200: %.*s\n", (int)length, reply);
		exit(EXIT_FAILURE);
	}
}

static int
by_time(const void *a, const void *b)
{
	const long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct request *requests;
	size_t length, kinds, count;
	long *times, began;
	char *bytes;

	if (argc != 4 || strlen(argv[1]) >= sizeof(address.sun_path))
		return EXIT_FAILURE;
	strcpy(address.sun_path, argv[1]);
	bytes = read_file(argv[2], &length);
	kinds = split(&requests, bytes, length);
	count = strtoul(argv[3], NULL, 10);
	if (kinds == 0 || count == 0 || (times = calloc(count, sizeof(*times))) == NULL)
		return EXIT_FAILURE;
	began = nanoseconds();
	for (size_t i = 0; i < count; i++) {
		long asked = nanoseconds();

		ask(&address, &requests[i % kinds]);
		times[i] = nanoseconds() - asked;
	}
	length = (size_t)(nanoseconds() - began);
	qsort(times, count, sizeof(*times), by_time);
	printf("%ld %ld\n", times[count / 2], (long)(length / count));
	free(times);
	free(requests);
	free(bytes);
	return EXIT_SUCCESS;
}
