/* A whole labelling with a scripted backend: what is stored, how failures are counted, that neither
 * the order of replies nor interruptions show, and that every decision can be explained. */
#include "label_arena.h"

#include "core/base/alloc.h"
#include "core/base/progress.h"
#include "data/store_sql.h"
#include "refine/label_grid.h"
#include "refine/label_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { problems = 5, proofs = 15 };

static void must(struct arena *a, int rc)
{
    if (rc < 0)
        fail_msg("%d, %s", rc, a->err.msg);
}

static struct fake_options troubled(void)
{
    return (struct fake_options){.judge_malformed = 0.4, .error_every = 7};
}

static char *needed(struct arena *a, char *text)
{
    if (!text)
        fail_msg("%s", a->err.msg);
    return text;
}

/* Report and explanations of the run in one text (el_free). */
static char *outcome(struct arena *a)
{
    struct el_buf both;
    el_buf_init(&both);
    char *report = needed(a, label_report(a, "label"));
    char *reasons = needed(a, label_explanations(a, "label"));
    el_buf_printf(&both, "%s%s", report, reasons);
    el_free(report);
    el_free(reasons);
    return el_buf_detach(&both);
}

static char *run_from_nothing(struct arena *a, const struct el_label_settings *s,
                              const struct fake_options *o)
{
    arena_remove_store(a);
    must(a, label_fill(a, problems));
    must(a, label_run(a, s, 0, o, NULL));
    return outcome(a);
}

static struct el_store *reading(struct arena *a)
{
    struct el_store *store = NULL;
    must(a, el_store_open(a->path, EL_STORE_READONLY, &store, &a->err));
    return store;
}

/* ------------------------------------------------------------------------------------- labels */

struct seen {
    int n, by_class[3];
};

static int see_label(void *user, const struct el_label *l, struct el_error *err)
{
    (void)err;
    struct seen *s = user;
    assert_int_equal(l->rater_kind, EL_RATER_LABEL);
    s->by_class[l->halves]++;
    s->n++;
    return 0;
}

static int see_decision(void *user, const struct el_decision *d, struct el_error *err)
{
    (void)err;
    (void)d;
    ((struct seen *)user)->n++;
    return 0;
}

static struct seen labels_of(struct arena *a)
{
    struct seen s = {0};
    struct el_store *store = reading(a);
    must(a, el_store_dv_each(store, NULL, see_label, &s, &a->err));
    el_store_close(store);
    return s;
}

static int queued(struct arena *a)
{
    struct seen s = {0};
    struct el_store *store = reading(a);
    must(a, el_store_queue_each(store, NULL, see_decision, &s, &a->err));
    el_store_close(store);
    return s.n;
}

static void test_labels_and_repeats_nothing(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = {0};
    struct fake_counts first, second;
    must(a, label_fill(a, problems));
    must(a, label_run(a, &s, 0, &o, &first));
    assert_int_equal(first.analyses, 4 * proofs);
    assert_true(first.metas > 0 && first.metas % 3 == 0);
    struct seen labels = labels_of(a);
    assert_true(labels.n > 5 && labels.n < proofs);
    assert_true(labels.by_class[0] > 0 && labels.by_class[2] > 0);
    assert_int_equal(labels.n + queued(a), proofs);
    char *before = outcome(a);
    must(a, label_run(a, &s, 0, &o, &second));
    assert_int_equal(second.submitted, 0);
    char *after = outcome(a);
    assert_string_equal(before, after);
    el_free(before);
    el_free(after);
}

static void test_discards(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = {0};
    s.otherwise = EL_DECIDED_DISCARDED;
    must(a, label_fill(a, problems));
    must(a, label_run(a, &s, 0, &o, NULL));
    assert_int_equal(queued(a), 0);
    assert_true(labels_of(a).n < proofs);
    s.otherwise = EL_DECIDED_QUEUED; /* decided anew, without a single reply */
    struct fake_counts none;
    must(a, label_run(a, &s, 0, &o, &none));
    assert_int_equal(none.submitted, 0);
    assert_int_equal(labels_of(a).n + queued(a), proofs);
}

