/* What OpenMP orders, told to ThreadSanitizer. libgomp is not instrumented and waits on futexes, so
 * that without this every value that a parallel region leaves for the code behind it looks like a
 * race. The linker puts these in the place of the runtime's functions (cmake/tsan.cmake); they say
 * what the OpenMP memory model promises and no more: what happens before a region is seen in it,
 * what happens in it is seen behind it, the same across a barrier, and critical sections are
 * ordered one after the other. Two threads that touch the same value between two barriers are still
 * a race, and are found.
 */
#include <sanitizer/tsan_interface.h>

typedef void region(void *);

void __real_GOMP_parallel(region *, void *, unsigned, unsigned);
void __real_GOMP_barrier(void);
void __real_GOMP_loop_end(void);
void __real_GOMP_critical_start(void);
void __real_GOMP_critical_end(void);

void __wrap_GOMP_parallel(region *, void *, unsigned, unsigned);
void __wrap_GOMP_barrier(void);
void __wrap_GOMP_loop_end(void);
void __wrap_GOMP_critical_start(void);
void __wrap_GOMP_critical_end(void);

struct fork {
    region *f;
    void *data;
    char begin, end; /* their addresses name the two points that are ordered */
};

__attribute__((no_sanitize_thread)) static void run(void *p)
{
    struct fork *k = p;
    __tsan_acquire(&k->begin);
    k->f(k->data);
    __tsan_release(&k->end);
}

__attribute__((no_sanitize_thread)) void __wrap_GOMP_parallel(region *f, void *data,
                                                              unsigned threads, unsigned flags)
{
    struct fork k = {.f = f, .data = data};
    __tsan_release(&k.begin);
    __real_GOMP_parallel(run, &k, threads, flags);
    __tsan_acquire(&k.end);
}

/* One point for all teams: no region here contains another. */
static char barrier, critical;

void __wrap_GOMP_barrier(void)
{
    __tsan_release(&barrier);
    __real_GOMP_barrier();
    __tsan_acquire(&barrier);
}

/* the end of a loop with a dynamic schedule is a barrier */
void __wrap_GOMP_loop_end(void)
{
    __tsan_release(&barrier);
    __real_GOMP_loop_end();
    __tsan_acquire(&barrier);
}

void __wrap_GOMP_critical_start(void)
{
    __real_GOMP_critical_start();
    __tsan_acquire(&critical);
}

void __wrap_GOMP_critical_end(void)
{
    __tsan_release(&critical);
    __real_GOMP_critical_end();
}
