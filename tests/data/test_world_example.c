/* Training examples: purity, labels, loss spans, the model's own attempts, allocation faults. */
#include "core/base/alloc.h"
#include "core/base/digest.h"
#include "data/world_parts.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
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

static void filling_is_a_single_pass(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    el_world_fill("{a} {proof}{statement} {analysis} {", " {proof} \n", "{statement}", NULL, &b);
    assert_string_equal(b.data, "{a} {statement}{proof} {analysis} {");
    el_buf_release(&b);
}

static void same_index_same_example(void **state)
{
    (void)state;
    struct el_world_mix m;
    el_world_mix_init(&m, &prompts);
    for (uint64_t i = 0; i < 300; i++) {
        struct el_example a, b;
        assert_int_equal(el_world_example(&m, i, &a, NULL), 0);
        assert_int_equal(el_world_example(&m, i, &b, NULL), 0);
        assert_string_equal(a.prompt, b.prompt);
        assert_string_equal(a.completion, b.completion);
        assert_int_equal(a.n_loss, b.n_loss);
        el_example_release(&a);
        el_example_release(&b);
    }
    struct el_example a, b;
    assert_int_equal(el_world_example(&m, 0, &a, NULL), 0);
    m.seed = 1;
    assert_int_equal(el_world_example(&m, 0, &b, NULL), 0);
    assert_true(strcmp(a.prompt, b.prompt) || strcmp(a.completion, b.completion));
    el_example_release(&a);
    el_example_release(&b);
}

/* The text of the prompt between two marks; to == NULL: to its end. */
static const char *between(const char *text, const char *from, const char *to, size_t *n)
{
    const char *a = strstr(text, from);
    assert_non_null(a);
    a += strlen(from);
    const char *b = to ? strstr(a, to) : a + strlen(a);
    assert_non_null(b);
    *n = (size_t)(b - a);
    return a;
}

static void problem_of(const struct el_example *e, struct el_world_problem *p)
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
static int check_spans(const struct el_example *e, size_t from)
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

static int check_reply(const struct el_example *e, const struct el_world_problem *p)
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

static void check_verify(const struct el_example *e, const struct el_world_problem *p)
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

static void check_meta(const struct el_example *e, const struct el_world_problem *p)
{
    size_t n, m;
    struct el_world_report r;
    struct el_world_review v;
    const char *proof = between(e->prompt, "\nProof:\n", "\nReview:\n", &n);
    const char *analysis = between(e->prompt, "\nReview:\n", NULL, &m);
    el_world_judge_proof(p, proof, n, &r);
    el_world_judge_analysis(&r, analysis, m, &v);
    assert_true(v.ms == e->label);
    const char *box = v.ms == 1 ? "\\boxed{1}" : v.ms > 0 ? "\\boxed{0.5}" : "\\boxed{0}";
    assert_non_null(strstr(e->completion, box));
}

static int check_refine(const struct el_example *e, const struct el_world_problem *p)
{
    size_t n, m;
    struct el_world_report r;
    struct el_world_review v;
    const char *proof = between(e->prompt, "\nProof:\n", "\nReview:\n", &n);
    const char *analysis = between(e->prompt, "\nReview:\n", NULL, &m);
    el_world_judge_proof(p, proof, n, &r);
    assert_true(r.score < 1);
    el_world_judge_analysis(&r, analysis, m, &v);
    assert_true(v.ms == 1 && v.missed == 0);
    for (int k = 0; k < p->n_claims; k++) {
        size_t len = r.claim[k].end - r.claim[k].begin;
        if (el_world_claim_is_right(&r, k))
            assert_non_null(
                memmem(e->completion, strlen(e->completion), proof + r.claim[k].begin, len));
    }
    return check_reply(e, p);
}