static void test_another_rule_decides_anew(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = {0};
    struct fake_counts first, more, back;
    must(a, label_fill(a, problems));
    must(a, label_run(a, &s, 0, &o, &first));
    char *before = label_explanations(a, "label");
    int n = labels_of(a).n;
    s.rule.n = 6;
    s.rule.k = 6;
    must(a, label_run(a, &s, 0, &o, &more));
    assert_int_equal(more.analyses, 2 * proofs); /* what is missing, no more */
    assert_true(labels_of(a).n < n);             /* labels of before are withdrawn */
    assert_int_equal(labels_of(a).n + queued(a), proofs);
    s = label_settings();
    must(a, label_run(a, &s, 0, &o, &back));
    assert_int_equal(back.submitted, 0);
    assert_int_equal(labels_of(a).n, n);
    el_free(before);
}

/* Proofs that became labelled stay in the run, so a limit means the same proofs each time. */
static void test_limit(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = {0};
    struct fake_counts c;
    must(a, label_fill(a, problems));
    for (int i = 0; i < 2; i++) {
        must(a, label_run(a, &s, 7, &o, &c));
        assert_int_equal(c.analyses, i == 0 ? 7 * 4 : 0);
        assert_int_equal(labels_of(a).n + queued(a), 7);
    }
    must(a, label_run(a, &s, 0, &o, &c));
    assert_int_equal(c.analyses, (proofs - 7) * 4);
}

static int64_t first_proof(struct el_store *store, struct el_proof *out, struct el_error *err)
{
    return el_store_proof_get(store, 1, out, err);
}

static void test_copies_share_replies(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = {0};
    struct fake_counts c;
    struct el_store *store = NULL;
    struct el_proof p;
    int64_t copy = 0;
    must(a, label_fill(a, problems));
    must(a, el_store_open(a->path, 0, &store, &a->err));
    must(a, (int)first_proof(store, &p, &a->err));
    p.author.origin = "once more";
    must(a, el_store_proof_add(store, &p, &copy, &a->err));
    el_proof_release(&p);
    el_store_close(store);
    must(a, label_run(a, &s, 0, &o, &c));
    assert_int_equal(c.analyses, 4 * proofs);
    assert_int_equal(labels_of(a).n + queued(a), proofs + 1);
    struct el_buf why;
    el_buf_init(&why);
    store = reading(a);
    must(a, el_label_explain(store, copy, NULL, 0, &why, &a->err));
    assert_non_null(strstr(why.data, "of proof 1, which has the same text"));
    el_store_close(store);
    el_buf_release(&why);
}

/* ------------------------------------------------------------------- order, kills, other seeds */

static void test_order_does_not_show(void **state)
{
    struct arena *a = *state;
    for (int complete = 0; complete < 2; complete++) {
        struct el_label_settings s = label_settings();
        struct fake_options o = troubled();
        s.complete = complete;
        char *first = run_from_nothing(a, &s, &o);
        o.order_seed = 5;
        o.room = 3;
        o.error_every = 5;
        char *second = run_from_nothing(a, &s, &o);
        assert_string_equal(first, second);
        s.seed = 2;
        char *other = run_from_nothing(a, &s, &o);
        assert_string_not_equal(first, other);
        el_free(first);
        el_free(second);
        el_free(other);
    }
}

static int run_and_die(struct arena *a, const struct el_label_settings *s, int at)
{
    pid_t child = fork();
    if (child == 0) {
        struct fake_options o = troubled();
        o.order_seed = (uint64_t)at;
        o.die_after = at;
        _exit(label_run(a, s, 12, &o, NULL) == 0 ? 0 : 3);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status);
}

static char *explain_some(struct arena *a)
{
    struct el_buf out;
    el_buf_init(&out);
    struct el_store *store = reading(a);
    for (int64_t proof = 1; proof <= 12; proof++)
        must(a, el_label_explain(store, proof, "label", 1, &out, &a->err));
    el_store_close(store);
    return el_buf_detach(&out);
}

