#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/model/weights.h"
#include "core/tensor/safetensors.h"
#include "tests/model/checkpoint.h"
#include "tests/model/config_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static double deviation(const struct el_weights *w, const char *name)
{
    int64_t n;
    const float *v = values(w, name, &n);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)v[i] * (double)v[i];
    return sqrt(sum / (double)n);
}

static void new_weights_follow_the_rules(void **state)
{
    (void)state;
    struct el_config c = small_config();
    c.hidden_size = 96;
    struct el_weights *w = create(&c, 1);
    int64_t n;
    const float *v = values(w, "model.layers.1.input_layernorm.weight", &n);
    for (int64_t i = 0; i < n; i++)
        assert_true(v[i] == 1);
    v = values(w, "model.layers.1.self_attn.indexer.k_norm.bias", &n);
    for (int64_t i = 0; i < n; i++)
        assert_true(v[i] == 0);
    v = values(w, "model.layers.1.mlp.gate.e_score_correction_bias", &n);
    for (int64_t i = 0; i < n; i++)
        assert_true(v[i] == 0);
    assert_true(fabs(deviation(w, "model.embed_tokens.weight") / 0.02 - 1) < 0.05);
    assert_true(fabs(deviation(w, "model.layers.0.mlp.down_proj.weight") / (0.02 / sqrt(6)) - 1) <
                0.08);
    assert_true(
        fabs(deviation(w, "model.layers.1.mlp.shared_experts.down_proj.weight") / (0.02 / sqrt(6)) -
             1) < 0.08);
    assert_true(fabs((double)w->softmax_scale - 1 / sqrt(10)) < 1e-7);
    assert_int_equal(w->rope_positions, 64);
    assert_true(w->rope_cos[2 * 5] == (float)cos(5) && w->rope_sin[2 * 5] == (float)sin(5));
    el_weights_free(w);
}

static void weights_are_a_function_of_config_and_seed(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_weights *a = create(&c, 7), *b = create(&c, 7), *other = create(&c, 8);
    size_t bytes = (size_t)a->layout.total * sizeof(float);
    assert_memory_equal(a->data, b->data, bytes);
    assert_string_equal(a->digest, b->digest);
    assert_string_not_equal(a->digest, other->digest);
    assert_int_equal(strlen(a->digest), EL_DIGEST_HEX - 1);
    b->data[3] = nextafterf(b->data[3], 1);
    assert_int_equal(el_weights_digest(b, NULL), 0);
    assert_string_not_equal(a->digest, b->digest);
    el_weights_free(a);
    el_weights_free(b);
    el_weights_free(other);
}

static void f32_round_trip_is_exact(void **state)
{
    (void)state;
    for (int tied = 0; tied < 2; tied++) {
        struct el_config c = small_config();
        c.tie_word_embeddings = tied;
        struct el_weights *w = create(&c, 3);
        int skipped = -1;
        save(w);
        struct el_weights *back = load(&skipped);
        assert_int_equal(skipped, 0);
        assert_memory_equal(w->data, back->data, (size_t)w->layout.total * sizeof(float));
        assert_string_equal(w->digest, back->digest);
        assert_int_equal(back->config.tie_word_embeddings, tied);
        assert_ptr_equal(back->view.lm_head == back->view.embed, tied);
        el_weights_free(back);
        el_weights_free(w);
    }
}

static void bf16_round_trip_equals_rounding(void **state)
{
    (void)state;
    struct el_config c = small_config();
    snprintf(c.dtype, sizeof c.dtype, "bfloat16");
    struct el_weights *w = create(&c, 3);
    int64_t n;
    float *bias = (float *)values(w, "model.layers.1.mlp.gate.e_score_correction_bias", &n);
    bias[0] = 0.1f; /* no BF16 value; this tensor stays F32 */
    save(w);
    struct el_weights *back = load(NULL);
    assert_int_not_equal(memcmp(w->data, back->data, (size_t)w->layout.total * sizeof(float)), 0);
    assert_int_equal(el_weights_round(w, NULL), 0);
    assert_true(bias[0] == 0.1f);
    assert_memory_equal(w->data, back->data, (size_t)w->layout.total * sizeof(float));
    assert_int_equal(el_weights_digest(w, NULL), 0);
    assert_string_equal(w->digest, back->digest);
    el_weights_free(back);
    el_weights_free(w);
}

