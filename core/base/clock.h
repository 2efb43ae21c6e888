/* Time that only goes forward, in seconds from an arbitrary beginning: for measuring, for waiting.
 */
#ifndef EL_BASE_CLOCK_H
#define EL_BASE_CLOCK_H

#include <time.h>

static inline double el_clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
