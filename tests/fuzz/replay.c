/*
 * replay: runs a harness without libFuzzer, on each file that is named, or is in a folder that
 * is named.
 */
#include <dirent.h>
#include <limits.h>

#include "fuzz.h"

static void
run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *data;

	CHECK(file != NULL && fstat(fileno(file), &st) == 0);
	data = malloc((size_t)st.st_size + 1);
	CHECK(data != NULL && fread(data, 1, (size_t)st.st_size + 1, file) == (size_t)st.st_size);
	fclose(file);
	/* Shrunk, so that a sanitizer sees one byte too far. */
	if (st.st_size > 0)
		data = realloc(data, (size_t)st.st_size);
	CHECK(data != NULL);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
}

/* Run each file of a folder, and return how many there are. */
static size_t
run_folder(const char *path)
{
	DIR *folder = opendir(path);
	char file[PATH_MAX];
	struct dirent *entry;
	size_t count = 0;

	CHECK(folder != NULL);
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		CHECK(
		    snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) < (int)sizeof(file));
		run_file(file);
		count++;
	}
	closedir(folder);
	CHECK(count > 0);
	return count;
}

int
main(int argc, char **argv)
{
	struct stat st;

	for (int i = 1; i < argc; i++) {
		CHECK(stat(argv[i], &st) == 0);
		if (S_ISDIR(st.st_mode))
			printf("%s: %zu inputs\n", argv[i], run_folder(argv[i]));
		else
			run_file(argv[i]);
	}
	return EXIT_SUCCESS;
}
