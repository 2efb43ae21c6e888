/* What is measured: single ops, and the engine's passes over a model. Each adds figures to the
 * session. Errors are those of the engine; EL_ELIMIT and EL_EINVAL when lengths do not fit the
 * model's context. */
#ifndef EL_BENCH_CASES_H
#define EL_BENCH_CASES_H

#include "bench/bench.h"
#include "core/model/weights.h"
#include "core/model/pass.h"
#include "core/train/trainer.h"

/* Products of mixed shapes: plain, B transposed, A transposed, a few rows, experts. */
int el_bench_gemm_shapes(struct el_bench *b, struct el_error *err);
/* One large product, n x n x n: what the kernel reaches when nothing is in its way. */
int el_bench_gemm_square(struct el_bench *b, enum el_compute compute, int n, struct el_error *err);
/* Every product of a layer and of the head over `rows` rows: forward and, in fp32, the two of the
 * backward pass. */
int el_bench_gemm_model(struct el_bench *b, const struct el_config *c, enum el_compute compute,
                        int rows, struct el_error *err);

/* The shape of attention and indexer, and which rows they run over. */
struct el_bench_attention {
    int heads, latent, rope, index_heads, index_dim, topk;
    int train_sequences, train_length;   /* packed sequences, forward and backward */
    int decode_sequences, decode_length; /* one row at the end of each, over blocks of 16 keys */
};
struct el_bench_attention el_bench_attention_of(const struct el_config *c);
int el_bench_attention(struct el_bench *b, const struct el_bench_attention *shape,
                       struct el_error *err);

/* One more token at contexts of `from`, 2 from, 4 from .. at most `to` tokens: decode of one query
 * and a block of `queries`, each dense, with DSA (indexer included), and the ratio; memory is that
 * of caches, queries, outputs and workspace. Keys and queries are noise, so that the indexer's
 * choice is scattered over the cache. EL_EINVAL unless 1 <= queries <= from <= to. */
struct el_bench_context {
    int from, to, queries;
};
int el_bench_context(struct el_bench *b, const struct el_bench_attention *shape,
                     const struct el_bench_context *o, struct el_error *err);

/* Ops that stream rows. */
int el_bench_rows(struct el_bench *b, struct el_error *err);

/* `steps` tokens for each of `sequences` sequences that are decoded together, their prompts of
 * `prompt` tokens (all different) in the cache. Greedy. */
struct el_bench_decode {
    enum el_attention attention;
    int sequences, prompt, steps;
    enum el_compute compute;
    int fp8; /* core/run/engine.h; no peer does the same */
};
int el_bench_decode(struct el_bench *b, const struct el_weights *w, const struct el_bench_decode *o,
                    struct el_error *err);

/* From an empty cache to the first token of one prompt of `prompt` tokens; then of `sequences`
 * completions of that one prompt, and how many times the first this costs ("sharing"). */
struct el_bench_prefill {
    enum el_attention attention;
    int prompt, sequences;
    int mha_limit; /* core/run/engine.h; the limit is printed when there is one */
    enum el_compute compute;
    int fp8;
};
int el_bench_prefill(struct el_bench *b, const struct el_weights *w,
                     const struct el_bench_prefill *o, struct el_error *err);

/* Training steps (forward, backward, update) over `tokens` tokens in sequences of `length`. The
 * weights change. */
struct el_bench_train {
    enum el_stage stage;
    int tokens, length;
};
int el_bench_train(struct el_bench *b, struct el_weights *w, const struct el_bench_train *o,
                   struct el_error *err);

#endif