static void the_guard_device_gives_the_same_checkpoint(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_device *guard = el_device_guard_create();
    struct el_weights *w, *host = create(&c, 5);
    struct el_error err = {0};
    assert_int_equal(el_weights_create(&c, guard, 5, &w, &err), 0);
    assert_string_equal(w->digest, host->digest);
    assert_int_equal(el_weights_round(w, &err), 0);
    save(w);
    el_weights_free(w);
    assert_int_equal(el_weights_load(folder, guard, &w, NULL, NULL, &err), 0);
    assert_string_equal(w->digest, host->digest);
    el_weights_free(w);
    el_weights_free(host);
    el_device_free(guard);
}

static void mtp_and_inv_freq_are_skipped_and_counted(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct list l = list_of(&c);
    int skipped;
    list_add(&l, "model.layers.3.eh_proj.weight");
    list_add(&l, "model.layers.3.shared_head.norm.weight");
    list_add(&l, "model.layers.0.self_attn.rotary_emb.inv_freq");
    list_write(&l, "model.safetensors", 0, l.n);
    struct el_weights *w = load(&skipped);
    assert_int_equal(skipped, 3);
    assert_string_equal(w->digest, l.w->digest);
    el_weights_free(w);
    list_free(&l);
}

static void unknown_tensors_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "model.layers.4.eh_proj.weight", /* one MTP layer is announced: layer 3 */
        "model.layers.1.mlp.experts.4.up_proj.weight",
        "model.layers.x.mlp.gate.weight",
        "model.layers.99999999999999999999.mlp.gate.weight",
        "transformer.wte.weight",
        "",
    };
    struct el_config c = small_config();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct list l = list_of(&c);
        char says[128];
        list_add(&l, names[i]);
        list_write(&l, "model.safetensors", 0, l.n);
        snprintf(says, sizeof says, "tensor '%s' does not belong", names[i]);
        expect_refusal(EL_EFORMAT, says);
        list_free(&l);
    }
}

static void every_missing_tensor_is_named(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct list l = list_of(&c);
    for (int i = 0; i < l.n; i++) {
        char says[192];
        struct el_st_tensor cut = l.t[i];
        snprintf(says, sizeof says, "tensor '%s' is missing", cut.name);
        l.t[i] = l.t[l.n - 1];
        list_write(&l, "model.safetensors", 0, l.n - 1);
        expect_refusal(EL_EFORMAT, says);
        l.t[i] = cut;
    }
    list_free(&l);
}

static void wrong_shapes_and_dtypes_are_named(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct list l = list_of(&c);
    struct el_st_tensor *t = list_find(&l, "model.layers.1.self_attn.q_a_proj.weight"), old = *t;
    t->shape[0] = 14, t->shape[1] = 11;
    list_write(&l, "model.safetensors", 0, l.n);
    expect_refusal(EL_EFORMAT, "q_a_proj.weight' has the shape [14,11], expected [11,14]");
    *t = old, t->dims = 1, t->shape[0] = 154;
    list_write(&l, "model.safetensors", 0, l.n);
    expect_refusal(EL_EFORMAT, "has the shape [154], expected [11,14]");
    *t = old, t->dtype = EL_I32;
    list_write(&l, "model.safetensors", 0, l.n);
    expect_refusal(EL_EREFUSED, "is stored as I32");
    *t = old, t->dtype = EL_F8_E5M2;
    list_write(&l, "model.safetensors", 0, l.n);
    expect_refusal(EL_EREFUSED, "model.safetensors: tensor 'model.layers.1.self_attn.q_a_proj."
                                "weight' is stored as F8_E5M2");
    list_free(&l);
}

/* Tensors that are passed over may be anything. */
static void dtypes_that_nobody_reads_are_in_nobodys_way(void **state)
{
    (void)state;
    static const enum el_dtype types[] = {EL_BOOL, EL_I8, EL_U16, EL_U64, EL_F8_E5M2, EL_F4};
    struct el_config c = small_config(); /* announces one MTP layer: layer 3 */
    struct list l = list_of(&c);
    list_add(&l, "model.layers.0.self_attn.rotary_emb.inv_freq");
    list_add(&l, "model.layers.3.enorm.weight");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        int skipped;
        l.t[l.n - 1].dtype = l.t[l.n - 2].dtype = types[i];
        list_write(&l, "model.safetensors", 0, l.n);
        struct el_weights *w = load(&skipped);
        assert_int_equal(skipped, 2);
        assert_memory_equal(w->data, l.w->data, (size_t)w->layout.total * sizeof *w->data);
        el_weights_free(w);
    }
    list_free(&l);
}

