#include "core/base/rng.h"
#include "core/text/bpe.h"
#include "core/text/tokenizer.h"
#include "core/text/tokenizer_parts.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static struct el_tokenizer *tokenizer;

static int load(void **state)
{
    (void)state;
    return el_tokenizer_load(EL_SOURCE_DIR "/tests/text/golden/tokenizer.json", &tokenizer, NULL);
}

static int unload(void **state)
{
    (void)state;
    el_tokenizer_free(tokenizer);
    return 0;
}

static void expect_round_trip(const struct el_tokenizer *t, const char *text, size_t n, int flags)
{
    struct el_tokens ids;
    struct el_buf back;
    struct el_error err = {0};
    el_tokens_init(&ids);
    el_buf_init(&back);
    if (el_tokenizer_encode(t, text, n, flags, &ids, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(el_tokenizer_decode(t, ids.ids, ids.len, 0, &back), 0);
    assert_int_equal(back.len, n);
    assert_memory_equal(back.data, text, n);
    el_buf_release(&back);
    el_tokens_release(&ids);
}

/* Text that is mostly well-formed and cut or overwritten now and then. */
static size_t random_text(struct el_rng *r, char *out, size_t cap)
{
    static const char *const parts[] = {
        "the ",     "\\frac{a}{b}",
        "  ",       "\n",
        "证明",     "カタ",
        "é",        "👍",
        "123",      "if (x) {",
        "</think>", "<｜User｜>",
        "QED",      "[CLAIM]",
        "'ll",      "\r\n\r\n",
        "\t",       "<｜end▁of▁sentence｜>",
        "\xE2",     "\xFF\xFE",
        "\x80",     "\xF0\x9F",
        "\xC0\x80", "\xED\xA0\x80",
    };
    size_t n = 0;
    while (n + 32 < cap && el_rng_below(r, 40)) {
        const char *p = parts[el_rng_below(r, sizeof parts / sizeof *parts)];
        memcpy(out + n, p, strlen(p));
        n += strlen(p);
        if (el_rng_below(r, 8) == 0)
            out[n++] = (char)el_rng_below(r, 256);
    }
    return n;
}

static void random_bytes_come_back(void **state)
{
    (void)state;
    struct el_rng r;
    char text[300];
    el_rng_init(&r, 11);
    for (int i = 0; i < 4000; i++) {
        size_t n = el_rng_below(&r, sizeof text);
        for (size_t k = 0; k < n; k++)
            text[k] = (char)el_rng_below(&r, 256);
        expect_round_trip(tokenizer, text, n, i % 2);
    }
}

static void mixed_text_comes_back(void **state)
{
    (void)state;
    struct el_rng r;
    char text[600];
    el_rng_init(&r, 12);
    for (int i = 0; i < 4000; i++) {
        size_t n = random_text(&r, text, sizeof text);
        expect_round_trip(tokenizer, text, n, i % 2);
    }
}

static void nul_bytes_are_text(void **state)
{
    (void)state;
    expect_round_trip(tokenizer, "a\0b\0\0", 5, EL_ENCODE_PLAIN);
    expect_round_trip(tokenizer, "", 0, EL_ENCODE_PLAIN);
}

/* Merges in the plainest way: the lowest rank, leftmost, again and again. */
static size_t naive_merges(const struct el_bpe *b, const char *bytes, size_t n, int32_t *ids)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = b->byte_ids[(unsigned char)bytes[i]];
    for (;;) {
        const struct el_merge *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (size_t k = b->first[ids[i]]; k < b->first[ids[i] + 1]; k++)
                if (b->merges[k].right == ids[i + 1] && (!best || b->merges[k].rank < best->rank)) {
                    best = &b->merges[k];
                    at = i;
                }
        if (!best)
            return n;
        ids[at] = best->id;
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        n--;
    }
}

static void merges_agree_with_the_naive_twin(void **state)
{
    (void)state;
    static const char letters[] = "theprofiasnd \\{}";
    struct el_rng r;
    struct el_bpe_work w;
    char bytes[60];
    int32_t want[60];
    el_rng_init(&r, 13);
    el_bpe_work_init(&w);
    for (int round = 0; round < 5000; round++) {
        struct el_tokens got;
        size_t n = el_rng_below(&r, sizeof bytes - 1) + 1;
        for (size_t i = 0; i < n; i++)
            bytes[i] = letters[el_rng_below(&r, sizeof letters - 1)];
        el_tokens_init(&got);
        assert_int_equal(
            el_bpe_encode(&tokenizer->bpe, &tokenizer->vocab, &w, bytes, n, &got, NULL), 0);
        assert_int_equal(got.len, naive_merges(&tokenizer->bpe, bytes, n, want));
        assert_memory_equal(got.ids, want, got.len * sizeof *want);
        el_tokens_release(&got);
    }
    el_bpe_work_release(&w);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One piece of n letters; a quadratic merge would take hours. */
static void long_pieces_are_quick(void **state)
{
    (void)state;
    size_t n = 1 << 20;
    char *text = test_malloc(n);
    static const char *const fill[] = {"a", "the", " ", "\n", "\xFF", "!", "证", "< ", " \n"};
    for (size_t k = 0; k < sizeof fill / sizeof *fill; k++) {
        size_t len = strlen(fill[k]);
        for (size_t i = 0; i < n; i++)
            text[i] = fill[k][i % len];
        double start = seconds();
        expect_round_trip(tokenizer, text, n, EL_ENCODE_PLAIN);
        assert_true(seconds() - start < 20);
    }
    test_free(text);
}

static size_t count(const struct el_tokenizer *t, const char *text, int flags, int32_t id)
{
    struct el_tokens ids;
    size_t found = 0;
    el_tokens_init(&ids);
    assert_int_equal(el_tokenizer_encode(t, text, strlen(text), flags, &ids, NULL), 0);
    for (size_t i = 0; i < ids.len; i++)
        found += ids.ids[i] == id;
    el_tokens_release(&ids);
    return found;
}

static void control_tokens_need_the_flag(void **state)
{
    (void)state;
    static const char *const names[] = {"<｜end▁of▁sentence｜>", "<｜User｜>", "</think>",
                                        "<|EOT|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int id = el_tokenizer_id(tokenizer, names[i]);
        assert_true(id >= 0);
        assert_int_equal(count(tokenizer, names[i], EL_ENCODE_PLAIN, id), 0);
        assert_int_equal(count(tokenizer, names[i], EL_ENCODE_SPECIAL, id), 1);
    }
    int qed = el_tokenizer_id(tokenizer, "QED");
    assert_int_equal(count(tokenizer, "QED QED", EL_ENCODE_PLAIN, qed), 2);
}

static void ids_and_flags(void **state)
{
    (void)state;
    int eos = el_tokenizer_id(tokenizer, "<｜end▁of▁sentence｜>");
    assert_int_equal(eos, 1);
    assert_int_equal(el_tokenizer_is_special(tokenizer, eos), 1);
    int user = el_tokenizer_id(tokenizer, "<｜User｜>");
    assert_int_equal(el_tokenizer_is_special(tokenizer, user), 0);
    assert_int_equal(el_tokenizer_is_special(tokenizer, -1), 0);
    assert_int_equal(el_tokenizer_is_special(tokenizer, 1 << 30), 0);
    assert_int_equal(el_tokenizer_id(tokenizer, "no such token"), EL_ENOTFOUND);
    assert_int_equal(el_tokenizer_id(tokenizer, ""), EL_ENOTFOUND);
    int space = el_tokenizer_id(tokenizer, "\xC4\xA0"); /* U+0120 */
    assert_int_equal(count(tokenizer, " ", EL_ENCODE_PLAIN, space), 1);
    assert_true(el_tokenizer_vocab_size(tokenizer) > el_tokenizer_id(tokenizer, "QED"));
}

static void decoding(void **state)
{
    (void)state;
    struct el_buf out;
    el_buf_init(&out);
    int32_t ids[] = {el_tokenizer_id(tokenizer, "QED"), 1, el_tokenizer_id(tokenizer, "</think>")};
    assert_int_equal(el_tokenizer_decode(tokenizer, ids, 3, 0, &out), 0);
    assert_string_equal(out.data, "QED<｜end▁of▁sentence｜></think>");
    el_buf_clear(&out);
    assert_int_equal(el_tokenizer_decode(tokenizer, ids, 3, 1, &out), 0);
    assert_string_equal(out.data, "QED</think>");
    int32_t wrong[] = {ids[0], el_tokenizer_vocab_size(tokenizer)};
    assert_int_equal(el_tokenizer_decode(tokenizer, wrong, 2, 0, &out), EL_EINVAL);
    assert_string_equal(out.data, "QED</think>");
    wrong[1] = -1;
    assert_int_equal(el_tokenizer_decode(tokenizer, wrong, 2, 0, &out), EL_EINVAL);
    el_buf_release(&out);
}

/* No pattern and no merge sees across a byte that is not UTF-8. */
static void broken_utf8_stands_apart(void **state)
{
    (void)state;
    struct el_tokens whole, parts;
    el_tokens_init(&whole);
    el_tokens_init(&parts);
    const char text[] = "the proof\xE2\x80 the claim";
    assert_int_equal(el_tokenizer_encode(tokenizer, text, strlen(text), 0, &whole, NULL), 0);
    assert_int_equal(el_tokenizer_encode(tokenizer, text, 9, 0, &parts, NULL), 0);
    assert_int_equal(el_tokenizer_encode(tokenizer, text + 9, 2, 0, &parts, NULL), 0);
    assert_int_equal(el_tokenizer_encode(tokenizer, text + 11, 10, 0, &parts, NULL), 0);
    assert_int_equal(whole.len, parts.len);
    assert_memory_equal(whole.ids, parts.ids, whole.len * sizeof *whole.ids);
    el_tokens_release(&whole);
    el_tokens_release(&parts);
}

static void *encode_many(void *failed)
{
    struct el_rng r;
    char text[600];
    el_rng_init(&r, 14);
    for (int i = 0; i < 300; i++) {
        struct el_tokens ids;
        struct el_buf back;
        size_t n = random_text(&r, text, sizeof text);
        el_tokens_init(&ids);
        el_buf_init(&back);
        int rc = el_tokenizer_encode(tokenizer, text, n, i % 2, &ids, NULL);
        rc |= el_tokenizer_decode(tokenizer, ids.ids, ids.len, 0, &back);
        *(int *)failed |= rc < 0 || back.len != n || memcmp(back.data, text, n) != 0;
        el_buf_release(&back);
        el_tokens_release(&ids);
    }
    return NULL;
}

static void threads_share_one(void **state)
{
    (void)state;
    pthread_t threads[4];
    int failed[4] = {0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_many, &failed[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failed[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_come_back),
        cmocka_unit_test(mixed_text_comes_back),
        cmocka_unit_test(nul_bytes_are_text),
        cmocka_unit_test(merges_agree_with_the_naive_twin),
        cmocka_unit_test(long_pieces_are_quick),
        cmocka_unit_test(control_tokens_need_the_flag),
        cmocka_unit_test(ids_and_flags),
        cmocka_unit_test(decoding),
        cmocka_unit_test(broken_utf8_stands_apart),
        cmocka_unit_test(threads_share_one),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
