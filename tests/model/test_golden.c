/* The forward pass against the golden vectors, on every op table of this processor and on the
 * device whose memory is closed outside ops. */
#include "tests/model/golden_case.h"

#include "core/base/json.h"

/* What a forward pass leaves, on the host. */
struct result {
    float *logits;         /* (rows, V) */
    int32_t *selected[16]; /* per layer (rows, index_topk); MQA mode */
    int32_t *routed[16];   /* per MoE layer (rows, k) */
};

static void *copied_out(struct el_device *d, const void *src, size_t bytes)
{
    void *host = el_alloc(bytes);
    assert_non_null(host);
    d->copy_out(d, host, src, bytes);
    return host;
}

static void copy_traces(const struct golden_case *g, const struct el_acts *acts,
                        enum el_attention mode, struct result *r)
{
    const struct el_config *c = &g->w->config;
    struct el_device *d = g->w->device;
    size_t rows = (size_t)g->rows;
    for (int l = 0; l < g->layers; l++) {
        if (mode != EL_ATTENTION_DENSE)
            r->selected[l] =
                copied_out(d, acts->layer[l].selected, rows * (size_t)g->topk * sizeof(int32_t));
        if (el_config_layer_is_moe(c, l))
            r->routed[l] = copied_out(d, acts->layer[l].chosen,
                                      rows * (size_t)c->num_experts_per_tok * sizeof(int32_t));
    }
}

static void forward(const struct golden_case *g, const struct el_ops *ops, enum el_attention mode,
                    struct result *r)
{
    struct el_device *d = g->w->device;
    struct el_stream s;
    struct el_pack pack;
    struct el_acts acts;
    size_t bytes = (size_t)g->rows * (size_t)g->vocab * sizeof(float);
    float *logits = el_device_alloc(d, bytes);
    assert_non_null(logits);
    el_stream_init(&s, d, ops, 1);
    golden_must(el_pack_init(&pack, d, g->rows, g->b, &err));
    golden_must(el_acts_init(&acts, &g->w->config, d, g->rows, 1, &err));
    for (int b = 0; b < g->b; b++)
        golden_must(el_pack_add(&pack, g->tokens + b * g->t, NULL, g->t, g->vocab, &err));
    int mha = mode == EL_ATTENTION_MHA;
    struct el_pass pass = {.w = g->w, .s = &s, .mode = mha ? EL_ATTENTION_MQA : mode};
    el_pack_upload(&pack, &pass);
    if (mha)
        pass.mha = (struct el_mha_part){g->rows, g->t - 1};
    el_transformer_forward(&pass, &acts);
    el_transformer_logits(&pass, g->rows, acts.final, logits);
    golden_must(el_stream_check(&s, &err));
    *r = (struct result){.logits = copied_out(d, logits, bytes)};
    copy_traces(g, &acts, mode, r);
    el_device_release(d, logits);
    el_acts_release(&acts);
    el_pack_release(&pack);
    el_stream_release(&s);
}

static void result_release(struct result *r)
{
    el_free(r->logits);
    for (int l = 0; l < 16; l++) {
        el_free(r->selected[l]);
        el_free(r->routed[l]);
    }
}

static void check_ints(const struct golden_case *g, const char *name, const int32_t *ours)
{
    const struct el_st_tensor *t = golden_tensor(g, name, EL_I32);
    const int32_t *right = t->data;
    int width = (int)t->shape[2];
    for (int i = 0; i < g->rows * width; i++)
        if (ours[i] != right[i])
            fail_msg("%s %s: row %d place %d is %d, expected %d", g->name, name, i / width,
                     i % width, ours[i], right[i]);
}

static void check_traces(const struct golden_case *g, const struct result *r)
{
    char name[64];
    for (int l = 0; l < g->layers; l++) {
        if (r->selected[l]) {
            snprintf(name, sizeof name, "selected.%d", l);
            check_ints(g, name, r->selected[l]);
        }
        if (r->routed[l]) {
            snprintf(name, sizeof name, r->selected[l] ? "routed.%d" : "routed.dense.%d", l);
            check_ints(g, name, r->routed[l]);
        }
    }
}