static void labels_are_true_and_balanced_with(double checked)
{
    struct el_world_mix m;
    int abandoned = 0, claims = 0;
    int count[EL_EXAMPLE_KINDS] = {0}, label[EL_EXAMPLE_KINDS][3] = {{0}};
    el_world_mix_init(&m, &prompts);
    m.checked = checked;
    m.false_start = 0.5;
    for (uint64_t i = 0; i < 5000; i++) {
        struct el_example e;
        struct el_world_problem p;
        assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
        count[e.kind]++;
        if (e.kind != EL_EXAMPLE_DRILL) {
            label[e.kind][(int)(2 * e.label)]++;
            problem_of(&e, &p);
        }
        if (e.kind == EL_EXAMPLE_GENERATE) {
            abandoned += check_reply(&e, &p);
            claims += e.label > 0 ? p.n_claims : 0;
        } else if (e.kind == EL_EXAMPLE_VERIFY)
            check_verify(&e, &p);
        else if (e.kind == EL_EXAMPLE_META)
            check_meta(&e, &p);
        else if (e.kind == EL_EXAMPLE_REFINE)
            check_refine(&e, &p);
        el_example_release(&e);
    }
    /* 1 + 0.25 + 0.25^2 attempts where there are any */
    assert_true(fabs((double)abandoned / claims - checked * 0.5 * 1.3125) < 0.1);
    for (int k = 0; k < EL_EXAMPLE_KINDS; k++)
        assert_true(abs(count[k] - (int)(5000 * m.share[k])) < 130);
    for (int s = 0; s < 3; s++) {
        double verify = (double)label[EL_EXAMPLE_VERIFY][s] / count[EL_EXAMPLE_VERIFY];
        double meta = (double)label[EL_EXAMPLE_META][s] / count[EL_EXAMPLE_META];
        assert_true(verify > m.verify_score[s] - 0.08 && verify < m.verify_score[s] + 0.08);
        assert_true(meta > m.meta_score[s] - 0.09 && meta < m.meta_score[s] + 0.09);
    }
    assert_true(label[EL_EXAMPLE_REFINE][2] > 2 * label[EL_EXAMPLE_REFINE][0]);
    assert_true(label[EL_EXAMPLE_GENERATE][1] > 10);
}

static void labels_are_true_and_balanced(void **state)
{
    (void)state;
    labels_are_true_and_balanced_with(0);
}

static void false_starts_are_not_learned(void **state)
{
    (void)state;
    labels_are_true_and_balanced_with(0.7);
}

/* The recommended mixture's first examples, as they were when the model of small.json was trained:
 * a recipe makes the same model again. */
static void examples_stay_what_they_were(void **state)
{
    (void)state;
    struct el_world_mix m;
    struct el_digest d;
    el_world_mix_init(&m, &prompts);
    el_digest_init(&d);
    for (uint64_t i = 0; i < 500; i++) {
        struct el_example e;
        assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
        el_digest_str(&d, e.prompt);
        el_digest_str(&d, e.completion);
        for (int k = 0; k < e.n_loss; k++) {
            el_digest_u64(&d, e.loss[k].begin);
            el_digest_u64(&d, e.loss[k].end);
        }
        el_example_release(&e);
    }
    assert_int_equal(el_digest_key(&d), 0x9d759d571221eff6);
}

/* Refined proofs have their own share; others don't follow it. */
static void refined_proofs_are_checked(void **state)
{
    (void)state;
    struct el_world_mix m;
    int seen[EL_EXAMPLE_KINDS] = {0};
    el_world_mix_init(&m, &prompts);
    m.refine_checked = 1;
    m.refine_flawed = 0;
    for (uint64_t i = 0; i < 400; i++) {
        struct el_example e;
        assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
        const char *self = strstr(e.completion, SELF_HEAD),
                   *remark = strstr(e.completion, "total ");
        if (e.kind == EL_EXAMPLE_GENERATE)
            assert_true(remark > self);
        if (e.kind == EL_EXAMPLE_REFINE && !strstr(e.prompt, "no closing."))
            assert_true(remark && remark < self);
        seen[e.kind]++;
        el_example_release(&e);
    }
    assert_true(seen[EL_EXAMPLE_GENERATE] > 40 && seen[EL_EXAMPLE_REFINE] > 40);
}

/* Spans lie in the completion in order, and a right line's result is true. */
static void drills_carry_true_lines(void **state)
{
    (void)state;
    struct el_world_mix m;
    int right = 0, wrong = 0, find = 0;
    el_world_mix_init(&m, &prompts);
    memset(m.share, 0, sizeof m.share);
    m.share[EL_EXAMPLE_DRILL] = 1;
    for (uint64_t i = 0; i < 500; i++) {
        struct el_example e;
        assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
        size_t at = 0, n = strlen(e.completion);
        for (int k = 0; k < e.n_loss; k++) {
            assert_true(e.loss[k].begin >= at && e.loss[k].end > e.loss[k].begin);
            at = e.loss[k].end;
        }
        assert_int_equal(at, n);
        find += strncmp(e.prompt, "Find: ", 6) == 0;
        for (char *line = strtok(e.completion, "\n"); line; line = strtok(NULL, "\n")) {
            int a, b, c;
            int is_right = strstr(line, " right.") != NULL;
            if (sscanf(line, "total %d of %d", &a, &b) == 2)
                assert_int_equal(a == b, is_right);
            else if (strspn(line, "0123456789") == strcspn(line, "+") &&
                     sscanf(line, "%d+%d=%d", &a, &b, &c) == 3)
                assert_int_equal(a + b == c, is_right);
            else
                continue;
            right += is_right;
            wrong += !is_right;
        }
        el_example_release(&e);
    }
    assert_true(right > 1000 && wrong > 1000);
    assert_in_range(find, 200, 300);
}

