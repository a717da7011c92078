/*
 * bench_jwt_timing: does the time of a check tell how much of a
 * signature was right?
 *
 *	bench_jwt_timing [SAMPLES]	one line a subject; 1000000
 *
 * Two classes of tokens take turns at random: one whose signatures are
 * right but for the last byte, and one with the very same bodies and
 * signatures, each signature behind another's body.  What differs is
 * only how a signature stands to the right one; were the signatures of
 * one class random, decoding them alone would take another time.  The
 * two sets of times are compared by Welch's t-test, over all samples
 * and with the slow ones cropped (they are interrupts): |t| below 4.5
 * says that no difference was seen.  The last subjects are controls
 * which leak on purpose: they must be seen, else the figures say
 * nothing.
 *
 * Not part of `make check`: it takes a minute and wants an idle machine.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gcrypt.h>

#include "auth/jwt.h"
#include "base/codec.h"
#include "base/secret.h"

#define NOW		1800000000LL
#define KEY		"0123456789abcdef0123456789abcdef"
#define T_LIMIT		4.5
#define POOL		512	/* prepared inputs of each class */
#define N_CROPS		4
#define HEADER		"{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define PAYLOAD		"{\"iss\":\"http://gw.test\",\"sub\":\"42\","	\
	"\"username\":\"ann\",\"iat\":1800000000,\"exp\":1800003600,"	\
	"\"jti\":\"%04zu\",\"type\":\"access\"}"

struct input {
	char	token[512];
	size_t	len;
	char	sig[48], right[48];	/* as base64url */
};

/* Mean and variance as they come (Welford). */
struct stats {
	double	n, mean, m2;
};

static struct input pool[2][POOL];
static struct jwt_conf *conf;
static unsigned long sum;		/* so that nothing is left out */

static void
put_part(char *to, const void *data, size_t n)
{
	b64url_encode(data, n, B64_UNPADDED, to + strlen(to));
}

/* The body of token i, and its signature. */
static void
make_body(size_t i, char body[512], unsigned char ret_sig[32])
{
	char payload[256];
	gcry_md_hd_t md;

	(void)snprintf(payload, sizeof(payload), PAYLOAD, i);
	body[0] = '\0';
	put_part(body, HEADER, strlen(HEADER));
	strcat(body, ".");
	put_part(body, payload, strlen(payload));
	if (gcry_md_open(&md, GCRY_MD_SHA256, GCRY_MD_FLAG_HMAC) != 0 ||
	    gcry_md_setkey(md, KEY, strlen(KEY)) != 0)
		exit(1);
	gcry_md_write(md, body, strlen(body));
	memcpy(ret_sig, gcry_md_read(md, GCRY_MD_SHA256), 32);
	gcry_md_close(md);
}

static void
make_inputs(void)
{
	static unsigned char sigs[POOL][32];
	static char bodies[POOL][512];
	struct buf why = BUF_INIT(256);
	unsigned char wrong[32];
	size_t class, i;

	for (i = 0; i < POOL; i++)
		make_body(i, bodies[i], sigs[i]);
	for (class = 0; class < 2; class++) {
		for (i = 0; i < POOL; i++) {
			struct input *in = &pool[class][i];

			memcpy(wrong, sigs[(i + class) % POOL], 32);
			wrong[31] ^= 1;
			b64url_encode(wrong, 32, B64_UNPADDED, in->sig);
			b64url_encode(sigs[i], 32, B64_UNPADDED, in->right);
			in->len = (size_t)snprintf(in->token,
			    sizeof(in->token), "%s.%s", bodies[i], in->sig);
		}
	}
	conf = jwt_conf_make("HS256", KEY, "http://gw.test", 86400, &why);
	if (conf == NULL)
		exit(1);
	buf_free(&why);
}

static void
run_verify(const struct input *in)
{
	struct jwt_claims claims;

	sum += jwt_verify(conf, in->token, in->len, NOW, &claims);
}

static void
run_ct_equal(const struct input *in)
{
	sum += ct_equal(in->sig, in->right, 43);
}

