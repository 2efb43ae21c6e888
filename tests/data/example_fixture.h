/* What examples must hold, read back from their texts, and a problem with attempts at it. */
#ifndef EL_TESTS_DATA_EXAMPLE_FIXTURE_H
#define EL_TESTS_DATA_EXAMPLE_FIXTURE_H

#include "data/world_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct el_world_prompts prompts = {
    .generate = "Prove: {statement}\n",
    .verify = "Verify: {statement}\nProof:\n{proof}\n",
    .meta = "Rate: {statement}\nProof:\n{proof}\nReview:\n{analysis}\n",
    .refine = "Refine: {statement}\nProof:\n{proof}\nReview:\n{analysis}\n"};

#define PROOF_HEAD "## Solution\n"
#define SELF_HEAD  "\n## Self Evaluation\n"

/* The text of the prompt between two marks; to == NULL: to its end. */
static inline const char *between(const char *text, const char *from, const char *to, size_t *n)
{
    const char *a = strstr(text, from);
    assert_non_null(a);
    a += strlen(from);
    const char *b = to ? strstr(a, to) : a + strlen(a);
    assert_non_null(b);
    *n = (size_t)(b - a);
    return a;
}

static inline void problem_of(const struct el_example *e, struct el_world_problem *p)
{
    size_t n;
    const char *s = between(e->prompt, ": ", "\n", &n);
    struct el_error err = {0};
    if (el_world_problem_parse(s, n, p, &err) < 0)
        fail_msg("%s in %s", err.msg, e->prompt);
    for (int k = 0; k < p->n_claims; k++)
        assert_int_equal(el_world_claim_split(&p->claim[k]), EL_WORLD_TRAIN);
}

/* The loss from `from` on leaves out the headings of abandoned attempts, less their numbers, and
 * nothing else. Returns how many there are. */
static inline int check_spans(const struct el_example *e, size_t from)
{
    const char *text = e->completion, *line = text + from;
    int spans = 1;
    size_t begin = from;
    for (const char *next; (next = strstr(line, " wrong.\n")); line = next + 1) {
        const char *total = next;
        while (total > text && total[-1] != '\n')
            total--;
        if (strncmp(total, "total ", 6) != 0 || next > strstr(text, SELF_HEAD))
            continue;
        const char *heading = total;
        while (heading[-1] != '\n' || heading[0] != '(')
            heading--;
        assert_int_equal(e->loss[spans - 1].begin, begin);
        assert_int_equal(e->loss[spans - 1].end, heading + 4 - text);
        begin = (size_t)(strchr(heading, '\n') + 1 - text);
        spans++;
    }
    assert_int_equal(e->n_loss, spans);
    assert_int_equal(e->loss[spans - 1].begin, begin);
    assert_int_equal(e->loss[spans - 1].end, strlen(text));
    return spans - 1;
}

static inline int check_reply(const struct el_example *e, const struct el_world_problem *p)
{
    size_t n;
    struct el_world_report r;
    struct el_world_review v;
    const char *proof = between(e->completion, PROOF_HEAD, SELF_HEAD, &n);
    const char *self = proof + n + strlen(SELF_HEAD);
    el_world_judge_proof(p, proof, n, &r);
    assert_true(r.score == e->label);
    el_world_judge_analysis(&r, self, strlen(self), &v);
    assert_true(v.ms == 1 && v.missed == 0 && v.score == r.score);
    size_t from = r.score > 0 && e->kind == EL_EXAMPLE_GENERATE ? 0
                  : r.score == 1                                ? 0
                                                                : (size_t)(self - e->completion);
    return check_spans(e, from);
}

static inline void check_verify(const struct el_example *e, const struct el_world_problem *p)
{
    size_t n;
    struct el_world_report r;
    struct el_world_review v;
    const char *proof = between(e->prompt, "\nProof:\n", NULL, &n);
    el_world_judge_proof(p, proof, n, &r);
    assert_true(r.score == e->label);
    el_world_judge_analysis(&r, e->completion, strlen(e->completion), &v);
    assert_true(v.ms == 1 && v.missed == 0 && v.score == r.score);
}

/* Judges the proof and the analysis in a prompt. Returns the proof. */
static inline const char *judge_prompt(const struct el_example *e, const struct el_world_problem *p,
                                       struct el_world_report *r, struct el_world_review *v)
{
    size_t n, m;
    const char *proof = between(e->prompt, "\nProof:\n", "\nReview:\n", &n);
    const char *analysis = between(e->prompt, "\nReview:\n", NULL, &m);
    el_world_judge_proof(p, proof, n, r);
    el_world_judge_analysis(r, analysis, m, v);
    return proof;
}

static inline void check_meta(const struct el_example *e, const struct el_world_problem *p)
{
    struct el_world_report r;
    struct el_world_review v;
    judge_prompt(e, p, &r, &v);
    assert_true(v.ms == e->label);
    const char *box = v.ms == 1 ? "\\boxed{1}" : v.ms > 0 ? "\\boxed{0.5}" : "\\boxed{0}";
    assert_non_null(strstr(e->completion, box));
}

static inline int check_refine(const struct el_example *e, const struct el_world_problem *p)
{
    struct el_world_report r;
    struct el_world_review v;
    const char *proof = judge_prompt(e, p, &r, &v);
    assert_true(r.score < 1);
    assert_true(v.ms == 1 && v.missed == 0);
    for (int k = 0; k < p->n_claims; k++) {
        size_t len = r.claim[k].end - r.claim[k].begin;
        if (el_world_claim_is_right(&r, k))
            assert_non_null(
                memmem(e->completion, strlen(e->completion), proof + r.claim[k].begin, len));
    }
    return check_reply(e, p);
}

static const char statement[] =
    "Show that (1) 98=16*x+9*y for some x,y; (2) 7 divides x*x+4*x+9 for an x.";
static const char good[] = "(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\n(2) x=1.\n1*1+4*1=5.\n"
                           "5+9=14.\n7*2=14.\nSo all claims hold.";
static const char bad[] = "(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\n(2) x=3.\n3*3+4*3=21.\n"
                          "21+9=30.\n7*4=28.\nSo all claims hold.\n";

#define FIRST  "(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\n"
#define AFRESH "(2) x=1.\n1*1+4*1=5.\n5+9=14.\n7*2=14.\n"
#define CLOSED "So all claims hold."

static double carry_on; /* share of attempts that miss and are carried on */
static double retry;    /* of the mixture */
static double refine_retry = -1;
static int look_up;

static inline int attempt(const char *proof, const char *analysis, enum el_example_kind kind,
                          struct el_example *e)
{
    struct el_world_problem p;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    struct el_world_mix m;
    el_world_mix_init(&m, &prompts);
    m.checked = carry_on;
    m.retry = retry;
    m.refine_retry = refine_retry;
    m.look_up = look_up;
    return el_world_example_from_attempt(&m, &p, proof, analysis, kind, 7, e, NULL);
}

#endif
