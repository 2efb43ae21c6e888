/* How long a thread that waits for others spins.
 *
 * libgomp lets a waiting thread spin for milliseconds (300,000 turns) before it sleeps. On a
 * machine of one's own that is right: waking takes longer than most waits between two ops last.
 * Where other programs use the cores, too, it is wrong: the thread that is waited for needs the
 * core that the waiting one spins on. libgomp cannot be told so while it runs, but it spins for 100
 * turns only while it manages more threads than there are processors; so where cores are shared a
 * team of threads is made that does nothing but exist.
 *
 * Two trainings of the shipped shape beside each other on two cores: 1,900 ms a step without the
 * watch, 1,100 with it; alone, spinning saves a tenth of a decoding pass (docs/ARCHITECTURE.md). */
#ifndef CLI_THREADS_H
#define CLI_THREADS_H

/* Whether the process shares its cores, from how often the scheduler takes them away. */
struct cli_crowding {
    long switches;  /* at the last call */
    double seconds; /* likewise */
    int calm;       /* calls in a row without many */
    int crowded;
};

/* To be called every CLI_CROWDING_MS with the involuntary context switches of the process until now
 * and the seconds of processor time that its threads have used (getrusage). Returns `crowded`: set
 * by an interval with more than 60 switches for each of these seconds (20 alone, 200 and more
 * beside another program, two threads on two cores), cleared by ten intervals in a row with fewer.
 */
int cli_crowding_update(struct cli_crowding *c, long switches, double seconds);

enum { CLI_CROWDING_MS = 200 };

/* Threads that wait sleep soon from now on (not to be called twice) / spin again (else without
 * effect). Best effort: where no more threads can be had nothing changes. */
void cli_threads_sleep_soon(void);
void cli_threads_spin(void);

/* Starts a thread that watches and decides, unless the user did (GOMP_SPINCOUNT or
 * OMP_WAIT_POLICY). It gets no signals and ends with the process. */
void cli_watch_threads(void);

#endif