static void test_killed_and_resumed(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = troubled();
    must(a, label_fill(a, problems));
    must(a, label_run(a, &s, 12, &o, NULL));
    char *whole = explain_some(a), *report = label_report(a, "label");
    for (int seed = 1; seed <= 4; seed++) {
        arena_remove_store(a);
        must(a, label_fill(a, problems));
        a->group = seed; /* 1: every reply for itself */
        int kills = 0;
        for (int at = 2 * seed; run_and_die(a, &s, at); at += 5 * seed)
            kills++;
        assert_true(kills > 1);
        char *resumed = explain_some(a), *again = label_report(a, "label");
        assert_string_equal(whole, resumed);
        assert_string_equal(report, again);
        el_free(resumed);
        el_free(again);
    }
    el_free(whole);
    el_free(report);
}

static void test_stop_saves(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = {.stop_after = 9};
    must(a, label_fill(a, problems));
    assert_int_equal(label_run(a, &s, 0, &o, NULL), EL_EINTR);
    assert_non_null(strstr(a->err.msg, "8 replies are stored"));
    assert_non_null(strstr(a->err.msg, "same command again"));
    o.stop_after = 0;
    must(a, label_run(a, &s, 0, &o, NULL));
}

/* ------------------------------------------------------------------------------------ failures */

static int count_drop(void *user, const struct el_drop *d, struct el_error *err)
{
    (void)err;
    assert_true(d->proof_bytes > 0);
    *(int *)user += strcmp(d->reason, "missing_key_phrase") == 0;
    return 0;
}

static void test_judges_are_retried_then_dropped(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = {.judge_malformed = 0.5};
    struct fake_counts c;
    s.judge_retries = 1;
    must(a, label_fill(a, problems));
    must(a, label_run(a, &s, 0, &o, &c));
    int dropped = 0;
    struct el_store *store = reading(a);
    must(a, el_store_drop_each(store, 1, count_drop, &dropped, &a->err));
    el_store_close(store);
    assert_true(dropped > 5);
    assert_true(c.analyses > 4 * proofs + 20 && c.analyses <= 8 * proofs);
    char *why = label_explanations(a, "label");
    assert_non_null(strstr(why, "\"replies\": 2}")); /* two replies and no score */
    el_free(why);
}

static void test_silence_is_never_a_label(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = {.judge_malformed = 1};
    struct fake_counts c;
    s.judge_retries = 2;
    must(a, label_fill(a, 1));
    must(a, label_run(a, &s, 0, &o, &c));
    assert_int_equal(c.analyses, 3 * 3 * 4);
    assert_int_equal(c.metas, 0);
    assert_int_equal(labels_of(a).n, 0);
    assert_int_equal(queued(a), 3);
    /* the verifier finds issues everywhere, the meta-verifier says nothing */
    static const char zero[] = "Here is my evaluation of the solution:\nNo.\nBased on my "
                               "evaluation, the final overall score should be:\n\\boxed{0}";
    struct fake_options mute = {.verifier_script = zero, .meta_script = "Who knows."};
    strcpy(s.name, "mute");
    must(a, label_run(a, &s, 0, &mute, &c));
    assert_int_equal(c.metas, 3 * 3 * 3); /* equal analyses are one text */
    assert_int_equal(labels_of(a).n, 0);
    char *report = needed(a, label_report(a, "mute"));
    assert_non_null(strstr(report, "\"undetermined\": 3"));
    el_free(report);
}

