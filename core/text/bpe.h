/* Byte pair encoding of one piece of text. Private to core/text. */
#ifndef EL_TEXT_BPE_H
#define EL_TEXT_BPE_H

#include "core/text/tokens.h"
#include "core/text/vocab.h"

/* left and right become id; of two merges the one with the lower rank goes first. */
struct el_merge {
    int32_t left, right, id;
    uint32_t rank;
};

struct el_bpe {
    int32_t byte_ids[256];   /* -1: the vocabulary lacks this byte */
    struct el_merge *merges; /* [n_merges], sorted by (left, right), each pair once */
    size_t n_merges;
    uint32_t *first;   /* [size + 1]: merges of left are merges[first[left] .. first[left + 1]) */
    int ignore_merges; /* a piece that is a token as a whole is that token */
};

/* Takes over merges[0..n) (el_alloc), in any order, on success and failure alike; of a pair that
 * comes twice the higher rank holds, as in the `tokenizers` library. All ids are < v->size. 0 or
 * EL_ENOMEM; release is safe after either. */
int el_bpe_init(struct el_bpe *b, const struct el_vocab *v, struct el_merge *merges, size_t n,
                int ignore_merges);
void el_bpe_release(struct el_bpe *b);

/* Memory for one call at a time, kept from piece to piece. */
struct el_bpe_work {
    struct el_bpe_symbol *symbols; /* [symbols_cap] */
    struct el_bpe_candidate *heap; /* [heap_cap] */
    size_t symbols_cap, heap_cap, heap_len;
};
void el_bpe_work_init(struct el_bpe_work *w);
void el_bpe_work_release(struct el_bpe_work *w);

/* Appends the ids of bytes[0..n), n < 2^31. O(n log n). EL_EREFUSED: a byte without a token. A
 * failure may leave some ids in out. */
int el_bpe_encode(const struct el_bpe *b, const struct el_vocab *v, struct el_bpe_work *w,
                  const char *bytes, size_t n, struct el_tokens *out, struct el_error *err);

/* 1 when encoding may give id: a byte's token, one that a merge makes, with ignore_merges any of
 * the model that is spelled in bytes. */
int el_bpe_reaches(const struct el_bpe *b, const struct el_vocab *v, int32_t id);

#endif
