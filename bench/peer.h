/* Another program that does the work of a figure, timed in turns with ours.
 *
 * A peer is a command of the shell, bench/peers/pytorch and bench/peers/llama are two. It is
 * started with a kind of work and its options, as in
 *
 *     COMMAND decode --mode sparse --dtype fp32 --threads 2 --sequences 64 --prompt 256 --steps 32
 *             --model DIR
 *
 * (`gemm --size N` has no mode and no model), makes itself ready, which may take minutes, and
 * prints one line: its name, or an empty one when it has no such work. Then it reads lines; for
 * each it does the work once and prints the seconds that count. It ends with its input. What it has
 * to say besides goes to standard error. */
#ifndef EL_BENCH_PEER_H
#define EL_BENCH_PEER_H

#include "bench/measure.h"

struct el_bench_peer {
    const char *command; /* borrowed; NULL: there is no peer */
    const char *model;   /* borrowed: the folder DIR of the next start, or NULL */
    char work[256];      /* what the process that runs now was started with */
    char name[120];      /* as it calls itself */
    int pid, fd;         /* 0: none runs */
};

/* Nothing is started yet. */
void el_bench_peer_init(struct el_bench_peer *p, const char *command);
/* Ends the process. */
void el_bench_peer_release(struct el_bench_peer *p);

/* Makes p ready for `work` ("decode --mode sparse ..."), unless that is what it runs already.
 * EL_EIO when it cannot be started or ends instead of naming itself, EL_EFORMAT for a line that is
 * too long, EL_EINTR on el_stop_requested. */
int el_bench_peer_start(struct el_bench_peer *p, const char *work, struct el_error *err);

/* The work once; the run of an el_bench_job whose user is the peer. EL_EIO when the peer is gone,
 * EL_EFORMAT when it answers anything but a number above 0. */
int el_bench_peer_run(void *peer, double *seconds, struct el_error *err);

/* What a peer took, beside a figure of ours. */
struct el_bench_beside {
    char name[120];
    struct el_bench_times times;   /* n 0: there was no peer */
    double ratio, lowest, highest; /* its time over ours: median of the turns, least, most */
};

/* Turns of `own` and of the peer for `work`, in each of which either runs three times and its
 * median counts: *times is ours, *beside the peer's. A peer that has no such work leaves both as
 * they are. 1 <= turns <= EL_BENCH_MOST_REPEATS. Errors: of either's run. */
int el_bench_race(struct el_bench_peer *p, const char *work, const struct el_bench_job *own,
                  int turns, struct el_bench_times *times, struct el_bench_beside *beside,
                  struct el_error *err);

#endif
