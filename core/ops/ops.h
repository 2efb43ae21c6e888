/* The op table and the stream it runs on.
 *
 * An op is a function of one argument struct (its shapes stand in the op's header). Model code
 * fills the struct and calls the typed wrapper, el_gemm(stream, &args); the wrapper runs whatever
 * the table holds for that op. el_ops_ref fills every entry with plain C; a backend starts from
 * that table and overrides what it does better, so no op is ever missing.
 *
 * Rules for every op
 *   - all pointers in the arguments are device pointers, the struct itself is in host memory;
 *   - nothing is returned to the host: results, scalars included, stay on the device;
 *   - scratch memory comes from the stream's workspace (the table's `workspace` entry says how
 *     many bytes an argument struct needs), so an op never allocates;
 *   - row invariance: what is computed for one row does not depend on the other rows, the number
 *     of rows, the place of the row in the batch or the number of threads, bit for bit;
 *   - sums over rows (weight gradients) run in an order that does not depend on the number of
 *     threads.
 *
 * Errors are sticky, as on a GPU: after a failure (only lack of workspace memory can fail) later
 * ops do nothing and el_stream_check reports it. */
#ifndef EL_OPS_OPS_H
#define EL_OPS_OPS_H

#include "core/base/error.h"
#include "core/tensor/device.h"

#include <stddef.h>
#include <stdint.h>

#define EL_OP_LIST(X)                                                                              \
    X(gemm)                                                                                        \
    X(gemm_pack)                                                                                   \
    X(gemm_bf16)                                                                                   \
    X(gemm_bf16_pack)                                                                              \
    X(rmsnorm)                                                                                     \
    X(rmsnorm_bwd)                                                                                 \
    X(layernorm)                                                                                   \
    X(layernorm_bwd)                                                                               \
    X(rope)                                                                                        \
    X(attn)                                                                                        \
    X(attn_bwd)                                                                                    \
    X(attn_mha)                                                                                    \
    X(index_select)                                                                                \
    X(index_loss)                                                                                  \
    X(moe_route)                                                                                   \
    X(moe_route_bwd)                                                                               \
    X(moe_plan)                                                                                    \
    X(moe_gather)                                                                                  \
    X(moe_gather_bwd)                                                                              \
    X(moe_combine)                                                                                 \
    X(moe_combine_bwd)                                                                             \
    X(swiglu)                                                                                      \
    X(swiglu_bwd)                                                                                  \
    X(embed)                                                                                       \
    X(embed_bwd)                                                                                   \
    X(logprob)                                                                                     \
    X(logprob_bwd)                                                                                 \
    X(copy_rows)                                                                                   \
    X(copy_bytes)                                                                                  \
    X(fp8_round)                                                                                   \
    X(fp8_pack)                                                                                    \
    X(add)                                                                                         \
    X(fill)                                                                                        \
    X(sumsq)                                                                                       \
    X(adamw)

enum el_op {
#define X(name) EL_OP_##name,
    EL_OP_LIST(X)
#undef X
        EL_OP_COUNT
};

struct el_stream;
struct el_bf16_kernel;

struct el_ops {
    const char *name; /* "ref", "avx2", "avx512", "generic": recorded with every run */
    const struct el_bf16_kernel *bf16; /* what multiplies BF16 operands; NULL: the reference */
    void (*run[EL_OP_COUNT])(struct el_stream *s, const void *args);
    size_t (*workspace[EL_OP_COUNT])(const struct el_stream *s, const void *args); /* NULL: 0 */
};

struct el_stream {
    struct el_device *device;
    const struct el_ops *ops;
    void *ws; /* device workspace of ws_size bytes, grown when an op asks for more */
    size_t ws_size;
    int threads;          /* OpenMP threads that ops may use; >= 1 */
    int failed;           /* 0, or the sticky EL_E* code */
    enum el_op failed_op; /* with `failed`: the op, and the workspace it did not get */
    size_t failed_bytes;
    /* optional host array [EL_OP_COUNT]: time per op, for bench; with one thread its processor
     * time, else of the wall clock */
    double *seconds;
    /* optional: sees every op's arguments before it runs, with device memory open; for bench */
    void (*watch)(void *user, enum el_op op, const void *args);
    void *watch_user;
};

/* device and ops stay the caller's; threads 0: OMP_NUM_THREADS, by default one per available
 * core. */
void el_stream_init(struct el_stream *s, struct el_device *device, const struct el_ops *ops,
                    int threads);
void el_stream_release(struct el_stream *s);
/* 0, or the sticky failure with its message; clears it. */
int el_stream_check(struct el_stream *s, struct el_error *err);
void el_op_run(struct el_stream *s, enum el_op op, const void *args);
const char *el_op_name(enum el_op op);

/* The reference table: plain C, one thread, straightforward. */
const struct el_ops *el_ops_ref(void);
/* The fastest table of this processor: avx512, avx2 or generic, chosen at run time. `name` forces
 * one ("ref" too); NULL result when the processor lacks it or the name is unknown. */
const struct el_ops *el_ops_cpu(void);
const struct el_ops *el_ops_find(const char *name);

/* What multiplies BF16 operands (core/ops/gemm_bf16.h): "amx", "avx512bf16", or the table's name.
 */
const char *el_ops_bf16_name(const struct el_ops *t);
/* Copies of a table, one for each way in which this processor can multiply BF16 operands: the table
 * itself is number 0. NULL behind the last. For tests and bench. */
const struct el_ops *el_ops_bf16_variant(const struct el_ops *t, int i);

/* For backends: fills a table with the reference ops. */
void el_ops_init_ref(struct el_ops *t);

#define EL_OP_WRAPPER(op)                                                                          \
    static inline void el_##op(struct el_stream *s, const struct el_##op *a)                       \
    {                                                                                              \
        el_op_run(s, EL_OP_##op, a);                                                               \
    }

#endif
