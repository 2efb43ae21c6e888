/* Normal forms by hand, against utf8proc's own, and for hostile text. */
#include "core/base/alloc.h"
#include "core/base/error.h"
#include "core/base/rng.h"
#include "core/text/normalizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include <utf8proc.h>

static const struct el_normalizer nfc = {.forms = {{0, 1}}, .n = 1};
static const struct el_normalizer nfd = {.forms = {{0, 0}}, .n = 1};
static const struct el_normalizer nfkc = {.forms = {{1, 1}}, .n = 1};
static const struct el_normalizer nfkd = {.forms = {{1, 0}}, .n = 1};

static void expect(const struct el_normalizer *z, const char *text, const char *want)
{
    struct el_normalizer_work w;
    const char *got;
    size_t n;
    el_normalizer_work_init(&w);
    assert_int_equal(el_normalizer_run(z, &w, text, strlen(text), &got, &n), 0);
    if (n != strlen(want) || memcmp(got, want, n) != 0)
        fail_msg("'%s' became '%.*s', expected '%s'", text, (int)n, got, want);
    el_normalizer_work_release(&w);
}

static void expect_all(const char *text, const char *c, const char *d, const char *kc,
                       const char *kd)
{
    expect(&nfc, text, c);
    expect(&nfd, text, d);
    expect(&nfkc, text, kc);
    expect(&nfkd, text, kd);
}

