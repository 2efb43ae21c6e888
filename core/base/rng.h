/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", SC'11). A stream is a pure function of its 64-bit key; the n-th number of a stream
 * is a pure function of (key, n). Nothing is shared, so reordering, resuming or re-batching work
 * changes no sample. Keys come from el_digest_key over everything that identifies the sample. */
#ifndef EL_BASE_RNG_H
#define EL_BASE_RNG_H

#include <stdint.h>

struct el_rng {
    uint64_t key;
    uint64_t counter; /* index of the next 32-bit number; may be saved and set to resume */
};

void el_rng_init(struct el_rng *r, uint64_t key);

uint32_t el_rng_u32(struct el_rng *r);
uint64_t el_rng_u64(struct el_rng *r);
double el_rng_uniform(struct el_rng *r);             /* [0,1), 53 bits */
double el_rng_normal(struct el_rng *r);              /* mean 0, variance 1 (Box-Muller) */
uint32_t el_rng_below(struct el_rng *r, uint32_t n); /* [0,n) without bias; n >= 1 */
int el_rng_range(struct el_rng *r, int lo, int hi);  /* [lo,hi], both ends included */

/* One Philox block: out[4] = f(key, block index). For vector code and for tests against the
 * published test vectors. */
void el_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

#endif
