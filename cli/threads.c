#include "cli/threads.h"

#include "core/base/alloc.h"

#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { MANY = 60, CALM = 10 };

int cli_crowding_update(struct cli_crowding *c, long switches, double seconds)
{
    int many = (double)(switches - c->switches) > MANY * (seconds - c->seconds) + 2;
    c->switches = switches;
    c->seconds = seconds;
    c->calm = many ? 0 : c->calm + 1;
    c->crowded = many || (c->crowded && c->calm < CALM);
    return c->crowded;
}

/* The thread that holds the idle team. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t let_go;
    pthread_t thread;
    int held;
} team = {.lock = PTHREAD_MUTEX_INITIALIZER, .let_go = PTHREAD_COND_INITIALIZER};

static void *wait_for_others(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&team.lock);
    pthread_mutex_unlock(&team.lock);
    return NULL;
}

/* Whether n threads can be made: libgomp ends the program when it cannot make one. */
static int threads_to_be_had(int n)
{
    pthread_t *thread = el_alloc_array((size_t)n, sizeof *thread);
    int made = 0;
    if (!thread)
        return 0;
    pthread_mutex_lock(&team.lock);
    while (made < n && pthread_create(&thread[made], NULL, wait_for_others, NULL) == 0)
        made++;
    pthread_mutex_unlock(&team.lock);
    for (int i = 0; i < made; i++)
        pthread_join(thread[i], NULL);
    el_free(thread);
    return made == n;
}

static void make_team(int n)
{
    int made = 0;
#pragma omp parallel num_threads(n) reduction(+ : made)
    made++;
    (void)made;
}

static void *hold_team(void *unused)
{
    int n = omp_get_num_procs() + 1;
    (void)unused;
    if (threads_to_be_had(n))
        make_team(n);
    pthread_mutex_lock(&team.lock);
    while (team.held)
        pthread_cond_wait(&team.let_go, &team.lock);
    pthread_mutex_unlock(&team.lock);
    return NULL; /* libgomp lets the team of a thread go with it */
}

/* Signals are for the threads that were there before. */
static int start_thread(pthread_t *thread, void *(*run)(void *))
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return 0;
    int started = pthread_create(thread, NULL, run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void cli_threads_sleep_soon(void)
{
    team.held = 1;
    if (!start_thread(&team.thread, hold_team))
        team.held = 0;
}

void cli_threads_spin(void)
{
    pthread_mutex_lock(&team.lock);
    int held = team.held;
    team.held = 0;
    pthread_cond_signal(&team.let_go);
    pthread_mutex_unlock(&team.lock);
    if (held)
        pthread_join(team.thread, NULL);
}

static double seconds_of(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
           1e-6 * (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

static void *watch(void *unused)
{
    (void)unused;
    const struct timespec interval = {.tv_nsec = CLI_CROWDING_MS * 1000000L};
    struct cli_crowding c = {0};
    for (int held = 0;;) {
        struct rusage usage;
        nanosleep(&interval, NULL);
        if (getrusage(RUSAGE_SELF, &usage) != 0)
            return NULL;
        int crowded = cli_crowding_update(&c, usage.ru_nivcsw, seconds_of(&usage));
        if (crowded && !held)
            cli_threads_sleep_soon();
        else if (!crowded && held)
            cli_threads_spin();
        held = crowded;
    }
}

void cli_watch_threads(void)
{
    pthread_t thread;
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
        return;
    if (start_thread(&thread, watch))
        pthread_detach(thread);
}