static void check_case(const char *name, struct el_device *d, const struct el_ops *ops)
{
    static const char *const logits[] = {"logits.dense", "logits.sparse", "logits.sparse"};
    struct golden_case g;
    golden_open(&g, name, d);
    for (int mode = EL_ATTENTION_DENSE; mode <= EL_ATTENTION_MHA; mode++) {
        struct result r;
        forward(&g, ops, (enum el_attention)mode, &r);
        const struct el_st_tensor *right = golden_tensor(&g, logits[mode], EL_F32);
        assert_int_equal(right->shape[2], g.vocab);
        double distance = golden_distance(r.logits, right->data, (int64_t)g.rows * g.vocab);
        print_message("%-18s %-8s %-5s %-6s %.2e\n", name, ops->name, d->name,
                      el_attention_name((enum el_attention)mode), distance);
        assert_true(distance < 2e-4);
        check_traces(&g, &r);
        result_release(&r);
    }
    golden_close(&g);
}

static void test_tables(void **state)
{
    (void)state;
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        for (int c = 0; ops && c < GOLDEN_CASES; c++)
            check_case(golden_names[c], el_device_host(), ops);
    }
}

/* Loading, a forward pass and its read-out on memory that only ops may touch. */
static void test_guard_device(void **state)
{
    (void)state;
    for (int c = 0; c < GOLDEN_CASES; c++) {
        struct el_device *d = el_device_guard_create();
        assert_non_null(d);
        check_case(golden_names[c], d, el_ops_ref());
        el_device_free(d);
    }
}

/* index_topk above every length: the same bits as dense attention. */
static void test_full_topk_is_dense(void **state)
{
    (void)state;
    struct golden_case g;
    struct result dense, sparse;
    golden_open(&g, "full_topk", el_device_host());
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        if (!ops)
            continue;
        forward(&g, ops, EL_ATTENTION_DENSE, &dense);
        forward(&g, ops, EL_ATTENTION_MQA, &sparse);
        assert_memory_equal(dense.logits, sparse.logits,
                            (size_t)g.rows * (size_t)g.vocab * sizeof(float));
        result_release(&dense);
        result_release(&sparse);
    }
    golden_close(&g);
}

static double recorded_difference(const cJSON *traps, const char *trap, const char *in_case)
{
    const cJSON *of_trap = cJSON_GetObjectItemCaseSensitive(traps, trap);
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(of_trap, "difference");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(all, in_case);
    assert_true(cJSON_IsNumber(value));
    return value->valuedouble;
}

static int check_traps(const struct golden_case *g, const struct result *r, const cJSON *traps)
{
    static const char prefix[] = "logits.wrong.";
    int seen = 0;
    for (int i = 0; i < g->st.n; i++) {
        const char *name = g->st.tensors[i].name;
        if (strncmp(name, prefix, sizeof prefix - 1) != 0)
            continue;
        const float *wrong = golden_floats(g, name), *right = golden_floats(g, "logits.sparse");
        double far = 0, size = 0;
        for (int64_t j = 0; j < (int64_t)g->rows * g->vocab; j++) {
            far = fmax(far, fabs((double)wrong[j] - r->logits[j]));
            size = fmax(size, fabs((double)right[j]));
        }
        double recorded = recorded_difference(traps, name + sizeof prefix - 1, g->name);
        if (!(far / size > recorded / 2))
            fail_msg("%s: %.3g from the wrong result, recorded %.3g: the mistake was made", name,
                     far / size, recorded);
        seen++;
    }
    return seen;
}

/* Near the right result (test_tables) and far from each known mistake's. */
static void test_traps(void **state)
{
    (void)state;
    cJSON *json = NULL;
    golden_must(el_json_load(GOLDEN_DIR "traps.json", &json, &err));
    const cJSON *traps = cJSON_GetObjectItemCaseSensitive(json, "traps");
    int seen = 0, expected = 0;
    for (const cJSON *trap = traps->child; trap; trap = trap->next)
        expected += !strcmp(cJSON_GetObjectItemCaseSensitive(trap, "kind")->valuestring, "logits");
    for (int c = 0; c < GOLDEN_CASES; c++) {
        struct golden_case g;
        struct result r;
        golden_open(&g, golden_names[c], el_device_host());
        forward(&g, el_ops_cpu(), EL_ATTENTION_MQA, &r);
        seen += check_traps(&g, &r, traps);
        result_release(&r);
        golden_close(&g);
    }
    assert_true(expected > 30);
    assert_int_equal(seen, expected);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_guard_device),
        cmocka_unit_test(test_full_topk_is_dense),
        cmocka_unit_test(test_traps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
