/* The MTP layer against golden vectors (tests/golden/make_mtp.py), on every op table of this
 * processor and on the device whose memory is closed outside ops. */
#include "core/model/convert.h"
#include "core/model/mtp.h"
#include "tests/model/golden_case.h"

#include <stdlib.h>
#include <unistd.h>

struct result {
    float *logits; /* (b, t-1, V) */
    int32_t *selected, *routed;
};

static void *copied_out(struct el_device *d, const void *src, size_t bytes)
{
    void *host = el_alloc(bytes);
    assert_non_null(host);
    d->copy_out(d, host, src, bytes);
    return host;
}

/* Tokens first..first+n-1 of every sequence. */
static void fill(struct el_pack *pack, const struct golden_case *g, int first, int n)
{
    el_pack_clear(pack);
    for (int b = 0; b < g->b; b++)
        golden_must(el_pack_add(pack, g->tokens + b * g->t + first, NULL, n, g->vocab, &err));
}

/* The model over all tokens but the last, then the layer over the same rows with the tokens behind
 * theirs. */
static struct result predict(const struct golden_case *g, const struct el_weights *mtp,
                             const struct el_ops *ops, enum el_attention mode, int post)
{
    struct el_device *d = g->w->device;
    struct el_stream s;
    struct el_pack pack;
    struct el_acts acts;
    struct el_mtp_acts layer;
    int rows = g->b * (g->t - 1);
    size_t bytes = (size_t)rows * (size_t)g->vocab * sizeof(float);
    float *logits = el_device_alloc(d, bytes);
    el_stream_init(&s, d, ops, 1);
    golden_must(el_pack_init(&pack, d, g->rows, g->b, &err));
    golden_must(el_acts_init(&acts, &g->w->config, d, g->rows, 0, &err));
    golden_must(el_mtp_acts_init(&layer, mtp, rows, &err));
    struct el_pass pass = {.w = g->w, .s = &s, .mode = mode};
    fill(&pack, g, 0, g->t - 1);
    el_pack_upload(&pack, &pass);
    el_transformer_forward(&pass, &acts);
    fill(&pack, g, 1, g->t - 1);
    el_pack_upload(&pack, &pass);
    pass.w = mtp;
    el_mtp_forward(&pass, post ? acts.final : acts.x_out, &layer);
    el_transformer_logits(&pass, rows, layer.acts.final, logits);
    golden_must(el_stream_check(&s, &err));
    const struct el_layer_acts *a = &layer.acts.layer[0];
    struct result r = {.logits = copied_out(d, logits, bytes)};
    r.selected = copied_out(d, a->selected, (size_t)rows * (size_t)g->topk * 4);
    r.routed =
        copied_out(d, a->chosen, (size_t)rows * (size_t)g->w->config.num_experts_per_tok * 4);
    el_device_release(d, logits);
    el_mtp_acts_release(&layer);
    el_acts_release(&acts);
    el_pack_release(&pack);
    el_stream_release(&s);
    return r;
}

static void check_ints(const struct golden_case *g, const char *name, const int32_t *ours)
{
    const struct el_st_tensor *t = golden_tensor(g, name, EL_I32);
    assert_int_equal(t->shape[1], g->t - 1);
    assert_memory_equal(ours, t->data, t->bytes);
}

static void check(const struct golden_case *g, const struct el_weights *mtp,
                  const struct el_ops *ops, enum el_attention mode, int post)
{
    char name[64];
    const char *kind = post ? "post" : "pre";
    struct result r = predict(g, mtp, ops, mode, post);
    snprintf(name, sizeof name, "mtp.%s.%s", kind, mode == EL_ATTENTION_MQA ? "sparse" : "dense");
    double distance =
        golden_distance(r.logits, golden_floats(g, name), (int64_t)g->b * (g->t - 1) * g->vocab);
    print_message("%-8s %-5s %-16s %.2e\n", ops->name, g->w->device->name, name, distance);
    assert_true(distance < 2e-4);
    if (mode == EL_ATTENTION_MQA) {
        snprintf(name, sizeof name, "mtp.%s.selected", kind);
        check_ints(g, name, r.selected);
        snprintf(name, sizeof name, "mtp.%s.routed", kind);
        check_ints(g, name, r.routed);
    }
    el_free(r.logits);
    el_free(r.selected);
    el_free(r.routed);
}

