/*
 * Makes or checks tokens, a line each, for the test that crosses ours
 * with another implementation's.
 *
 *	jwt_lines issue ALG KEYS ISSUER LIFETIME	ID USERNAME -> token
 *	jwt_lines verify ALG KEYS ISSUER LIFETIME	token -> ID JTI, or a
 *							result: invalid, expired
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/jwt.h"
#include "base/clock.h"

static int
issue_line(const struct jwt_conf *conf, char *line)
{
	struct buf token = BUF_INIT(JWT_MAX);
	struct jwt_subject subject = { .sid = "abcdefghijklmnopqrstuv" };
	char *name;

	subject.user_id = strtoull(line, &name, 10);
	if (*name != ' ')
		return -1;
	subject.username = name + 1;
	if (jwt_issue(conf, &subject, clock_wall_s(), &token, NULL) == -1)
		return -1;
	puts(buf_str(&token));
	buf_free(&token);
	return 0;
}

static int
verify_line(const struct jwt_conf *conf, char *line)
{
	struct jwt_claims claims;

	switch (jwt_verify(conf, line, strlen(line), clock_wall_s(),
	    &claims)) {
	case JWT_OK:
		printf("%llu %s %s\n", (unsigned long long)claims.user_id,
		    claims.jti, claims.username);
		break;
	case JWT_EXPIRED:
		puts("expired");
		break;
	default:
		puts("invalid");
	}
	return 0;
}

int
main(int argc, char **argv)
{
	int (*verb)(const struct jwt_conf *, char *);
	struct buf why = BUF_INIT(512);
	struct jwt_conf *conf;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (argc != 6)
		return 2;
	verb = strcmp(argv[1], "issue") == 0 ? issue_line : verify_line;
	conf = jwt_conf_make(argv[2], argv[3], argv[4], atoll(argv[5]), &why);
	if (conf == NULL) {
		fprintf(stderr, "%s\n", buf_str(&why));
		return 2;
	}
	while ((n = getline(&line, &cap, stdin)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (verb(conf, line) == -1)
			return 1;
	}
	free(line);
	buf_free(&why);
	jwt_conf_free(&conf);
	return 0;
}
