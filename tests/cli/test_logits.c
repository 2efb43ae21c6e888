/* `elenchus logits` on the golden models: the file it writes holds what the golden file holds. */
#include "cli/cli.h"
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/run/token_file.h"
#include "tests/model/golden_case.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

struct folder {
    char path[64], out[96], tokens[96];
};

static int setup(void **state)
{
    struct folder *f = el_alloc_array(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/el_logits_XXXXXX");
    assert_non_null(mkdtemp(f->path));
    snprintf(f->out, sizeof f->out, "%s/out.safetensors", f->path);
    snprintf(f->tokens, sizeof f->tokens, "%s/tokens", f->path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct folder *f = *state;
    unlink(f->out);
    unlink(f->tokens);
    rmdir(f->path);
    el_free(f);
    return 0;
}

/* Runs the command; arguments end with NULL. */
static int logits(const char *first, ...)
{
    char *argv[32] = {"logits"};
    int argc = 1;
    va_list list;
    va_start(list, first);
    for (const char *a = first; a; a = va_arg(list, const char *))
        argv[argc++] = (char *)(uintptr_t)a;
    va_end(list);
    return cmd_logits(argc, argv);
}

static void write_text(const char *path, const char *text)
{
    golden_must(el_file_write(path, text, strlen(text), &err));
}

/* The golden tokens as a JSON array of arrays. */
static void write_json_tokens(const struct golden_case *g, const char *path)
{
    struct el_buf b;
    el_buf_init(&b);
    for (int i = 0; i < g->rows; i++)
        golden_must(el_buf_printf(&b, "%s%d",
                                  i == 0     ? "[["
                                  : i % g->t ? ", "
                                             : "],\n [",
                                  g->tokens[i]));
    golden_must(el_buf_puts(&b, "]]\n"));
    golden_must(el_file_write(path, b.data, b.len, &err));
    el_buf_release(&b);
}

static void write_wide_tokens(const struct golden_case *g, const char *path)
{
    int64_t ids[256];
    struct el_st_tensor t = {
        .name = "tokens", .dtype = EL_I64, .dims = 2, .shape = {g->b, g->t}, .data = ids};
    assert_true(g->rows <= 256);
    for (int i = 0; i < g->rows; i++)
        ids[i] = g->tokens[i];
    golden_must(el_safetensors_write(path, &t, 1, NULL, 0, &err));
}

static void check_ints(const struct golden_case *g, const struct el_safetensors *out,
                       const char *golden, const char *ours)
{
    const struct el_st_tensor *right = golden_tensor(g, golden, EL_I32), *t = NULL;
    golden_must(el_safetensors_need(out, ours, EL_I32, 3, right->shape, &t, &err));
    assert_memory_equal(t->data, right->data, right->bytes);
}

static void check_output(const struct golden_case *g, const char *path, int mqa, int traced)
{
    struct el_safetensors out;
    const struct el_st_tensor *t = NULL;
    char golden[32], ours[32];
    int extra = 0;
    golden_must(el_safetensors_open(&out, path, &err));
    const struct el_st_tensor *right =
        golden_tensor(g, mqa ? "logits.sparse" : "logits.dense", EL_F32);
    golden_must(el_safetensors_need(&out, "logits", EL_F32, 3, right->shape, &t, &err));
    assert_true(golden_distance(t->data, right->data, (int64_t)g->rows * g->vocab) < 2e-4);
    assert_string_equal(el_safetensors_metadata(&out, "attention"), mqa ? "mqa" : "dense");
    assert_string_equal(el_safetensors_metadata(&out, "model_digest"), g->w->digest);
    for (int l = 0; traced && l < g->layers; l++) {
        snprintf(golden, sizeof golden, "selected.%d", l);
        if (mqa)
            check_ints(g, &out, golden, golden);
        snprintf(ours, sizeof ours, "routed.%d", l);
        snprintf(golden, sizeof golden, mqa ? "routed.%d" : "routed.dense.%d", l);
        int moe = el_config_layer_is_moe(&g->w->config, l);
        if (moe)
            check_ints(g, &out, golden, ours);
        extra += mqa + moe;
    }
    assert_int_equal(out.n, 1 + extra);
    el_safetensors_release(&out);
}

/* Other numbers, near those in fp32, and a file that says so. */
static void test_bf16(void **state)
{
    struct folder *f = *state;
    struct golden_case g;
    struct el_safetensors out;
    const struct el_st_tensor *t = NULL;
    golden_open(&g, "base", el_device_host());
    assert_int_equal(logits("--model", GOLDEN_DIR "base", "--tokens",
                            GOLDEN_DIR "base/golden.safetensors", "--attention", "dense",
                            "--compute", "bf16", "--greedy", "3", "--out", f->out, NULL),
                     CLI_DONE);
    golden_must(el_safetensors_open(&out, f->out, &err));
    const struct el_st_tensor *right = golden_tensor(&g, "logits.dense", EL_F32);
    golden_must(el_safetensors_need(&out, "logits", EL_F32, 3, right->shape, &t, &err));
    int64_t n = (int64_t)g.rows * g.vocab, near = 0;
    const float *x = t->data, *y = right->data;
    for (int64_t i = 0; i < n; i++)
        near += fabsf(x[i] - y[i]) < 0.1f * (1 + fabsf(y[i]));
    assert_true(near > n * 3 / 4);
    assert_true(golden_distance(x, y, n) > 2e-4);
    assert_string_equal(el_safetensors_metadata(&out, "compute"), "bf16");
    assert_string_equal(el_safetensors_metadata(&out, "bf16_kernel"),
                        el_ops_bf16_name(el_ops_cpu()));
    el_safetensors_release(&out);
    golden_close(&g);
    assert_int_equal(logits("--model", GOLDEN_DIR "base", "--tokens", f->tokens, "--out", f->out,
                            "--compute", "fp16", NULL),
                     CLI_USAGE);
}

static void test_golden_models(void **state)
{
    struct folder *f = *state;
    for (int c = 0; c < GOLDEN_CASES; c++) {
        struct golden_case g;
        char model[256], tokens[256];
        golden_open(&g, golden_names[c], el_device_host());
        snprintf(model, sizeof model, GOLDEN_DIR "%s", g.name);
        snprintf(tokens, sizeof tokens, GOLDEN_DIR "%s/golden.safetensors", g.name);
        assert_int_equal(logits("--model", model, "--tokens", tokens, "--out", f->out, NULL),
                         CLI_DONE);
        check_output(&g, f->out, 1, 0);
        write_json_tokens(&g, f->tokens);
        assert_int_equal(logits("--model", model, "--tokens", f->tokens, "--attention", "dense",
                                "--trace", "--out", f->out, NULL),
                         CLI_DONE);
        check_output(&g, f->out, 0, 1);
        write_wide_tokens(&g, f->tokens);
        assert_int_equal(logits("--model", model, "--tokens", f->tokens, "--attention=mqa",
                                "--trace", "--isa", "ref", "--threads", "1", "--out", f->out, NULL),
                         CLI_DONE);
        check_output(&g, f->out, 1, 1);
        golden_close(&g);
    }
}

/* The greedy continuation, put behind the tokens and run as one text, gives the same logits. */
static void check_greedy(const struct folder *f, const char *mode)
{
    enum { N = 24, V = 64 };
    struct el_safetensors out;
    const struct el_st_tensor *generated = NULL, *stepwise = NULL, *whole = NULL;
    const int64_t ids[] = {2, N}, rows[] = {2, N, V}, all[] = {2, 5 + N, V};
    struct el_buf text;
    write_text(f->tokens, "[[3, 9, 27, 17, 51], [1, 1, 2, 3, 5]]");
    assert_int_equal(logits("--model", GOLDEN_DIR "base", "--tokens", f->tokens, "--attention",
                            mode, "--greedy", "24", "--out", f->out, NULL),
                     CLI_DONE);
    golden_must(el_safetensors_open(&out, f->out, &err));
    golden_must(el_safetensors_need(&out, "generated", EL_I32, 2, ids, &generated, &err));
    golden_must(el_safetensors_need(&out, "generated_logits", EL_F32, 3, rows, &stepwise, &err));
    const int32_t *drawn = generated->data;
    const float *step = stepwise->data;
    el_buf_init(&text);
    for (int b = 0; b < 2; b++) {
        golden_must(el_buf_puts(&text, b ? "], [1, 1, 2, 3, 5" : "[[3, 9, 27, 17, 51"));
        for (int i = 0; i < N; i++) {
            const float *l = step + ((int64_t)b * N + i) * V;
            for (int v = 0; v < V; v++)
                assert_true(l[v] <= l[drawn[b * N + i]]);
            golden_must(el_buf_printf(&text, ", %d", drawn[b * N + i]));
        }
    }
    golden_must(el_buf_puts(&text, "]]"));
    write_text(f->tokens, text.data);
    el_buf_release(&text);
    float *kept = el_alloc(stepwise->bytes);
    memcpy(kept, step, stepwise->bytes);
    el_safetensors_release(&out);
    assert_int_equal(logits("--model", GOLDEN_DIR "base", "--tokens", f->tokens, "--attention",
                            mode, "--out", f->out, NULL),
                     CLI_DONE);
    golden_must(el_safetensors_open(&out, f->out, &err));
    golden_must(el_safetensors_need(&out, "logits", EL_F32, 3, all, &whole, &err));
    for (int b = 0; b < 2; b++)
        assert_memory_equal((const float *)whole->data + ((int64_t)b * (5 + N) + 4) * V,
                            kept + (int64_t)b * N * V, N * V * sizeof(float));
    el_free(kept);
    el_safetensors_release(&out);
}

static void test_greedy(void **state)
{
    check_greedy(*state, "dense");
    check_greedy(*state, "mqa");
}

/* Masked MHA is another arithmetic for what mqa computes. */
static void test_masked_mha(void **state)
{
    enum { V = 64 };
    struct folder *f = *state;
    struct el_safetensors out;
    const struct el_st_tensor *t;
    static float absorbed[2 * 70 * V];
    const int64_t shape[] = {2, 70, V};
    struct el_buf text = {0};
    for (int i = 0; i < 2 * 70; i++)
        golden_must(el_buf_printf(&text, "%s%d",
                                  i == 0    ? "[["
                                  : i == 70 ? "], ["
                                            : ", ",
                                  i * i % V));
    golden_must(el_buf_puts(&text, "]]"));
    write_text(f->tokens, text.data);
    el_buf_release(&text);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(logits("--model", GOLDEN_DIR "base", "--tokens", f->tokens, "--out",
                                f->out, "--attention", i ? "mha" : "mqa", "--trace", "--greedy",
                                "2", NULL),
                         CLI_DONE);
        golden_must(el_safetensors_open(&out, f->out, &err));
        golden_must(el_safetensors_need(&out, "logits", EL_F32, 3, shape, &t, &err));
        golden_must(el_safetensors_need(&out, "selected.0", EL_I32, -1, NULL, &t, &err));
        golden_must(el_safetensors_need(&out, "logits", EL_F32, 3, shape, &t, &err));
        if (i == 0)
            memcpy(absorbed, t->data, sizeof absorbed);
        else
            assert_true(golden_distance(t->data, absorbed, 2 * 70 * V) < 1e-4);
        if (i == 1)
            assert_memory_not_equal(t->data, absorbed, sizeof absorbed);
        el_safetensors_release(&out);
    }
}

static void test_command_line(void **state)
{
    struct folder *f = *state;
    unlink(f->out);
    write_text(f->tokens, "[[1, 2, 3]]");
    assert_int_equal(logits("--model", GOLDEN_DIR "base", "--out", f->out, NULL), CLI_USAGE);
    assert_int_equal(logits("--model", GOLDEN_DIR "base", "--tokens", f->tokens, "--out", f->out,
                            "--attention", "full", NULL),
                     CLI_USAGE);
    assert_int_equal(logits("--model", GOLDEN_DIR "base", "--tokens", f->tokens, "--out", f->out,
                            "--attention", "mha:64", NULL), /* here all rows are */
                     CLI_USAGE);
    assert_int_equal(
        logits("--model", GOLDEN_DIR "nowhere", "--tokens", f->tokens, "--out", f->out, NULL),
        CLI_FAILED);
    assert_int_equal(logits("--model", GOLDEN_DIR "base", "--tokens", f->tokens, "--out", f->out,
                            "--isa", "abacus", NULL),
                     CLI_USAGE);
    assert_int_equal(logits("--model", GOLDEN_DIR "base", "--tokens", f->tokens, "--out", f->out,
                            "--greedy", "1022", NULL),
                     CLI_FAILED); /* the context has 1024 */
    assert_int_equal(logits("--model", GOLDEN_DIR "base", "--tokens", f->tokens, "--out",
                            "/no/such/folder/out", NULL),
                     CLI_FAILED);
    assert_int_equal(access(f->out, F_OK), -1);
}

static void bad_tokens(const struct folder *f, const char *says)
{
    struct el_token_batch b;
    struct el_error err = {0};
    assert_int_equal(el_token_file_load(f->tokens, 64, &b, &err), EL_EFORMAT);
    assert_null(b.tokens);
    assert_non_null(strstr(err.msg, f->tokens));
    if (!strstr(err.msg, says))
        fail_msg("'%s' does not say '%s'", err.msg, says);
}

static void test_malformed_tokens(void **state)
{
    static const char *const bad[][2] = {
        {"[[1, 2], [3]]", "row 1"},
        {"[[1, 2], [3, 4, 5]]", "row 1"},
        {"[[1, 2], 3]", "row 1"},
        {"[]", "array of arrays"},
        {"[[]]", "at least one token"},
        {"[1, 2, 3]", "array of arrays"},
        {"[[1, 64]]", "row 0 position 1 is 64"},
        {"[[-1, 2]]", "row 0 position 0 is -1"},
        {"[[1, 2.5]]", "2.5"},
        {"[[1, 1e300]]", "1e+300"},
        {"[[1, \"2\"]]", "position 1"},
        {"[[1, null]]", "position 1"},
        {"[[1, 2]", ""},
        {"", "empty; expected token ids: a JSON array of arrays"},
        {" \n", "empty; expected token ids"},
        {"1 2 3\n", "neither a JSON array nor safetensors; expected token ids"},
        {"{\"tokens\": [[1]]}", "neither a JSON array nor safetensors"},
    };
    struct folder *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(f->tokens, bad[i][0]);
        bad_tokens(f, bad[i][1]);
    }
    int64_t ids[] = {1, 2, (int64_t)1 << 40, 3};
    struct el_st_tensor t = {.name = "tokens", .dtype = EL_I64, .dims = 2, .shape = {2, 2}};
    t.data = ids;
    golden_must(el_safetensors_write(f->tokens, &t, 1, NULL, 0, &err));
    bad_tokens(f, "row 1 position 0 is 1099511627776");
    t.dims = 1;
    t.shape[0] = 4;
    golden_must(el_safetensors_write(f->tokens, &t, 1, NULL, 0, &err));
    bad_tokens(f, "I32 or I64 [B,T]");
    t.dims = 2;
    t.dtype = EL_F32;
    golden_must(el_safetensors_write(f->tokens, &t, 1, NULL, 0, &err));
    bad_tokens(f, "I32 or I64 [B,T]");
    t.name = "ids";
    golden_must(el_safetensors_write(f->tokens, &t, 1, NULL, 0, &err));
    bad_tokens(f, "'tokens'");
}

static void test_good_tokens(void **state)
{
    struct folder *f = *state;
    struct el_token_batch b;
    write_text(f->tokens, " \n[[0, 63],\n[7, 8]]\n");
    golden_must(el_token_file_load(f->tokens, 64, &b, &err));
    assert_int_equal(b.batch, 2);
    assert_int_equal(b.length, 2);
    assert_memory_equal(b.tokens, ((int32_t[]){0, 63, 7, 8}), sizeof(int32_t[4]));
    el_token_batch_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_models), cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_greedy),        cmocka_unit_test(test_masked_mha),
        cmocka_unit_test(test_command_line),  cmocka_unit_test(test_malformed_tokens),
        cmocka_unit_test(test_good_tokens),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
