/* The local completion backend over a small random model and a tokenizer with the chat tokens.
 * (Without memory: test_memory.) */
#include "core/run/local.h"

#include "core/base/alloc.h"
#include "tests/model/golden_case.h"
#include "tests/run/small_tokenizer.h"

#include <stdlib.h>
#include <unistd.h>

#define TOKENIZER EL_SOURCE_DIR "/tests/text/golden/tokenizer.json"
enum { VOCAB = 720 /* 3 more than the tokenizer has */, END = 1 };

static struct el_weights *w; /* of all tests, as in setup */

static int setup(void **state)
{
    (void)state;
    struct el_config c;
    golden_must(el_config_load(GOLDEN_DIR "base/config.json", &c, &err));
    c.vocab_size = VOCAB;
    c.eos_token_id = END;
    c.initializer_range = 0.3;
    golden_must(el_weights_create(&c, el_device_host(), 11, &w, &err));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    el_weights_free(w);
    return 0;
}

static struct el_local_options options(void)
{
    return (struct el_local_options){
        .attention = EL_ATTENTION_MQA, .batch = 4, .context = 256, .threads = 1, .trace = 1};
}

static struct el_backend *open_backend(const struct el_local_options *o)
{
    struct el_backend *b = NULL;
    golden_must(el_local_wrap(o, w, TOKENIZER, &b, &err));
    return b;
}

static const struct el_message hello = {"user", "Show that 3 divides 6."};

static struct el_request request(uint64_t key, int max_tokens)
{
    return (struct el_request){.messages = &hello,
                               .n_messages = 1,
                               .sampling = {.temperature = 1, .top_p = 1, .max_tokens = max_tokens},
                               .key = key,
                               .tag = (int64_t)key};
}

static struct el_completion complete(struct el_backend *b, const struct el_request *r)
{
    struct el_completion c;
    golden_must(el_backend_submit(b, r, &err));
    assert_int_equal(el_backend_poll(b, &c, NULL), 1);
    assert_int_equal(c.tag, r->tag);
    return c;
}

static void test_completion(void **state)
{
    (void)state;
    struct el_local_options o = options();
    struct el_backend *b = open_backend(&o);
    struct el_request r = request(5, 40);
    r.want_trace = 1;
    r.sampling.top_p = 0.9;
    struct el_completion c = complete(b, &r);
    assert_int_equal(c.n_ids, c.prompt_tokens + c.completion_tokens);
    assert_int_equal(c.prompt_tokens, el_local_prompt_tokens(b, &hello, 1, 0, NULL));
    assert_int_equal(strlen(c.text), c.text_len);
    struct el_buf text;
    el_buf_init(&text);
    double sum = 0;
    for (int i = 0; i < c.completion_tokens; i++) {
        int32_t id = c.ids[c.prompt_tokens + i];
        int size = c.kept_start[i + 1] - c.kept_start[i], found = 0;
        for (int k = 0; k < size; k++)
            found |= c.kept[c.kept_start[i] + k] == id;
        assert_true(found);
        sum += c.logps[i];
        if (id == END)
            assert_int_equal(i, c.completion_tokens - 1);
        else if (el_tokenizer_decode(el_local_tokenizer(b), &id, 1, 0, &text) < 0)
            golden_must(el_buf_puts(&text, "\xEF\xBF\xBD"));
    }
    assert_true(sum == c.logp);
    assert_int_equal(text.len, c.text_len);
    assert_memory_equal(text.data, c.text, text.len);
    assert_non_null(c.routed);
    assert_int_equal(el_local_stats(b)->prefill_tokens, c.prompt_tokens);
    assert_string_equal(b->mode + strlen(b->mode) - strlen(el_ops_cpu()->name), el_ops_cpu()->name);
    assert_memory_equal(b->mode, "dsa-mqa fp32 ", 13);
    el_buf_release(&text);
    el_completion_release(&c);
    el_backend_free(b);
}

