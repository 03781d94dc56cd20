/*
 * spawn: how long do programs take, from spawn to exit?
 *
 *	spawn ROUNDS <PROGRAMS
 *
 * PROGRAMS has a program a paragraph: the words of its command in the first line, its environment
 * in the lines after that. They run in turn, ROUNDS times each, with nothing to read, and
 * what they write is thrown away; each must exit with 0. Prints of each, in the same order, the
 * nanoseconds, the shortest and the median, and the page faults of the last run.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { PROGRAMS_MAX = 16, WORDS_MAX = 16, VARIABLES_MAX = 64, LINE_SIZE = 8192 };

struct program {
	char *words[WORDS_MAX + 1];
	char *variables[VARIABLES_MAX + 1];
	size_t variable_count;
	long *times, faults;
};

static void
fail(const char *what)
{
	fprintf(stderr, "spawn: %s\n", what);
	exit(EXIT_FAILURE);
}

static long
nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void
take_words(struct program *program, char *line)
{
	size_t count = 0;

	for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
		if (count == WORDS_MAX || (program->words[count++] = strdup(word)) == NULL)
			fail("a command is too long");
	}
}

/* Read the paragraphs; how many there are. */
static size_t
read_programs(struct program programs[static PROGRAMS_MAX], size_t rounds)
{
	static char line[LINE_SIZE];
	struct program *program = NULL;
	size_t count = 0;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0') {
			program = NULL;
		} else if (program == NULL) {
			if (count == PROGRAMS_MAX)
				fail("too many programs");
			program = &programs[count++];
			take_words(program, line);
			if ((program->times = calloc(rounds, sizeof(long))) == NULL)
				fail("memory");
		} else if (program->variable_count == VARIABLES_MAX ||
		    (program->variables[program->variable_count++] = strdup(line)) == NULL) {
			fail("too many variables");
		}
	}
	return count;
}

static long
run(struct program *program, const posix_spawn_file_actions_t *actions)
{
	long began = nanoseconds();
	struct rusage used;
	int status;
	pid_t pid;

	if (posix_spawn(&pid, program->words[0], actions, NULL, program->words,
		program->variables) != 0 ||
	    wait4(pid, &status, 0, &used) != pid || status != 0)
		fail(program->words[0]);
	program->faults = used.ru_minflt;
	return nanoseconds() - began;
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
	static struct program programs[PROGRAMS_MAX];
	size_t rounds = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	posix_spawn_file_actions_t actions;
	size_t count;

	if (rounds == 0)
		fail("spawn ROUNDS <PROGRAMS");
	count = read_programs(programs, rounds);
	if (posix_spawn_file_actions_init(&actions) != 0 ||
	    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) != 0 ||
	    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0) != 0)
		fail("memory");
	for (size_t i = 0; i < rounds; i++) {
		for (size_t j = 0; j < count; j++)
			programs[j].times[i] = run(&programs[j], &actions);
	}
	for (size_t j = 0; j < count; j++) {
		qsort(programs[j].times, rounds, sizeof(long), by_time);
		printf("%ld %ld %ld\n", programs[j].times[0], programs[j].times[rounds / 2],
		    programs[j].faults);
	}
	return EXIT_SUCCESS;
}
