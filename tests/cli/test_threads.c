/* When waiting threads sleep instead of spinning, and that they do. */
#include "cli/threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <omp.h>
#include <stdlib.h>
#include <time.h>

static void shared_cores_show_in_the_switches(void **state)
{
    (void)state;
    struct cli_crowding c = {0};
    long switches = 0;
    for (int i = 0; i < 50; i++) /* what two threads alone were seen to have */
        assert_false(cli_crowding_update(&c, switches += 15, 2));
    assert_true(cli_crowding_update(&c, switches += 50, 2));
    for (int i = 0; i < 9; i++) /* a neighbour that pauses is not gone */
        assert_true(cli_crowding_update(&c, switches += 1, 2));
    assert_true(cli_crowding_update(&c, switches += 50, 2));
    for (int i = 0; i < 9; i++)
        assert_true(cli_crowding_update(&c, switches += 1, 2));
    assert_false(cli_crowding_update(&c, switches += 1, 2));
    assert_false(cli_crowding_update(&c, switches += 50, 16)); /* few for so many threads */
}

static double cpu_of_thread(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Processor time of a thread that waits at the end of 25 regions until another one has computed for
 * 4 ms in each. */
static double waiting(void)
{
    double first = -1, last = 0;
    for (int i = 0; i < 25; i++)
#pragma omp parallel num_threads(2)
    {
        double now = cpu_of_thread(), begin = now;
        if (omp_get_thread_num() == 1) {
            first = first < 0 ? now : first;
            last = now;
        } else {
            while (now - begin < 0.004)
                now = cpu_of_thread();
        }
    }
    return last - first;
}

/* Without it a waiting thread spins for all of the 100 ms, unless others take its core. */
static void threads_that_wait_sleep_soon(void **state)
{
    (void)state;
    cli_threads_sleep_soon();
    double seconds = waiting();
    cli_threads_spin();
    cli_threads_spin(); /* nothing is held: no effect */
    if (seconds > 0.02)
        fail_msg("%.0f ms of waiting were spent spinning", 1e3 * seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_cores_show_in_the_switches),
        cmocka_unit_test(threads_that_wait_sleep_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
