/* `elenchus generate` with a small random model: streams, counts, repeats itself, refuses. */
#include "cli/cli.h"
#include "core/base/alloc.h"
#include "core/base/json.h"
#include "tests/model/golden_case.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct folder {
    char path[64];
    char *out, *said; /* what the last command printed, and on the standard error */
};

static char *inside(const struct folder *f, const char *name)
{
    char *path = el_path_join(f->path, name);
    assert_non_null(path);
    return path;
}

static void write_file(const struct folder *f, const char *name, const char *data, size_t n)
{
    char *path = inside(f, name);
    golden_must(el_file_write(path, data, n, &err));
    el_free(path);
}

static int setup(void **state)
{
    struct folder *f = el_alloc_array(1, sizeof *f);
    struct el_config c;
    struct el_weights *w;
    struct el_buf tokenizer;
    snprintf(f->path, sizeof f->path, "/tmp/el_generate_XXXXXX");
    assert_non_null(mkdtemp(f->path));
    golden_must(el_config_load(GOLDEN_DIR "base/config.json", &c, &err));
    c.vocab_size = 720;
    c.initializer_range = 0.3;
    golden_must(el_weights_create(&c, el_device_host(), 11, &w, &err));
    golden_must(el_weights_save(w, f->path, &err));
    el_weights_free(w);
    el_buf_init(&tokenizer);
    golden_must(
        el_file_read(EL_SOURCE_DIR "/tests/text/golden/tokenizer.json", 0, &tokenizer, &err));
    write_file(f, "tokenizer.json", tokenizer.data, tokenizer.len);
    el_buf_release(&tokenizer);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {
        "config.json", "model.safetensors", "tokenizer.json", "domain.json", "stdout", "stderr"};
    struct folder *f = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = inside(f, names[i]);
        unlink(path);
        el_free(path);
    }
    rmdir(f->path);
    el_free(f->out);
    el_free(f->said);
    el_free(f);
    return 0;
}

/* Into a file; returns where it went before. */
static int redirect(const struct folder *f, const char *name, int to)
{
    char *path = inside(f, name);
    fflush(NULL);
    int kept = dup(to), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(kept >= 0 && fd >= 0);
    dup2(fd, to);
    close(fd);
    el_free(path);
    return kept;
}

static void restore(const struct folder *f, const char *name, int to, int kept, char **out)
{
    struct el_buf text;
    char *path = inside(f, name);
    fflush(NULL);
    dup2(kept, to);
    close(kept);
    el_buf_init(&text);
    golden_must(el_file_read(path, 0, &text, &err));
    el_free(*out);
    *out = text.len ? el_strndup(text.data, text.len) : el_strdup("");
    el_buf_release(&text);
    el_free(path);
}

/* Runs the command with the model and the given arguments (NULL ends them), keeping its output. */
static int generate(struct folder *f, ...)
{
    char *argv[32] = {"generate", "--model", f->path, "--threads", "1"};
    int argc = 5;
    va_list list;
    va_start(list, f);
    for (char *a; (a = va_arg(list, char *));)
        argv[argc++] = a;
    va_end(list);
    int out = redirect(f, "stdout", 1), err = redirect(f, "stderr", 2);
    int rc = cmd_generate(argc, argv);
    restore(f, "stdout", 1, out, &f->out);
    restore(f, "stderr", 2, err, &f->said);
    return rc;
}

static const char *text_of(const cJSON *completions, int i)
{
    const cJSON *c = cJSON_GetArrayItem(completions, i);
    return cJSON_GetObjectItemCaseSensitive(c, "text")->valuestring;
}

static const cJSON *parse(const struct folder *f, cJSON **json)
{
    golden_must(el_json_parse("output", f->out, strlen(f->out), json, &err));
    return cJSON_GetObjectItemCaseSensitive(*json, "completions");
}