static int times(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

static void test_prompts_over_the_context(void **state)
{
    struct arena *a = *state;
    for (int late = 0; late < 2; late++) {
        struct el_label_settings s = label_settings();
        struct fake_options o = {.refuse_over = 330, .refuse_late = late};
        struct fake_counts c;
        arena_remove_store(a);
        must(a, label_fill(a, problems));
        must(a, label_run(a, &s, 0, &o, &c));
        assert_true(c.refused > 0);
        assert_int_equal(labels_of(a).n + queued(a), proofs);
        char *report = needed(a, label_report(a, "label"));
        assert_non_null(strstr(report, "prompt_over_context"));
        el_free(report);
        report = needed(a, label_explanations(a, "label"));
        assert_non_null(strstr(report, "\"replies\": 0")); /* the model was not asked ... */
        assert_int_equal(times(report, "\"replies\": 1"), times(report, "\"score\": "));
        assert_int_equal(times(report, "\"replies\""),
                         times(report, "\"replies\": 0") + times(report, "\"replies\": 1"));
        el_free(report);
        char *before = needed(a, label_report(a, "label"));
        o.refuse_over = 0; /* a larger context */
        o.stop_after = 1;
        assert_int_equal(label_run(a, &s, 0, &o, &c), EL_EINTR);
        report = needed(a, label_report(a, "label"));
        assert_string_equal(report, before); /* nothing has been answered */
        el_free(report);
        el_free(before);
        o.stop_after = 0;
        must(a, label_run(a, &s, 0, &o, &c));
        assert_true(c.submitted > 0);
        must(a, label_run(a, &s, 0, &o, &c));
        assert_int_equal(c.submitted, 0);
        report = needed(a, label_report(a, "label"));
        arena_remove_store(a);
        must(a, label_fill(a, problems));
        must(a, label_run(a, &s, 0, &o, &c));
        before = needed(a, label_report(a, "label"));
        /* what was refused and is not needed any more stays left out; nothing else remains of it */
        *strstr(report, "\"left_out\"") = *strstr(before, "\"left_out\"") = 0;
        assert_string_equal(report, before);
        el_free(report);
        el_free(before);
    }
}

static void test_other_settings_are_refused(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = {0};
    must(a, label_fill(a, 1));
    must(a, label_run(a, &s, 0, &o, NULL));
    s.meta_verifier.temperature = 0.5;
    assert_int_equal(label_run(a, &s, 0, &o, NULL), EL_EREFUSED);
    assert_non_null(strstr(a->err.msg, "meta_verifier"));
}

/* Opens the run with judges of these modes; the warning. */
static void open_with_modes(struct el_store *store, struct arena *a,
                            const struct el_label_proofs *of, const char *verifier,
                            const char *meta, char warning[256])
{
    const struct fake_options none = {0};
    const struct el_label_settings s = label_settings();
    struct el_labeller *c = NULL;
    struct el_label_options o = {.store = store, .settings = &s, .proofs = of};
    o.prompts = a->prompts;
    o.verifier = fake_backend_create(&none);
    o.meta_verifier = fake_backend_create(&none);
    snprintf(o.verifier->mode, sizeof o.verifier->mode, "%s", verifier);
    snprintf(o.meta_verifier->mode, sizeof o.meta_verifier->mode, "%s", meta);
    must(a, el_labeller_open(&o, &c, warning, &a->err));
    el_labeller_close(c);
    el_backend_free(o.verifier);
    el_backend_free(o.meta_verifier);
}

/* A run that goes on in another mode says so, whichever judge it is of. */
static void test_other_modes_are_told(void **state)
{
    struct arena *a = *state;
    const struct el_proof_filter all = {0};
    struct el_store *store = NULL;
    struct el_label_proofs of;
    char w[256];
    must(a, label_fill(a, 1));
    must(a, el_store_open(a->path, 0, &store, &a->err));
    el_label_proofs_init(&of);
    must(a, el_label_proofs_select(&of, store, 0, &all, 0, &a->err));
    open_with_modes(store, a, &of, "dsa-mha:96 fp32", "dsa-mha:64 fp32", w);
    assert_string_equal(w, "");
    open_with_modes(store, a, &of, "dsa-mha:96 fp32", "dsa-mha:64 fp32", w);
    assert_string_equal(w, "");
    open_with_modes(store, a, &of, "dsa-mha:96 fp32", "dsa-mha:128 fp32", w);
    assert_non_null(strstr(w, "begun as 'dsa-mha:96 fp32, meta-verifier dsa-mha:64 fp32'"));
    assert_non_null(strstr(w, "goes on as 'dsa-mha:96 fp32, meta-verifier dsa-mha:128 fp32'"));
    open_with_modes(store, a, &of, "dsa-mha:96 fp32", "dsa-mha:96 fp32", w);
    assert_non_null(strstr(w, "goes on as 'dsa-mha:96 fp32'"));
    el_label_proofs_release(&of);
    el_store_close(store);
}

/* ------------------------------------------------------------------------------ strange stores */

/* Runs SQL that the store's own functions never would. */
static void damage(struct arena *a, const char *sql)
{
    struct el_store *store = NULL;
    must(a, el_store_open(a->path, 0, &store, &a->err));
    char *why = NULL;
    if (sqlite3_exec(store->db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    el_store_close(store);
}

static void refuses(struct arena *a, char *text, const char *sql, const char *message)
{
    if (text)
        fail_msg("%s: a report nevertheless", sql);
    if (!strstr(a->err.msg, message))
        fail_msg("%s: expected \"%s\", not \"%s\"", sql, message, a->err.msg);
    a->err.msg[0] = 0;
}

/* A damaged store, or a stranger's, is refused by everything that reads it. */
static void test_strange_jobs(void **state)
{
    struct arena *a = *state;
    static const char results[] = "DROP TRIGGER results_fixed; UPDATE results SET ";
    static const struct {
        const char *set, *of, *message;
    } cases[] = {
        {"UPDATE jobs SET attempts = 7", "role = 'verifier'", "its last reply is not stored"},
        {"UPDATE jobs SET attempts = 7", "role = 'meta_verifier'", "its last reply is not stored"},
        {"UPDATE jobs SET sample = 0", "role = 'verifier'", "has its number"},
        {"analysis = NULL", "analysis", "what its reply held is not stored"},
        {"meta = NULL", "meta", "what its reply held is not stored"},
        {"halves = NULL", "analysis", "has no score"},
    };
    struct el_label_settings s = label_settings();
    const struct fake_options o = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[256];
        int in_job = strncmp(cases[i].set, "UPDATE", 6) == 0;
        snprintf(sql, sizeof sql, "%s%s WHERE %s %s", in_job ? "" : results, cases[i].set,
                 cases[i].of, in_job ? "AND state = 'done'" : "IS NOT NULL");
        arena_remove_store(a);
        must(a, label_fill(a, 1));
        must(a, label_run(a, &s, 0, &o, NULL));
        damage(a, sql);
        refuses(a, label_report(a, "label"), sql, cases[i].message);
        refuses(a, label_explanations(a, "label"), sql, cases[i].message);
        assert_int_equal(label_run(a, &s, 0, &o, NULL), EL_EFORMAT);
    }
}

static void test_strange_decisions(void **state)
{
    struct arena *a = *state;
    static const char *const cases[] = {
        "PRAGMA ignore_check_constraints = 1; UPDATE decisions SET outcome = 'labelled', "
        "halves = NULL",
        "PRAGMA ignore_check_constraints = 1; UPDATE decisions SET outcome = 'queued', halves = 9"};
    struct el_label_settings s = label_settings();
    const struct fake_options o = {0};
    must(a, label_fill(a, 1));
    must(a, label_run(a, &s, 0, &o, NULL));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        damage(a, cases[i]);
        refuses(a, label_report(a, "label"), cases[i], "a decision about proof");
    }
}

static void test_memory_faults(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = {0};
    must(a, label_fill(a, 1));
    must(a, label_run(a, &s, 0, &o, NULL));
    char *whole = outcome(a);
    for (long n = 1;; n += 1 + n / 12) {
        arena_remove_store(a);
        must(a, label_fill(a, 1));
        el_alloc_fail_after(n);
        int rc = label_run(a, &s, 0, &o, NULL);
        el_alloc_fail_after(0);
        if (rc == 0)
            break;
        must(a, label_run(a, &s, 0, &o, NULL));
        char *resumed = outcome(a);
        assert_string_equal(whole, resumed);
        el_free(resumed);
    }
    for (long n = 1;; n++) {
        el_alloc_fail_after(n);
        char *text = label_explanations(a, "label");
        el_alloc_fail_after(0);
        el_free(text);
        if (text)
            break;
    }
    el_free(whole);
}

/* ---------------------------------------------------------------------------------------- grid */

static void compare_with_run(struct arena *a, const struct el_label_grid_row *row,
                             const struct fake_options *o)
{
    struct el_label_settings s = label_settings();
    const struct el_label_report_options once = {.resamples = 10};
    struct el_label_report r;
    struct fake_counts c;
    s.rule = row->rule;
    arena_remove_store(a);
    must(a, label_fill(a, problems));
    must(a, label_run(a, &s, 0, o, &c));
    struct el_store *store = reading(a);
    must(a, el_label_report_make(&r, store, "label", &once, &a->err));
    assert_memory_equal(r.figures.count, row->figures.count, sizeof r.figures.count);
    assert_true(row->replies * proofs > c.analyses + c.metas - 0.5);
    assert_true(row->replies * proofs < c.analyses + c.metas + 0.5);
    el_label_report_release(&r);
    el_store_close(store);
}

static int make_grid(struct arena *a, struct el_label_grid *g, const struct el_label_settings *s)
{
    const struct el_label_grid_options once = {.resamples = 10};
    struct el_label_record record;
    struct el_label_proofs p;
    struct el_labelling state;
    struct el_store *store = reading(a);
    el_label_proofs_init(&p);
    must(a, el_label_record_find(store, "label", &record, &a->err));
    must(a, el_label_proofs_select(&p, store, record.id, NULL, 0, &a->err));
    must(a, el_labelling_init(&state, s, &a->err));
    must(a, el_labelling_load(&state, store, record.id, &p, &a->err));
    int rc = el_label_grid_make(g, &state, store, &p, &s->rule, &once, &a->err);
    el_labelling_release(&state);
    el_label_proofs_release(&p);
    el_store_close(store);
    return rc;
}

/* Each row is what a run with its rule ends with, and costs. */
static void test_grid_is_the_runs(void **state)
{
    struct arena *a = *state;
    struct el_label_settings s = label_settings();
    struct fake_options o = {0};
    struct el_label_grid g;
    must(a, label_fill(a, problems));
    must(a, label_run(a, &s, 0, &o, NULL));
    assert_int_equal(make_grid(a, &g, &s), EL_ENOTFOUND); /* not everything was examined */
    assert_non_null(strstr(a->err.msg, "--grid"));
    s.complete = 1;
    must(a, label_run(a, &s, 0, &o, NULL));
    must(a, make_grid(a, &g, &s));
    assert_int_equal(g.n, (1 + 2 + 4) * 3 * 4); /* k below n; m 1, 2, 3; lowest and confirm */
    for (int i = 0; i < g.n; i++) {
        if (i > 0 && el_label_least_covered(&g.rows[i - 1].figures) < 0.6)
            assert_true(el_label_least_covered(&g.rows[i].figures) < 0.6);
        if (i % 9 == 0)
            compare_with_run(a, &g.rows[i], &o);
    }
    struct el_buf text;
    el_buf_init(&text);
    must(a, el_label_grid_text(&g, &text));
    must(a, el_label_grid_json(&g, &text));
    el_buf_release(&text);
    el_label_grid_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_labels_and_repeats_nothing, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_discards, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_another_rule_decides_anew, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_limit, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_copies_share_replies, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_order_does_not_show, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_killed_and_resumed, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_stop_saves, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_judges_are_retried_then_dropped, arena_make,
                                        arena_drop),
        cmocka_unit_test_setup_teardown(test_silence_is_never_a_label, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_prompts_over_the_context, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_other_settings_are_refused, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_other_modes_are_told, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_strange_jobs, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_strange_decisions, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_memory_faults, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_grid_is_the_runs, arena_make, arena_drop),
    };
    return cmocka_run_group_tests_name("label", tests, NULL, NULL);
}
