/* The indexer's selected sets as bit sets, in which they are kept with what was sampled: bit j of a
 * row (bit j % 32 of word j / 32) says that position j is read. For positions below some thousands
 * that is smaller than lists of top-k indices; a sequence of n tokens takes n * layers * n / 8
 * bytes. */
#ifndef EL_MODEL_SELECTION_H
#define EL_MODEL_SELECTION_H

#include <stdint.h>

static inline int el_selection_words(int positions)
{
    return (positions + 31) / 32;
}

/* selected (topk) as el_index_select writes it: positions below 32 * words, -1 behind the last. */
void el_selection_pack(const int32_t *selected, int topk, uint32_t *bits, int words);

/* The way back: ascending, -1 behind the last. Bits beyond the topk-th are left out. */
void el_selection_unpack(const uint32_t *bits, int words, int32_t *selected, int topk);

/* How many positions of selected (topk) are not in bits; *n those it has in all. Sets of equal size
 * are equal when it is 0. */
int el_selection_missing(const int32_t *selected, int topk, const uint32_t *bits, int words,
                         int *n);

#endif