static void examples(void **state)
{
    (void)state;
    expect_all("", "", "", "", "");
    expect_all("plain\n", "plain\n", "plain\n", "plain\n", "plain\n");
    /* An accent, alone and composed. */
    expect_all("xe\u0301y", "x\u00E9y", "xe\u0301y", "x\u00E9y", "xe\u0301y");
    expect_all("x\u00E9y", "x\u00E9y", "xe\u0301y", "x\u00E9y", "xe\u0301y");
    /* Marks in the order of their classes: dot below 220, dot above 230. */
    expect_all("s\u0307\u0323", "\u1E69", "s\u0323\u0307", "\u1E69", "s\u0323\u0307");
    /* The long s with dot above and below, of Unicode Standard Annex 15. */
    expect_all("\u1E9B\u0323", "\u1E9B\u0323", "\u017F\u0323\u0307", "\u1E69", "s\u0323\u0307");
    /* A ligature and the ohm sign. */
    expect_all("\uFB01\u2126", "\uFB01\u03A9", "\uFB01\u03A9", "fi\u03A9", "fi\u03A9");
    /* Hangul. */
    expect_all("\uAC01", "\uAC01", "\u1100\u1161\u11A8", "\uAC01", "\u1100\u1161\u11A8");
    expect_all("\u1100\u1161\u11A8", "\uAC01", "\u1100\u1161\u11A8", "\uAC01",
               "\u1100\u1161\u11A8");
    /* Excluded from composition. */
    expect_all("\u0958", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C");
}

/* Younger than Unicode 9: they stand for themselves, keep their place and stop what is behind. */
static void young_characters(void **state)
{
    (void)state;
    expect_all("e\u0898\u0301", "e\u0898\u0301", "e\u0898\u0301", "e\u0898\u0301", "e\u0898\u0301");
    expect_all("\u32FF", "\u32FF", "\u32FF", "\u32FF", "\u32FF");
    expect_all("\U00011935\U00011930", "\U00011935\U00011930", "\U00011935\U00011930",
               "\U00011935\U00011930", "\U00011935\U00011930");
    expect(&nfc, "\u0898e\u0301\u0898", "\u0898\u00E9\u0898");
}

static void forms_in_turn(void **state)
{
    (void)state;
    const struct el_normalizer none = {0};
    const struct el_normalizer z = {.forms = {{1, 0}, {0, 1}}, .n = 2};
    expect(&none, "e\u0301\uFB01", "e\u0301\uFB01");
    expect(&z, "e\u0301\uFB01", "\u00E9fi");
}

/* Characters whose forms utf8proc and we must agree on: none is young. */
static int32_t random_code(struct el_rng *r)
{
    static const struct {
        int32_t first, last;
    } ranges[] = {
        {0x00, 0x7F},       {0xC0, 0x24F},      {0x300, 0x36F},     {0x591, 0x5C7},
        {0x600, 0x66F},     {0x900, 0x954},     {0x958, 0x97F},     {0xB00, 0xB7F},
        {0xE30, 0xE4F},     {0xF40, 0xFBC},     {0x1100, 0x11FF},   {0x1E00, 0x1FFF},
        {0x2000, 0x209C},   {0x2100, 0x218B},   {0x3040, 0x30FF},   {0xAC00, 0xD7A3},
        {0xF900, 0xFAD9},   {0xFB00, 0xFB4F},   {0xFF00, 0xFFEE},   {0x110A0, 0x110BA},
        {0x1D15E, 0x1D17F}, {0x1D400, 0x1D7FF}, {0x2F800, 0x2FA1D},
    };
    size_t k = el_rng_below(r, sizeof ranges / sizeof *ranges);
    k = el_rng_below(r, 3) ? k : 2; /* many marks */
    return ranges[k].first +
           (int32_t)el_rng_below(r, (uint64_t)(ranges[k].last - ranges[k].first + 1));
}

static size_t random_text(struct el_rng *r, unsigned char *out, size_t max)
{
    size_t n = 0;
    for (size_t i = el_rng_below(r, max / 4 + 1); i > 0; i--)
        n += (size_t)utf8proc_encode_char(random_code(r), out + n);
    return n;
}

static void agrees_with_utf8proc(void **state)
{
    (void)state;
    static const struct {
        const struct el_normalizer *z;
        int options;
    } forms[] = {
        {&nfc, UTF8PROC_COMPOSE},
        {&nfd, UTF8PROC_DECOMPOSE},
        {&nfkc, UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
        {&nfkd, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT},
    };
    struct el_rng r;
    struct el_normalizer_work w;
    el_rng_init(&r, 21);
    el_normalizer_work_init(&w);
    for (int round = 0; round < 20000; round++) {
        unsigned char text[400], *want;
        size_t k = (size_t)round % 4, n = random_text(&r, text, sizeof text), got_n;
        const char *got;
        ptrdiff_t want_n = utf8proc_map(text, (ptrdiff_t)n, &want,
                                        (utf8proc_option_t)(UTF8PROC_STABLE | forms[k].options));
        assert_int_equal(el_normalizer_run(forms[k].z, &w, (const char *)text, n, &got, &got_n), 0);
        assert_int_equal(got_n, want_n);
        assert_memory_equal(got, want, got_n);
        free(want);
    }
    el_normalizer_work_release(&w);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Half a million marks behind one letter, in falling order of their classes: sorting them two by
 * two would take hours. */
static void long_runs_of_marks_are_quick(void **state)
{
    (void)state;
    size_t pairs = 1 << 18, n;
    struct el_buf text;
    struct el_normalizer_work w;
    const char *got;
    el_buf_init(&text);
    el_normalizer_work_init(&w);
    for (size_t i = 0; i < pairs; i++)
        assert_int_equal(el_buf_puts(&text, "\u0301"), 0);
    for (size_t i = 0; i < pairs; i++)
        assert_int_equal(el_buf_puts(&text, "\u0323"), 0);
    double start = seconds();
    assert_int_equal(el_normalizer_run(&nfc, &w, text.data, text.len, &got, &n), 0);
    assert_true(seconds() - start < 20);
    assert_int_equal(n, text.len);
    assert_memory_equal(got, "\u0323\u0323", 4);
    assert_memory_equal(got + n - 4, "\u0301\u0301", 4);
    el_normalizer_work_release(&w);
    el_buf_release(&text);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const struct el_normalizer z = {.forms = {{1, 0}, {0, 1}}, .n = 2};
    char text[1200];
    int rc = EL_ENOMEM;
    long k;
    memset(text, 0, sizeof text);
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "e\u0301", 3);
    memcpy(text + 600, "\u0898", 3);
    for (k = 1; rc < 0; k++) {
        struct el_normalizer_work w;
        const char *got;
        size_t n;
        el_normalizer_work_init(&w);
        el_alloc_fail_after(k);
        rc = el_normalizer_run(&z, &w, text, strlen(text), &got, &n);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || rc == EL_ENOMEM);
        el_normalizer_work_release(&w);
    }
    assert_true(k > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(young_characters),
        cmocka_unit_test(forms_in_turn),
        cmocka_unit_test(agrees_with_utf8proc),
        cmocka_unit_test(long_runs_of_marks_are_quick),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
