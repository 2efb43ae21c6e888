#include "core/base/digest.h"

#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(crypto_generichash_state) <= sizeof(((struct el_digest *)0)->state),
               "el_digest is too small for libsodium's state");

static crypto_generichash_state *state_of(struct el_digest *d)
{
    return (crypto_generichash_state *)(void *)d->state;
}

void el_digest_init(struct el_digest *d)
{
    crypto_generichash_init(state_of(d), NULL, 0, EL_DIGEST_BYTES);
}

static void feed_u64(struct el_digest *d, uint64_t v)
{
    unsigned char b[8];
    for (int i = 0; i < 8; i++)
        b[i] = (unsigned char)(v >> (8 * i));
    crypto_generichash_update(state_of(d), b, sizeof b);
}

void el_digest_bytes(struct el_digest *d, const void *p, size_t n)
{
    feed_u64(d, n);
    crypto_generichash_update(state_of(d), p, n);
}

void el_digest_str(struct el_digest *d, const char *s)
{
    el_digest_bytes(d, s, strlen(s));
}

void el_digest_u64(struct el_digest *d, uint64_t v)
{
    feed_u64(d, v);
}

void el_digest_f64(struct el_digest *d, double v)
{
    uint64_t bits;
    if (v == 0)
        v = 0;
    memcpy(&bits, &v, sizeof bits);
    feed_u64(d, bits);
}

void el_digest_hex(struct el_digest *d, char out[EL_DIGEST_HEX])
{
    unsigned char raw[EL_DIGEST_BYTES];
    crypto_generichash_final(state_of(d), raw, sizeof raw);
    sodium_bin2hex(out, EL_DIGEST_HEX, raw, sizeof raw);
}

uint64_t el_digest_key(struct el_digest *d)
{
    unsigned char raw[EL_DIGEST_BYTES];
    crypto_generichash_final(state_of(d), raw, sizeof raw);
    uint64_t key = 0;
    for (int i = 0; i < 8; i++)
        key |= (uint64_t)raw[i] << (8 * i);
    return key;
}

void el_digest_of(const void *p, size_t n, char out[EL_DIGEST_HEX])
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_bytes(&d, p, n);
    el_digest_hex(&d, out);
}
