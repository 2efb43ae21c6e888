#include "bench/cases.h"
#include "core/ops/gemm.h"
#include "core/ops/gemm_bf16.h"

#include <stdio.h>

enum form { FORWARD, DX, DW }; /* y = x W^T, dx = dy W, dW += dy^T x */

static const char *const form_names[] = {"B^T", "", "A^T, C +="};

static struct el_gemm product(enum form form, int m, int n, int k)
{
    struct el_gemm g = {
        .m = m, .n = n, .k = k, .a_row = k, .a_col = 1, .b_row = n, .b_col = 1, .c_row = n};
    if (form == FORWARD) {
        g.b_row = 1;
        g.b_col = k;
    } else if (form == DW) {
        g.a_row = 1;
        g.a_col = m;
        g.accumulate = 1;
    }
    return g;
}

/* `work`: what a peer does beside it, or NULL. */
static void one_beside(struct el_bench *b, enum form form, int m, int n, int k, const char *work)
{
    char what[64];
    struct el_gemm g = product(form, m, n, k);
    g.a = el_bench_noise(b, (size_t)m * (size_t)k);
    g.b = el_bench_noise(b, (size_t)n * (size_t)k);
    g.c = el_bench_noise(b, (size_t)m * (size_t)n);
    snprintf(what, sizeof what, "m %d n %d k %d %s", m, n, k, form_names[form]);
    el_bench_op_beside(b, EL_OP_gemm, &g, what, work);
}

static void one(struct el_bench *b, enum form form, int m, int n, int k)
{
    one_beside(b, form, m, n, k, NULL);
}

/* y = x W^T with both rounded to BF16; `experts` > 0: rows spread evenly over so many. */
static void one_bf16(struct el_bench *b, int experts, int m, int n, int k, const char *work)
{
    char what[64];
    int batch = experts > 0 ? experts : 1;
    size_t room = (size_t)batch * (size_t)el_gemm_bf16_packed(n, k);
    struct el_gemm_bf16_pack p = {.n = n,
                                  .k = k,
                                  .b = el_bench_noise(b, (size_t)batch * (size_t)n * (size_t)k),
                                  .b_row = 1,
                                  .b_col = k,
                                  .batch = batch,
                                  .b_batch = (int64_t)n * k,
                                  .packed = (uint16_t *)(void *)el_bench_noise(b, room / 2)};
    struct el_gemm_bf16 g = {.m = m,
                             .n = n,
                             .k = k,
                             .a = el_bench_noise(b, (size_t)m * (size_t)k),
                             .a_row = k,
                             .packed = p.packed,
                             .c = el_bench_noise(b, (size_t)m * (size_t)n),
                             .c_row = n};
    int32_t *offsets = el_bench_ints(b, (size_t)batch + 1);
    if (b->failed)
        return;
    for (int i = 0; i <= batch; i++)
        offsets[i] = (int32_t)((int64_t)m * i / batch);
    if (experts > 0) {
        g.batch = experts, g.group = EL_GROUP_ROWS, g.offsets = offsets;
        snprintf(what, sizeof what, "%d experts m %d n %d k %d", experts, m, n, k);
    } else {
        snprintf(what, sizeof what, "m %d n %d k %d", m, n, k);
    }
    el_gemm_bf16_pack(b->s, &p);
    el_bench_op_beside(b, EL_OP_gemm_bf16, &g, what, work);
}

/* `rows` rows spread evenly over the experts; each expert's weights are (out, in). */
static void grouped(struct el_bench *b, enum form form, int experts, int rows, int out, int in)
{
    char what[64];
    size_t weights = (size_t)experts * (size_t)out * (size_t)in;
    float *x = el_bench_noise(b, (size_t)rows * (size_t)in);
    float *y = el_bench_noise(b, (size_t)rows * (size_t)out), *w = el_bench_noise(b, weights);
    int32_t *offsets = el_bench_ints(b, (size_t)experts + 1);
    for (int i = 0; offsets && i <= experts; i++)
        offsets[i] = (int32_t)((int64_t)rows * i / experts);
    struct el_gemm g;
    if (form == FORWARD) {
        g = product(form, rows, out, in);
        g.a = x, g.b = w, g.c = y;
    } else if (form == DX) {
        g = product(form, rows, in, out);
        g.a = y, g.b = w, g.c = x;
    } else {
        g = product(form, out, in, rows);
        g.a = y, g.b = x, g.c = w;
    }
    g.batch = experts;
    g.group = form == DW ? EL_GROUP_K : EL_GROUP_ROWS;
    g.b_batch = g.c_batch = (int64_t)out * in;
    g.offsets = offsets;
    snprintf(what, sizeof what, "%d experts m %d n %d k %d %s", experts, g.m, g.n, g.k,
             form_names[form]);
    el_bench_op(b, EL_OP_gemm, &g, what);
}