static void bf16_and_f16_are_widened(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct list l = list_of(&c);
    uint16_t bf16[14], f16[14];
    int64_t n;
    for (int i = 0; i < 14; i++) {
        bf16[i] = (uint16_t)(0x3F80 + i);
        f16[i] = (uint16_t)(0x3C00 + i);
    }
    struct el_st_tensor *t = list_find(&l, "model.norm.weight");
    t->dtype = EL_BF16, t->data = bf16;
    t = list_find(&l, "model.layers.0.input_layernorm.weight");
    t->dtype = EL_F16, t->data = f16;
    list_write(&l, "model.safetensors", 0, l.n);
    struct el_weights *w = load(NULL);
    const float *v = values(w, "model.norm.weight", &n);
    for (int i = 0; i < 14; i++)
        assert_true(v[i] == 1 + (float)i / 128);
    v = values(w, "model.layers.0.input_layernorm.weight", &n);
    for (int i = 0; i < 14; i++)
        assert_true(v[i] == 1 + (float)i / 1024);
    el_weights_free(w);
    list_free(&l);
}

static void values_must_be_finite(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct list l = list_of(&c);
    float *v = (float *)list_find(&l, "model.layers.2.mlp.gate.weight")->data;
    v[5] = NAN;
    list_write(&l, "model.safetensors", 0, l.n);
    expect_refusal(EL_ENUMERIC, "'model.layers.2.mlp.gate.weight' holds nan at index 5");
    list_free(&l);
}

static void a_model_with_nan_is_not_saved(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_weights *good = create(&c, 2), *w = create(&c, 3);
    struct el_error err = {0};
    save(good);
    w->data[0] = INFINITY;
    assert_int_equal(el_weights_save(w, folder, &err), EL_ENUMERIC);
    assert_non_null(strstr(err.msg, "'model.embed_tokens.weight' holds inf at index 0"));
    snprintf(w->config.dtype, sizeof w->config.dtype, "bfloat16");
    w->data[0] = 3.4028235e38f; /* finite, but not as BF16 */
    assert_int_equal(el_weights_save(w, folder, &err), EL_ENUMERIC);
    struct el_weights *back = load(NULL);
    assert_string_equal(back->digest, good->digest);
    el_weights_free(back);
    el_weights_free(good);
    el_weights_free(w);
}

static void shards_are_found_through_the_index(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct list l = list_of(&c);
    unlink(path_in("model.safetensors"));
    list_write(&l, "a.safetensors", 0, 30);
    list_write(&l, "b.safetensors", 30, l.n);
    list_write_index(&l, 30, "a.safetensors", "b.safetensors");
    struct el_weights *w = load(NULL);
    assert_string_equal(w->digest, l.w->digest);
    el_weights_free(w);

    list_write_index(&l, 31, "a.safetensors", "b.safetensors");
    expect_refusal(EL_EFORMAT, "is not in a.safetensors");
    list_write_index(&l, 30, "a.safetensors", "../b.safetensors");
    expect_refusal(EL_EFORMAT, "'../b.safetensors' is not the name of a file");
    list_write_index(&l, 30, "a.safetensors", "absent.safetensors");
    expect_refusal(EL_EIO, "absent.safetensors");
    list_write_index(&l, 30, "a.safetensors", "b.safetensors");
    list_write(&l, "b.safetensors", 29, l.n);
    expect_refusal(EL_EFORMAT, "is in a.safetensors and in b.safetensors");
    list_write(&l, "b.safetensors", 31, l.n);
    expect_refusal(EL_EFORMAT, "is not in b.safetensors");

    const char *bad[] = {"[]", "{\"weight_map\":[]}", "{\"weight_map\":{\"a\":1}}", "{"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(
            el_file_write(path_in("model.safetensors.index.json"), bad[i], strlen(bad[i]), NULL),
            0);
        expect_refusal(EL_EFORMAT, "index.json");
    }
    unlink(path_in("model.safetensors.index.json"));
    expect_refusal(EL_ENOTFOUND, "expected model.safetensors or");
    unlink(path_in("a.safetensors"));
    unlink(path_in("b.safetensors"));
    list_free(&l);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_weights *w = create(&c, 1);
    struct el_buf b;
    el_buf_init(&b);
    save(w);
    assert_int_equal(el_file_read(path_in("model.safetensors"), 0, &b, NULL), 0);
    for (size_t n = 0; n < b.len; n += n < 64 || n + 64 > b.len ? 1 : 997) {
        assert_int_equal(truncate(path_in("model.safetensors"), (off_t)n), 0);
        expect_refusal(EL_EFORMAT, "model.safetensors");
        assert_int_equal(el_file_write(path_in("model.safetensors"), b.data, b.len, NULL), 0);
    }
    el_buf_release(&b);
    el_weights_free(w);
}