/* The controls. */
static int __attribute__((noinline))
leaking_compare(const char *a, const char *b)
{
	size_t i;

	for (i = 0; a[i] != '\0' && a[i] == b[i]; i++)
		__asm__ volatile("" ::: "memory");
	return a[i] != b[i];
}

static void
run_leak(const struct input *in)
{
	sum += (unsigned long)leaking_compare(in->sig, in->right);
}

static void
run_verify_and_leak(const struct input *in)
{
	run_verify(in);
	run_leak(in);
}

static const struct subject {
	const char	*name;
	void		(*run)(const struct input *);
	bool		 leaks;
} subjects[] = {
	{ "jwt_verify",				run_verify,	false },
	{ "ct_equal",				run_ct_equal,	false },
	{ "control: compare that stops early",	run_leak,	true },
	{ "control: the same in jwt_verify",	run_verify_and_leak, true },
};

static void
stats_add(struct stats *s, double x)
{
	double delta = x - s->mean;

	s->n++;
	s->mean += delta / s->n;
	s->m2 += delta * (x - s->mean);
}

static double
welch(const struct stats *a, const struct stats *b)
{
	double va, vb;

	if (a->n < 2 || b->n < 2)
		return 0;
	va = a->m2 / (a->n - 1) / a->n;
	vb = b->m2 / (b->n - 1) / b->n;
	return va + vb > 0 ? (a->mean - b->mean) / sqrt(va + vb) : 0;
}

static double
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double
time_one(const struct subject *s, const struct input *in)
{
	static struct input one;	/* both classes at one address */
	double t0;

	one = *in;
	t0 = now_ns();
	s->run(&one);
	return now_ns() - t0;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Above which time a sample is cropped: all, 99, 90 and 50 of 100. */
static void
find_crops(const struct subject *s, double ret[N_CROPS])
{
	static const double share[N_CROPS] = { 1, 0.99, 0.90, 0.50 };
	static double first[20000];
	size_t n = sizeof(first) / sizeof(first[0]), i;

	for (i = 0; i < n; i++)
		first[i] = time_one(s, &pool[i & 1][i / 2 % POOL]);
	qsort(first, n, sizeof(first[0]), by_value);
	ret[0] = INFINITY;
	for (i = 1; i < N_CROPS; i++)
		ret[i] = first[(size_t)(share[i] * (double)(n - 1))];
}

/* The largest |t| of all crops; true when it is as it should be. */
static bool
measure(const struct subject *s, long samples)
{
	struct stats stats[N_CROPS][2] = { { { 0, 0, 0 } } };
	double crops[N_CROPS], t, worst = 0, diff;
	uint16_t dice[4096];
	long i;
	int c;

	find_crops(s, crops);
	for (i = 0; i < samples; i++) {
		uint16_t d;
		double ns;

		if (i % 4096 == 0)
			random_bytes(dice, sizeof(dice));
		d = dice[i % 4096];
		ns = time_one(s, &pool[d & 1][(d >> 1) % POOL]);
		for (c = 0; c < N_CROPS; c++) {
			if (ns <= crops[c])
				stats_add(&stats[c][d & 1], ns);
		}
	}
	for (c = 0; c < N_CROPS; c++) {
		t = fabs(welch(&stats[c][0], &stats[c][1]));
		if (t > worst)
			worst = t;
	}
	diff = stats[2][0].mean - stats[2][1].mean;
	printf("%-36s %9ld samples, %8.1f ns, difference %+7.2f ns, "
	    "|t| %.2f: %s\n", s->name, samples, stats[2][0].mean, diff, worst,
	    worst < T_LIMIT ? "no leak seen" : "LEAKS");
	return (worst >= T_LIMIT) == s->leaks;
}

int
main(int argc, char **argv)
{
	long samples = argc > 1 ? atol(argv[1]) : 1000000;
	size_t i;
	int rc = 0;

	make_inputs();
	for (i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		if (!measure(&subjects[i], samples))
			rc = 1;
	}
	jwt_conf_free(&conf);
	return rc | (sum == 0);
}
