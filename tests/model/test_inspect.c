/* MTP layers are recognised: all there, none there, and whatever lies between, with its reason. */
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/model/inspect.h"
#include "tests/model/checkpoint.h"
#include "tests/model/config_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* The model's tensors and, behind them, those of n MTP layers. */
struct both {
    struct list model;
    struct el_layout layout[2];
    struct el_st_tensor *t;
    int n, first; /* first: of the MTP layers */
};

static float zeros[4096];

static struct both both_of(struct el_config c, int n)
{
    struct both b = {.n = 0};
    c.num_nextn_predict_layers = n;
    b.model = list_of(&c);
    b.t = el_alloc_array(4 * (size_t)b.model.n, sizeof *b.t);
    for (; b.n < b.model.n; b.n++)
        b.t[b.n] = b.model.t[b.n];
    b.first = b.n;
    for (int i = 0; i < n; i++) {
        assert_int_equal(el_layout_init_mtp(&b.layout[i], &c, i, NULL), 0);
        for (int k = 0; k < b.layout[i].n; k++) {
            const struct el_tensor_info *t = &b.layout[i].tensors[k];
            assert_in_range(t->count, 1, 4096);
            b.t[b.n++] = (struct el_st_tensor){.name = t->name,
                                               .dims = t->dims,
                                               .shape = {t->shape[0], t->shape[1]},
                                               .data = zeros};
        }
    }
    return b;
}

static void both_free(struct both *b)
{
    for (int i = 0; i < 2; i++)
        el_layout_release(&b->layout[i]);
    el_free(b->t);
    list_free(&b->model);
}

static struct el_inspection inspect(const struct both *b)
{
    struct el_inspection found;
    struct el_error err = {0};
    list_write(&(struct list){.w = b->model.w, .t = b->t, .n = b->n}, "model.safetensors", 0, b->n);
    if (el_inspect(folder, &found, &err) < 0)
        fail_msg("%s", err.msg);
    el_weights_free(load(NULL)); /* whatever the MTP layers are like, the model itself loads */
    return found;
}

static void drop(struct both *b, const char *name)
{
    struct list l = {.t = b->t, .n = b->n};
    *list_find(&l, name) = b->t[--b->n];
}

static void says(const struct both *b, enum el_mtp_state state, const char *text)
{
    struct el_inspection found = inspect(b);
    if (found.mtp != state || !strstr(found.text, text))
        fail_msg("state %d, '%s', expected %d, '%s'", found.mtp, found.text, state, text);
}

static void none_announced(void **state)
{
    (void)state;
    struct both b = both_of(small_config(), 0);
    struct el_inspection found = inspect(&b);
    assert_int_equal(found.mtp, EL_MTP_NONE);
    assert_string_equal(found.text, "");
    assert_int_equal(found.skipped, 0);
    both_free(&b);
}

static void all_there(void **state)
{
    (void)state;
    for (int n = 1; n <= 2; n++) {
        struct both b = both_of(small_config(), n);
        struct el_inspection found = inspect(&b);
        assert_int_equal(found.mtp, EL_MTP_COMPLETE);
        assert_int_equal(found.mtp_tensors, b.n - b.first);
        assert_int_equal(found.skipped, b.n - b.first);
        assert_non_null(strstr(found.text, n == 1 ? "1 MTP layer from layer 3 on, complete"
                                                  : "2 MTP layers from layer 3 on, complete"));
        both_free(&b);
    }
}

static void embedding_and_head_may_be_the_models_own(void **state)
{
    (void)state;
    struct both b = both_of(small_config(), 1);
    drop(&b, "model.layers.3.embed_tokens.weight");
    says(&b, EL_MTP_COMPLETE, "complete");
    drop(&b, "model.layers.3.shared_head.head.weight");
    says(&b, EL_MTP_COMPLETE, "complete");
    both_free(&b);
}

static void announced_but_absent(void **state)
{
    (void)state;
    struct both b = both_of(small_config(), 1);
    b.n = b.first;
    says(&b, EL_MTP_ABSENT, "announces 1 MTP layer, of which the checkpoint holds no tensor");
    assert_int_equal(inspect(&b).skipped, 0);
    both_free(&b);
}

static void partly_there(void **state)
{
    (void)state;
    struct both b = both_of(small_config(), 1);
    for (int i = b.first; i < b.n; i++) {
        char text[192];
        struct el_st_tensor t = b.t[i];
        if (strstr(t.name, ".embed_tokens.") || strstr(t.name, "shared_head.head"))
            continue;
        b.t[i] = b.t[--b.n];
        snprintf(text, sizeof text, "MTP layer 3 is not used: tensor '%s' is missing", t.name);
        says(&b, EL_MTP_BROKEN, text);
        b.t[b.n++] = b.t[i];
        b.t[i] = t;
    }
    b.n = b.first + 3;
    says(&b, EL_MTP_BROKEN, "tensors are missing, the first is 'model.layers.3.eh_proj.weight'");
    both_free(&b);
}

