/*
 * password: crypt(3) behind a list of what it may be asked.
 *
 * The password sign-in and plugwayctl call it.  crypt(3) answers a
 * setting it does not know with a DES hash instead of an error, cuts
 * bcrypt passwords at 72 bytes and would work for hours when a stored
 * cost says so; none of that may get through.
 */
#include <assert.h>
#include <crypt.h>
#include <string.h>

#include "auth/password.h"
#include "base/codec.h"
#include "base/secret.h"

#define METHOD_NEW	"$y$"	/* yescrypt */
#define BCRYPT_MAX	72	/* bytes that bcrypt looks at */

/* What stands in for the hash of somebody who has none. */
static const char nobody[] = "$y$j9T$gqF3LhO9Pb0mE7wZ5uVxC1$";

static bool
bcrypt_cost_ok(const char *p)
{
	return ((p[0] == '0' && p[1] >= '4' && p[1] <= '9') ||
	    (p[0] == '1' && p[1] >= '0' && p[1] <= '4')) && p[2] == '$';
}

/* The flavour and parameters that crypt_gensalt(3) writes for costs 1 to
 * 8: at most 128 MiB. */
static bool
yescrypt_cost_ok(const char *p)
{
	return p[0] == 'j' && p[1] != '\0' &&
	    strchr("789ABC", p[1]) != NULL &&
	    (p[2] == '5' || p[2] == 'T') && p[3] == '$';
}

/* As written for costs 6 to 8: N of 2^14 to 2^16, r 32, p 1. */
static bool
scrypt_cost_ok(const char *p)
{
	return p[0] >= 'C' && p[0] <= 'E' &&
	    strncmp(p + 1, "U..../....", 10) == 0;
}

static bool
sha512_cost_ok(const char *p)
{
	static const char rounds[] = "rounds=";
	size_t digits;

	if (strncmp(p, rounds, sizeof(rounds) - 1) != 0)
		return true;		/* 5000 */
	p += sizeof(rounds) - 1;
	digits = strspn(p, "0123456789");
	return digits > 0 && digits <= 6 && p[digits] == '$';
}

static const struct method {
	const char	*prefix;
	bool		(*cost_ok)(const char *);
	size_t		 max;		/* bytes of a password; 0: any */
} methods[] = {
	{ METHOD_NEW,	yescrypt_cost_ok,	0 },
	{ "$2b$",	bcrypt_cost_ok,		BCRYPT_MAX },
	{ "$2y$",	bcrypt_cost_ok,		BCRYPT_MAX },
	{ "$2a$",	bcrypt_cost_ok,		BCRYPT_MAX },
	{ "$6$",	sha512_cost_ok,		0 },
	{ "$7$",	scrypt_cost_ok,		0 },
	{ "$gy$",	yescrypt_cost_ok,	0 },
};

static const struct method *
method_of(const char *hash)
{
	size_t i, n;
	int salt;

	if (hash == NULL || strlen(hash) > PASSWORD_HASH_MAX)
		return NULL;
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		n = strlen(methods[i].prefix);
		if (strncmp(hash, methods[i].prefix, n) != 0)
			continue;
		salt = crypt_checksalt(hash);
		if (salt != CRYPT_SALT_OK && salt != CRYPT_SALT_METHOD_LEGACY)
			return NULL;
		return methods[i].cost_ok(hash + n) ? &methods[i] : NULL;
	}
	return NULL;
}

bool
password_hash_usable(const char *hash)
{
	return method_of(hash) != NULL;
}

/* Runs crypt(3); what it made is in data->output, false for "*0". */
static bool
crypt_run(const char *password, const char *setting, struct crypt_data *data)
{
	const char *out;

	memset(data, 0, sizeof(*data));
	out = crypt_r(password, setting, data);
	return out == data->output && out[0] == '$';
}

int
password_hash(const char *password, char ret[PASSWORD_HASH_MAX + 1])
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data data;
	unsigned char random[32];
	size_t len = strlen(password);
	int rc = -1;

	if (len == 0 || len > PASSWORD_MAX)
		return -1;
	random_bytes(random, sizeof(random));
	if (crypt_gensalt_rn(METHOD_NEW, 0, (const char *)random,
	    sizeof(random), setting, sizeof(setting)) == NULL)
		return -1;
	if (crypt_run(password, setting, &data) &&
	    strlen(data.output) <= PASSWORD_HASH_MAX) {
		memcpy(ret, data.output, strlen(data.output) + 1);
		rc = 0;
	}
	wipe(&data, sizeof(data));
	return rc;
}

bool
password_check(const char *password, const char *hash)
{
	const struct method *method = method_of(hash);
	size_t len = strlen(password);
	struct crypt_data data;
	bool good;

	/* A hopeless check costs what a real one does. */
	if (method == NULL || len == 0 || len > PASSWORD_MAX ||
	    (method->max != 0 && len > method->max)) {
		(void)crypt_run(len <= PASSWORD_MAX ? password : "-", nobody,
		    &data);
		good = false;
	} else {
		good = crypt_run(password, hash, &data) &&
		    strlen(data.output) == strlen(hash) &&
		    ct_equal(data.output, hash, strlen(hash));
	}
	wipe(&data, sizeof(data));
	return good;
}