/* A sample depends on the seed and its number, not on how many are asked for. */
static void test_samples(void **state)
{
    struct folder *f = *state;
    cJSON *many, *one, *other;
    assert_int_equal(
        generate(f, "--prompt", "hello", "--max-tokens", "12", "--n", "5", "--json", NULL),
        CLI_DONE);
    const cJSON *five = parse(f, &many);
    assert_int_equal(cJSON_GetArraySize(five), 5);
    assert_string_not_equal(text_of(five, 0), text_of(five, 1));
    assert_int_equal(generate(f, "--prompt=hello", "--max-tokens", "12", "--json", NULL), CLI_DONE);
    const cJSON *first = parse(f, &one);
    assert_int_equal(cJSON_GetArraySize(first), 1);
    assert_string_equal(text_of(first, 0), text_of(five, 0));
    assert_int_equal(
        generate(f, "--prompt=hello", "--max-tokens", "12", "--json", "--seed", "2", NULL),
        CLI_DONE);
    assert_string_not_equal(text_of(parse(f, &other), 0), text_of(five, 0));
    const cJSON *c = cJSON_GetArrayItem(first, 0);
    int tokens = cJSON_GetObjectItemCaseSensitive(c, "completion_tokens")->valueint;
    assert_in_range(tokens, 1, 12);
    assert_true(cJSON_GetObjectItemCaseSensitive(c, "logp")->valuedouble < 0);
    cJSON_Delete(many);
    cJSON_Delete(one);
    cJSON_Delete(other);
}

/* What is streamed is the text of the same completion in JSON, and a newline. (The random model
 * may cut characters: both are compared as JSON writes them.) */
static void test_stream(void **state)
{
    struct folder *f = *state;
    cJSON *json;
    char *args[] = {"--prompt", "hi", "--max-tokens", "3", "--temperature", "0"};
    assert_int_equal(generate(f, args[0], args[1], args[2], args[3], args[4], args[5], NULL),
                     CLI_DONE);
    char *streamed = el_strdup(f->out);
    assert_int_equal(
        generate(f, args[0], args[1], args[2], args[3], args[4], args[5], "--json", NULL),
        CLI_DONE);
    const char *text = text_of(parse(f, &json), 0);
    struct el_buf printed, right;
    el_buf_init(&printed);
    el_buf_init(&right);
    size_t n = strlen(streamed);
    assert_true(n > 1 && streamed[n - 1] == '\n');
    golden_must(el_json_quote(&printed, streamed, n - 1));
    golden_must(el_json_quote(&right, text, strlen(text)));
    assert_string_equal(printed.data, right.data);
    el_buf_release(&printed);
    el_buf_release(&right);
    cJSON_Delete(json);
    el_free(streamed);
    assert_int_equal(generate(f, args[0], args[1], args[2], args[3], "--n", "2", NULL), CLI_DONE);
    assert_memory_equal(f->out, "--- 1 of 2: ", 12);
    assert_non_null(strstr(f->out, "\n--- 2 of 2: "));
}

/* A problem goes into the generator's prompt, which is longer than the problem alone. */
static void test_problem(void **state)
{
    struct folder *f = *state;
    cJSON *plain, *framed;
    char *problem = "Show that (1) 5 divides x*x+1 for an x.";
    assert_int_equal(generate(f, "--prompt", problem, "--max-tokens", "2", "--json", NULL),
                     CLI_DONE);
    const cJSON *a = cJSON_GetArrayItem(parse(f, &plain), 0);
    assert_int_equal(generate(f, "--problem", problem, "--max-tokens", "2", "--json", "--prompts",
                              EL_SOURCE_DIR "/configs/prompts/small", NULL),
                     CLI_DONE);
    const cJSON *b = cJSON_GetArrayItem(parse(f, &framed), 0);
    assert_true(cJSON_GetObjectItemCaseSensitive(b, "prompt_tokens")->valueint >
                cJSON_GetObjectItemCaseSensitive(a, "prompt_tokens")->valueint);
    cJSON_Delete(plain);
    cJSON_Delete(framed);
    static const char domain[] = "{\"domain\": \"small-proof-world\"}";
    write_file(f, "domain.json", domain, sizeof domain - 1);
    assert_int_equal(generate(f, "--problem", "Prove that pi is irrational.", NULL), CLI_FAILED);
    assert_string_equal(f->out, "");
}

