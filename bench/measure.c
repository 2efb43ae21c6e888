#include "bench/measure.h"

#include "core/base/progress.h"

#include <stdlib.h>
#include <time.h>

double el_bench_now(int threads)
{
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct el_bench_times el_bench_times_of(double *seconds, int n)
{
    qsort(seconds, (size_t)n, sizeof *seconds, compare);
    double median = n % 2 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2;
    return (struct el_bench_times){median, seconds[0], seconds[n - 1], n};
}

int el_bench_repeat(const struct el_bench_job *jobs, int n, int repeats,
                    struct el_bench_times *times, struct el_error *err)
{
    enum { MOST_JOBS = 4 };
    double seconds[MOST_JOBS][EL_BENCH_MOST_REPEATS];
    if (n < 1 || n > MOST_JOBS || repeats < 1 || repeats > EL_BENCH_MOST_REPEATS)
        return el_error_set(err, EL_EINVAL, "%d jobs, %d repeats: expected 1..%d and 1..%d", n,
                            repeats, MOST_JOBS, EL_BENCH_MOST_REPEATS);
    for (int r = 0; r < repeats; r++)
        for (int i = 0; i < n; i++) {
            if (el_stop_requested)
                return el_error_set(err, EL_EINTR, "stopped");
            int rc = jobs[i].run(jobs[i].user, &seconds[i][r], err);
            if (rc < 0)
                return rc;
        }
    for (int i = 0; i < n; i++)
        times[i] = el_bench_times_of(seconds[i], repeats);
    return 0;
}

double el_bench_op_seconds(struct el_stream *s, enum el_op op, const void *args, double slice)
{
    enum { LEAST = 5, MOST = 20000 };
    static double seconds[MOST];
    double end = el_bench_now(s->threads) + slice;
    int n = 0;
    el_op_run(s, op, args);
    while (n < LEAST || (n < MOST && el_bench_now(s->threads) < end)) {
        double start = el_bench_now(s->threads);
        el_op_run(s, op, args);
        seconds[n++] = el_bench_now(s->threads) - start;
    }
    struct el_bench_times t = el_bench_times_of(seconds, n);
    return s->threads == 1 ? t.median : t.fastest;
}
