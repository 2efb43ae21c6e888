/* Serving without memory: every allocation of what opens a model, reads token files and writes
 * logits fails once, with all behind it and alone. Each failure is EL_ENOMEM with a message, and
 * leaves nothing behind: no memory, no file, no failed stream. And what a trace takes. */
#include "core/run/local.h"
#include "core/run/logits.h"
#include "tests/run/engine_fixture.h"
#include "tests/run/small_tokenizer.h"

#include <stdlib.h>
#include <unistd.h>

enum { END = 1, TEXT = 20 /* tokens of a row */ };

/* A folder with the golden model that has an MTP layer and the small tokenizer, one with a model
 * without, whose shape has an FP8 form; and a file. */
static char root[] = "/tmp/el_memory_XXXXXX";
static struct golden_case small; /* the first one's */

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void write_file(const char *name, const char *text, size_t n)
{
    golden_must(el_file_write(path_of(name), text, n, &err));
}

static void make_folders(void)
{
    struct el_config c = small.w->config;
    struct el_weights *w;
    golden_must(el_dir_make(path_of("mtp"), &err));
    assert_int_equal(symlink(GOLDEN_DIR "mtp/config.json", path_of("mtp/config.json")), 0);
    assert_int_equal(symlink(GOLDEN_DIR "mtp/model.safetensors", path_of("mtp/model.safetensors")),
                     0);
    write_file("mtp/tokenizer.json", small_tokenizer, strlen(small_tokenizer));
    c.index_head_dim = 16;
    c.num_nextn_predict_layers = 0;
    golden_must(el_weights_create(&c, el_device_host(), 5, &w, &err));
    golden_must(el_weights_save(w, path_of("plain"), &err));
    el_weights_free(w);
    write_file("plain/tokenizer.json", small_tokenizer, strlen(small_tokenizer));
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(root));
    golden_open(&small, "mtp", el_device_host());
    make_folders();
    return 0;
}

/* Fails when anything else is left in a folder. */
static int teardown(void **state)
{
    static const char *const files[] = {"mtp/config.json",         "mtp/model.safetensors",
                                        "mtp/tokenizer.json",      "plain/config.json",
                                        "plain/model.safetensors", "plain/tokenizer.json"};
    (void)state;
    golden_close(&small);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(path_of(files[i]));
    return rmdir(path_of("mtp")) < 0 || rmdir(path_of("plain")) < 0 ? -1 : rmdir(root);
}

typedef int attempt_fn(const void *arg, struct el_error *err);

/* sign: as el_alloc_fail_after has it. */
static void fail_each_way(int sign, attempt_fn *attempt, const void *arg, void (*look)(int rc),
                          const char *what, int at_least)
{
    int failed = 0, rc;
    long n = 0, asked;
    do {
        struct el_error err = {0};
        el_alloc_fail_after(sign * ++n);
        rc = attempt(arg, &err);
        asked = el_alloc_count();
        el_alloc_fail_after(0);
        failed += rc < 0;
        if (look)
            look(rc);
        if (rc != err.code || (rc != 0 && (rc != EL_ENOMEM || !err.msg[0])))
            fail_msg("%s, allocation %ld: code %d, error %d '%s'", what, n, rc, err.code, err.msg);
        assert_in_range(n, 1, 10000);
    } while (asked >= n);
    print_message("%s: %d of %ld allocations%s end in a failure\n", what, failed, n - 1,
                  sign < 0 ? ", each alone," : "");
    assert_int_equal(rc, 0);
    assert_true(failed >= at_least);
}

/* Runs `attempt` until no allocation is left that could fail, and `look` behind each, unless NULL:
 * first with all behind it, which finds what a failure leaves half done, then alone, which finds
 * failures that nobody notices. Where one does not matter, the attempt must succeed. */
static void fail_each(attempt_fn *attempt, const void *arg, void (*look)(int rc), const char *what,
                      int at_least)
{
    fail_each_way(1, attempt, arg, look, what, at_least);
    fail_each_way(-1, attempt, arg, look, what, at_least / 2);
}