static void one_of_two_layers(void **state)
{
    (void)state;
    struct both b = both_of(small_config(), 2);
    b.n = b.first + b.layout[0].n;
    says(&b, EL_MTP_BROKEN, "MTP layer 4 is not used: none of its tensors is there");
    both_free(&b);
}

static void wrong_shapes_dtypes_and_strangers(void **state)
{
    (void)state;
    struct both b = both_of(small_config(), 1);
    struct list l = {.t = b.t, .n = b.n};
    struct el_st_tensor *t = list_find(&l, "model.layers.3.eh_proj.weight"), old = *t;
    t->shape[1] = 14;
    says(&b, EL_MTP_BROKEN, "eh_proj.weight' has the shape [14,14], expected [14,28]");
    *t = old, t->dtype = EL_I32;
    says(&b, EL_MTP_BROKEN, "is stored as I32");
    *t = old, t->dtype = EL_F8_E4M3;
    says(&b, EL_MTP_BROKEN, "no quantization_config");
    *t = old;
    static const char *const strangers[] = {"model.layers.3.mtp.weight",
                                            "model.layers.3.mtp.weight_scale_inv"};
    for (int i = 0; i < 2; i++) {
        char text[128];
        b.t[b.n] = *list_find(&l, "model.layers.3.enorm.weight");
        b.t[b.n++].name = strangers[i];
        snprintf(text, sizeof text, "tensor '%s' belongs to no part of an MTP layer", strangers[i]);
        says(&b, EL_MTP_BROKEN, text);
        b.n--;
    }
    both_free(&b);
}

/* Layers behind those that config.json announces are refused, with both numbers. */
static void not_announced_but_there(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct both b = both_of(c, 1);
    struct el_inspection found;
    struct el_error err = {0};
    b.model.w->config.num_nextn_predict_layers = 0;
    list_write(&(struct list){.w = b.model.w, .t = b.t, .n = b.n}, "model.safetensors", 0, b.n);
    expect_refusal(EL_EFORMAT, "(3 layers, then 0 for multi-token prediction)");
    assert_int_equal(el_inspect(folder, &found, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "then 0 for multi-token prediction"));
    both_free(&b);
}

static void more_layers_than_anyone_has(void **state)
{
    (void)state;
    struct both b = both_of(small_config(), 0);
    b.model.w->config.num_nextn_predict_layers = 1 << 20;
    says(&b, EL_MTP_BROKEN, "announces 1048576 MTP layers, expected at most 64");
    both_free(&b);
}

static void the_layout_has_the_parameters_of_the_estimate(void **state)
{
    (void)state;
    struct el_config c = big_config();
    struct el_layout l;
    assert_int_equal(el_layout_init_mtp(&l, &c, 0, NULL), 0);
    assert_true(l.parameters == 13477385728); /* 685.36e9 - 671.88e9 */
    assert_true(el_layout_find(&l, "model.layers.61.mlp.experts.255.up_proj.weight") > 0);
    el_layout_release(&l);
    c = small_config(); /* without experts the layer is like those before it, too */
    c.n_routed_experts = 0;
    c.first_k_dense_replace = c.num_hidden_layers;
    c.num_nextn_predict_layers = 1;
    assert_int_equal(el_layout_init_mtp(&l, &c, 0, NULL), 0);
    char name[80];
    snprintf(name, sizeof name, "model.layers.%d.mlp.down_proj.weight", c.num_hidden_layers);
    assert_true(el_layout_find(&l, name) > 0);
    el_layout_release(&l);
}

static void allocation_failures(void **state)
{
    (void)state;
    struct both b = both_of(small_config(), 2);
    struct el_inspection found;
    inspect(&b);
    int rc = EL_ENOMEM;
    for (int n = 1; rc == EL_ENOMEM; n++) {
        struct el_error err = {0};
        el_alloc_fail_after(n);
        rc = el_inspect(folder, &found, &err);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || (rc == EL_ENOMEM && err.msg[0]));
        assert_in_range(n, 1, 10000);
    }
    assert_int_equal(found.mtp, EL_MTP_COMPLETE);
    both_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_announced),
        cmocka_unit_test(all_there),
        cmocka_unit_test(embedding_and_head_may_be_the_models_own),
        cmocka_unit_test(announced_but_absent),
        cmocka_unit_test(partly_there),
        cmocka_unit_test(one_of_two_layers),
        cmocka_unit_test(wrong_shapes_dtypes_and_strangers),
        cmocka_unit_test(not_announced_but_there),
        cmocka_unit_test(more_layers_than_anyone_has),
        cmocka_unit_test(the_layout_has_the_parameters_of_the_estimate),
        cmocka_unit_test(allocation_failures),
    };
    return cmocka_run_group_tests(tests, checkpoint_make_folder, checkpoint_remove_folder);
}
