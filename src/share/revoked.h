/*
 * revoked: access tokens and sessions that were ended before their time.
 *
 * An open-addressed set of 64-bit keyed hashes of a jti or a session id,
 * with the time after which the entry may go.  Workers add (logout) and
 * ask; the keeper adds what other hosts revoked and sweeps.  Insertion
 * is a compare-and-swap: a killed writer leaves nothing half done.
 */
#ifndef SHARE_REVOKED_H
#define SHARE_REVOKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct revoked;

size_t	 revoked_size(size_t n_slots);	/* a power of two */
struct revoked *revoked_init(void *mem, size_t n_slots);
/* -1: the set is full (three quarters). */
int	 revoked_add(struct revoked *, const char *id, int64_t until_s);
bool	 revoked_has(const struct revoked *, const char *id);
/* Removes what ended before now_s; one process at a time calls it. */
void	 revoked_sweep(struct revoked *, int64_t now_s);
size_t	 revoked_count(const struct revoked *);

#endif