/* Gives the model an MTP layer: its last layer over again, without an embedding and a head of its
 * own. */
static void add_mtp_layer(const struct folder *f)
{
    struct el_safetensors st;
    struct el_config c;
    struct el_layout l;
    struct el_st_tensor list[512];
    char *config = inside(f, "config.json"), *path = inside(f, "model.safetensors"), last[160];
    int n = 0, layer;
    golden_must(el_config_load(config, &c, &err));
    layer = c.num_hidden_layers;
    c.num_nextn_predict_layers = 1;
    char *text = el_config_print(&c);
    write_file(f, "config.json", text, strlen(text));
    golden_must(el_layout_init_mtp(&l, &c, 0, &err));
    golden_must(el_safetensors_open(&st, path, &err));
    float *own = el_alloc_array((size_t)(2 * c.hidden_size * c.hidden_size), sizeof *own);
    for (int i = 0; i < 2 * c.hidden_size * c.hidden_size; i++)
        own[i] = (float)(i % 7) * 0.1f;
    for (; n < st.n; n++)
        list[n] = st.tensors[n];
    for (int i = 0; i < l.n; i++) {
        const struct el_tensor_info *t = &l.tensors[i];
        const char *suffix = strchr(t->name + strlen("model.layers."), '.');
        snprintf(last, sizeof last, "model.layers.%d%s", layer - 1, suffix);
        const struct el_st_tensor *from = el_safetensors_find(&st, last);
        if (strstr(t->name, "embed_tokens") || strstr(t->name, "shared_head.head"))
            continue;
        assert_in_range(n, 0, 511);
        list[n] = (struct el_st_tensor){.dims = t->dims, .shape = {t->shape[0], t->shape[1]}};
        list[n].data = from ? from->data : own;
        list[n++].name = t->name;
    }
    golden_must(el_safetensors_write(path, list, n, NULL, 0, &err));
    el_safetensors_release(&st);
    el_layout_release(&l);
    el_free(own);
    el_free(text);
    el_free(config);
    el_free(path);
}

static double number(const cJSON *json, const char *key)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(json, key);
    assert_true(cJSON_IsNumber(n));
    return n->valuedouble;
}

/* With drafts, whichever hidden states make them, the same completions. */
static void test_drafts(void **state)
{
    struct folder *f = *state;
    cJSON *plain, *drafted;
    assert_int_equal(generate(f, "--prompt", "x", "--mtp", NULL), CLI_FAILED); /* has none */
    add_mtp_layer(f);
    assert_int_equal(
        generate(f, "--prompt", "abc", "--n", "3", "--max-tokens", "30", "--json", NULL), CLI_DONE);
    const cJSON *a = parse(f, &plain);
    for (int pre = 0; pre < 2; pre++) {
        assert_int_equal(generate(f, "--prompt", "abc", "--n", "3", "--max-tokens", "30", "--json",
                                  "--mtp", "--mtp-hidden", pre ? "pre" : "post", NULL),
                         CLI_DONE);
        const cJSON *b = parse(f, &drafted);
        for (int i = 0; i < 3; i++)
            assert_string_equal(text_of(a, i), text_of(b, i));
        assert_true(number(drafted, "drafted") > 0);
        assert_true(number(drafted, "accepted") <= number(drafted, "drafted"));
        assert_true(number(drafted, "passes") > 0);
        cJSON_Delete(drafted);
    }
    assert_null(cJSON_GetObjectItemCaseSensitive(plain, "drafted"));
    cJSON_Delete(plain);
    assert_int_equal(generate(f, "--prompt", "x", "--mtp", "--mtp-hidden", "both", NULL),
                     CLI_USAGE);
    assert_int_equal(generate(f, "--prompt", "x", "--mtp-hidden", "pre", NULL), CLI_USAGE);
    assert_int_equal(generate(f, "--prompt", "x", "--mtp", "--attention", "mha", NULL), CLI_USAGE);
    assert_int_equal(generate(f, "--prompt", "x", "--mtp", "--attention", "mha:9", NULL),
                     CLI_USAGE);
}

