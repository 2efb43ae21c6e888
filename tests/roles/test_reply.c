/* Reply parsing beside the transcripts: sizes, time, memory faults, the small functions. */
#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "roles/reply.h"
#include "roles/role.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define PHRASE_1 "Here is my evaluation of the solution:\n"
#define PHRASE_2 "Based on my evaluation, the final overall score should be:\n"
#define GOOD                                                                                       \
    "## Solution\nLet x = 1.\n## Self Evaluation\n" PHRASE_1 "Fine.\n" PHRASE_2 "\\boxed{1}\n"

static int create_parser(void **state)
{
    return el_reply_parser_create((struct el_reply_parser **)state, NULL);
}

static int free_parser(void **state)
{
    el_reply_parser_free(*state);
    return 0;
}

static void failure_names_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < EL_REPLY_FAILURES; i++)
        assert_int_equal(el_reply_failure_from_name(el_reply_failure_name(i)), i);
    assert_string_equal(el_reply_failure_name(EL_REPLY_OK), "none");
    assert_string_equal(el_reply_failure_name(EL_REPLY_MISSING_SELF_EVALUATION_HEADER),
                        "missing_self_evaluation_header");
    assert_string_equal(el_reply_failure_name(EL_REPLY_FAILURES), "unknown");
    assert_int_equal(el_reply_failure_from_name("truncate"), -1);
}

static void role_names_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < EL_ROLES; i++)
        assert_int_equal(el_role_from_name(el_role_name(i)), i);
    assert_int_equal(el_role_from_name("judge"), -1);
    assert_string_equal(el_role_name(EL_ROLES), "unknown");
}

static void thinking_is_stripped(void **state)
{
    size_t begin = 99;

    (void)state;
    assert_int_equal(el_reply_strip_thinking("ab</think>cd", 12, 1, &begin), EL_REPLY_OK);
    assert_int_equal(begin, 10);
    assert_int_equal(el_reply_strip_thinking("abcd", 4, 0, &begin), EL_REPLY_OK);
    assert_int_equal(begin, 0);
    assert_int_equal(el_reply_strip_thinking("abcd", 4, 1, &begin), EL_REPLY_MISSING_THINK_END);
    assert_int_equal(begin, 4);
    /* The tag must lie inside the given length. */
    assert_int_equal(el_reply_strip_thinking("ab</think>", 9, 1, &begin),
                     EL_REPLY_MISSING_THINK_END);
    assert_int_equal(el_reply_strip_thinking(NULL, 0, 0, &begin), EL_REPLY_OK);
    assert_int_equal(begin, 0);
}

static void box_scores(void **state)
{
    (void)state;
    assert_int_equal(el_reply_box_score("1", 1), EL_SCORE_ONE);
    assert_int_equal(el_reply_box_score("\\frac12", 7), EL_SCORE_HALF);
    assert_int_equal(el_reply_box_score("{\\text{0}}", 10), EL_SCORE_ZERO);
    assert_int_equal(el_reply_box_score("10", 1), EL_SCORE_ONE); /* length, not NUL, ends it */
    assert_int_equal(el_reply_box_score("", 0), EL_SCORE_NONE);
    assert_int_equal(el_reply_box_score("{}", 2), EL_SCORE_NONE);
    assert_int_equal(el_reply_box_score("\\", 1), EL_SCORE_NONE);
    assert_int_equal(el_reply_box_score("\\frac", 5), EL_SCORE_NONE);
    assert_int_equal(el_reply_box_score("0.51", 4), EL_SCORE_NONE);
}

static void no_text_is_empty(void **state)
{
    struct el_reply r;

    for (int role = 0; role < EL_ROLES; role++) {
        assert_int_equal(el_role_parse(role, *state, NULL, 0, NULL, &r, NULL), 0);
        assert_int_equal(r.failure, EL_REPLY_EMPTY);
        assert_int_equal(r.halves, EL_SCORE_NONE);
        assert_int_equal(el_reply_slice(r.answer, NULL).len, 0);
        assert_int_equal(el_reply_format(&r), 0);
    }
    assert_int_equal(el_role_parse(EL_ROLES, *state, "x", 1, NULL, &r, NULL), EL_EINVAL);
}