/* ---- A model's folder ---- */

static void ignore_text(void *user, int64_t tag, const char *text, size_t n)
{
    (void)user, (void)tag, (void)text, (void)n;
}

static char said[128]; /* what the first attempt that succeeds completes, and all others must */

/* One completion, from the folder to its text. */
static int open_and_complete(const void *arg, struct el_error *err)
{
    static const struct el_message hello = {"user", "abc"};
    static const char *const stops[] = {"q", "zz"};
    const struct el_local_options *o = arg;
    struct el_backend *b = NULL;
    struct el_completion c = {0};
    const struct el_request r = {.messages = &hello,
                                 .n_messages = 1,
                                 .sampling = {.temperature = 1, .top_p = 0.9, .max_tokens = 4},
                                 .stop = stops,
                                 .n_stop = 2,
                                 .want_trace = o->trace != 0,
                                 .key = 4};
    int rc = el_local_open(o, &b, err);
    assert_true((rc == 0) == (b != NULL));
    if (rc == 0)
        rc = el_backend_submit(b, &r, err);
    if (rc == 0)
        rc = el_backend_poll(b, &c, err);
    if (rc == 1 && c.finish == EL_FINISH_ERROR)
        *err = c.error;
    rc = rc == 1 ? c.error.code : rc;
    if (rc == 0 && !said[0])
        snprintf(said, sizeof said, ">%s", c.text);
    if (rc == 0)
        assert_string_equal(said + 1, c.text);
    el_completion_release(&c);
    el_backend_free(b);
    return rc;
}

static struct el_local_options options(const char *model)
{
    said[0] = 0;
    return (struct el_local_options){.model = model,
                                     .attention = EL_ATTENTION_MQA,
                                     .batch = 2,
                                     .context = 96,
                                     .threads = 1,
                                     .on_text = ignore_text};
}

static void opening_a_model(void **state)
{
    (void)state;
    struct el_local_options o = options(path_of("plain"));
    o.attention = EL_ATTENTION_DENSE;
    o.compute = EL_COMPUTE_BF16;
    o.trace = EL_TRACE_ROUTED;
    fail_each(open_and_complete, &o, NULL, "dense, bf16, traced", 100);
    o = options(path_of("plain"));
    o.attention = EL_ATTENTION_MHA;
    o.fp8 = 1;
    fail_each(open_and_complete, &o, NULL, "masked MHA, fp8", 100);
}

/* Three times over the header of the checkpoint: one way takes seconds. */
static void opening_a_model_that_drafts(void **state)
{
    (void)state;
    struct el_local_options o = options(path_of("mtp"));
    o.mtp = 1;
    o.trace = EL_TRACE_ROUTED | EL_TRACE_SELECTED;
    fail_each_way(-1, open_and_complete, &o, NULL, "MTP layer, traced", 100);
}

/* ---- Engines ---- */

/* What fails is tried again and gives the completions that it would have given. */
static void engines(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum el_attention attention;
        int mha_limit, fp8, trace;
        enum el_compute compute;
    } cases[] = {
        {"engine, bf16", EL_ATTENTION_MQA, 0, 0, EL_TRACE_SELECTED, EL_COMPUTE_BF16},
        {"engine, fp8", EL_ATTENTION_MQA, 0, 1, EL_TRACE_ROUTED, EL_COMPUTE_FP32},
        {"engine, fp8 and bf16", EL_ATTENTION_DENSE, 0, 1, 0, EL_COMPUTE_BF16},
        {"engine, masked MHA", EL_ATTENTION_MHA, 40, 0, 0, EL_COMPUTE_FP32},
        {"engine, masked MHA and bf16", EL_ATTENTION_MHA, 40, 0, 0, EL_COMPUTE_BF16},
    };
    static struct job jobs[3];
    static struct outcome right[3];
    struct golden_case g;
    struct el_stream s;
    golden_open(&g, "base", el_device_host());
    g.w->config.index_head_dim = 16; /* of 24: FP8 takes a power of two */
    el_stream_init(&s, el_device_host(), el_ops_cpu(), 1);
    make_jobs(jobs, 3, g.vocab, 60, 12);
    for (int i = 0; i < 3; i++)
        jobs[i].sampling = (struct el_sampling){.temperature = 1, .top_p = 0.7, .max_tokens = 12};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct el_engine_options o = engine_options(cases[i].attention, 2, 20);
        o.mha_limit = cases[i].mha_limit;
        o.fp8 = cases[i].fp8;
        o.trace = cases[i].trace;
        o.compute = cases[i].compute;
        assert_int_equal(run_with_failure(g.w, &s, &o, jobs, 3, right), 0);
        assert_true(fail_each_of_run(g.w, &s, &o, jobs, 3, right, cases[i].what) > 20);
    }
    el_stream_release(&s);
    golden_close(&g);
}