/* A limit that was given is taken as it is and named, so that the same command computes the same.
 */
static void test_masked_mha(void **state)
{
    static char *const bad[] = {"mha:",   "mha:0",   "mha:-1",       "mha:x", "mha: 5",
                                "mha:5x", "mha:+64", "mha:16777217", "mqa:5", "MHA:5"};
    struct folder *f = *state;
    char *first = NULL;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(generate(f, "--prompt", "a rather long prompt of some tokens more",
                                  "--max-tokens", "12", "--attention", "mha:100", "--json", NULL),
                         CLI_DONE);
        assert_non_null(strstr(f->out, "\"mode\": \"dsa-mha:100 fp32 "));
        if (i)
            assert_string_equal(f->out, first);
        else
            first = el_strdup(f->out);
    }
    el_free(first);
    assert_int_equal(
        generate(f, "--prompt", "a", "--max-tokens", "1", "--attention", "mha:16777216", NULL),
        CLI_DONE);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(generate(f, "--prompt", "a", "--attention", bad[i], NULL), CLI_USAGE);
}

static void test_command_line(void **state)
{
    struct folder *f = *state;
    assert_int_equal(cmd_generate(1, (char *[]){"generate", NULL}), CLI_USAGE);
    assert_int_equal(generate(f, "--prompt", "a", "--problem", "b", NULL), CLI_USAGE);
    assert_int_equal(generate(f, "--prompt", "a", "--attention", "none", NULL), CLI_USAGE);
    assert_int_equal(generate(f, "--prompt", "a", "--n", "0", NULL), CLI_USAGE);
    assert_int_equal(generate(f, "--prompt", "a", "--top-p", "0", NULL), CLI_USAGE);
    assert_int_equal(generate(f, "--prompt", "a", "--index-fp8", NULL), CLI_FAILED);
    assert_int_equal(generate(f, "--prompt", "a", "--context", "3", NULL), CLI_FAILED);
    assert_int_equal(generate(f, "--prompt", "a", "--context", "2000", NULL), CLI_FAILED);
    assert_non_null(strstr(f->said, "context of 2000 tokens: this model allows 2..1024"));
    assert_int_equal(generate(f, "--prompt", "a", "--context", "1024", "--max-tokens", "2", NULL),
                     CLI_DONE);
}

static int prompt_tokens(const struct folder *f)
{
    cJSON *json;
    int n = (int)number(cJSON_GetArrayItem(parse(f, &json), 0), "prompt_tokens");
    cJSON_Delete(json);
    return n;
}

/* Greedy, so that all completions are one, which does not stop within eight tokens. */
static void test_ended_by_context(void **state)
{
    struct folder *f = *state;
    char context[16], says[128];
    char *args[] = {"--prompt", "hi", "--temperature", "0", "--max-tokens", "8"};
#define ARGS args[0], args[1], args[2], args[3], args[4], args[5]
    assert_int_equal(generate(f, ARGS, "--json", NULL), CLI_DONE);
    int n = prompt_tokens(f);
    assert_non_null(strstr(f->out, "\"completion_tokens\": 8,"));
    assert_null(strstr(f->said, "ended with the context"));
    for (int left = 7; left <= 8; left++) {
        snprintf(context, sizeof context, "%d", n + left);
        snprintf(says, sizeof says,
                 "warning: 2 of 2 completions ended with the context of %d tokens, before "
                 "--max-tokens 8",
                 n + left);
        for (int json = 0; json < 2; json++) {
            assert_int_equal(
                generate(f, ARGS, "--context", context, "--n", "2", json ? "--json" : NULL, NULL),
                CLI_DONE);
            assert_int_equal(strstr(f->said, says) != NULL, left == 7);
            assert_int_equal(strstr(f->said, "ended with the context") != NULL, left == 7);
        }
    }
#undef ARGS
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),          cmocka_unit_test(test_drafts),
        cmocka_unit_test(test_stream),           cmocka_unit_test(test_problem),
        cmocka_unit_test(test_masked_mha),       cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_ended_by_context),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