/* Nothing after the given length is read, whatever stands there. */
static void length_is_the_truth(void **state)
{
    static const char text[] = PHRASE_1 PHRASE_2 "\\boxed{0.5}";
    struct el_reply r;

    assert_int_equal(el_reply_parse_verifier(*state, text, sizeof text - 1, NULL, &r, NULL), 0);
    assert_int_equal(r.failure, EL_REPLY_OK);
    assert_int_equal(r.halves, EL_SCORE_HALF);
    assert_int_equal(el_reply_format(&r), 1);
    assert_int_equal(el_reply_parse_verifier(*state, text, sizeof text - 2, NULL, &r, NULL), 0);
    assert_int_equal(r.failure, EL_REPLY_NO_BOXED_SCORE);
}

static void append_many(struct el_buf *b, const char *unit, size_t total)
{
    while (b->len < total)
        assert_int_equal(el_buf_puts(b, unit), 0);
}

/* 1 MB of what a hostile writer may repeat, with and without a good reply behind it: a quick,
 * right answer in every role. */
static void a_megabyte_of_anything(void **state)
{
    static const char *const unit[] = {
        "{",
        "}",
        "{}",
        "\\",
        "\\boxed{",
        "\\boxed",
        "\\boxed{{{{",
        "<think>",
        "</think>",
        "#",
        "## Solution\n",
        "## Self Evaluation\n",
        "**",
        "**Solution",
        " ",
        "\n",
        "\r",
        "here ",
        "Based on my ",
        "Based on my evaluation, the final overall score should be ",
        PHRASE_1,
        PHRASE_2,
        PHRASE_2 "\\boxed{1}\n",
        "## Self Evaluation\n" PHRASE_1,
        "\xc2\xa0",
        "\xff",
        "\"",
        "here is my analysis of the \"",
        "   ## Solution         x\n",
        "*_*_ \n",
    };
    const clock_t begun = clock();

    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
        struct el_buf b;
        struct el_reply r;

        el_buf_init(&b);
        append_many(&b, unit[i], 1 << 20);
        for (int role = 0; role < EL_ROLES; role++) {
            assert_int_equal(el_role_parse(role, *state, b.data, b.len, NULL, &r, NULL), 0);
            assert_true(r.failure != EL_REPLY_OK);
        }
        assert_int_equal(el_buf_puts(&b, "</think>\n" GOOD), 0);
        assert_int_equal(el_reply_parse_generator(*state, b.data, b.len, NULL, &r, NULL), 0);
        assert_int_equal(r.failure, EL_REPLY_OK);
        assert_int_equal(r.halves, EL_SCORE_ONE);
        assert_int_equal(r.proof.len, strlen("Let x = 1."));
        el_buf_release(&b);
    }
    /* About 150 MB of text; a quadratic parser would need hours. */
    assert_true(clock() - begun < 120 * CLOCKS_PER_SEC);
}

/* A key phrase that begins and then goes astray for a megabyte hides nothing behind it. */
static void a_megabyte_inside_a_phrase(void **state)
{
    static const char *const begun[] = {"here", "based on my", "## Self", "\\boxed", "##"};
    static const char *const gap[] = {" ", "\xc2\xa0", "* _\n", "\t>"};

    for (size_t i = 0; i < sizeof begun / sizeof *begun; i++)
        for (size_t j = 0; j < sizeof gap / sizeof *gap; j++) {
            struct el_buf b;
            struct el_reply r;

            el_buf_init(&b);
            assert_int_equal(el_buf_puts(&b, begun[i]), 0);
            append_many(&b, gap[j], 1 << 20);
            assert_int_equal(el_buf_puts(&b, "\n" GOOD), 0);
            for (int role = EL_ROLE_GENERATOR; role <= EL_ROLE_VERIFIER; role++) {
                assert_int_equal(el_role_parse(role, *state, b.data, b.len, NULL, &r, NULL), 0);
                assert_int_equal(r.failure, EL_REPLY_OK);
                assert_int_equal(r.halves, EL_SCORE_ONE);
            }
            el_buf_release(&b);
        }
}

