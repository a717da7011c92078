/*
 * Seals or opens the lines of its standard input, for the test that
 * crosses our tokens with another implementation's.
 *
 *	fernet_lines seal KEY	hex of plain text -> token
 *	fernet_lines open KEY	token -> hex of plain text, or "-"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "vault/bootkey.h"
#include "vault/fernet.h"

static int
seal_line(const struct fernet_key *key, const char *line, size_t len)
{
	struct buf token = BUF_INIT(FERNET_TOKEN_MAX);
	unsigned char plain[FERNET_PLAIN_MAX];
	ssize_t n;

	if (len / 2 > sizeof(plain))
		return -1;
	n = hex_decode(line, len, plain);
	if (n == -1 || fernet_seal(key, plain, (size_t)n, &token) == -1)
		return -1;
	puts(buf_str(&token));
	buf_free(&token);
	return 0;
}

static int
open_line(const struct fernet_key *key, const char *line, size_t len)
{
	unsigned char plain[FERNET_PLAIN_MAX];
	char hex[2 * FERNET_PLAIN_MAX + 1];
	ssize_t n;

	n = fernet_open(key, line, len, 0, 0, plain);
	if (n == -1) {
		puts("-");
		return 0;
	}
	hex_encode(plain, (size_t)n, hex);
	puts(hex);
	return 0;
}

int
main(int argc, char **argv)
{
	int (*verb)(const struct fernet_key *, const char *, size_t);
	struct fernet_key key;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	vault_init();
	if (argc != 3 ||
	    fernet_key_parse(argv[2], strlen(argv[2]), &key) == -1)
		return 2;
	verb = strcmp(argv[1], "seal") == 0 ? seal_line : open_line;
	while ((n = getline(&line, &cap, stdin)) > 0) {
		if (line[n - 1] == '\n')
			n--;
		if (verb(&key, line, (size_t)n) == -1)
			return 1;
	}
	free(line);
	return 0;
}