/* Many at once, in any order, beyond the batch: each as if it were alone. */
static void test_together(void **state)
{
    (void)state;
    enum { N = 19 };
    char *alone[N];
    struct el_local_options o = options();
    struct el_backend *b = open_backend(&o);
    for (int i = 0; i < N; i++) {
        struct el_request r = request((uint64_t)i, 5 + i);
        struct el_completion c = complete(b, &r);
        alone[i] = el_strdup(c.text);
        el_completion_release(&c);
    }
    el_backend_free(b);
    b = open_backend(&o);
    int next = N - 1, received = 0;
    assert_int_equal(el_backend_room(b), 8);
    while (received < N) {
        struct el_completion c;
        for (; next >= 0 && el_backend_room(b) > 0; next--) {
            struct el_request r = request((uint64_t)next, 5 + next);
            golden_must(el_backend_submit(b, &r, &err));
        }
        assert_int_equal(el_backend_poll(b, &c, NULL), 1);
        assert_string_equal(c.text, alone[c.tag]);
        el_completion_release(&c);
        received++;
    }
    struct el_completion none;
    assert_int_equal(el_backend_poll(b, &none, NULL), 0);
    assert_int_equal(el_backend_room(b), 8);
    el_backend_free(b);
    for (int i = 0; i < N; i++)
        el_free(alone[i]);
}

/* The mode's name holds the limit: one that was given, which is none that measuring finds, or one
 * that was measured, which may be none at all. */
static void test_masked_mha(void **state)
{
    (void)state;
    struct el_local_options o = options();
    char name[96];
    int limit = 0, end = 0;
    o.attention = EL_ATTENTION_MHA;
    o.mha_limit = 50;
    struct el_backend *b = open_backend(&o);
    snprintf(name, sizeof name, "dsa-mha:50 fp32 %s", el_ops_cpu()->name);
    assert_string_equal(b->mode, name);
    el_backend_free(b);
    o.attention = EL_ATTENTION_DENSE;
    o.compute = EL_COMPUTE_BF16;
    b = open_backend(&o);
    assert_memory_equal(b->mode, "dense-mha:50 bf16 ", 18);
    el_backend_free(b);
    o = options();
    o.attention = EL_ATTENTION_MHA;
    b = open_backend(&o);
    struct el_request r = request(3, 12);
    struct el_completion c = complete(b, &r);
    if (sscanf(b->mode, "dsa-mha:%d fp32 %n", &limit, &end) == 1)
        assert_in_range(limit, 64, b->context_limit);
    else
        sscanf(b->mode, "dsa-mqa fp32 %n", &end);
    assert_true(end > 0);
    assert_string_equal(b->mode + end, el_ops_cpu()->name);
    assert_int_equal(c.completion_tokens, 12);
    assert_int_equal(el_local_stats(b)->prefill_tokens, c.prompt_tokens);
    el_completion_release(&c);
    el_backend_free(b);
}

/* FP8 computes other bits, so it has another name. */
static void test_mode_names_fp8(void **state)
{
    (void)state;
    static const enum el_attention attention[] = {EL_ATTENTION_DENSE, EL_ATTENTION_MQA};
    static const char *const names[2][2] = {{"dense-mqa fp32 ", "dense-mqa+fp8 fp32 "},
                                            {"dsa-mqa fp32 ", "dsa-mqa+fp8 fp32 "}};
    struct el_weights *own, *kept = w;
    struct el_config c = w->config;
    c.index_head_dim = 16; /* a power of two */
    golden_must(el_weights_create(&c, el_device_host(), 11, &own, &err));
    w = own;
    for (int i = 0; i < 4; i++) {
        char expected[96];
        struct el_local_options o = options();
        o.attention = attention[i / 2];
        o.fp8 = i % 2;
        struct el_backend *b = open_backend(&o);
        snprintf(expected, sizeof expected, "%s%s", names[i / 2][i % 2], el_ops_cpu()->name);
        assert_string_equal(b->mode, expected);
        el_backend_free(b);
    }
    w = kept;
    el_weights_free(own);
}

static void test_stop_strings(void **state)
{
    (void)state;
    struct el_local_options o = options();
    struct el_backend *b = open_backend(&o);
    struct el_request r = request(3, 60);
    struct el_completion whole = complete(b, &r);
    assert_true(whole.text_len > 30);
    char stop[6], later[6];
    memcpy(stop, whole.text + 11, 5);
    memcpy(later, whole.text + 20, 5);
    stop[5] = later[5] = 0;
    const char *stops[] = {"never written", later, stop, ""};
    r.stop = stops;
    r.n_stop = 4;
    struct el_completion c = complete(b, &r);
    size_t at = (size_t)(strstr(whole.text, stop) - whole.text);
    assert_int_equal(c.finish, EL_FINISH_STOP);
    assert_int_equal(c.text_len, at);
    assert_memory_equal(c.text, whole.text, at);
    assert_int_equal(c.text[at], 0);
    assert_true(c.completion_tokens < whole.completion_tokens);
    el_completion_release(&c);
    el_completion_release(&whole);
    el_backend_free(b);
}

