/* When waiting threads sleep instead of spinning, and that they do. */
#include "cli/threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void shared_cores_show_in_the_switches(void **state)
{
    (void)state;
    struct cli_crowding c = {0};
    long switches = 0;
    double seconds = 0;
    for (int i = 0; i < 50; i++) /* what two threads alone were seen to have at most */
        assert_false(cli_crowding_update(&c, switches += 15, seconds += 0.4));
    for (int i = 0; i < 50; i++) /* a program that waits for its user */
        assert_false(cli_crowding_update(&c, switches += 1, seconds += 0.0001));
    assert_true(cli_crowding_update(&c, switches += 50, seconds += 0.2));
    for (int i = 0; i < 9; i++) /* a neighbour that pauses is not gone */
        assert_true(cli_crowding_update(&c, switches += 1, seconds += 0.4));
    assert_true(cli_crowding_update(&c, switches += 50, seconds += 0.2));
    for (int i = 0; i < 9; i++)
        assert_true(cli_crowding_update(&c, switches += 1, seconds += 0.4));
    assert_false(cli_crowding_update(&c, switches += 1, seconds += 0.4));
    assert_false(cli_crowding_update(&c, switches += 50, seconds += 3.2)); /* of 16 threads */
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

#ifndef __SANITIZE_ADDRESS__ /* which needs address space itself */
static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu", &pages), 1);
    fclose(f);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Room for the stack of one thread, not for those of a team: libgomp would end the program. */
static void without_threads_nothing_changes(void **state)
{
    (void)state;
    enum { STACK = 256 << 20 };
    struct rlimit before, little;
    pthread_attr_t usual, large;
    waiting(); /* the threads of this one are there */
    assert_int_equal(pthread_getattr_default_np(&usual), 0);
    assert_int_equal(pthread_attr_init(&large), 0);
    assert_int_equal(pthread_attr_setstacksize(&large, STACK), 0);
    assert_int_equal(pthread_setattr_default_np(&large), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    little = before;
    little.rlim_cur = address_space() + STACK + STACK / 2;
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    cli_threads_sleep_soon();
    double seconds = waiting();
    cli_threads_spin();
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(pthread_setattr_default_np(&usual), 0);
    assert_true(seconds > 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_cores_show_in_the_switches),
        cmocka_unit_test(threads_that_wait_sleep_soon),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(without_threads_nothing_changes),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
