/* Masked multi-head attention on every backend: against the reference, against the absorbed form,
 * and a row alone as in a batch. */
#include "core/ops/attention_mha.h"
#include "core/ops/fp8_row.h"
#include "core/ops/gemm_pack.h"
#include "tests/ops/paged.h"

enum { CASES = 12 };

static struct el_attn_mha random_attention(struct bench *b, const struct paged *p)
{
    struct el_attn_mha a = {.at = p->at,
                            .heads = bench_size(b, 1, 9),
                            .latent = bench_size(b, 1, 70),
                            .rope = bench_below(b, 20),
                            .nope = bench_size(b, 1, 40),
                            .value = bench_size(b, 1, 40),
                            .scale = 0.2f};
    a.q = bench_normal(b, (int64_t)p->at.rows * a.heads * (a.nope + a.rope));
    a.kv = bench_normal(b, (int64_t)p->cache_rows * (a.latent + a.rope));
    a.up = bench_normal(b, (int64_t)a.heads * (a.nope + a.value) * a.latent);
    a.out = bench_output(b, (int64_t)p->at.rows * a.heads * a.value);
    return a;
}

static struct el_attn_mha other_output(struct bench *b, struct el_attn_mha a)
{
    a.out = bench_output(b, (int64_t)a.at.rows * a.heads * a.value);
    return a;
}

static void maybe_select(struct bench *b, struct el_attn_mha *a)
{
    if (bench_below(b, 2)) {
        a->topk = bench_size(b, 1, 300);
        a->selected = random_selection(b, &a->at, a->topk, 0);
    }
}

static void same_output(const struct el_attn_mha *x, const struct el_attn_mha *y, int row, int rows,
                        const char *what)
{
    int64_t width = (int64_t)y->heads * y->value;
    same_bits(x->out, y->out + row * width, rows * width, what);
}

static void check_rows_alone(struct bench *b, const struct el_attn_mha *a)
{
    for (int i = 0; i < 4; i++) {
        int row = bench_below(b, a->at.rows),
            rows = i % 2 ? 1 : 1 + bench_below(b, a->at.rows - row);
        struct el_attn_mha part = *a;
        part.at = some_rows(a->at, row, rows);
        part.q += (int64_t)row * a->heads * (a->nope + a->rope);
        part.selected = a->selected ? a->selected + (int64_t)row * a->topk : NULL;
        part = other_output(b, part);
        bench_run(b, b->ops, 1, EL_OP_attn_mha, &part);
        same_output(&part, a, row, rows, "masked attention of some rows");
    }
}

/* W_UV of every head as the backend's products read it. */
static float *pack_up(struct bench *b, const struct el_attn_mha *a)
{
    float *packed =
        bench_input(b, a->heads * el_gemm_packed_floats(a->value, a->latent) + 16, sizeof *packed);
    packed += (64 - (uintptr_t)packed % 64) % 64 / sizeof *packed;
    struct el_gemm_pack g = {.n = a->value,
                             .k = a->latent,
                             .b = a->up + (int64_t)a->nope * a->latent,
                             .b_row = 1,
                             .b_col = a->latent,
                             .batch = a->heads,
                             .b_batch = (int64_t)(a->nope + a->value) * a->latent,
                             .packed = packed};
    bench_run(b, b->ops, 1, EL_OP_gemm_pack, &g);
    return packed;
}

static void check_attention(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_attn_mha a = random_attention(b, &p);
    maybe_select(b, &a);
    struct el_attn_mha expected = other_output(b, a);
    bench_run(b, el_ops_ref(), 1, EL_OP_attn_mha, &expected);
    bench_run(b, b->ops, 1, EL_OP_attn_mha, &a);
    close_to(a.out, expected.out, (int64_t)a.at.rows * a.heads * a.value, 2e-4, "masked attention");
    for (int threads = 2; threads <= MAX_THREADS; threads++) {
        struct el_attn_mha again = other_output(b, a);
        bench_run(b, b->ops, threads, EL_OP_attn_mha, &again);
        same_output(&again, &a, 0, a.at.rows, "masked attention with other threads");
    }
    struct el_attn_mha plain = other_output(b, a), packed = other_output(b, a);
    plain.at = p.plain;
    plain.kv = plain_cache(b, &p, a.kv, a.latent + a.rope);
    bench_run(b, b->ops, 2, EL_OP_attn_mha, &plain);
    same_output(&plain, &a, 0, a.at.rows, "masked attention over a plain cache");
    packed.up_packed = pack_up(b, &a);
    bench_run(b, b->ops, 1, EL_OP_attn_mha, &packed);
    same_output(&packed, &a, 0, a.at.rows, "masked attention with packed weights");
    check_rows_alone(b, &a);
}