/* Where masked MHA stops to pay is found by running it, with workspaces that have to be there. */
static int measure(const void *arg, struct el_error *err)
{
    struct el_engine e;
    struct el_stream s;
    struct el_engine_options o = engine_options(EL_ATTENTION_MHA, 2, 20);
    o.mha_limit = EL_MHA_MEASURE;
    o.compute = *(const enum el_compute *)arg;
    el_stream_init(&s, el_device_host(), el_ops_cpu(), 1);
    int rc = el_engine_init(&e, small.w, &s, &o, err);
    if (rc == 0)
        el_engine_release(&e);
    assert_int_equal(s.failed, 0);
    el_stream_release(&s);
    return rc;
}

static void measuring_masked_mha(void **state)
{
    (void)state;
    static const enum el_compute fp32 = EL_COMPUTE_FP32, bf16 = EL_COMPUTE_BF16;
    fail_each(measure, &fp32, NULL, "measuring masked MHA", 15);
    fail_each(measure, &bf16, NULL, "measuring masked MHA, bf16", 15);
}

/* ---- Token files ---- */

static int load_tokens(const void *arg, struct el_error *err)
{
    struct el_token_batch b;
    int rc = el_token_file_load(arg, small.vocab, &b, err);
    if (rc < 0) {
        assert_null(b.tokens);
        assert_true(strncmp(err->msg, root, strlen(root)) == 0); /* it names the file */
        return rc;
    }
    assert_int_equal(b.batch, 2);
    assert_int_equal(b.length, 3);
    for (int i = 0; i < 6; i++)
        assert_int_equal(b.tokens[i], i);
    el_token_batch_release(&b);
    return 0;
}

static void token_files(void **state)
{
    (void)state;
    static const char json[] = " [[0, 1, 2],\n[3, 4, 5]]\n";
    static const int32_t narrow[] = {0, 1, 2, 3, 4, 5};
    static const int64_t wide[] = {0, 1, 2, 3, 4, 5};
    struct el_st_tensor t = {.name = "tokens", .dtype = EL_I32, .dims = 2, .shape = {2, 3}};
    write_file("tokens", json, strlen(json));
    fail_each(load_tokens, path_of("tokens"), NULL, "tokens as JSON", 2);
    t.data = narrow;
    golden_must(el_safetensors_write(path_of("tokens"), &t, 1, NULL, 0, &err));
    fail_each(load_tokens, path_of("tokens"), NULL, "tokens as I32", 4);
    t.dtype = EL_I64;
    t.data = wide;
    golden_must(el_safetensors_write(path_of("tokens"), &t, 1, NULL, 0, &err));
    fail_each(load_tokens, path_of("tokens"), NULL, "tokens as I64", 4);
    assert_int_equal(unlink(path_of("tokens")), 0);
}

/* ---- Logits ---- */

struct logits_case {
    const char *what;
    const struct el_weights *w;
    struct el_logits_options o;
};