static void gather(void *user, int64_t tag, const char *text, size_t n)
{
    assert_int_equal(tag, 8);
    golden_must(el_buf_add(user, text, n));
}

static void test_stream(void **state)
{
    (void)state;
    struct el_buf seen;
    struct el_local_options o = options();
    el_buf_init(&seen);
    o.on_text = gather;
    o.on_text_user = &seen;
    struct el_backend *b = open_backend(&o);
    struct el_request r = request(8, 50);
    struct el_completion c = complete(b, &r);
    assert_int_equal(seen.len, c.text_len);
    assert_memory_equal(seen.data, c.text, c.text_len);
    el_completion_release(&c);
    el_backend_free(b);
    el_buf_release(&seen);
}

static void test_refusals(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_backend *b = NULL;
    struct el_local_options o = options();
    char text[4001];
    memset(text, 'x', 4000);
    text[4000] = 0;
    const struct el_message longer = {"user", text}, order[] = {{"assistant", "a"}, hello};
    b = open_backend(&o);
    struct el_request r = request(1, 4);
    r.messages = &longer;
    assert_int_equal(el_backend_submit(b, &r, &err), EL_ELIMIT);
    assert_non_null(strstr(err.msg, "context of 256"));
    r = request(1, 4);
    r.messages = order;
    r.n_messages = 2;
    assert_int_equal(el_backend_submit(b, &r, &err), EL_EINVAL);
    r = request(1, 0);
    assert_int_equal(el_backend_submit(b, &r, &err), EL_EINVAL);
    assert_int_equal(el_backend_room(b), 8);
    el_backend_free(b);
    o.isa = "abacus";
    assert_int_equal(el_local_wrap(&o, w, TOKENIZER, &b, &err), EL_EINVAL);
    o = options();
    assert_true(el_local_wrap(&o, w, TOKENIZER ".none", &b, &err) < 0);
    w->config.eos_token_id = 7;
    assert_int_equal(el_local_wrap(&o, w, TOKENIZER, &b, &err), EL_EFORMAT);
    w->config.eos_token_id = END;
    w->config.vocab_size = 700;
    assert_int_equal(el_local_wrap(&o, w, TOKENIZER, &b, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "vocab_size"));
    w->config.vocab_size = VOCAB;
}

/* A completion that may be cut off by the context comes only to who did not say that it must not.
 */
static void test_full_length(void **state)
{
    (void)state;
    static const struct {
        int more, want_full, rc;
    } cases[] = {{0, 1, 0}, {1, 0, 0}, {1, 1, EL_ELIMIT}};
    struct el_error why = {0};
    struct el_local_options o = options();
    struct el_backend *b = open_backend(&o);
    int left = b->context_limit - el_local_prompt_tokens(b, &hello, 1, 0, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct el_completion c;
        struct el_request r = request(1, left + cases[i].more);
        r.want_full = cases[i].want_full;
        assert_int_equal(el_backend_submit(b, &r, &why), cases[i].rc);
        if (cases[i].rc == 0) {
            assert_int_equal(el_backend_poll(b, &c, NULL), 1);
            el_completion_release(&c);
        }
    }
    assert_non_null(strstr(why.msg, "the context has 256"));
    assert_int_equal(el_backend_room(b), 8);
    el_backend_free(b);
}

static void write_in(const char *folder, const char *name, const char *text)
{
    char *path = el_path_join(folder, name);
    golden_must(el_file_write(path, text, strlen(text), &err));
    el_free(path);
}

static char *folder_with_model(char *folder)
{
    struct el_buf tokenizer;
    assert_non_null(mkdtemp(folder));
    golden_must(el_weights_save(w, folder, &err));
    el_buf_init(&tokenizer);
    golden_must(el_file_read(TOKENIZER, 0, &tokenizer, &err));
    write_in(folder, "tokenizer.json", tokenizer.data);
    el_buf_release(&tokenizer);
    return folder;
}

static void remove_model(const char *folder)
{
    static const char *const names[] = {"config.json", "model.safetensors", "tokenizer.json"};
    for (int i = 0; i < 3; i++) {
        char *path = el_path_join(folder, names[i]);
        unlink(path);
        el_free(path);
    }
    rmdir(folder);
}

