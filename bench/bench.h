/* A session of measurements: machine, stream, and the figures found so far.
 *
 * A figure is one thing that was timed: the median of repeats, what it computed and moved, and with
 * the session's ceilings the share of what this machine can do. Cases (bench/cases.h) add figures;
 * `show` sees each as it comes. */
#ifndef EL_BENCH_BENCH_H
#define EL_BENCH_BENCH_H

#include "bench/measure.h"
#include "bench/peer.h"
#include "bench/work.h"
#include "core/base/buf.h"

struct el_bench_machine {
    char cpu[80];
    const char *isa; /* the op table's name */
    int threads;
    double load;      /* processes running when the session began, per minute; < 0: not known */
    double flop_rate; /* FLOP/s: el_bench_flop_ceiling */
    double byte_rate; /* bytes/s: el_bench_bandwidth */
    const char *bf16; /* what multiplies BF16 operands */
    double bf16_rate; /* FLOP/s: el_bench_bf16_ceiling */
};

/* Fills *m; takes about half a second. */
int el_bench_machine_init(struct el_bench_machine *m, const struct el_ops *ops, int threads,
                          struct el_error *err);

struct el_bench_figure {
    char name[80];
    struct el_bench_times times;   /* n 0: the figure is `ratio` alone */
    struct el_bench_work work;     /* of one run */
    int bf16;                      /* FLOP are compared with what BF16 operands allow */
    double items;                  /* what one run makes, 0: nothing that is counted */
    const char *unit;              /* "tokens" */
    double ratio;                  /* with times.n 0 */
    int context;                   /* tokens that a query sees, 0: not of this figure */
    double memory;                 /* bytes it needs at once, 0: not counted */
    struct el_bench_tally *ops;    /* of one run, or NULL */
    struct el_bench_beside beside; /* the same work by the session's peer */
};

struct el_bench {
    struct el_stream *s; /* borrowed, on the host device */
    struct el_bench_machine machine;
    int repeats;
    double slice;     /* seconds for each repeat of a single op */
    const char *only; /* measure this op alone; NULL: all */
    struct el_bench_peer peer;
    void (*show)(void *user, const struct el_bench *b, const struct el_bench_figure *f);
    void *user;
    struct el_bench_figure *figures;
    int n_figures, room;
    void **blocks; /* device arrays of the case at work */
    int n_blocks, block_room;
    int failed; /* sticky: the first error, after which no op is run; el_bench_drop reports it */
    struct el_error error;
};

/* The machine's facts stay zero until el_bench_machine_init fills b->machine. */
void el_bench_init(struct el_bench *b, struct el_stream *s, int repeats);
void el_bench_release(struct el_bench *b);

/* Device arrays of reproducible noise in -1..1, and of zeros, that live until el_bench_drop.
 * NULL when memory runs out. */
float *el_bench_noise(struct el_bench *b, size_t n);
int32_t *el_bench_ints(struct el_bench *b, size_t n);
int el_bench_drop(struct el_bench *b, struct el_error *err);

/* Times `job` for f: with a peer in the session f->times and f->beside of turns of both, the peer
 * doing `work` (printf; --dtype by f->bf16 and --threads are added). Where there is none, it has no
 * such work, or `work` is NULL: f->times of the repeats of `job` alone. */
int el_bench_beside(struct el_bench *b, const struct el_bench_job *job, struct el_bench_figure *f,
                    struct el_error *err, const char *work, ...)
    __attribute__((format(printf, 5, 6)));

/* Times one op: a figure "op, what". Nothing when b->only leaves the op out. `work`: what a peer
 * does beside it, or NULL. */
void el_bench_op(struct el_bench *b, enum el_op op, const void *args, const char *what);
void el_bench_op_beside(struct el_bench *b, enum el_op op, const void *args, const char *what,
                        const char *work);

/* Takes a copy of f (its tally included) and shows it. */
int el_bench_add(struct el_bench *b, const struct el_bench_figure *f, struct el_error *err);

/* One line of text for a figure, without a newline; a second one where a peer did the same. */
int el_bench_line(struct el_buf *out, const struct el_bench *b, const struct el_bench_figure *f,
                  struct el_error *err);
/* A table of a figure's ops, the longest first, a line each. */
int el_bench_ops_table(struct el_buf *out, const struct el_bench *b,
                       const struct el_bench_figure *f, struct el_error *err);
/* Everything as JSON: "version", "cpu", "isa", "threads", "load", "flop_ceiling",
 * "byte_ceiling", "bf16", "bf16_ceiling" and "figures": objects with name, seconds, fastest,
 * slowest, repeats, flop, bytes, flop_share, byte_share, items, unit, and "ops" where they are
 * known; or name and ratio; context and memory where they are known; "peer" where one did the same:
 * name, seconds, ratio, lowest, highest. */
int el_bench_json(struct el_buf *out, const struct el_bench *b, const char *version,
                  struct el_error *err);

#endif
