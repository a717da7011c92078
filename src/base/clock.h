/*
 * clock: the time, in one place so that tests can move it.
 *
 * Timers use the monotonic clock, which all processes of a host share;
 * wall time is for what people and other hosts read.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t	 clock_mono_ms(void);
int64_t	 clock_mono_us(void);
int64_t	 clock_wall_s(void);		/* Unix time */
int64_t	 clock_wall_us(void);

#define CLOCK_RFC3339_LEN	28	/* 2026-11-23T21:40:25.061693Z + NUL */
/* RFC 3339, UTC, six fraction digits; years 0000 to 9999. */
void	 clock_rfc3339(int64_t wall_us, char ret[CLOCK_RFC3339_LEN]);

#ifdef PLUGWAY_TESTING
/* Shifts wall time, the monotonic clock stays.  Only in test builds. */
void	 clock_test_offset_s(int64_t);
#endif

#endif
