/* D_v and D_mv out of the store: the labels' rule, merging, order, filters, failures. */
#include "tests/data/store_fixture.h"

#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "data/dataset.h"
#include "data/store_sql.h"

struct copy { /* one row of proofs, and of analyses where there is a text */
    const char *problem, *proof, *analysis, *author, *origin;
    enum el_rater_kind kind;
    const char *rater;
    int halves;
};

static int64_t add_problem(struct fixture *f, const char *name)
{
    int64_t id = 0;
    char statement[64];
    snprintf(statement, sizeof statement, "Prove %s.", name);
    const struct el_problem p = {
        .set = *name == 'o' ? "other" : "set", .external_id = name, .statement = statement};
    ok(el_store_problem_add(f->store, &p, &id, NULL, &f->err));
    return id;
}

static void add(struct fixture *f, const struct copy *c)
{
    int64_t proof = 0, analysis = 0;
    const struct el_author author = {EL_AUTHOR_MODEL, c->author ? c->author : "m",
                                     c->origin ? c->origin : ""};
    const struct el_proof y = {
        .problem = add_problem(f, c->problem), .text = c->proof, .author = author};
    ok(el_store_proof_add(f->store, &y, &proof, &f->err));
    const struct el_analysis v = {
        .proof = proof, .text = c->analysis, .halves = 0, .author = author};
    if (c->analysis)
        ok(el_store_analysis_add(f->store, &v, &analysis, &f->err));
    const struct el_score s = {.proof = c->analysis ? 0 : proof,
                               .analysis = analysis,
                               .rater_kind = c->kind,
                               .rater = c->rater ? c->rater : "",
                               .raw = c->halves / 2.0,
                               .scale_max = 1,
                               .halves = c->halves,
                               .blind = EL_BLIND_UNKNOWN};
    ok(el_store_score_add(f->store, &s, NULL, &f->err));
}

static void load(struct fixture *f, enum el_dataset_what what, const struct el_dataset_filter *o,
                 struct el_dataset *d)
{
    ok(el_dataset_load(d, f->store, what, o, &f->err));
}

static void assert_says(const struct el_dataset *d, const char *text)
{
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(el_dataset_describe(d, &b), 0);
    assert_string_equal(b.data, text);
    el_buf_release(&b);
}

static void items_own_what_the_store_says(void **state)
{
    struct fixture *f = *state;
    add(f, &(struct copy){"1", "Y", NULL, .kind = EL_RATER_HUMAN, .halves = 2});
    add(f, &(struct copy){"1", "Y", "V", .kind = EL_RATER_ORACLE, .halves = 1});
    struct el_dataset v, mv;
    load(f, EL_DATASET_DV, NULL, &v);
    load(f, EL_DATASET_DMV, NULL, &mv);
    el_store_close(f->store);
    f->store = NULL;
    assert_int_equal(v.n, 1);
    assert_string_equal(v.item[0].statement, "Prove 1.");
    assert_string_equal(v.item[0].proof, "Y");
    assert_null(v.item[0].analysis);
    assert_string_equal(v.item[0].analysis_key, "");
    assert_int_equal(v.item[0].halves, 2);
    assert_int_equal(v.item[0].rater_kind, EL_RATER_HUMAN);
    assert_int_equal(mv.n, 1);
    assert_string_equal(mv.item[0].analysis, "V");
    assert_int_equal(mv.item[0].halves, 1);
    assert_string_equal(mv.item[0].problem_key, v.item[0].problem_key);
    assert_string_equal(mv.item[0].proof_key, v.item[0].proof_key);
    assert_int_equal(strlen(mv.item[0].analysis_key), EL_DIGEST_HEX - 1);
    assert_says(&v, "D_v: 1 items (score 0: 0, 0.5: 0, 1: 1; by human 1)");
    assert_says(&mv, "D_mv: 1 items (score 0: 0, 0.5: 1, 1: 0; by oracle 1)");
    char a[EL_DIGEST_HEX], b[EL_DIGEST_HEX];
    el_dataset_digest(&v, a);
    el_dataset_digest(&mv, b);
    assert_string_not_equal(a, b);
    el_dataset_release(&v);
    el_dataset_release(&mv);
}