static void check_device(struct el_device *d)
{
    struct golden_case g;
    struct el_weights *mtp;
    golden_open(&g, "mtp", d);
    golden_must(el_mtp_load(GOLDEN_DIR "mtp", g.w, &mtp, NULL, &err));
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        for (int k = 0; ops && k < 4; k++)
            check(&g, mtp, ops, k & 1 ? EL_ATTENTION_MQA : EL_ATTENTION_DENSE, k >> 1);
    }
    el_weights_free(mtp);
    golden_close(&g);
}

static void golden_vectors(void **state)
{
    (void)state;
    check_device(el_device_host());
}

static void golden_vectors_on_the_guard_device(void **state)
{
    (void)state;
    struct el_device *d = el_device_guard_create();
    check_device(d);
    el_device_free(d);
}

/* The two variants must not be the same by accident. */
static void the_hidden_state_matters(void **state)
{
    (void)state;
    struct golden_case g;
    golden_open(&g, "mtp", el_device_host());
    int64_t n = (int64_t)g.b * (g.t - 1) * g.vocab;
    assert_true(golden_distance(golden_floats(&g, "mtp.pre.sparse"),
                                golden_floats(&g, "mtp.post.sparse"), n) > 1e-2);
    golden_close(&g);
}

/* Another folder with some of the tensors; names to leave out end with NULL. */
static void copy_without(const char *dir, const char *const *without)
{
    struct el_safetensors st;
    struct el_buf config;
    char path[256];
    struct el_st_tensor list[512];
    int n = 0;
    golden_must(el_safetensors_open(&st, GOLDEN_DIR "mtp/model.safetensors", &err));
    for (int i = 0; i < st.n; i++) {
        int out = 0;
        for (const char *const *w = without; *w; w++)
            out |= strcmp(*w, st.tensors[i].name) == 0;
        assert_in_range(n, 0, 511);
        if (!out)
            list[n++] = st.tensors[i];
    }
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    golden_must(el_safetensors_write(path, list, n, NULL, 0, &err));
    el_safetensors_release(&st);
    el_buf_init(&config);
    golden_must(el_file_read(GOLDEN_DIR "mtp/config.json", 0, &config, &err));
    snprintf(path, sizeof path, "%s/config.json", dir);
    golden_must(el_file_write(path, config.data, config.len, &err));
    el_buf_release(&config);
}

static void absent_embedding_and_head_are_the_models(void **state)
{
    (void)state;
    static const char *const shared[] = {"model.layers.2.embed_tokens.weight",
                                         "model.layers.2.shared_head.head.weight", NULL};
    static const char *const needed[] = {"model.layers.2.eh_proj.weight", NULL};
    char dir[] = "/tmp/el_mtp_XXXXXX", path[64];
    struct el_weights *w, *mtp;
    struct el_error why = {0};
    assert_non_null(mkdtemp(dir));
    copy_without(dir, shared);
    golden_must(el_weights_load(dir, el_device_host(), &w, NULL, NULL, &err));
    golden_must(el_mtp_load(dir, w, &mtp, NULL, &err));
    size_t bytes =
        (size_t)w->config.vocab_size * (size_t)w->config.hidden_size * sizeof *w->view.embed;
    assert_memory_equal(mtp->view.embed, w->view.embed, bytes);
    assert_memory_equal(mtp->view.lm_head, w->view.lm_head, bytes);
    el_weights_free(mtp);
    el_weights_free(w);
    copy_without(dir, needed);
    golden_must(el_weights_load(dir, el_device_host(), &w, NULL, NULL, &err));
    assert_int_equal(el_mtp_load(dir, w, &mtp, NULL, &why), EL_EFORMAT);
    assert_non_null(strstr(why.msg, "model.layers.2.eh_proj.weight' is missing"));
    w->config.num_nextn_predict_layers = 0;
    assert_int_equal(el_mtp_load(dir, w, &mtp, NULL, &why), EL_ENOTFOUND);
    el_weights_free(w);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, i ? "config.json" : "model.safetensors");
        unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void save_meanwhile(struct el_progress *p, int64_t done, int64_t total, const char *note)
{
    static const char *const nothing[] = {NULL};
    (void)note;
    if (done < total || !p->user)
        return;
    copy_without(p->user, nothing);
    p->user = NULL;
}

