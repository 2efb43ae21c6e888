/* What an op computes and moves: FLOPs of matrix products, attention and the indexer (a
 * multiply-add is two; the arithmetic of row ops is not counted), and bytes, where every array that
 * the op reads or writes counts once, and of a cache only the rows that are read. Ops that find
 * their operands in a processor's cache can move more of these bytes per second than memory could.
 */
#ifndef EL_BENCH_WORK_H
#define EL_BENCH_WORK_H

#include "core/ops/ops.h"

struct el_bench_work {
    double flop, bytes;
};

/* Device arrays are read (positions, offsets of groups): host device only. */
struct el_bench_work el_bench_work_of(enum el_op op, const void *args);

/* The work and the time of everything that a stream runs, by op. */
struct el_bench_tally {
    int64_t runs[EL_OP_COUNT];
    struct el_bench_work work[EL_OP_COUNT];
    double seconds[EL_OP_COUNT];
};

/* From start to stop the tally (zeroed at the start) watches the stream. */
void el_bench_tally_start(struct el_bench_tally *t, struct el_stream *s);
void el_bench_tally_stop(struct el_stream *s);
struct el_bench_work el_bench_tally_sum(const struct el_bench_tally *t);

#endif