/* The same inside the proof: it stays there whole, and the verdict behind it counts. */
static void a_megabyte_inside_the_proof(void **state)
{
    static const char *const unit[] = {
        "{",
        "\\boxed{",
        "## Solution\n",
        "## Self Evaluation\n",
        "**Self Evaluation**\n" PHRASE_1,
        "## Self Evaluation\n" PHRASE_1 PHRASE_2 "\\boxed{0.5}\n",
        PHRASE_2 "\\boxed{0}\n",
    };

    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
        struct el_buf b;
        struct el_reply r;

        el_buf_init(&b);
        assert_int_equal(el_buf_puts(&b, "## Solution\nBegin "), 0);
        append_many(&b, unit[i], 1 << 20);
        assert_int_equal(el_buf_puts(&b, "end.\n" GOOD), 0);
        assert_int_equal(el_reply_parse_generator(*state, b.data, b.len, NULL, &r, NULL), 0);
        assert_int_equal(r.failure, EL_REPLY_OK);
        assert_int_equal(r.halves, EL_SCORE_ONE);
        assert_true(r.proof.len > 1 << 20);
        assert_memory_equal(b.data + r.proof.off + r.proof.len - 10, "Let x = 1.", 10);
        assert_memory_equal(b.data + r.analysis.off, PHRASE_1, strlen(PHRASE_1));
        el_buf_release(&b);
    }
}

static void memory_faults_while_creating(void **state)
{
    struct el_reply_parser *p = NULL;
    struct el_error err = {0};
    int rc = EL_ENOMEM;

    (void)state;
    for (long n = 1; rc; n++) {
        el_alloc_fail_after(n);
        rc = el_reply_parser_create(&p, &err);
        el_alloc_fail_after(0);
        assert_true(n < 1000);
        assert_true(rc == 0 || rc == EL_ENOMEM);
        if (rc)
            assert_int_equal(err.code, EL_ENOMEM);
    }
    el_reply_parser_free(p);
    el_reply_parser_free(NULL);
}

static void memory_faults_while_parsing(void **state)
{
    struct el_error err = {0};
    struct el_reply r;
    int rc = EL_ENOMEM, faults = 0;

    for (long n = 1; rc; n++, faults += rc != 0) {
        el_alloc_fail_after(n);
        rc = el_reply_parse_generator(*state, GOOD, strlen(GOOD), NULL, &r, &err);
        el_alloc_fail_after(0);
        assert_true(n < 1000);
        assert_true(rc == 0 || rc == EL_ENOMEM);
        assert_int_equal(r.halves, rc ? EL_SCORE_NONE : EL_SCORE_ONE);
    }
    assert_true(faults >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failure_names_go_both_ways),
        cmocka_unit_test(role_names_go_both_ways),
        cmocka_unit_test(thinking_is_stripped),
        cmocka_unit_test(box_scores),
        cmocka_unit_test(no_text_is_empty),
        cmocka_unit_test(length_is_the_truth),
        cmocka_unit_test(a_megabyte_of_anything),
        cmocka_unit_test(a_megabyte_inside_a_phrase),
        cmocka_unit_test(a_megabyte_inside_the_proof),
        cmocka_unit_test(memory_faults_while_creating),
        cmocka_unit_test(memory_faults_while_parsing),
    };

    return cmocka_run_group_tests(tests, create_parser, free_parser);
}