int el_bench_gemm_shapes(struct el_bench *b, struct el_error *err)
{
    static const int shapes[][3] = {{8192, 256, 96},  {8192, 96, 256}, {8192, 96, 96},
                                    {4096, 640, 256}, {8192, 512, 96}, {4096, 256, 640},
                                    {128, 256, 96},   {64, 96, 256},   {64, 640, 256},
                                    {1, 640, 256},    {8, 256, 96},    {1024, 1024, 1024}};
    int rc = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes && rc == 0; i++) {
        one(b, DX, shapes[i][0], shapes[i][1], shapes[i][2]);
        one(b, FORWARD, shapes[i][0], shapes[i][1], shapes[i][2]);
        rc = el_bench_drop(b, err);
    }
    if (rc < 0)
        return rc;
    one(b, DW, 96, 256, 8192);
    one(b, DW, 256, 96, 8192);
    one(b, DW, 640, 256, 4096);
    one(b, DW, 256, 64, 8192);
    for (int form = FORWARD; form <= DW; form += DW) {
        grouped(b, (enum form)form, 8, 8192, 96, 256);
        grouped(b, (enum form)form, 8, 8192, 256, 96);
    }
    grouped(b, FORWARD, 8, 128, 256, 96);
    return el_bench_drop(b, err);
}

int el_bench_gemm_square(struct el_bench *b, enum el_compute compute, int n, struct el_error *err)
{
    char work[32];
    snprintf(work, sizeof work, "gemm --size %d", n);
    if (compute == EL_COMPUTE_BF16)
        one_bf16(b, 0, n, n, n, work);
    else
        one_beside(b, FORWARD, n, n, n, work);
    return el_bench_drop(b, err);
}

int el_bench_gemm_model(struct el_bench *b, const struct el_config *c, enum el_compute compute,
                        int rows, struct el_error *err)
{
    enum form last = compute == EL_COMPUTE_BF16 ? FORWARD : DW;
    int h = c->num_attention_heads, head = c->qk_nope_head_dim + c->qk_rope_head_dim;
    const int plain[][2] = {{c->q_lora_rank, c->hidden_size},
                            {h * head, c->q_lora_rank},
                            {c->kv_lora_rank + c->qk_rope_head_dim, c->hidden_size},
                            {c->hidden_size, h * c->v_head_dim},
                            {c->intermediate_size, c->hidden_size},
                            {c->hidden_size, c->intermediate_size},
                            {c->vocab_size, c->hidden_size}};
    int pairs = rows * c->num_experts_per_tok, wide = c->moe_intermediate_size, rc = 0;
    for (int form = FORWARD; form <= (int)last && rc == 0; form++) {
        for (size_t i = 0; i < sizeof plain / sizeof *plain && rc == 0; i++) {
            int out = plain[i][0], in = plain[i][1];
            if (compute == EL_COMPUTE_BF16)
                one_bf16(b, 0, rows, out, in, NULL);
            else if (form == FORWARD)
                one(b, FORWARD, rows, out, in);
            else if (form == DX)
                one(b, DX, rows, in, out);
            else
                one(b, DW, out, in, rows);
            rc = el_bench_drop(b, err);
        }
        if (c->n_routed_experts > 0 && rc == 0 && compute == EL_COMPUTE_BF16) {
            one_bf16(b, c->n_routed_experts, pairs, wide, c->hidden_size, NULL);
            one_bf16(b, c->n_routed_experts, pairs, c->hidden_size, wide, NULL);
            rc = el_bench_drop(b, err);
        } else if (c->n_routed_experts > 0 && rc == 0) {
            grouped(b, (enum form)form, c->n_routed_experts, pairs, wide, c->hidden_size);
            grouped(b, (enum form)form, c->n_routed_experts, pairs, c->hidden_size, wide);
            rc = el_bench_drop(b, err);
        }
    }
    return rc;
}
