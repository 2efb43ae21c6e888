/* The rows of the attention and indexer tests: five query rows of two sequences whose keys lie in
 * blocks of two cache rows, in no particular order. */
#ifndef EL_TESTS_OPS_BATCH_H
#define EL_TESTS_OPS_BATCH_H

#include "core/ops/attention.h"

enum { BATCH_ROWS = 5, BATCH_CACHE = 12, BATCH_TOPK = 3 };

static const int32_t batch_seq[BATCH_ROWS] = {0, 0, 0, 1, 1};
static const int32_t batch_pos[BATCH_ROWS] = {1, 2, 4, 0, 2};
static const int32_t batch_tables[6] = {6, 0, 4, 2, 8, 0}; /* cache rows 10, 11: nobody's */

/* Some keys of each row, ascending, never one past its position. */
static const int32_t batch_selected[BATCH_ROWS * BATCH_TOPK] = {0, 1, -1, 0,  2, -1, 1, 3,
                                                                4, 0, -1, -1, 1, 2,  -1};

/* Every visible key of each row, in the form of a selection. */
static const int32_t batch_everything[BATCH_ROWS * 6] = {0,  1,  -1, -1, -1, -1, 0, 1,  2,  -1,
                                                         -1, -1, 0,  1,  2,  3,  4, -1, 0,  -1,
                                                         -1, -1, -1, -1, 0,  1,  2, -1, -1, -1};

static inline struct el_rows batch_rows(void)
{
    return (struct el_rows){.rows = BATCH_ROWS,
                            .sequences = 2,
                            .seq = batch_seq,
                            .pos = batch_pos,
                            .tables = batch_tables,
                            .table_stride = 3,
                            .block_shift = 1,
                            .max_pos = 4};
}

/* The cache row of a position of a sequence. */
static inline int batch_cache_row(int seq, int position)
{
    return batch_tables[seq * 3 + position / 2] + position % 2;
}

#endif