static const struct copy several[] = {
    {"1", "right", NULL, "m", "a", EL_RATER_ORACLE, "w", 2},
    {"1", "right", NULL, "m", "b", EL_RATER_ORACLE, "w", 2},
    {"1", "right", NULL, "n", "c", EL_RATER_HUMAN, "ann", 1},
    {"1", "half", NULL, "m", "a", EL_RATER_LABEL, "auto", 1},
    {"2", "right", NULL, "m", "a", EL_RATER_HUMAN, "ann", 2},
    {"2", "right", NULL, "m", "b", EL_RATER_HUMAN, "bob", 0},
    {"2", "wrong and long", NULL, "m", "c", EL_RATER_ADJUDICATED, "cyd", 0},
    {"2", "wrong and long", NULL, "m", "c", EL_RATER_MODEL, "v", 2},
    {"other", "right", NULL, "n", "a", EL_RATER_ORACLE, "w", 0},
    {"1", "right", "good", "m", "a", EL_RATER_ORACLE, "w", 2},
    {"1", "right", "good", "n", "c", EL_RATER_ORACLE, "w", 1},
    {"1", "right", "bad", "m", "a", EL_RATER_ORACLE, "w", 0},
    {"other", "right", "good", "n", "a", EL_RATER_ORACLE, "w", 0},
};
enum { n_several = (int)(sizeof several / sizeof *several) };

static const struct el_dataset_item *find(const struct el_dataset *d, const char *statement,
                                          const char *proof, const char *analysis)
{
    const struct el_dataset_item *found = NULL;
    for (size_t i = 0; i < d->n; i++) {
        const struct el_dataset_item *x = &d->item[i];
        if (strcmp(x->statement, statement) == 0 && strcmp(x->proof, proof) == 0 &&
            (!analysis || strcmp(x->analysis, analysis) == 0)) {
            assert_null(found);
            found = x;
        }
    }
    assert_non_null(found);
    return found;
}

static void assert_ascending(const struct el_dataset *d)
{
    for (size_t i = 1; i < d->n; i++) {
        const struct el_dataset_item *a = &d->item[i - 1], *b = &d->item[i];
        int problem = strcmp(a->problem_key, b->problem_key);
        int proof = strcmp(a->proof_key, b->proof_key);
        assert_true(problem < 0 || (problem == 0 && proof < 0) ||
                    (problem == 0 && proof == 0 && strcmp(a->analysis_key, b->analysis_key) < 0));
    }
}

static void equal_texts_are_one_item(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < n_several; i++)
        add(f, &several[i]);
    struct el_dataset d;
    load(f, EL_DATASET_DV, NULL, &d);
    assert_int_equal(d.n, 5);
    assert_ascending(&d);
    const struct el_dataset_item *x = find(&d, "Prove 1.", "right", NULL);
    assert_int_equal(x->copies, 3); /* the person on one of the copies is trusted most */
    assert_int_equal(x->opinions, 1);
    assert_int_equal(x->halves, 1);
    assert_int_equal(x->rater_kind, EL_RATER_HUMAN);
    x = find(&d, "Prove 2.", "right", NULL); /* two people, each on one copy: the lower one */
    assert_int_equal(x->opinions, 2);
    assert_int_equal(x->halves, 0);
    assert_int_equal(find(&d, "Prove 2.", "wrong and long", NULL)->halves, 0);
    assert_int_equal(find(&d, "Prove other.", "right", NULL)->halves, 0);
    assert_says(&d, "D_v: 5 items (score 0: 3, 0.5: 2, 1: 0; by adjudicated 1, human 2, oracle 1, "
                    "label 1), 3 copies merged, 1 disputed");
    el_dataset_release(&d);
    load(f, EL_DATASET_DMV, NULL, &d);
    assert_int_equal(d.n, 3);
    assert_ascending(&d);
    x = find(&d, "Prove 1.", "right", "good");
    assert_int_equal(x->copies, 2);
    assert_int_equal(x->halves, 1);
    assert_int_equal(d.disputed, 1);
    el_dataset_release(&d);
}

/* The last opinion of a rater on a row counts, so those of one row keep their order. */
static void the_order_of_arrival_does_not_matter(void **state)
{
    struct fixture *f = *state;
    char first[2][EL_DIGEST_HEX];
    struct el_rng rng;
    el_rng_init(&rng, 5);
    for (int round = 0; round < 6; round++) {
        int order[n_several] = {0};
        for (int i = 0; i < n_several; i++) {
            int at = round ? (int)el_rng_below(&rng, (uint32_t)i + 1) : i;
            order[i] = order[at];
            order[at] = i;
        }
        char path[128];
        snprintf(path, sizeof path, "%s/%d.db", f->dir, round);
        el_store_close(f->store);
        f->store = NULL;
        ok(el_store_open(path, EL_STORE_CREATE, &f->store, &f->err));
        for (int i = 0; i < n_several; i++)
            add(f, &several[order[i]]);
        for (int what = 0; what < 2; what++) {
            struct el_dataset d;
            char digest[EL_DIGEST_HEX];
            load(f, (enum el_dataset_what)what, NULL, &d);
            el_dataset_digest(&d, digest);
            el_dataset_release(&d);
            if (round == 0)
                memcpy(first[what], digest, sizeof digest);
            assert_string_equal(digest, first[what]);
        }
    }
    assert_string_not_equal(first[0], first[1]);
}

