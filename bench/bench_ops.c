/* Times each op at the shapes of a small model and prints GFLOP/s with the share of this machine's
 * own fused multiply-add ceiling, measured in the same run, or GB/s.
 * Usage: bench_ops [backend] [threads] [op] */
#include "bench/bench.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    const struct el_ops *ops = argc > 1 ? el_ops_find(argv[1]) : el_ops_cpu();
    int threads = argc > 2 ? atoi(argv[2]) : omp_get_num_procs();
    if (!ops || threads < 1) {
        fprintf(stderr,
                "usage: bench_ops [avx512 | avx2 | generic | ref] [threads] [op]; this processor "
                "lacks the backend, or threads is not a positive number\n");
        return 2;
    }
    bench_measure_ceiling(threads);
    bench_only(argc > 3 ? argv[3] : NULL);
    printf("backend %s, %d threads, ceiling %.1f GFLOP/s\n", ops->name, threads,
           bench_ceiling() * 1e-9);
    struct el_stream s;
    el_stream_init(&s, el_device_host(), ops, threads);
    bench_attention(&s);
    bench_rows(&s);
    bench_gemms(&s);
    el_stream_release(&s);
    return 0;
}
