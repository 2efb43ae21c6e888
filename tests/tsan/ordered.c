/* Every OpenMP construct of this project, used rightly: ThreadSanitizer must not say a word. With
 * -DRACE, one barrier is missing, and it must (tests/tsan/CMakeLists.txt). */
#include <stdio.h>

enum { N = 1 << 14 };

static int a[N], b[N], hits, sum;

/* Reads what another thread has written, on the far side of a barrier. */
static void across_a_barrier(void)
{
#pragma omp parallel
    {
#pragma omp for schedule(static) nowait
        for (int i = 0; i < N; i++)
            a[i] = i;
#ifndef RACE
#pragma omp barrier
#endif
#pragma omp for schedule(static)
        for (int i = 0; i < N; i++)
            b[i] = a[N - 1 - i];
    }
}

static void dynamic_loops(void)
{
#pragma omp parallel
    {
#pragma omp for schedule(dynamic, 16)
        for (int i = 0; i < N; i++)
            a[i] = 2 * b[i];
#pragma omp for schedule(dynamic, 16)
        for (int i = 0; i < N; i++)
            b[i] = a[N - 1 - i];
#pragma omp critical
        hits += b[1];
    }
}

/* Static loops without a team of their own, one region after the other on memory of the caller. */
static void regions_in_turn(int *local)
{
#pragma omp parallel for schedule(static)
    for (int i = 0; i < 64; i++)
        local[i] = b[i];
#pragma omp parallel for schedule(static, 1)
    for (int i = 0; i < 64; i++)
        local[63 - i] += 1;
}

int main(void)
{
    for (int turn = 0; turn < 100; turn++) {
        int local[64] = {0};
        across_a_barrier();
        dynamic_loops();
        regions_in_turn(local);
        for (int i = 0; i < 64; i++)
            sum += local[i];
    }
    printf("%d %d\n", hits != 0, sum != 0);
    return 0;
}