static void a_full_disk_leaves_the_old_checkpoint(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_weights *old = create(&c, 1), *w = create(&c, 2), *back;
    struct el_error err = {0};
    struct rlimit limit, small;
    struct stat info;
    save(old);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(stat(path_in("model.safetensors"), &info), 0);
    for (rlim_t n = 0; n < (rlim_t)info.st_size; n += (rlim_t)info.st_size / 7) {
        small = limit;
        small.rlim_cur = n;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        int rc = el_weights_save(w, folder, &err);
        setrlimit(RLIMIT_FSIZE, &limit);
        assert_int_equal(rc, EL_EIO);
        assert_non_null(strstr(err.msg, "cannot write"));
        back = load(NULL);
        assert_string_equal(back->digest, old->digest);
        el_weights_free(back);
    }
    el_weights_free(old);
    el_weights_free(w);
}

/* Nothing happens to names once `steps_left` changes of them were made, as after a crash. */
static int steps_left = -1;

static int crashed(void)
{
    if (steps_left > 0)
        steps_left--;
    else if (steps_left == 0)
        return 1;
    return 0;
}

/* The rename to a name with this in it fails. */
static const char *stuck;

int rename(const char *from, const char *to)
{
    if (stuck && strstr(to, stuck)) {
        errno = EIO;
        return -1;
    }
    return crashed() ? 0 : renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlink(const char *path)
{
    return crashed() ? 0 : unlinkat(AT_FDCWD, path, 0);
}

/* Tensors of the same shapes, read by another configuration. */
static void a_crash_mixes_no_weights_with_a_foreign_config(void **state)
{
    (void)state;
    struct el_config c = small_config(), other = small_config();
    other.rope_theta *= 2;
    struct el_weights *old = create(&c, 1), *w = create(&other, 2), *back;
    struct el_error err = {0};
    int refused = 0, renewed = 0;
    for (int n = 0; !renewed; n++) {
        save(old);
        steps_left = n;
        save(w);
        steps_left = -1;
        el_atomic_sweep(path_in("config.json"));
        el_atomic_sweep(path_in("model.safetensors"));
        int rc = el_weights_load(folder, el_device_host(), &back, NULL, NULL, &err);
        if (rc < 0) {
            assert_non_null(strstr(err.msg, "config.json"));
            refused++;
            continue;
        }
        renewed = strcmp(back->digest, w->digest) == 0;
        assert_string_equal(back->digest, renewed ? w->digest : old->digest);
        el_weights_free(back);
    }
    assert_int_equal(refused, 2);
    el_weights_free(old);
    el_weights_free(w);
}

/* What cannot be replaced is seen before the other file is, or leaves that as it was. */
static void a_save_that_fails_late_leaves_the_old_files(void **state)
{
    (void)state;
    struct el_config c = small_config(), other = small_config();
    other.rope_theta *= 2;
    struct el_weights *old = create(&c, 1), *w = create(&other, 2), *back;
    struct el_error err = {0};
    static const char *const names[] = {"config.json", "model.safetensors"};
    char aside[128];
    snprintf(aside, sizeof aside, "%s", path_in("aside"));
    for (int i = 0; i < 2; i++) {
        save(old);
        assert_int_equal(rename(path_in(names[i]), aside), 0);
        assert_int_equal(mkdir(path_in(names[i]), 0700), 0);
        assert_int_equal(el_weights_save(w, folder, &err), EL_EIO);
        assert_non_null(strstr(err.msg, names[i]));
        assert_int_equal(rmdir(path_in(names[i])), 0);
        assert_int_equal(rename(aside, path_in(names[i])), 0);
        back = load(NULL);
        assert_string_equal(back->digest, old->digest);
        el_weights_free(back);
    }
    el_weights_free(old);
    el_weights_free(w);
}

/* The new weights are in their place and their config.json does not come: no old one may stand for
 * it, and saving again makes the folder whole. */
static void a_config_that_does_not_come_leaves_none(void **state)
{
    (void)state;
    struct el_config c = small_config(), other = small_config();
    other.rope_theta *= 2;
    struct el_weights *old = create(&c, 1), *w = create(&other, 2), *same = create(&c, 3), *back;
    struct el_error err = {0};
    save(old);
    stuck = "/config.json";
    assert_int_equal(el_weights_save(w, folder, &err), EL_EIO);
    assert_non_null(strstr(err.msg, path_in("config.json")));
    stuck = NULL;
    expect_refusal(EL_EIO, "config.json");
    save(w);
    back = load(NULL);
    assert_string_equal(back->digest, w->digest);
    el_weights_free(back);

    save(old); /* an equal one stays, and none has to come: the new weights have theirs */
    stuck = "/config.json";
    save(same);
    stuck = NULL;
    back = load(NULL);
    assert_string_equal(back->digest, same->digest);
    el_weights_free(back);
    el_weights_free(same);
    el_weights_free(old);
    el_weights_free(w);
}

/* Weights that cannot be replaced keep their config.json. */
static void weights_that_stay_get_their_config_back(void **state)
{
    (void)state;
    struct el_config c = small_config(), other = small_config();
    other.rope_theta *= 2;
    struct el_weights *old = create(&c, 1), *w = create(&other, 2), *back;
    struct el_error err = {0};
    save(old);
    stuck = "/model.safetensors";
    assert_int_equal(el_weights_save(w, folder, &err), EL_EIO);
    stuck = NULL;
    back = load(NULL);
    assert_string_equal(back->digest, old->digest);
    el_weights_free(back);
    el_weights_free(old);
    el_weights_free(w);
}

/* Somebody saves another model between the reader's looks at config.json and at the weights. */
static const struct el_weights *meanwhile;

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (meanwhile && strstr(path, "/model.safetensors") && !(flags & O_CREAT)) {
        const struct el_weights *w = meanwhile;
        meanwhile = NULL;
        save(w);
    }
    return openat(AT_FDCWD, path, flags, mode);
}

