/* Golden cases (tests/golden): a model folder and what a correct implementation computes from it.
 * Shared by the tests of the model, the trainer and the serving engine. */
#ifndef EL_TESTS_MODEL_GOLDEN_CASE_H
#define EL_TESTS_MODEL_GOLDEN_CASE_H

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/model/pack.h"
#include "core/model/transformer.h"
#include "core/tensor/safetensors.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define GOLDEN_DIR EL_SOURCE_DIR "/tests/golden/"

static const char *const golden_names[] = {"base",       "index_interleaved", "ungrouped_tied",
                                           "tiny_norms", "full_topk",         "zero_ties"};
enum { GOLDEN_CASES = sizeof golden_names / sizeof *golden_names };

/* Tables that this processor may lack are skipped. */
static const char *const golden_isas[] = {"ref", "generic", "avx2", "avx512"};
enum { GOLDEN_ISAS = sizeof golden_isas / sizeof *golden_isas };

#define golden_must(call)                                                                          \
    do {                                                                                           \
        struct el_error err = {0};                                                                 \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.msg);                                                    \
    } while (0)

struct golden_case {
    const char *name;
    struct el_safetensors st;
    struct el_weights *w;
    int b, t, rows, vocab, layers, topk; /* rows = b*t */
    const int32_t *tokens, *targets;     /* (b, t) */
};

static inline const struct el_st_tensor *golden_tensor(const struct golden_case *g,
                                                       const char *name, enum el_dtype dtype)
{
    const struct el_st_tensor *t = NULL;
    golden_must(el_safetensors_need(&g->st, name, dtype, -1, NULL, &t, &err));
    assert_int_equal((uintptr_t)t->data % 4, 0);
    return t;
}

static inline const float *golden_floats(const struct golden_case *g, const char *name)
{
    return golden_tensor(g, name, EL_F32)->data;
}

static inline const int32_t *golden_ints(const struct golden_case *g, const char *name)
{
    return golden_tensor(g, name, EL_I32)->data;
}

static inline void golden_open(struct golden_case *g, const char *name, struct el_device *device)
{
    char path[512];
    *g = (struct golden_case){.name = name};
    snprintf(path, sizeof path, GOLDEN_DIR "%s", name);
    golden_must(el_weights_load(path, device, &g->w, NULL, NULL, &err));
    snprintf(path, sizeof path, GOLDEN_DIR "%s/golden.safetensors", name);
    golden_must(el_safetensors_open(&g->st, path, &err));
    const struct el_st_tensor *tokens = golden_tensor(g, "tokens", EL_I32);
    g->tokens = tokens->data;
    g->targets = golden_ints(g, "targets");
    g->b = (int)tokens->shape[0];
    g->t = (int)tokens->shape[1];
    g->rows = g->b * g->t;
    g->vocab = g->w->config.vocab_size;
    g->layers = g->w->config.num_hidden_layers;
    g->topk = g->w->config.index_topk;
}

static inline void golden_close(struct golden_case *g)
{
    el_weights_free(g->w);
    el_safetensors_release(&g->st);
}

/* Largest |a-b| over the largest |b|; NaN counts as infinitely far. */
static inline double golden_distance(const float *a, const float *b, int64_t n)
{
    double worst = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - b[i]);
        if (!(d <= worst))
            worst = isnan(d) ? INFINITY : d;
        size = fabs((double)b[i]) > size ? fabs((double)b[i]) : size;
    }
    return size > 0 ? worst / size : worst;
}

#endif