/* A model that is saved between the two leaves no layer of one behind the weights of another. */
static void a_layer_is_of_the_model(void **state)
{
    (void)state;
    static const char *const nothing[] = {NULL};
    char dir[] = "/tmp/el_mtp_XXXXXX", command[64];
    struct el_weights *w, *mtp;
    struct el_error why = {0};
    assert_non_null(mkdtemp(dir));
    struct el_progress progress = {save_meanwhile, dir};
    copy_without(dir, nothing);
    golden_must(el_weights_load(dir, el_device_host(), &w, NULL, &progress, &err));
    assert_null(progress.user);
    assert_int_equal(el_mtp_load(dir, w, &mtp, NULL, &why), EL_EBUSY);
    assert_non_null(strstr(why.msg, "config.json: changed while the model was opened"));
    el_weights_free(w);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

/* The layer goes along into other formats and files, and is loaded from there. */
static void a_converted_layer_is_loaded(void **state)
{
    (void)state;
    static const struct el_convert_options how[] = {
        {.form = EL_FORM_F32, .shard_bytes = 1},
        {.form = EL_FORM_FP8, .fp8 = {16, 8, 1}},
    };
    char dir[] = "/tmp/el_mtp_XXXXXX", command[64];
    struct el_weights *w, *mtp, *model, *back;
    assert_non_null(mkdtemp(dir));
    golden_must(el_weights_load(GOLDEN_DIR "mtp", el_device_host(), &w, NULL, NULL, &err));
    golden_must(el_mtp_load(GOLDEN_DIR "mtp", w, &mtp, NULL, &err));
    for (int i = 0; i < 2; i++) {
        golden_must(el_convert(GOLDEN_DIR "mtp", dir, &how[i], NULL, NULL, &err));
        golden_must(el_weights_load(dir, el_device_host(), &model, NULL, NULL, &err));
        golden_must(el_mtp_load(dir, model, &back, NULL, &err));
        double distance = golden_distance(back->data, mtp->data, mtp->layout.total);
        assert_true(i == 0 ? distance == 0 : distance > 0 && distance < 1.0 / 16);
        el_weights_free(back);
        el_weights_free(model);
        snprintf(command, sizeof command, "rm -r %s/*", dir);
        assert_int_equal(system(command), 0);
    }
    el_weights_free(mtp);
    el_weights_free(w);
    assert_int_equal(rmdir(dir), 0);
}

static void allocation_failures(void **state)
{
    (void)state;
    struct golden_case g;
    struct el_weights *mtp = NULL;
    struct el_mtp_acts acts;
    golden_open(&g, "mtp", el_device_host());
    int rc = EL_ENOMEM;
    for (int n = 1; rc == EL_ENOMEM; n++) {
        struct el_error err = {0};
        el_alloc_fail_after(n);
        rc = el_mtp_load(GOLDEN_DIR "mtp", g.w, &mtp, NULL, &err);
        if (rc == 0) {
            rc = el_mtp_acts_init(&acts, mtp, 3, &err);
            if (rc < 0)
                el_weights_free(mtp);
        }
        el_alloc_fail_after(0);
        assert_true(rc == 0 || (rc == EL_ENOMEM && err.msg[0]));
        assert_in_range(n, 1, 10000);
    }
    el_mtp_acts_release(&acts);
    el_weights_free(mtp);
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_vectors),
        cmocka_unit_test(golden_vectors_on_the_guard_device),
        cmocka_unit_test(the_hidden_state_matters),
        cmocka_unit_test(absent_embedding_and_head_are_the_models),
        cmocka_unit_test(a_layer_is_of_the_model),
        cmocka_unit_test(a_converted_layer_is_loaded),
        cmocka_unit_test(allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