static void a_reader_sees_that_somebody_saves(void **state)
{
    (void)state;
    struct el_config c = small_config(), other = small_config();
    other.rope_theta *= 2;
    struct el_weights *old = create(&c, 1), *w = create(&other, 2), *back;
    save(old);
    meanwhile = w;
    expect_refusal(EL_EBUSY, "config.json: changed");
    assert_null(meanwhile);
    back = load(NULL);
    assert_string_equal(back->digest, w->digest);
    el_weights_free(back);

    el_weights_free(old);
    el_weights_free(w);
}

/* Nobody who reads it is told that it changed. */
static void an_equal_config_is_left(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_weights *old = create(&c, 1), *w = create(&c, 2), *back;
    save(old);
    meanwhile = w;
    back = load(NULL);
    assert_null(meanwhile);
    assert_string_equal(back->digest, w->digest);
    el_weights_free(back);
    el_weights_free(old);
    el_weights_free(w);
}

static void a_folder_that_cannot_be_made(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_weights *w = create(&c, 1);
    struct el_error err = {0};
    assert_int_equal(el_weights_save(w, "/dev/null/model", &err), EL_EIO);
    assert_non_null(strstr(err.msg, "/dev/null"));
    el_weights_free(w);
}

static void create_survives_allocation_failures(void **state)
{
    (void)state;
    struct el_config c = small_config();
    int rc = EL_ENOMEM;
    for (long n = 1; rc != 0; n++) {
        struct el_weights *w;
        struct el_error err = {0};
        el_alloc_fail_after(n);
        rc = el_weights_create(&c, el_device_host(), 1, &w, &err);
        el_alloc_fail_after(0);
        if (rc == 0)
            el_weights_free(w);
        else
            assert_true(rc == EL_ENOMEM && err.msg[0]);
        assert_in_range(n, 1, 100);
    }
}