static size_t count(struct fixture *f, enum el_dataset_what what, const struct el_dataset_filter *o)
{
    struct el_dataset d;
    load(f, what, o, &d);
    size_t n = d.n;
    size_t left_out = 0;
    for (int i = 0; i < EL_LEFT_OUT_REASONS; i++)
        left_out += d.left_out[i];
    assert_int_equal(d.labelled, n + left_out);
    el_dataset_release(&d);
    return n;
}

static void filters_choose(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < n_several; i++)
        add(f, &several[i]);
    struct el_dataset d;
    assert_int_equal(count(f, EL_DATASET_DV, &(struct el_dataset_filter){.set = "set"}), 4);
    assert_int_equal(count(f, EL_DATASET_DV, &(struct el_dataset_filter){.proof_max = 5}), 4);
    assert_int_equal(count(f, EL_DATASET_DV, &(struct el_dataset_filter){.proof_min = 6}), 1);
    assert_int_equal(count(f, EL_DATASET_DMV, &(struct el_dataset_filter){.analysis_max = 3}), 1);
    assert_int_equal(count(f, EL_DATASET_DMV, &(struct el_dataset_filter){.analysis_author = "n"}),
                     2);
    /* without people the oracle decides, on the copies that it has seen */
    load(f, EL_DATASET_DV, &(struct el_dataset_filter){.raters = 1u << EL_RATER_ORACLE}, &d);
    assert_int_equal(d.n, 2);
    const struct el_dataset_item *x = find(&d, "Prove 1.", "right", NULL);
    assert_int_equal(x->halves, 2);
    assert_int_equal(x->copies, 2);
    assert_says(&d, "D_v: 2 items (score 0: 1, 0.5: 0, 1: 1; by oracle 2), 1 copies merged; "
                    "left out: 3 by rater kind");
    el_dataset_release(&d);
    load(f, EL_DATASET_DV, &(struct el_dataset_filter){.author = "n", .set = "set"}, &d);
    assert_says(&d, "D_v: 1 items (score 0: 0, 0.5: 1, 1: 0; by human 1); left out: 1 by the set "
                    "of the problem, 3 by author");
    assert_int_equal(d.item[0].copies, 1);
    el_dataset_release(&d);
}

/* As many bytes as *user says, all texts together; negative: out of order. */
static int is_short(void *user, const struct el_dataset_item *item, struct el_error *err)
{
    int most = *(const int *)user;
    assert_in_range(item->halves, 0, 2); /* it has its label */
    if (most < 0)
        return el_error_set(err, EL_EREFUSED, "cannot count");
    return strlen(item->statement) + strlen(item->proof) +
               (item->analysis ? strlen(item->analysis) : 0) <=
           (size_t)most;
}

static void what_does_not_fit_is_left_out(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < n_several; i++)
        add(f, &several[i]);
    int most = 15; /* "Prove 1.", "right" */
    struct el_dataset_filter o = {.fits = is_short, .fits_user = &most};
    struct el_dataset d;
    load(f, EL_DATASET_DV, &o, &d);
    assert_int_equal(d.n, 3);
    assert_says(&d, "D_v: 3 items (score 0: 1, 0.5: 2, 1: 0; by human 2, label 1), 3 copies "
                    "merged, 1 disputed; left out: 2 as too long for the model");
    el_dataset_release(&d);
    o.set = "other"; /* asked of what is not left out already */
    most = 17;
    load(f, EL_DATASET_DV, &o, &d);
    assert_int_equal(d.left_out[EL_LEFT_OUT_TOO_LONG], 0);
    el_dataset_release(&d);
    most = 16;
    assert_int_equal(el_dataset_load(&d, f->store, EL_DATASET_DV, &o, &f->err), EL_ENOTFOUND);
    assert_non_null(strstr(f->err.msg, "4 by the set of the problem, 1 as too long for the model "
                                       "are left out; wanted: set 'other', what fits the model"));
    most = -1;
    assert_int_equal(el_dataset_load(&d, f->store, EL_DATASET_DMV, &o, &f->err), EL_EREFUSED);
    assert_string_equal(f->err.msg, "cannot count");
}