/* What was told of the weights that were read, on whatever thread: no place for cmocka to jump
 * from.
 */
struct seen {
    int64_t last, totals[4];
    int calls, models, wrong;
};

static void on_loading(struct el_progress *p, int64_t done, int64_t total, const char *note)
{
    struct seen *s = p->user;
    s->wrong |= done <= s->last || done > total || !note;
    s->last = done;
    s->calls++;
    if (done < total)
        return;
    s->totals[s->models++ % 4] = total;
    s->last = 0;
}

static void test_loading_is_seen(void **state)
{
    (void)state;
    char folder[] = "/tmp/el_local_XXXXXX";
    struct seen seen = {0};
    struct el_progress loading = {on_loading, &seen};
    struct el_local_options o = options();
    o.model = folder_with_model(folder);
    for (int i = 0; i < 2; i++) {
        struct el_backend *b = NULL;
        o.loading = i ? &loading : NULL;
        golden_must(el_local_open(&o, &b, &err));
        assert_int_equal(seen.models, i);
        el_backend_free(b);
    }
    assert_true(!seen.wrong && seen.last == 0 && seen.calls >= w->layout.n);
    assert_int_equal(seen.totals[0], w->layout.parameters);
    remove_model(folder);
}

/* First the model, then the layer. */
static void test_loading_of_mtp_is_seen(void **state)
{
    (void)state;
    static const char *const files[] = {"config.json", "model.safetensors"};
    char folder[] = "/tmp/el_local_XXXXXX";
    struct seen seen = {0};
    struct el_progress loading = {on_loading, &seen};
    struct el_local_options o = options();
    o.model = mkdtemp(folder);
    o.mtp = 1;
    assert_non_null(o.model);
    for (int i = 0; i < 2; i++) {
        char *from = el_path_join(GOLDEN_DIR "mtp", files[i]), *to = el_path_join(folder, files[i]);
        assert_int_equal(symlink(from, to), 0);
        el_free(from);
        el_free(to);
    }
    write_in(folder, "tokenizer.json", small_tokenizer);
    for (int i = 0; i < 2; i++) {
        struct el_backend *b = NULL;
        o.loading = i ? &loading : NULL;
        golden_must(el_local_open(&o, &b, &err));
        assert_int_equal(seen.models, 2 * i);
        el_backend_free(b);
    }
    assert_true(!seen.wrong && seen.last == 0 && seen.totals[0] > seen.totals[1]);
    remove_model(folder);
}

static void refused_unread(const struct el_local_options *o, int code, const char *says)
{
    struct el_error why = {0};
    struct el_backend *b = NULL;
    struct seen seen = {0};
    struct el_progress loading = {on_loading, &seen};
    struct el_local_options watched = *o;
    watched.loading = &loading;
    int rc = el_local_open(&watched, &b, &why);
    if (rc != code || !strstr(why.msg, says) || seen.calls)
        fail_msg("code %d, '%s', %d pieces read, expected code %d, '%s', none", rc, why.msg,
                 seen.calls, code, says);
}

static void write_config(const char *folder, const struct el_config *c)
{
    char *text = el_config_print(c);
    assert_non_null(text);
    write_in(folder, "config.json", text);
    el_free(text);
}

static void test_usual_context(void **state)
{
    (void)state;
    static const int positions[] = {1024, EL_LOCAL_CONTEXT, EL_LOCAL_CONTEXT + 1};
    for (size_t i = 0; i < sizeof positions / sizeof *positions; i++) {
        struct el_config c = w->config;
        struct el_weights *other;
        struct el_backend *b = NULL;
        struct el_local_options o = options();
        c.max_position_embeddings = positions[i];
        o.context = 0;
        golden_must(el_weights_create(&c, el_device_host(), 1, &other, &err));
        golden_must(el_local_wrap(&o, other, TOKENIZER, &b, &err));
        assert_int_equal(b->context_limit, i == 0 ? 1024 : EL_LOCAL_CONTEXT);
        el_backend_free(b);
        el_weights_free(other);
    }
}