static int write_logits(const void *arg, struct el_error *err)
{
    const struct logits_case *c = arg;
    int32_t ids[2 * TEXT];
    const struct el_token_batch tokens = {.batch = 2, .length = TEXT, .tokens = ids};
    struct el_stream s;
    for (int i = 0; i < 2 * TEXT; i++)
        ids[i] = i * 7 % small.vocab;
    el_stream_init(&s, el_device_host(), el_ops_cpu(), 1);
    int rc = el_logits_write(c->w, &s, &tokens, &c->o, path_of("logits"), NULL, err);
    assert_int_equal(s.failed, 0); /* it is the caller's */
    el_stream_release(&s);
    return rc;
}

static struct el_buf written; /* by the first attempt that succeeds, and by all others */

/* A file that was there stays as long as there is no other. */
static void look_at_file(int rc)
{
    struct el_buf b;
    el_buf_init(&b);
    golden_must(el_file_read(path_of("logits"), 0, &b, &err));
    assert_int_equal(rc < 0, strcmp(b.data, "old") == 0);
    if (rc == 0 && !written.len)
        golden_must(el_buf_add(&written, b.data, b.len));
    if (rc == 0) {
        assert_int_equal(b.len, written.len);
        assert_memory_equal(b.data, written.data, b.len);
        write_file("logits", "old", 3);
    }
    el_buf_release(&b);
}

static void logits(void **state)
{
    (void)state;
    struct el_weights *w;
    golden_must(el_weights_load(path_of("plain"), el_device_host(), &w, NULL, NULL, &err));
    const struct logits_case cases[] = {
        {"logits, traced", small.w, {.attention = EL_ATTENTION_MQA, .trace = 1, .greedy = 3}},
        {"logits, bf16",
         small.w,
         {.attention = EL_ATTENTION_DENSE, .greedy = 3, .compute = EL_COMPUTE_BF16}},
        {"logits, masked MHA", small.w, {.attention = EL_ATTENTION_MHA, .greedy = 3}},
        {"logits, fp8", w, {.attention = EL_ATTENTION_MQA, .trace = 1, .greedy = 3, .fp8 = 1}},
    };
    write_file("logits", "old", 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        el_buf_init(&written);
        fail_each(write_logits, &cases[i], look_at_file, cases[i].what, 30);
        el_buf_release(&written);
    }
    assert_int_equal(unlink(path_of("logits")), 0);
    el_weights_free(w);
}

static size_t asked; /* of the device below */

static void *counting_alloc(struct el_device *d, size_t bytes)
{
    asked += bytes;
    return el_device_host()->alloc(d, bytes);
}

/* A trace takes what it writes, not every layer's activations. */
static void tracing_logits(void **state)
{
    (void)state;
    struct el_device counting = *el_device_host();
    struct el_config c = small.w->config;
    struct el_weights *w;
    counting.alloc = counting_alloc;
    c.num_hidden_layers = 5;
    c.num_nextn_predict_layers = 0;
    golden_must(el_weights_create(&c, &counting, 5, &w, &err));
    size_t layer = TEXT * (size_t)c.index_topk * sizeof(int32_t) + 64; /* aligned */
    for (int mode = EL_ATTENTION_DENSE; mode <= EL_ATTENTION_MHA; mode++) {
        struct logits_case l = {.w = w, .o = {.attention = (enum el_attention)mode}};
        size_t took[2];
        for (l.o.trace = 0; l.o.trace < 2; l.o.trace++) {
            asked = 0;
            golden_must(write_logits(&l, &err));
            took[l.o.trace] = asked;
        }
        size_t room = mode == EL_ATTENTION_DENSE ? 0 : layer * (size_t)c.num_hidden_layers;
        assert_in_range(took[1], took[0] + (room > 0), took[0] + room);
    }
    assert_int_equal(unlink(path_of("logits")), 0);
    el_weights_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_a_model), cmocka_unit_test(opening_a_model_that_drafts),
        cmocka_unit_test(engines),         cmocka_unit_test(measuring_masked_mha),
        cmocka_unit_test(token_files),     cmocka_unit_test(logits),
        cmocka_unit_test(tracing_logits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