static void rater_lists_are_read(void **state)
{
    struct fixture *f = *state;
    unsigned bits = 0;
    ok(el_dataset_raters_parse("human,adjudicated", &bits, &f->err));
    assert_int_equal(bits, 3);
    ok(el_dataset_raters_parse("label", &bits, &f->err));
    assert_int_equal(bits, 1u << EL_RATER_LABEL);
    const char *const bad[] = {"", "human,", "model", "humans", "hum", ",human", "human, oracle"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(el_dataset_raters_parse(bad[i], &bits, &f->err), EL_EINVAL);
        assert_non_null(strstr(f->err.msg, "none of adjudicated"));
    }
    assert_int_equal(bits, 1u << EL_RATER_LABEL);
}

static void refused(struct fixture *f, enum el_dataset_what what, const struct el_dataset_filter *o,
                    int code, const char *text)
{
    struct el_dataset d;
    assert_int_equal(el_dataset_load(&d, f->store, what, o, &f->err), code);
    if (!strstr(f->err.msg, text))
        fail_msg("'%s' does not say '%s'", f->err.msg, text);
}

static void an_empty_result_says_why(void **state)
{
    struct fixture *f = *state;
    refused(f, EL_DATASET_DV, NULL, EL_ENOTFOUND, "D_v is empty: no proof has a score by");
    add(f, &(struct copy){"1", "Y", NULL, .kind = EL_RATER_MODEL, .halves = 2});
    refused(f, EL_DATASET_DV, NULL, EL_ENOTFOUND, "no proof has a score by");
    for (int i = 0; i < n_several; i++)
        add(f, &several[i]);
    refused(f, EL_DATASET_DV, &(struct el_dataset_filter){.set = "sett"}, EL_ENOTFOUND,
            "of 5 labelled, 5 by the set of the problem are left out; wanted: set 'sett'");
    refused(f, EL_DATASET_DMV,
            &(struct el_dataset_filter){
                .set = "set", .raters = 1u << EL_RATER_HUMAN, .analysis_max = 3},
            EL_ENOTFOUND,
            "of 3 labelled, 1 by the set of the problem, 1 by length of the analysis, 1 by rater "
            "kind are left out; wanted: set 'set', analysis up to 3 bytes, raters human");
    refused(f, EL_DATASET_DV, &(struct el_dataset_filter){.raters = 1u << EL_RATER_MODEL},
            EL_EINVAL, "raters: only");
    refused(f, EL_DATASET_DV, &(struct el_dataset_filter){.analysis_max = 3}, EL_EINVAL,
            "D_v has no analyses");
}

/* Random scores on rows with texts of their own: the views say the same. */
struct check {
    struct fixture *f;
    const struct el_dataset *d;
    size_t n;
};

static int check_label(void *user, const struct el_label *l, struct el_error *err)
{
    struct check *c = user;
    struct el_proof y;
    int rc = el_store_proof_get(c->f->store, l->proof, &y, err);
    if (rc < 0)
        return rc;
    const struct el_dataset_item *found = NULL;
    for (size_t i = 0; i < c->d->n; i++)
        if (strcmp(c->d->item[i].proof_key, y.key) == 0)
            found = &c->d->item[i];
    el_proof_release(&y);
    assert_non_null(found);
    assert_int_equal(found->halves, l->halves);
    assert_int_equal(found->rater_kind, l->rater_kind);
    assert_int_equal(found->opinions, l->raters);
    c->n++;
    return 0;
}

static void labels_are_those_of_the_views(void **state)
{
    struct fixture *f = *state;
    struct el_rng rng;
    el_rng_init(&rng, 8);
    ok(el_store_begin(f->store, &f->err));
    for (int i = 0; i < 400; i++) {
        static const char *const raters[] = {"ann", "bob", "cyd", "dan"};
        char problem[16], proof[16], analysis[24];
        snprintf(problem, sizeof problem, "%u", el_rng_below(&rng, 6));
        snprintf(proof, sizeof proof, "Y%u", el_rng_below(&rng, 8));
        snprintf(analysis, sizeof analysis, "V%s", proof);
        add(f, &(struct copy){problem, proof, el_rng_below(&rng, 3) ? NULL : analysis, "m", "",
                              (enum el_rater_kind)el_rng_below(&rng, 6),
                              raters[el_rng_below(&rng, 4)], (int)el_rng_below(&rng, 3)});
    }
    ok(el_store_commit(f->store, &f->err));
    for (int what = 0; what < 2; what++) {
        struct el_dataset d;
        load(f, (enum el_dataset_what)what, NULL, &d);
        struct check c = {.f = f, .d = &d};
        ok((what == EL_DATASET_DV ? el_store_dv_each
                                  : el_store_dmv_each)(f->store, NULL, check_label, &c, &f->err));
        assert_int_equal(c.n, d.n);
        assert_true(d.n > 40 && d.merged == 0 && d.disputed > 0);
        el_dataset_release(&d);
    }
}