/* The numbers in front of the first `stop`, at most 8. */
static int read_numbers(const char *from, char stop, int *v)
{
    int n = 0;
    while (n < 8 && *from != stop) {
        char *end;
        long number = strtol(from, &end, 10);
        if (end > from)
            v[n++] = (int)number;
        from = end > from ? end : from + 1;
    }
    return n;
}

/* Each line has the nearest number of the problem's list, and says whether it is the one that is
 * taken; both carry loss. */
static void list_drills_judge_truly(void **state)
{
    (void)state;
    struct el_world_mix m;
    int right = 0, lines = 0;
    el_world_mix_init(&m, &prompts);
    memset(m.share, 0, sizeof m.share);
    m.share[EL_EXAMPLE_DRILL] = 1;
    m.drill_witness = 0;
    m.drill_list = 1;
    for (uint64_t i = 0; i < 100; i++) {
        struct el_example e;
        int list[8], k = 0;
        char *save = NULL;
        assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
        assert_ptr_equal(strstr(e.prompt, "Drill: Show that (1) "), e.prompt);
        int n = read_numbers(strstr(e.prompt, "some of ") + 8, ' ', list);
        assert_int_equal(e.n_loss, m.drill_lines);
        for (char *line = strtok_r(e.completion, "\n", &save); line; k++) {
            int taken, listed, best = 200;
            char judgement[12];
            assert_int_equal(sscanf(line, "take %d of %d %11s", &taken, &listed, judgement), 3);
            for (int j = 0; j < n; j++) /* ascending: of two as near the smaller comes first */
                best = abs(list[j] - taken) < abs(best - taken) ? list[j] : best;
            assert_int_equal(listed, best);
            assert_string_equal(judgement, listed == taken ? "right." : "wrong.");
            assert_int_equal(e.loss[k].begin, strstr(line, " of ") + 4 - e.completion);
            assert_int_equal(e.loss[k].end, line + strlen(line) + 1 - e.completion);
            right += listed == taken;
            lines++;
            line = strtok_r(NULL, "\n", &save);
        }
        assert_int_equal(k, m.drill_lines);
        el_example_release(&e);
    }
    assert_in_range(right, lines * 45 / 100, lines * 60 / 100);
}

/* Every sum up to the training total comes up: a + b for all pairs. */
static void drills_cover_the_sums(void **state)
{
    (void)state;
    static unsigned char seen[200][200];
    struct el_world_mix m;
    el_world_mix_init(&m, &prompts);
    memset(m.share, 0, sizeof m.share);
    m.share[EL_EXAMPLE_DRILL] = 1;
    m.drill_witness = 0;
    for (uint64_t i = 0; i < 8000; i++) {
        struct el_example e;
        assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
        for (const char *line = e.completion; line; line = strchr(line, '\n')) {
            int a, b, c;
            line += *line == '\n';
            if (sscanf(line, "%d+%d=%d", &a, &b, &c) == 3)
                seen[a][b] = 1;
        }
        el_example_release(&e);
    }
    int pairs = 0, met = 0;
    for (int a = 1; a < 119; a++)
        for (int b = 1; a + b <= 119; b++) {
            pairs++;
            met += seen[a][b];
        }
    assert_true(met > 0.99 * pairs);
}

