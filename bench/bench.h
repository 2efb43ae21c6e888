/* What the op benchmarks share: timing, inputs, one line of output per measurement. */
#ifndef EL_BENCH_BENCH_H
#define EL_BENCH_BENCH_H

#include "core/ops/ops.h"

#include <stddef.h>

/* Highest rate of fused multiply-adds of `threads` threads, in FLOP/s; 0 where it is not known. */
double bench_ceiling(void);
void bench_measure_ceiling(int threads);

/* n floats of reproducible noise in -1..1 on the host device; ends the program without memory. */
float *bench_noise(size_t n);
void bench_drop(const void *p);

/* Restricts bench_report to one op; NULL: all. */
void bench_only(const char *op);
/* Times the op (repetitions in a quarter of a second: the median of the thread's processor time
 * with one thread, the shortest wall time with several) and prints it; flop and bytes
 * are what one run computes and moves, 0: not shown. */
void bench_report(struct el_stream *s, enum el_op op, const void *args, const char *what,
                  double flop, double bytes);

void bench_gemms(struct el_stream *s);
void bench_attention(struct el_stream *s);
void bench_rows(struct el_stream *s);

#endif
