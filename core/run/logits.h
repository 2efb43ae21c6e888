/* Logits of given tokens, written to a safetensors file: for comparing this engine with another.
 *
 *   logits            F32 [B,T,V]
 *   generated         I32 [B,N]    with greedy N: the tokens that follow, largest logit first
 *   generated_logits  F32 [B,N,V]  what each of them was taken from, computed step by step from the
 *                                  cache (the first ones are the last rows of `logits`, with mha
 *                                  but for rounding)
 *   selected.L        I32 [B,T,index_topk]  with trace, not dense: the positions that each layer
 *                                           reads, ascending, -1 behind the last
 *   routed.L          I32 [B,T,k]  with trace: the experts of each MoE layer, ascending
 *
 * The metadata names the attention mode, the op table, the model's digest, the compute mode and
 * what multiplies BF16 operands in it, and "fp8" where it is on. */
#ifndef EL_RUN_LOGITS_H
#define EL_RUN_LOGITS_H

#include "core/base/progress.h"
#include "core/model/pass.h"
#include "core/run/token_file.h"

struct el_logits_options {
    enum el_attention attention;
    int trace;
    int greedy;              /* N; 0: none */
    enum el_compute compute; /* el_engine_options' compute */
    int fp8; /* el_pass's fp8: `logits` from rounded keys, `generated` from a packed cache, which
                holds the same values */
};

/* Writes the file atomically. EL_ELIMIT when T + greedy exceeds the model's context, EL_EINTR on
 * el_stop_requested, EL_EREFUSED when the model's shape has no FP8 form. Progress counts tokens. */
int el_logits_write(const struct el_weights *w, struct el_stream *s, const struct el_token_batch *b,
                    const struct el_logits_options *o, const char *path,
                    struct el_progress *progress, struct el_error *err);

#endif