/* Options that do not suit the model or each other, found before its weights are read. */
static void test_options_are_refused_unread(void **state)
{
    (void)state;
    char folder[] = "/tmp/el_local_XXXXXX";
    struct el_local_options o = options();
    o.model = folder_with_model(folder);
    o.fp8 = 1;
    refused_unread(&o, EL_EREFUSED, "index_head_dim is 24");
    o.fp8 = 0, o.isa = "abacus";
    refused_unread(&o, EL_EINVAL, "'abacus'");
    o.isa = NULL, o.context = 1025;
    refused_unread(&o, EL_EINVAL, "context of 1025 tokens: this model allows 2..1024");
    o.context = 256, o.cache_tokens = 100;
    refused_unread(&o, EL_EINVAL, "a cache of 100 tokens cannot hold one context of 256");
    o.cache_tokens = 0, o.mtp = 1;
    refused_unread(&o, EL_ENOTFOUND, "config.json announces no MTP layer");
    o.attention = EL_ATTENTION_MHA, o.trace = 0;
    refused_unread(&o, EL_EINVAL, "masked MHA beside an MTP layer");
    remove_model(folder);
}

/* The same for files that do not suit each other. */
static void test_folders_are_refused_unread(void **state)
{
    (void)state;
    char folder[] = "/tmp/el_local_XXXXXX";
    struct el_local_options o = options();
    struct el_config c = w->config;
    o.model = folder_with_model(folder);
    c.eos_token_id = 7;
    write_config(folder, &c);
    refused_unread(&o, EL_EFORMAT, "eos_token_id is 7");
    c.eos_token_id = END, c.vocab_size = 700;
    write_config(folder, &c);
    refused_unread(&o, EL_EFORMAT, "vocab_size is 700");
    c.vocab_size = VOCAB, c.num_nextn_predict_layers = 1;
    write_config(folder, &c);
    o.mtp = 1;
    refused_unread(&o, EL_ENOTFOUND, "of which the checkpoint holds no tensor");
    o.mtp = 0;
    write_in(folder, "tokenizer.json", "{}");
    refused_unread(&o, EL_EFORMAT, "tokenizer.json");
    char *path = el_path_join(folder, "tokenizer.json");
    assert_int_equal(unlink(path), 0);
    refused_unread(&o, EL_EIO, "tokenizer.json");
    el_free(path);
    remove_model(folder);
}

/* The weights change between requests, as in training: no prefix of the old ones is used. */
static void test_new_weights(void **state)
{
    (void)state;
    struct el_local_options o = options();
    struct el_backend *b = open_backend(&o);
    char old[EL_DIGEST_HEX];
    struct el_request r = request(2, 30);
    struct el_completion before = complete(b, &r), again = complete(b, &r);
    assert_true(again.cached_tokens > 0 || again.prompt_tokens <= 16);
    assert_string_equal(before.text, again.text);
    memcpy(old, b->digest, sizeof old);
    for (int i = 0; i < w->config.hidden_size; i++)
        w->view.layers[0].input_norm[i] *= 1.5f;
    golden_must(el_weights_digest(w, &err));
    struct el_completion after = complete(b, &r);
    assert_int_equal(after.cached_tokens, 0);
    assert_string_not_equal(b->digest, old);
    assert_string_equal(b->digest, w->digest);
    struct el_backend *fresh = open_backend(&o);
    struct el_completion right = complete(fresh, &r);
    assert_string_equal(after.text, right.text);
    assert_string_not_equal(after.text, before.text);
    el_completion_release(&before);
    el_completion_release(&again);
    el_completion_release(&after);
    el_completion_release(&right);
    el_backend_free(fresh);
    el_backend_free(b);
}

/* Freed with requests waiting, running and finished. */
static void test_freed_in_flight(void **state)
{
    (void)state;
    struct el_local_options o = options();
    struct el_backend *b = open_backend(&o);
    const char *stops[] = {"q", "zz"};
    for (int i = 0; i < 8; i++) {
        struct el_request r = request((uint64_t)i, i < 2 ? 1 : 50);
        r.stop = stops;
        r.n_stop = 2;
        golden_must(el_backend_submit(b, &r, &err));
    }
    struct el_completion c;
    assert_int_equal(el_backend_poll(b, &c, NULL), 1);
    el_completion_release(&c);
    el_backend_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_completion),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_masked_mha),
        cmocka_unit_test(test_mode_names_fp8),
        cmocka_unit_test(test_stop_strings),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_full_length),
        cmocka_unit_test(test_freed_in_flight),
        cmocka_unit_test(test_loading_is_seen),
        cmocka_unit_test(test_loading_of_mtp_is_seen),
        cmocka_unit_test(test_usual_context),
        cmocka_unit_test(test_options_are_refused_unread),
        cmocka_unit_test(test_folders_are_refused_unread),
        cmocka_unit_test(test_new_weights),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
