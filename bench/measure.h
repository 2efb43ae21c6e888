/* Time, and what repetitions say about it. */
#ifndef EL_BENCH_MEASURE_H
#define EL_BENCH_MEASURE_H

#include "core/ops/ops.h"

enum { EL_BENCH_MOST_REPEATS = 99 };

/* Seconds since some fixed instant: of the wall clock, or with one thread of that thread's
 * processor time, which other programs on the machine disturb less. */
double el_bench_now(int threads);

struct el_bench_times {
    double median, fastest, slowest; /* seconds */
    int n;
};

/* Sorts seconds[0..n-1], n >= 1. */
struct el_bench_times el_bench_times_of(double *seconds, int n);

/* One thing that is measured: run does it once and says in *seconds how long the part of it took
 * that counts. */
struct el_bench_job {
    int (*run)(void *user, double *seconds, struct el_error *err);
    void *user;
};

/* Each of n jobs `repeats` times (1..EL_BENCH_MOST_REPEATS), in turn, so that whatever disturbs
 * the machine for a while disturbs all of them: times[i] belongs to job i. Nothing is warmed up
 * here. Stops with EL_EINTR on el_stop_requested. */
int el_bench_repeat(const struct el_bench_job *jobs, int n, int repeats,
                    struct el_bench_times *times, struct el_error *err);

/* What one run of an op takes, in seconds: the op again and again for `slice` seconds, at least
 * five times. One thread: the median (processor time has outliers in both directions when the
 * thread is preempted). Several threads: the shortest, since a wall clock never shows less than an
 * op took. */
double el_bench_op_seconds(struct el_stream *s, enum el_op op, const void *args, double slice);

#endif
