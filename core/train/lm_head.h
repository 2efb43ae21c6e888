/* Log-probabilities of target tokens and the way back into the model, the vocabulary's logits made
 * in chunks of rows: the (tokens x vocabulary) matrix never exists as a whole. */
#ifndef EL_TRAIN_LM_HEAD_H
#define EL_TRAIN_LM_HEAD_H

#include "core/model/transformer.h"

/* The targets of a pass: n rows of it, ascending. Host arrays. */
struct el_targets {
    int n;
    const int32_t *row;   /* (n) which row of the pass predicts ... */
    const int32_t *token; /* (n) ... this token */
    float inv_temperature;
    /* sampling-mask replay: the kept ids of target i are kept[kept_start[i]..kept_start[i+1]-1];
     * NULL: the whole vocabulary */
    const int32_t *kept_start, *kept;
};

struct el_lm_head {
    struct el_device *device;
    int chunk, vocab, hidden, max_rows;
    void *block;
    float *hidden_rows, *dhidden;       /* (chunk, C) */
    float *logits;                      /* (chunk, V) */
    float *logp, *lse, *entropy, *coef; /* (chunk) */
    int32_t *row, *token, *kept_start;  /* (chunk), (chunk), (chunk+1) */
    int32_t *kept;                      /* grown as needed */
    size_t kept_room;
    float *dfinal;       /* (max_rows, C) */
    int32_t *host_start; /* (chunk+1) */
};

/* chunk: rows of logits made at a time (512 is a good number on a CPU). */
int el_lm_head_init(struct el_lm_head *h, const struct el_config *c, struct el_device *d,
                    int max_rows, int chunk, struct el_error *err);
void el_lm_head_release(struct el_lm_head *h);

/* logp (n) and, unless NULL, entropy (n), to host memory. */
int el_lm_head_logprobs(struct el_lm_head *h, const struct el_pass *p, const struct el_acts *acts,
                        const struct el_targets *t, float *logp, float *entropy,
                        struct el_error *err);

/* For the loss sum over i of coef[i] * logp[i] (cross entropy: coef = -weight / denominator):
 * fills h->dfinal, adds the head's gradient to g, and writes logp (n) to host memory. coef (n) is
 * a host array. */
int el_lm_head_backward(struct el_lm_head *h, const struct el_pass *p, const struct el_acts *acts,
                        const struct el_targets *t, const float *coef, const struct el_view *g,
                        float *logp, struct el_error *err);

#endif
