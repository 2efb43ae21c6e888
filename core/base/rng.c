#include "core/base/rng.h"

#include <math.h>

void el_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void el_rng_init(struct el_rng *r, uint64_t key)
{
    r->key = key;
    r->counter = 0;
}

uint32_t el_rng_u32(struct el_rng *r)
{
    uint64_t block = r->counter >> 2;
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0};
    uint32_t key[2] = {(uint32_t)r->key, (uint32_t)(r->key >> 32)};
    uint32_t out[4];
    el_philox(out, counter, key);
    return out[r->counter++ & 3];
}

uint64_t el_rng_u64(struct el_rng *r)
{
    uint64_t hi = el_rng_u32(r);
    return hi << 32 | el_rng_u32(r);
}

double el_rng_uniform(struct el_rng *r)
{
    return (double)(el_rng_u64(r) >> 11) * 0x1p-53;
}

double el_rng_normal(struct el_rng *r)
{
    double u = 1.0 - el_rng_uniform(r);
    double v = el_rng_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

uint32_t el_rng_below(struct el_rng *r, uint32_t n)
{
    uint32_t limit = -n % n; /* 2^32 mod n: draws below it would favour small values */
    uint32_t x;
    do
        x = el_rng_u32(r);
    while (x < limit);
    return x % n;
}

int el_rng_range(struct el_rng *r, int lo, int hi)
{
    return lo + (int)el_rng_below(r, (uint32_t)(hi - lo) + 1);
}
