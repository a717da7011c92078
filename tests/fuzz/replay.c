/*
 * replay: runs a fuzz target once over every file of a corpus.
 *
 * Linked with one fuzz_NAME.c it is a check program that needs no
 * libFuzzer; tests/fuzz/run_corpus.sh starts it in `make check`.  The
 * arguments are directories; that there is no file at all is a failure.
 *
 * The real fuzzer is built from the same target:
 *
 *	clang-14 -std=gnu11 -D_GNU_SOURCE -g -O1 -Isrc \
 *	    -fsanitize=fuzzer,address,undefined -o fuzz_jsonscan \
 *	    tests/fuzz/fuzz_jsonscan.c src/base/[a-z]*.c \
 *	    $(pkg-config --cflags --libs json-c libgcrypt)
 *	mkdir found
 *	./fuzz_jsonscan -max_total_time=60 found \
 *	    tests/fuzz/corpus/jsonscan
 *
 * (targets of higher floors name more of src/).  What it finds and is
 * worth keeping is copied from found/ to the corpus.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/xmalloc.h"

#define INPUT_MAX	(64u * 1024 * 1024)

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
replay_file(const char *path)
{
	struct buf input = BUF_INIT(INPUT_MAX);
	char chunk[4096];
	unsigned char *exact;
	size_t n;
	FILE *f;

	if ((f = fopen(path, "r")) == NULL) {
		perror(path);
		return -1;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		(void)buf_append(&input, chunk, n);
	n = (size_t)ferror(f);
	(void)fclose(f);
	if (n != 0 || input.failed) {
		fprintf(stderr, "%s: cannot be read whole\n", path);
		buf_free(&input);
		return -1;
	}
	/* A block of the input's size: reading past it is seen. */
	exact = xmalloc(input.len);
	if (input.len > 0)
		memcpy(exact, input.data, input.len);
	(void)LLVMFuzzerTestOneInput(exact, input.len);
	free(exact);
	buf_free(&input);
	return 0;
}

/* Returns the number of files, or -1. */
static long
replay_directory(const char *directory)
{
	struct dirent **entry;
	long n_files = 0;
	int n, i, failed = 0;

	if ((n = scandir(directory, &entry, NULL, alphasort)) == -1) {
		perror(directory);
		return -1;
	}
	for (i = 0; i < n; i++) {
		if (entry[i]->d_name[0] != '.') {
			char *path = xasprintf("%s/%s", directory,
			    entry[i]->d_name);

			failed |= replay_file(path) == -1;
			n_files++;
			free(path);
		}
		free(entry[i]);
	}
	free(entry);
	return failed ? -1 : n_files;
}

int
main(int argc, char **argv)
{
	long total = 0, n;
	int i;

	for (i = 1; i < argc; i++) {
		if ((n = replay_directory(argv[i])) == -1)
			return 1;
		total += n;
	}
	if (total == 0) {
		fprintf(stderr, "%s: no inputs\n", argv[0]);
		return 1;
	}
	printf("%s: %ld inputs\n", argv[0], total);
	return 0;
}