static void the_digest_names_the_data(void **state)
{
    struct fixture *f = *state;
    struct el_dataset d;
    char before[EL_DIGEST_HEX], after[EL_DIGEST_HEX];
    add(f, &(struct copy){"1", "Y", NULL, .kind = EL_RATER_HUMAN, .rater = "ann", .halves = 2});
    load(f, EL_DATASET_DV, NULL, &d);
    el_dataset_digest(&d, before);
    d.item[0].halves = 1;
    el_dataset_digest(&d, after);
    assert_string_not_equal(before, after);
    d.item[0].halves = 2;
    d.item[0].rater_kind = EL_RATER_LABEL;
    el_dataset_digest(&d, after);
    assert_string_not_equal(before, after);
    d.item[0].rater_kind = EL_RATER_HUMAN;
    d.item[0].proof = "Z";
    el_dataset_digest(&d, after);
    assert_string_not_equal(before, after);
    el_dataset_release(&d);
}

static void memory_and_steps_may_fail(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < n_several; i++)
        add(f, &several[i]);
    int failures = 0;
    for (int faults = 0; faults < 2; faults++)
        for (long n = 1;; n++) {
            struct el_dataset d, none;
            struct el_buf b;
            el_buf_init(&b);
            faults ? el_store_fail_after(n) : el_alloc_fail_after(n);
            int rc = el_dataset_load(&d, f->store, EL_DATASET_DMV, NULL, &f->err);
            int described = rc == 0 ? el_dataset_describe(&d, &b) : 0;
            int empty = el_dataset_load(&none, f->store, EL_DATASET_DV,
                                        &(struct el_dataset_filter){.set = "no"}, &f->err);
            el_store_fail_after(0);
            el_alloc_fail_after(0);
            el_buf_release(&b);
            if (rc == 0)
                el_dataset_release(&d);
            if (rc == 0 && described == 0 && empty == EL_ENOTFOUND)
                break;
            failures++;
            assert_true(rc == 0 || rc == (faults ? EL_EIO : EL_ENOMEM));
        }
    assert_true(failures > 10);
}

/* Automatic labelling that changes its mind takes its label back. */
static void withdrawn_labels_are_no_opinions(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 1), proof = make_proof(f, add_problem(f, "1"), "a");
    struct el_decision d = {.run = run,
                            .proof = proof,
                            .outcome = EL_DECIDED_LABELLED,
                            .halves = 2,
                            .rater = "auto",
                            .reason = "",
                            .rule = "{}"};
    struct el_dataset all;
    ok(el_store_decide(f->store, &d, "first", &f->err));
    load(f, EL_DATASET_DV, NULL, &all);
    assert_int_equal(all.item[0].halves, 2);
    el_dataset_release(&all);
    d.halves = 0;
    ok(el_store_decide(f->store, &d, "second", &f->err));
    load(f, EL_DATASET_DV, NULL, &all);
    assert_int_equal(all.item[0].halves, 0);
    assert_int_equal(all.item[0].opinions, 1);
    el_dataset_release(&all);
    d.outcome = EL_DECIDED_DISCARDED;
    d.halves = EL_SCORE_NONE;
    ok(el_store_decide(f->store, &d, "third", &f->err));
    assert_int_equal(el_dataset_load(&all, f->store, EL_DATASET_DV, NULL, &f->err), EL_ENOTFOUND);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(items_own_what_the_store_says),
        with_store(equal_texts_are_one_item),
        with_store(the_order_of_arrival_does_not_matter),
        with_store(filters_choose),
        with_store(what_does_not_fit_is_left_out),
        with_store(rater_lists_are_read),
        with_store(an_empty_result_says_why),
        with_store(labels_are_those_of_the_views),
        with_store(the_digest_names_the_data),
        with_store(memory_and_steps_may_fail),
        with_store(withdrawn_labels_are_no_opinions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
