/* What this machine can do at most, measured here and now: the denominators of every share that a
 * benchmark prints. */
#ifndef EL_BENCH_CEILING_H
#define EL_BENCH_CEILING_H

#include "core/base/error.h"

/* Highest rate of `threads` threads in FLOP/s when each keeps independent chains of multiply-adds
 * in registers, on the vectors of an op table: "avx512", "avx2", anything else the vectors that
 * every processor of this architecture has (there x86 multiplies and adds one after the other).
 * 0 for an instruction set that this processor lacks. */
double el_bench_flop_ceiling(const char *isa, int threads);

/* The same for products of BF16 operands by a kernel of core/ops/bf16_kernel.h: "amx",
 * "avx512bf16", which this processor must have; any other multiplies in fp32. */
double el_bench_bf16_ceiling(const char *kernel, int threads);

/* Bytes per second that `threads` threads read together from an array far larger than the caches
 * (256 MiB): *rate. */
int el_bench_bandwidth(int threads, double *rate, struct el_error *err);

#endif