static void a_row_attends_alone_as_in_a_batch(void **state)
{
    (void)state;
    for_every_backend(check_attention, CASES);
}

/* q through W_UK, attention over latents, W_UV behind it: the same function. */
static void absorb(struct bench *b, const struct el_attn_mha *a, float *out)
{
    int width = a->latent + a->rope, dk = a->nope + a->rope, up = a->nope + a->value;
    int64_t pairs = (int64_t)a->at.rows * a->heads;
    float *q = bench_input(b, pairs * width, sizeof *q);
    for (int64_t i = 0; i < pairs; i++) {
        const float *w = a->up + i % a->heads * up * a->latent;
        for (int t = 0; t < a->latent; t++) {
            double sum = 0;
            for (int j = 0; j < a->nope; j++)
                sum += (double)a->q[i * dk + j] * (double)w[j * a->latent + t];
            q[i * width + t] = (float)sum;
        }
        memcpy(q + i * width + a->latent, a->q + i * dk + a->nope, (size_t)a->rope * sizeof *q);
    }
    struct el_attn m = {.at = a->at,
                        .heads = a->heads,
                        .latent = a->latent,
                        .rope = a->rope,
                        .scale = a->scale,
                        .q = q,
                        .kv = a->kv,
                        .selected = a->selected,
                        .topk = a->topk,
                        .out = bench_output(b, pairs * a->latent)};
    bench_run(b, b->ops, 1, EL_OP_attn, &m);
    for (int64_t i = 0; i < pairs; i++)
        for (int v = 0; v < a->value; v++) {
            const float *w = a->up + (i % a->heads * up + a->nope + v) * a->latent;
            double sum = 0;
            for (int t = 0; t < a->latent; t++)
                sum += (double)w[t] * (double)m.out[i * a->latent + t];
            out[i * a->value + v] = (float)sum;
        }
}

static void check_absorbed(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_attn_mha a = random_attention(b, &p);
    maybe_select(b, &a);
    int64_t n = (int64_t)a.at.rows * a.heads * a.value;
    float *expected = bench_input(b, n, sizeof *expected);
    absorb(b, &a, expected);
    bench_run(b, b->ops, 1, EL_OP_attn_mha, &a);
    close_to(a.out, expected, n, 1e-3, "masked beside absorbed attention");
}

static void it_is_the_function_of_the_absorbed_form(void **state)
{
    (void)state;
    for_every_backend(check_absorbed, CASES);
}

/* An FP8 cache gives the bits of the values that it holds. */
static void check_fp8(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_attn_mha a = random_attention(b, &p);
    maybe_select(b, &a);
    const struct el_fp8_row form = {a.latent, a.rope};
    int64_t bytes = el_fp8_row_bytes(&form), width = a.latent + a.rope;
    uint8_t *cache = bench_input(b, p.cache_rows * bytes, 1);
    struct el_fp8_pack pack = {
        .rows = p.cache_rows, .form = form, .x = a.kv, .x_row = width, .packed = cache};
    bench_run(b, b->ops, 1, EL_OP_fp8_pack, &pack);
    float *held = bench_input(b, p.cache_rows * width, sizeof *held);
    for (int i = 0; i < p.cache_rows; i++)
        for (int t = 0; t < width; t++)
            held[i * width + t] = el_fp8_row_value(&form, cache + i * bytes, t);
    a.kv = held;
    struct el_attn_mha packed = other_output(b, a);
    packed.kv = NULL;
    packed.kv_fp8 = cache;
    bench_run(b, b->ops, 1, EL_OP_attn_mha, &a);
    bench_run(b, b->ops, 2, EL_OP_attn_mha, &packed);
    same_output(&packed, &a, 0, a.at.rows, "masked attention over FP8");
}

static void an_fp8_cache_gives_the_bits_of_its_values(void **state)
{
    (void)state;
    for_every_backend(check_fp8, CASES);
}

/* Later positions may hold anything that is a number. */
static void check_future(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_attn_mha a = random_attention(b, &p);
    bench_run(b, b->ops, 1, EL_OP_attn_mha, &a);
    spoil_later_keys(&p, a.at.seq[0], a.at.pos[0], a.kv, a.latent + a.rope, 1e15f);
    struct el_attn_mha again = other_output(b, a);
    bench_run(b, b->ops, 1, EL_OP_attn_mha, &again);
    same_bits(again.out, a.out, (int64_t)a.heads * a.value, "masked attention before huge keys");
}

static void no_row_sees_a_later_key(void **state)
{
    (void)state;
    for_every_backend(check_future, CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_attends_alone_as_in_a_batch),
        cmocka_unit_test(it_is_the_function_of_the_absorbed_form),
        cmocka_unit_test(an_fp8_cache_gives_the_bits_of_its_values),
        cmocka_unit_test(no_row_sees_a_later_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