static void save_and_load_survive_allocation_failures(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_weights *old = create(&c, 1), *w = create(&c, 2), *back;
    int rc = EL_ENOMEM;
    save(old);
    for (long n = 1; rc != 0; n++) {
        struct el_error err = {0};
        el_alloc_fail_after(n);
        rc = el_weights_save(w, folder, &err);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || (rc == EL_ENOMEM && err.msg[0]));
        back = load(NULL);
        assert_string_equal(back->digest, rc == 0 ? w->digest : old->digest);
        el_weights_free(back);
    }
    rc = EL_ENOMEM;
    for (long n = 1; rc != 0; n++) {
        struct el_error err = {0};
        el_alloc_fail_after(n);
        rc = el_weights_load(folder, el_device_host(), &back, NULL, NULL, &err);
        el_alloc_fail_after(0);
        if (rc == 0)
            el_weights_free(back);
        else
            assert_true(rc == EL_ENOMEM && err.msg[0]);
    }
    el_weights_free(old);
    el_weights_free(w);
}

struct seen {
    int64_t last, total;
    int calls;
};

static void on_update(struct el_progress *p, int64_t done, int64_t total, const char *note)
{
    struct seen *s = p->user;
    assert_true(done > s->last && done <= total);
    assert_string_equal(note, folder);
    s->last = done;
    s->total = total;
    s->calls++;
}

static void loading_reports_progress_and_stops_when_asked(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_weights *w = create(&c, 1), *back;
    struct seen seen = {0};
    struct el_progress progress = {on_update, &seen};
    save(w);
    assert_int_equal(el_weights_load(folder, el_device_host(), &back, NULL, &progress, NULL), 0);
    assert_int_equal(seen.last, w->layout.parameters);
    assert_int_equal(seen.total, w->layout.parameters);
    el_weights_free(back);
    el_stop_requested = 1;
    expect_refusal(EL_EINTR, "stopped");
    el_stop_requested = 0;
    el_weights_free(w);
}

static void the_golden_models_load(void **state)
{
    (void)state;
    static const char *const names[] = {"base",       "index_interleaved", "ungrouped_tied",
                                        "tiny_norms", "full_topk",         "zero_ties"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        struct el_weights *w;
        struct el_error err = {0};
        int skipped;
        snprintf(path, sizeof path, "%s/tests/golden/%s", EL_SOURCE_DIR, names[i]);
        if (el_weights_load(path, el_device_host(), &w, &skipped, NULL, &err) < 0)
            fail_msg("%s", err.msg);
        assert_int_equal(skipped, 0);
        el_weights_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_weights_follow_the_rules),
        cmocka_unit_test(weights_are_a_function_of_config_and_seed),
        cmocka_unit_test(f32_round_trip_is_exact),
        cmocka_unit_test(bf16_round_trip_equals_rounding),
        cmocka_unit_test(the_guard_device_gives_the_same_checkpoint),
        cmocka_unit_test(mtp_and_inv_freq_are_skipped_and_counted),
        cmocka_unit_test(unknown_tensors_are_refused),
        cmocka_unit_test(every_missing_tensor_is_named),
        cmocka_unit_test(wrong_shapes_and_dtypes_are_named),
        cmocka_unit_test(dtypes_that_nobody_reads_are_in_nobodys_way),
        cmocka_unit_test(bf16_and_f16_are_widened),
        cmocka_unit_test(values_must_be_finite),
        cmocka_unit_test(a_model_with_nan_is_not_saved),
        cmocka_unit_test(shards_are_found_through_the_index),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(a_full_disk_leaves_the_old_checkpoint),
        cmocka_unit_test(a_crash_mixes_no_weights_with_a_foreign_config),
        cmocka_unit_test(a_save_that_fails_late_leaves_the_old_files),
        cmocka_unit_test(a_config_that_does_not_come_leaves_none),
        cmocka_unit_test(weights_that_stay_get_their_config_back),
        cmocka_unit_test(a_reader_sees_that_somebody_saves),
        cmocka_unit_test(an_equal_config_is_left),
        cmocka_unit_test(a_folder_that_cannot_be_made),
        cmocka_unit_test(create_survives_allocation_failures),
        cmocka_unit_test(save_and_load_survive_allocation_failures),
        cmocka_unit_test(loading_reports_progress_and_stops_when_asked),
        cmocka_unit_test(the_golden_models_load),
    };
    return cmocka_run_group_tests(tests, checkpoint_make_folder, checkpoint_remove_folder);
}
