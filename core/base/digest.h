/* Digests (BLAKE2b from libsodium): problem hashes, model digests, random-stream keys.
 *
 * Fields are fed with their length in front, so that ("ab","c") and ("a","bc") differ. */
#ifndef EL_BASE_DIGEST_H
#define EL_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define EL_DIGEST_BYTES 16
#define EL_DIGEST_HEX   33 /* bytes for the hexadecimal form with its NUL */

struct el_digest {
    _Alignas(64) unsigned char state[384]; /* crypto_generichash_state */
};

void el_digest_init(struct el_digest *d);
void el_digest_bytes(struct el_digest *d, const void *p, size_t n); /* length, then bytes */
void el_digest_str(struct el_digest *d, const char *s);
void el_digest_u64(struct el_digest *d, uint64_t v); /* little-endian on every machine */
void el_digest_f64(struct el_digest *d, double v);   /* by its bits; -0 counts as 0 */

/* Either one ends the digest. */
void el_digest_hex(struct el_digest *d, char out[EL_DIGEST_HEX]);
uint64_t el_digest_key(struct el_digest *d); /* the first 8 bytes: a key for el_rng_init */

/* Hex digest of one block of bytes. */
void el_digest_of(const void *p, size_t n, char out[EL_DIGEST_HEX]);

#endif