static void a_bad_mixture_is_named(void **state)
{
    (void)state;
    struct el_world_mix m;
    struct el_error err = {0};
    struct el_example e;
    el_world_mix_init(&m, &prompts);
    m.refine_flawed = 1.5;
    assert_int_equal(el_world_example(&m, 0, &e, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "refine_flawed"));
    el_world_mix_init(&m, &prompts);
    memset(m.share, 0, sizeof m.share);
    assert_int_equal(el_world_mix_check(&m, &err), EL_EINVAL);
    el_world_mix_init(&m, &prompts);
    m.drill_lines = EL_EXAMPLE_SPANS + 1;
    assert_int_equal(el_world_mix_check(&m, &err), EL_EINVAL);
    el_world_mix_init(&m, &prompts);
    m.refine_retry = -0.5;
    assert_int_equal(el_world_mix_check(&m, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "refine_retry is -0.5"));
    m.refine_retry = 0;
    m.crowded = -1;
    assert_int_equal(el_world_mix_check(&m, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "crowded is -1"));
    m.crowded = 0;
    m.unlisted = 1.5;
    assert_int_equal(el_world_mix_check(&m, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "unlisted is 1.5"));
    el_world_mix_init(&m, &prompts);
    m.prompts.meta = NULL;
    assert_int_equal(el_world_mix_check(&m, &err), EL_EINVAL);
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

static int attempt(const char *proof, const char *analysis, enum el_example_kind kind,
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

static void attempts_become_examples(void **state)
{
    (void)state;
    struct el_example e;
    struct el_world_problem p;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    assert_int_equal(attempt(good, NULL, EL_EXAMPLE_GENERATE, &e), 0);
    check_reply(&e, &p);
    assert_int_equal(e.loss[0].begin, 0);
    el_example_release(&e);
    assert_int_equal(attempt(bad, NULL, EL_EXAMPLE_GENERATE, &e), 0);
    check_reply(&e, &p);
    assert_true(e.loss[0].begin > 0);
    el_example_release(&e);
    assert_int_equal(attempt("12 12 12(((", NULL, EL_EXAMPLE_VERIFY, &e), 0);
    check_verify(&e, &p);
    assert_true(e.label == 0);
    el_example_release(&e);
    assert_int_equal(attempt(bad, NULL, EL_EXAMPLE_REFINE, &e), 0);
    check_refine(&e, &p);
    assert_true(e.label == 1);
    el_example_release(&e);
    const char *analysis =
        "Here is my evaluation of the solution:\n(1) 16*5=80 wrong.\nBased on my evaluation, the "
        "final overall score should be:\n\\boxed{0}";
    assert_int_equal(attempt(bad, analysis, EL_EXAMPLE_META, &e), 0);
    check_meta(&e, &p);
    assert_true(e.label == 0);
    el_example_release(&e);
}

static void an_attempt_is_carried_on(void **state)
{
    (void)state;
    static const char slip[] = "(1) x=5, y=2.\n16*5=80.\n9*2=19.\n80+19=99.\n(2) x=3.\n"
                               "3*3+4*3=21.\n21+9=30.\n7*4=28.\nSo all claims hold.\n";
    struct el_example e;
    struct el_world_problem p;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    carry_on = 1;
    assert_int_equal(attempt(bad, NULL, EL_EXAMPLE_GENERATE, &e), 0);
    assert_int_equal(check_reply(&e, &p), 1);
    assert_true(e.label == 1);
    assert_ptr_equal(
        strstr(e.completion,
               "(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\ntotal 98 of 98 right.\n"
               "(2) x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=28.\ntotal 28 of 30 wrong.\n(2) x="),
        e.completion + strlen(PROOF_HEAD));
    el_example_release(&e);
    assert_int_equal(attempt(slip, NULL, EL_EXAMPLE_GENERATE, &e), 0);
    assert_int_equal(check_reply(&e, &p), 1); /* a slip is mended, not abandoned */
    assert_null(strstr(e.completion, "9*2=19"));
    el_example_release(&e);
    assert_int_equal(attempt(good, NULL, EL_EXAMPLE_GENERATE, &e), 0);
    assert_int_equal(check_reply(&e, &p), 0);
    el_example_release(&e);
    /* a right witness whose multiple is not is mended, too */
    assert_int_equal(attempt(FIRST "(2) x=1.\n1*1+4*1=5.\n5+9=14.\n7*3=21.\n" CLOSED, NULL,
                             EL_EXAMPLE_GENERATE, &e),
                     0);
    assert_int_equal(check_reply(&e, &p), 0);
    el_example_release(&e);
    carry_on = 0;
}

/* Right attempts that search: learned but for the witnesses that miss, unless they say what is not.
 */
static void searching_attempts(void **state)
{
    (void)state;
    static const struct {
        const char *second;
        int learned;
    } cases[] = {
        {"7*2=14.\ntotal 14 of 14 right.\n", 1},
        {"7*1=7.\ntotal 7 of 14 wrong.\n" AFRESH, 1},
        {"7*2=14.\ntotal 14 of 14 wrong.\n" AFRESH, 0}, /* it did not miss */
        {"7*2=14.\ntotal 13 of 14 right.\n", 0},
        {"7*2=14.\ntotal 13 of 13 right.\n", 0},      /* not the numbers in front of it */
        {"7*1=8.\ntotal 8 of 14 wrong.\n" AFRESH, 0}, /* a false line, abandoned */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char proof[400];
        struct el_example e;
        struct el_world_problem p;
        assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
        snprintf(proof, sizeof proof, FIRST "(2) x=1.\n1*1+4*1=5.\n5+9=14.\n%s" CLOSED,
                 cases[i].second);
        assert_int_equal(attempt(proof, NULL, EL_EXAMPLE_GENERATE, &e), 0);
        assert_true(e.label == 1);
        if (cases[i].learned)
            assert_int_equal(check_reply(&e, &p), strstr(cases[i].second, AFRESH) != NULL);
        else
            assert_ptr_equal(e.completion + e.loss[0].begin,
                             strstr(e.completion, SELF_HEAD) + strlen(SELF_HEAD));
        el_example_release(&e);
    }
    /* kept by a refinement of another claim */
    struct el_example e;
    assert_int_equal(attempt("(1) x=5, y=2.\n16*5=80.\ntotal 80 of 98 right.\n9*2=18.\n80+18=98.\n"
                             "(2) x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=28.\n" CLOSED,
                             NULL, EL_EXAMPLE_REFINE, &e),
                     0);
    assert_true(e.label == 1 && e.loss[0].begin > 0);
    el_example_release(&e);
}

static int has_loss(const struct el_example *e, const char *at)
{
    size_t byte = (size_t)(at - e->completion);
    for (int i = 0; i < e->n_loss; i++)
        if (byte >= e->loss[i].begin && byte < e->loss[i].end)
            return 1;
    return 0;
}

/* Of the witnesses that miss, the new ones after a claim's first are learned where retries are. */
static void retries_are_learned_once(void **state)
{
    (void)state;
    static const char *const tries[] = {
        "x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=28.\ntotal 28 of 30 wrong.\n",
        "x=4.\n4*4+4*4=32.\n32+9=41.\n7*5=35.\ntotal 35 of 41 wrong.\n",
        "x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=28.\ntotal 28 of 30 wrong.\n",
        "x=5.\n5*5+4*5=45.\n45+9=54.\n7*7=49.\ntotal 49 of 54 wrong.\n",
        "x=1.\n1*1+4*1=5.\n5+9=14.\n7*2=14.\n",
    };
    static const int learned[2][5] = {{0, 0, 0, 0, 1}, {0, 1, 0, 1, 1}};
    char proof[600] = FIRST;
    for (int i = 0; i < 5; i++)
        sprintf(proof + strlen(proof), "(2) %s", tries[i]);
    strcat(proof, CLOSED);
    for (int on = 0; on < 2; on++) {
        struct el_example e;
        retry = on * 0.5;
        assert_int_equal(attempt(proof, NULL, EL_EXAMPLE_GENERATE, &e), 0);
        assert_true(e.label == 1);
        const char *at = e.completion;
        for (int i = 0; i < 5; i++) {
            at = strstr(at, "(2) ") + 4;
            assert_int_equal(has_loss(&e, at - 4), 1);
            assert_int_equal(has_loss(&e, at), learned[on][i]);
            assert_int_equal(has_loss(&e, strchr(at, '\n') + 1), 1);
        }
        el_example_release(&e);
    }
    retry = 0;
}

/* Chains of false starts get longer with the share, up to 8, and try nothing twice. */
static void searches_do_not_go_in_circles(void **state)
{
    (void)state;
    struct el_world_mix m;
    int starts[3] = {0}, longest = 0;
    el_world_mix_init(&m, &prompts);
    m.checked = m.false_start = 1;
    memset(m.share, 0, sizeof m.share);
    m.share[EL_EXAMPLE_GENERATE] = 1;
    for (int k = 0; k < 3; k++) {
        m.retry = 0.45 * k;
        for (uint64_t i = 0; i < 200; i++) {
            struct el_example e;
            char *heading[3][20], *save, *line;
            int n[3] = {0};
            assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
            *strstr(e.completion, SELF_HEAD) = 0;
            for (line = strtok_r(e.completion, "\n", &save); line;
                 line = strtok_r(NULL, "\n", &save)) {
                int claim = line[0] == '(' ? line[1] - '1' : -1;
                if (claim < 0 || line[4] < 'a')
                    continue;
                for (int j = 0; j < n[claim] && e.label == 1; j++)
                    assert_string_not_equal(heading[claim][j], line);
                heading[claim][n[claim]++] = line;
            }
            for (int c = 0; c < 3; c++) {
                starts[k] += n[c] > 1 ? n[c] - 1 : 0;
                longest = n[c] > longest ? n[c] : longest;
            }
            el_example_release(&e);
        }
    }
    /* 1.31, 1.82 and at most 5.7 a claim */
    assert_true(4 * starts[1] > 5 * starts[0] && starts[2] > 2 * starts[1]);
    assert_int_equal(longest, 9); /* eight and the one that holds */
}

/* A refinement does not try what the proof in its prompt has failed with; and what it tries instead
 * is learned, the first one, too. */
static void refinements_remember(void **state)
{
    (void)state;
    struct el_world_mix m;
    struct el_world_problem p;
    int again[2] = {0}, tried = 0, learned = 0;
    el_world_mix_init(&m, &prompts);
    m.refine_checked = m.false_start = m.retry = 1;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    for (int on = 0; on < 2; on++)
        for (uint64_t seed = 0; seed < 100; seed++) {
            struct el_example e;
            m.refine_retry = on ? 0.5 : -1;
            assert_int_equal(
                el_world_example_from_attempt(&m, &p, bad, NULL, EL_EXAMPLE_REFINE, seed, &e, NULL),
                0);
            assert_true(e.label == 1);
            const char *first = strstr(e.completion, "\n(2) x="), *next = first;
            again[on] += strstr(e.completion, "(2) x=3.") != NULL;
            if (on && (next = strstr(first + 1, "\n(2) x=")) &&
                next < strstr(e.completion, SELF_HEAD)) {
                tried++;
                learned += has_loss(&e, first + 5);
            }
            el_example_release(&e);
        }
    assert_true(again[0] > 30 && tried > 80);
    assert_int_equal(again[1], 0);
    assert_int_equal(learned, tried);
}

/* What fails again in a refinement is not learned where the prompt's own witness comes back. */
static void a_refuted_witness_is_not_learned(void **state)
{
    (void)state;
    struct el_world_problem p;
    struct el_world_report r;
    struct el_world_scan refuted[EL_WORLD_CLAIMS];
    static const char tries[] =
        FIRST "(2) x=4.\n4*4+4*4=32.\n32+9=41.\n7*5=35.\ntotal 35 of 41 wrong.\n"
              "(2) x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=28.\ntotal 28 of 30 wrong.\n" AFRESH CLOSED;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    el_world_judge_proof(&p, bad, strlen(bad), &r);
    el_world_refutations(&p, bad, &r, refuted);
    assert_null(refuted[0].p);
    assert_null(refuted[2].p);
    assert_int_equal(refuted[1].end - refuted[1].p, 4);
    assert_memory_equal(refuted[1].p, "x=3.", 4);
    struct el_example e = {
        .completion = (char *)(uintptr_t)tries, .n_loss = 1, .loss = {{0, sizeof tries - 1}}};
    el_world_unlearn(tries, sizeof tries - 1, 0, 1, refuted, &e);
    assert_int_equal(has_loss(&e, strstr(tries, "x=4.")), 1);
    assert_int_equal(has_loss(&e, strstr(tries, "x=3.")), 0);
    assert_int_equal(e.n_loss, 2);
    /* without the prompt's proof the first one is not learned, and the second one is */
    e.n_loss = 1;
    e.loss[0].begin = 0;
    e.loss[0].end = sizeof tries - 1;
    el_world_unlearn(tries, sizeof tries - 1, 0, 1, NULL, &e);
    assert_int_equal(has_loss(&e, strstr(tries, "x=4.")), 0);
    assert_int_equal(has_loss(&e, strstr(tries, "x=3.")), 1);
}

/* Proofs whose numbers add up and are not in the list, of every flawed list at share 1. */
static void unlisted_numbers_are_shown(void **state)
{
    (void)state;
    int seen[2] = {0}, lists[2] = {0};
    for (int on = 0; on < 2; on++)
        for (uint64_t i = 0; i < 400; i++) {
            struct el_world_mix m;
            struct el_example e;
            int list[8], taken[8], total, sum = 0, foreign = 0;
            el_world_mix_init(&m, &prompts);
            memset(m.share, 0, sizeof m.share);
            m.share[EL_EXAMPLE_VERIFY] = 1;
            m.verify_score[1] = m.verify_score[2] = 0;
            m.unlisted = on;
            assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
            const char *some = strstr(e.prompt, "some of "), *up = strstr(e.prompt, " add up to "),
                       *take = strstr(e.prompt, "take ");
            if (some && up && take) {
                int n = read_numbers(some + 8, ' ', list), k = read_numbers(take, '.', taken);
                total = atoi(up + 11);
                for (int j = 0; j < k; j++) {
                    int at = 0;
                    while (at < n && list[at] != taken[j])
                        at++;
                    foreign += at == n || (j && taken[j] == taken[j - 1]);
                    sum += taken[j];
                }
                lists[on]++;
                if (foreign && sum == total) {
                    seen[on]++;
                    assert_true(e.label == 0);
                    assert_non_null(strstr(e.completion, ") bad witness."));
                }
            }
            el_example_release(&e);
        }
    assert_true(lists[0] > 150 && lists[1] > 150);
    assert_true(seen[0] < 5 && seen[1] > lists[1] / 3);
}

/* Every analysis, whoever's it is, restates the numbers of lists, or none does. */
static void analyses_look_lists_up(void **state)
{
    (void)state;
    int seen[2][EL_EXAMPLE_DRILL] = {{0}};
    for (int on = 0; on < 2; on++)
        for (uint64_t i = 0; i < 400; i++) {
            struct el_world_mix m;
            struct el_example e;
            el_world_mix_init(&m, &prompts);
            m.look_up = on;
            m.share[EL_EXAMPLE_DRILL] = 0;
            assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
            const char *prompted = strstr(e.prompt, "Review:\n"),
                       *self = strstr(e.completion, SELF_HEAD),
                       *own = e.kind == EL_EXAMPLE_VERIFY ? e.completion : self;
            seen[on][e.kind] += prompted && strstr(prompted, "take ");
            seen[on][e.kind] += own && strstr(own, "take ");
            el_example_release(&e);
        }
    for (int kind = 0; kind < EL_EXAMPLE_DRILL; kind++) {
        assert_int_equal(seen[0][kind], 0);
        assert_true(seen[1][kind] > 10);
    }
}

/* Verdicts of a meta-analysis, and the lines that it finds right by itself. */
static void count_verdicts(const char *text, int *verdicts, int *right)
{
    *verdicts = *right = 0;
    for (const char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
        size_t n = (size_t)(end - at);
        *verdicts += (n == 5 && !memcmp(at, "real.", n)) ||
                     (n == 9 && !memcmp(at, "not real.", n)) ||
                     (n == 10 && !memcmp(at, "misstated.", n));
        *right += n > 7 && !memcmp(end - 7, " right.", 7);
    }
}

/* Meta-analyses verify anew with look_up 2; crowded ones have many verdicts. */
static void analyses_to_judge_may_be_crowded(void **state)
{
    (void)state;
    int many[2] = {0}, right[3] = {0}, n = 300;
    for (int on = 0; on < 2; on++)
        for (int i = 0; i < n; i++) {
            struct el_world_mix m;
            struct el_example e;
            struct el_world_problem p;
            int verdicts, found;
            el_world_mix_init(&m, &prompts);
            memset(m.share, 0, sizeof m.share);
            m.share[EL_EXAMPLE_META] = 1;
            m.crowded = on;
            m.look_up = i % 3;
            assert_int_equal(el_world_example(&m, (uint64_t)i, &e, NULL), 0);
            count_verdicts(e.completion, &verdicts, &found);
            many[on] += verdicts >= 4;
            right[m.look_up] += found;
            problem_of(&e, &p);
            check_meta(&e, &p);
            el_example_release(&e);
        }
    assert_in_range(many[0], 0, n / 5);
    assert_in_range(many[1], n / 2, n);
    assert_int_equal(right[0] + right[1], 0);
    assert_true(right[2] > n);
}

/* The same of a model's own attempt: its self-evaluation, its verification, a refinement's prompt,
 * the judgement of its analysis, and the self-evaluation of what it is carried on to. */
static void attempts_are_looked_up(void **state)
{
    (void)state;
    static const char list[] = "Show that (1) some of 3,8,19,30 add up to 57.";
    static const char own[] = "(1) take 27,30.\n27+30=57.\n" CLOSED;
    static const char analysis[] =
        "Here is my evaluation of the solution:\n(1) malformed.\nBased on my evaluation, the final "
        "overall score should be:\n\\boxed{0}";
    struct el_world_problem p;
    assert_int_equal(el_world_problem_parse(list, strlen(list), &p, NULL), 0);
    for (int on = 0; on <= 2; on++) {
        struct el_world_mix m;
        struct el_example e;
        const char *found = on ? "(1) take 27 of 30 wrong.\n" : "(1) bad witness.\n";
        el_world_mix_init(&m, &prompts);
        m.look_up = on;
        for (int kind = 0; kind < EL_EXAMPLE_DRILL; kind++) {
            assert_int_equal(el_world_example_from_attempt(&m, &p, own, analysis,
                                                           (enum el_example_kind)kind, 1, &e, NULL),
                             0);
            const char *where = kind == EL_EXAMPLE_REFINE ? e.prompt : e.completion;
            if (kind == EL_EXAMPLE_META && on < 2)
                assert_null(strstr(where, found));
            else
                assert_non_null(strstr(where, found));
            el_example_release(&e);
        }
        m.checked = 1;
        assert_int_equal(
            el_world_example_from_attempt(&m, &p, own, NULL, EL_EXAMPLE_GENERATE, 1, &e, NULL), 0);
        const char *self = strstr(e.completion, SELF_HEAD);
        assert_non_null(self);
        assert_true(e.label == 1);
        assert_int_equal(strstr(self, "take ") != NULL, on > 0);
        el_example_release(&e);
    }
}

/* Whole claims left out or broken off: 4 of 100 fatal flaws, and one of four where they are drawn
 * evenly; steps repeated: 18 of 100 minor ones, and one of three. */
static void flaws_are_drawn_evenly(void **state)
{
    (void)state;
    int seen[2][2] = {{0}}, n = 600;
    for (int on = 0; on < 2; on++)
        for (int half = 0; half < 2; half++)
            for (int i = 0; i < n; i++) {
                struct el_world_mix m;
                struct el_example e;
                el_world_mix_init(&m, &prompts);
                memset(m.share, 0, sizeof m.share);
                m.share[EL_EXAMPLE_VERIFY] = 1;
                m.verify_score[!half] = m.verify_score[2] = 0;
                m.even_flaws = on;
                assert_int_equal(el_world_example(&m, (uint64_t)i, &e, NULL), 0);
                assert_true(e.label == 0.5 * half);
                seen[on][half] += half ? strstr(e.completion, " again.") != NULL
                                       : strstr(e.completion, "not addressed.") ||
                                             strstr(e.completion, "malformed.");
                el_example_release(&e);
            }
    /* a proof has 1.6 fatal flaws and 1.2 minor ones */
    assert_in_range(seen[0][0], 1, n * 12 / 100);
    assert_in_range(seen[1][0], n * 25 / 100, n * 50 / 100);
    assert_in_range(seen[0][1], n * 15 / 100, n * 26 / 100);
    assert_in_range(seen[1][1], n * 30 / 100, n * 45 / 100);
}

static void dishonest_attempts_are_refused(void **state)
{
    (void)state;
    struct el_example e;
    char longest[3000];
    memset(longest, '1', sizeof longest);
    longest[sizeof longest - 1] = 0;
    static const char *const refused[] = {"",
                                          " \n",
                                          "(1) x=5\n## Self Evaluation\n",
                                          "\\boxed{1}",
                                          "Based on my evaluation",
                                          "</think>",
                                          "<｜User｜>",
                                          "\xff\xfe",
                                          "\xe2\x82"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_int_equal(attempt(refused[i], NULL, EL_EXAMPLE_VERIFY, &e), EL_EREFUSED);
    assert_int_equal(attempt(longest, NULL, EL_EXAMPLE_VERIFY, &e), EL_EREFUSED);
    assert_int_equal(attempt(good, NULL, EL_EXAMPLE_REFINE, &e), EL_EREFUSED);
    assert_int_equal(attempt(good, NULL, EL_EXAMPLE_META, &e), EL_EREFUSED);
    assert_int_equal(attempt(good, "fine", EL_EXAMPLE_META, &e), EL_EREFUSED);
    assert_int_equal(attempt(good, NULL, EL_EXAMPLE_DRILL, &e), EL_EINVAL);
    assert_null(e.prompt);
}

static void fail_every_allocation(double checked)
{
    struct el_world_mix m;
    struct el_example e;
    el_world_mix_init(&m, &prompts);
    m.checked = m.false_start = m.retry = m.refine_retry = m.unlisted = checked;
    m.even_flaws = m.drill_list = checked;
    m.look_up = look_up = checked > 0 ? 2 : 0;
    m.crowded = checked;
    carry_on = checked;
    refine_retry = checked > 0 ? checked : -1;
    for (uint64_t i = 0; i < 24; i++) {
        int rc = EL_ENOMEM;
        for (long n = 1; rc != 0 && n < 4000; n++) {
            el_alloc_fail_after(n);
            rc = el_world_example(&m, i, &e, NULL);
            el_alloc_fail_after(0);
            if (rc != 0) {
                assert_int_equal(rc, EL_ENOMEM);
                assert_null(e.prompt);
            }
        }
        assert_int_equal(rc, 0);
        el_example_release(&e);
    }
    for (int kind = 0; kind < EL_EXAMPLE_DRILL; kind++) {
        if (kind == EL_EXAMPLE_META)
            continue;
        int rc = EL_ENOMEM;
        for (long n = 1; rc != 0 && n < 500; n++) {
            el_alloc_fail_after(n);
            rc = attempt(bad, NULL, (enum el_example_kind)kind, &e);
            el_alloc_fail_after(0);
            assert_true(rc == 0 || rc == EL_ENOMEM);
        }
        assert_int_equal(rc, 0);
        el_example_release(&e);
    }
    carry_on = 0;
    look_up = 0;
    refine_retry = -1;
}

static void no_allocation_failure_leaks_or_crashes(void **state)
{
    (void)state;
    fail_every_allocation(0);
    fail_every_allocation(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filling_is_a_single_pass),
        cmocka_unit_test(same_index_same_example),
        cmocka_unit_test(labels_are_true_and_balanced),
        cmocka_unit_test(false_starts_are_not_learned),
        cmocka_unit_test(retries_are_learned_once),
        cmocka_unit_test(searches_do_not_go_in_circles),
        cmocka_unit_test(refinements_remember),
        cmocka_unit_test(a_refuted_witness_is_not_learned),
        cmocka_unit_test(unlisted_numbers_are_shown),
        cmocka_unit_test(analyses_to_judge_may_be_crowded),
        cmocka_unit_test(flaws_are_drawn_evenly),
        cmocka_unit_test(analyses_look_lists_up),
        cmocka_unit_test(attempts_are_looked_up),
        cmocka_unit_test(examples_stay_what_they_were),
        cmocka_unit_test(refined_proofs_are_checked),
        cmocka_unit_test(drills_carry_true_lines),
        cmocka_unit_test(drills_cover_the_sums),
        cmocka_unit_test(list_drills_judge_truly),
        cmocka_unit_test(a_bad_mixture_is_named),
        cmocka_unit_test(attempts_become_examples),
        cmocka_unit_test(an_attempt_is_carried_on),
        cmocka_unit_test(searching_attempts),
        cmocka_unit_test(dishonest_attempts_are_refused),
        cmocka_unit_test(no_allocation_failure_leaks_or_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
