/* Everything that can go wrong around a competition: judges that cannot be read, prompts that do
 * not fit, a broken infrastructure, other settings under the same name, a failing disk and no
 * memory. */
#include "arena.h"

#include "core/base/alloc.h"
#include "core/base/json.h"
#include "data/store_sql.h"
#include "refine/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static const char contest[] = "world:test:3";

static const char right_form[] =
    "## Solution\nSee above.\n## Self Evaluation\nHere is my evaluation of the solution:\nNo.\n"
    "Based on my evaluation, the final overall score should be:\n\\boxed{0.5}";

static void must(struct arena *a, int rc)
{
    if (rc < 0)
        fail_msg("%d, %s", rc, a->err.msg);
}

static cJSON *report(struct arena *a)
{
    char *text = arena_report(a, "run");
    if (!text)
        fail_msg("%s", a->err.msg);
    cJSON *json = cJSON_Parse(text);
    el_free(text);
    assert_non_null(json);
    return json;
}

static int number(const cJSON *json, const char *a, const char *b)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, a);
    if (b)
        item = cJSON_GetObjectItemCaseSensitive(item, b);
    assert_true(cJSON_IsNumber(item));
    return item->valueint;
}

/* How often `reason` was left out, and for which role. */
static int left_out(const cJSON *json, const char *role, const char *reason)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "left_out"))
    {
        if (strcmp(cJSON_GetObjectItem(item, "role")->valuestring, role) == 0 &&
            strcmp(cJSON_GetObjectItem(item, "reason")->valuestring, reason) == 0)
            return cJSON_GetObjectItem(item, "count")->valueint;
    }
    return 0;
}

static void test_policy_failures_stand(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    struct fake_options o = {.script = "no format at all"};
    struct fake_counts counts;
    must(a, arena_run(a, contest, &s, &o, &counts));
    assert_int_equal(counts.submitted, 3 * 4 * 3); /* every round once, no retries, no analyses */
    cJSON *json = report(a);
    assert_int_equal(number(json, "failures", "missing_solution_header"), 36);
    assert_int_equal(number(json, "threads_ended", "spent"), 12);
    const cJSON *last = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "by_round"), 2);
    const cJSON *pass = cJSON_GetObjectItem(cJSON_GetObjectItem(last, "exact"), "pass_at_1");
    const cJSON *value = cJSON_GetObjectItem(cJSON_GetObjectItem(pass, "mean"), "value");
    assert_true(cJSON_IsNumber(value) && value->valuedouble == 0);
    /* No proof, no analysis, no vote: what they would say is not known. */
    const cJSON *voted =
        cJSON_GetObjectItem(cJSON_GetObjectItem(last, "exact"), "selected_by_votes");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(voted, "mean"), "value")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(voted, "share"), "value")));
    assert_null(cJSON_GetObjectItem(last, "votes"));
    cJSON_Delete(json);
}

static void test_judges_are_retried_then_dropped(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    s.rounds = 1;
    struct fake_options o = {.script = right_form, .verifier_script = "I cannot say."};
    struct fake_counts counts;
    must(a, arena_run(a, contest, &s, &o, &counts));
    /* Equal texts of a problem share their analyses: 3 texts, 2 analyses, 4 attempts at each. */
    assert_int_equal(counts.attempts, 12);
    assert_int_equal(counts.analyses, 3 * 2 * 4);
    cJSON *json = report(a);
    assert_int_equal(left_out(json, "verifier", "missing_key_phrase"), 6);
    const cJSON *by_length = cJSON_GetObjectItem(json, "analyses_by_proof_length");
    assert_int_equal(cJSON_GetArraySize(by_length), 1);
    assert_int_equal(number(cJSON_GetArrayItem(by_length, 0), "dropped", NULL), 6);
    cJSON_Delete(json);
    must(a, arena_run(a, contest, &s, &o, &counts));
    assert_int_equal(counts.submitted, 0);
}

static void test_infrastructure_is_no_content(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    struct fake_options o = {0};
    struct fake_counts counts;
    must(a, arena_run(a, contest, &s, &o, NULL));
    char *smooth = arena_report(a, "run");
    arena_remove_store(a);
    o.error_every = 3;
    must(a, arena_run(a, contest, &s, &o, &counts));
    assert_true(counts.errors > 5);
    char *rough = arena_report(a, "run");
    assert_string_equal(smooth, rough);
    el_free(smooth);
    el_free(rough);
}

static void test_outage_ends_the_run_but_not_for_good(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    struct fake_options o = {.error_every = 1};
    assert_int_equal(arena_run(a, contest, &s, &o, NULL), EL_EIO);
    assert_non_null(strstr(a->err.msg, "connection reset"));
    assert_non_null(strstr(a->err.msg, "same command again"));
    o.error_every = 0;
    must(a, arena_run(a, contest, &s, &o, NULL));
}

static int is_done(struct arena *a)
{
    struct el_store *store = NULL;
    struct el_named_run found;
    struct el_run run;
    must(a, el_store_open(a->path, EL_STORE_READONLY, &store, &a->err));
    must(a, el_named_run_find(store, EL_RUN_COMPETE, "run", &found, &a->err));
    must(a, el_store_run_get(store, found.id, &run, &a->err));
    int done = run.done;
    el_run_release(&run);
    el_named_run_release(&found);
    el_store_close(store);
    return done;
}

/* Refined prompts hold a proof and analyses: a limit between the sizes drops whole analyses. */
static void test_context_drops_analyses(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    s.feedback = EL_FEEDBACK_BOTH;
    s.feedback_analyses = 3;
    for (int late = 0; late < 2; late++) {
        struct fake_options o = {.script = right_form, .refuse_over = 700, .refuse_late = late};
        struct fake_counts counts;
        arena_remove_store(a);
        must(a, arena_run(a, contest, &s, &o, &counts));
        assert_true(counts.refused > 0);
        assert_true(is_done(a));
        cJSON *json = report(a);
        assert_true(left_out(json, "refiner", "analysis_over_context") > 0);
        assert_int_equal(left_out(json, "refiner", "prompt_over_context"), 0);
        assert_int_equal(number(json, "threads_ended", "spent"), 12);
        cJSON_Delete(json);
    }
}

static void test_context_ends_threads(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    for (int late = 0; late < 2; late++) {
        struct fake_options o = {.script = right_form, .refuse_over = 30, .refuse_late = late};
        struct fake_counts counts;
        arena_remove_store(a);
        must(a, arena_run(a, contest, &s, &o, &counts));
        assert_int_equal(counts.refused, 12);
        cJSON *json = report(a);
        assert_int_equal(left_out(json, "generator", "prompt_over_context"), 12);
        assert_int_equal(number(json, "threads_ended", "refused"), 12);
        cJSON_Delete(json);
        char *before = arena_report(a, "run");
        must(a, arena_run(a, contest, &s, &o, &counts)); /* again, with the same context */
        assert_int_equal(counts.refused, 12);
        assert_false(is_done(a)); /* no proof was asked for */
        char *after = arena_report(a, "run");
        assert_string_equal(before, after);
        el_free(before);
        el_free(after);
        o.refuse_over = 0; /* a larger one: as if nothing had been refused */
        must(a, arena_run(a, contest, &s, &o, &counts));
        assert_true(is_done(a));
        cJSON *resumed = report(a);
        arena_remove_store(a);
        must(a, arena_run(a, contest, &s, &o, &counts));
        cJSON *fresh = report(a);
        cJSON_DeleteItemFromObject(resumed, "usage"); /* which counts refusals, too */
        cJSON_DeleteItemFromObject(fresh, "usage");
        assert_true(cJSON_Compare(resumed, fresh, 1));
        cJSON_Delete(resumed);
        cJSON_Delete(fresh);
    }
}

/* A run that is stopped before the larger context has answered anything is the run of before; one
 * that is stopped later goes on. */
static void test_stopped_under_a_larger_context(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    struct fake_options o = {.script = right_form, .refuse_over = 700};
    s.feedback = EL_FEEDBACK_BOTH;
    s.feedback_analyses = 3;
    for (int verifier = 0; verifier < 2; verifier++) {
        o.refuse_over = verifier ? 100 : 140;
        o.stop_after = 0;
        arena_remove_store(a);
        must(a, arena_run(a, contest, &s, &o, NULL));
        int was_done = is_done(a);
        char *before = arena_report(a, "run");
        o.refuse_over = 0;
        o.stop_after = 1;
        assert_int_equal(arena_run(a, contest, &s, &o, NULL), EL_EINTR);
        char *after = arena_report(a, "run");
        assert_string_equal(before, after);
        assert_int_equal(is_done(a), was_done);
        el_free(after);
        o.stop_after = 5;
        assert_int_equal(arena_run(a, contest, &s, &o, NULL), EL_EINTR);
        assert_false(is_done(a));
        after = arena_report(a, "run");
        assert_string_not_equal(before, after);
        el_free(before);
        el_free(after);
        o.stop_after = 0;
        must(a, arena_run(a, contest, &s, &o, NULL));
        assert_true(is_done(a));
        cJSON *json = report(a);
        assert_int_equal(left_out(json, "refiner", "prompt_over_context"), 0);
        assert_int_equal(left_out(json, "verifier", "prompt_over_context"), 0);
        assert_int_equal(number(json, "threads_ended", "spent"), 12);
        cJSON_Delete(json);
    }
}

/* What a judge says, and how often it is asked, does not depend on the refusal of before. */
static void test_refusals_are_no_tries(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    s.judge_retries = 1;
    s.threads = 8;
    s.rounds = 1; /* a thread that ends early is judged more often than one that goes on */
    for (int late = 0; late < 2; late++) {
        struct fake_options o = {.judge_malformed = 0.6, .refuse_over = 120, .refuse_late = late};
        struct fake_counts counts;
        arena_remove_store(a);
        must(a, arena_run(a, contest, &s, &o, &counts));
        assert_int_equal(counts.analyses, 0);
        assert_int_equal(counts.attempts, 24);
        o.refuse_over = 0;
        must(a, arena_run(a, contest, &s, &o, &counts));
        assert_true(counts.analyses > 0);
        cJSON *resumed = report(a);
        arena_remove_store(a);
        must(a, arena_run(a, contest, &s, &o, &counts));
        cJSON *fresh = report(a);
        cJSON_DeleteItemFromObject(resumed, "usage"); /* which counts refusals, too */
        cJSON_DeleteItemFromObject(fresh, "usage");
        assert_true(cJSON_Compare(resumed, fresh, 1));
        cJSON_Delete(resumed);
        cJSON_Delete(fresh);
    }
}

/* Contexts that grow: what was refused is asked again, and what was asked with fewer analyses
 * stays. */
static void test_a_larger_context_goes_on(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    s.feedback = EL_FEEDBACK_BOTH;
    s.feedback_analyses = 3;
    s.analyses = 2;
    int fewer = 0;
    for (int late = 0; late < 2; late++) {
        static const int limits[] = {100, 140, 300, 0};
        struct fake_counts counts;
        arena_remove_store(a);
        for (int i = 0; i < 4; i++) {
            struct fake_options o = {
                .script = right_form, .refuse_over = limits[i], .refuse_late = late};
            must(a, arena_run(a, contest, &s, &o, &counts));
            cJSON *json = report(a);
            int refused = number(json, "threads_ended", "refused");
            assert_int_equal(refused, i < 2 ? 12 : 0);
            fewer = left_out(json, "refiner", "analysis_over_context");
            assert_int_equal(fewer > 0, i > 0); /* at first there were no analyses to leave out */
            cJSON_Delete(json);
        }
        cJSON *json = report(a);
        assert_true(fewer > 0);
        assert_int_equal(left_out(json, "refiner", "prompt_over_context"), 0);
        assert_int_equal(left_out(json, "verifier", "prompt_over_context"), 0);
        assert_int_equal(number(json, "threads_ended", "spent"), 12);
        cJSON_Delete(json);
        struct fake_options o = {.script = right_form};
        must(a, arena_run(a, contest, &s, &o, &counts));
        assert_int_equal(counts.submitted, 0);
        fewer = 0;
    }
}

static void test_other_settings_are_refused(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    struct fake_options o = {0};
    must(a, arena_run(a, contest, &s, &o, NULL));
    s.rounds = 5;
    assert_int_equal(arena_run(a, contest, &s, &o, NULL), EL_EREFUSED);
    assert_non_null(strstr(a->err.msg, "rounds (3 there, 5 here)"));
    s.rounds = 3;
    assert_int_equal(arena_run(a, "world:test:4", &s, &o, NULL), EL_EREFUSED);
    assert_non_null(strstr(a->err.msg, "problems"));
    strcpy(s.name, "other");
    must(a, arena_run(a, "world:test:4", &s, &o, NULL));
    s.index_topk = 64; /* of --attention, which is what the message has to name */
    assert_int_equal(arena_run(a, "world:test:4", &s, &o, NULL), EL_EREFUSED);
    assert_non_null(strstr(a->err.msg, "dense there, sparse here: expected --attention dense"));
    assert_null(strstr(a->err.msg, "index_topk"));
    strcpy(s.name, "sparse");
    must(a, arena_run(a, "world:test:4", &s, &o, NULL));
    s.index_topk = 0;
    assert_int_equal(arena_run(a, "world:test:4", &s, &o, NULL), EL_EREFUSED);
    assert_non_null(strstr(a->err.msg, "sparse there, dense here: expected --attention mqa or"));
    s.index_topk = 32;
    assert_int_equal(arena_run(a, "world:test:4", &s, &o, NULL), EL_EREFUSED);
    assert_non_null(strstr(a->err.msg, "index_topk (64 there, 32 here)"));
}

/* Analyses are made on demand: asking for more adds only those. */
static void test_more_analyses_later(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    struct fake_options o = {0};
    struct fake_counts counts;
    s.analyses = 0;
    must(a, arena_run(a, contest, &s, &o, &counts));
    assert_int_equal(counts.analyses, 0);
    s.analyses = 2;
    must(a, arena_run(a, contest, &s, &o, &counts));
    assert_int_equal(counts.attempts, 0);
    int two = counts.analyses;
    assert_true(two > 0);
    s.analyses = 5;
    must(a, arena_run(a, contest, &s, &o, &counts));
    assert_int_equal(2 * counts.analyses, 3 * two);
    cJSON *json = report(a);
    assert_int_equal(number(json, "votes_min", NULL), 5);
    cJSON_Delete(json);
}

/* A damaged store, or a stranger's: jobs that are done without what they should have left. */
static void test_strange_stores(void **state)
{
    struct arena *a = *state;
    static const struct {
        const char *sql, *message;
    } cases[] = {
        {"UPDATE jobs SET attempts = 7 WHERE role = 'verifier'", "(verifier, "},
        {"UPDATE jobs SET attempts = 7 WHERE role = 'generator'", "(generator, "},
        {"DROP TRIGGER results_fixed; UPDATE results SET proof = NULL", "(generator, "},
        {"DROP TRIGGER results_fixed; UPDATE results SET halves = NULL", "has no score"},
    };
    struct el_settings s = arena_settings();
    const struct fake_options o = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct el_store *store = NULL;
        arena_remove_store(a);
        must(a, arena_run(a, contest, &s, &o, NULL));
        must(a, el_store_open(a->path, 0, &store, &a->err));
        assert_int_equal(sqlite3_exec(store->db, cases[i].sql, NULL, NULL, NULL), SQLITE_OK);
        el_store_close(store);
        char *text = arena_report(a, "run");
        if (text || !strstr(a->err.msg, cases[i].message))
            fail_msg("%s: \"%s\"", cases[i].sql, text ? text : a->err.msg);
        assert_int_equal(arena_run(a, contest, &s, &o, NULL), EL_EFORMAT);
    }
}

static void test_store_faults(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    struct fake_options o = {.judge_malformed = 0.3, .error_every = 9};
    must(a, arena_run(a, contest, &s, &o, NULL));
    char *whole = arena_report(a, "run");
    arena_remove_store(a);
    int failed = 0;
    for (long n = 40;; n += 1 + n / 8) {
        el_store_fail_after(n);
        int rc = arena_run(a, contest, &s, &o, NULL);
        el_store_fail_after(0);
        if (rc == 0)
            break;
        assert_true(rc == EL_EIO);
        failed++;
    }
    assert_true(failed > 10);
    char *resumed = arena_report(a, "run");
    assert_string_equal(whole, resumed);
    el_free(whole);
    el_free(resumed);
}

static int count_replies(struct arena *a)
{
    struct el_store *store = NULL;
    sqlite3_stmt *q = NULL;
    must(a, el_store_open(a->path, EL_STORE_READONLY, &store, &a->err));
    assert_int_equal(sqlite3_prepare_v2(store->db, "SELECT count(*) FROM results", -1, &q, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int n = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    el_store_close(store);
    return n;
}

/* Whoever stops a run is told how many replies are stored: as many as there are. When the last ones
 * cannot be, that is what the run ends with. */
static void test_stop_and_store_faults(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    const struct fake_options o = {.stop_after = 7};
    int lost = 0, stopped = 0;
    for (long n = 30; stopped < 20; n++) {
        int told = -1;
        arena_remove_store(a);
        el_store_fail_after(n);
        int rc = arena_run(a, contest, &s, &o, NULL);
        el_store_fail_after(0);
        el_stop_requested = 0;
        if (rc == EL_EINTR) {
            assert_int_equal(sscanf(a->err.msg, "stopped; %d replies", &told), 1);
            assert_int_equal(count_replies(a), told);
            stopped++;
        }
        lost += rc != EL_EINTR && strstr(a->err.msg, "replies are not stored") != NULL;
    }
    assert_true(lost > 0);
}

static void test_memory_faults(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    s.threads = 2;
    s.rounds = 2;
    struct fake_options o = {.script = right_form};
    must(a, arena_run(a, "world:test:1", &s, &o, NULL));
    char *whole = arena_report(a, "run");
    for (long n = 1;; n += 1 + n / 10) {
        arena_remove_store(a);
        el_alloc_fail_after(n);
        int rc = arena_run(a, "world:test:1", &s, &o, NULL);
        el_alloc_fail_after(0);
        if (rc == 0)
            break;
        must(a, arena_run(a, "world:test:1", &s, &o, NULL));
        char *resumed = arena_report(a, "run");
        assert_string_equal(whole, resumed);
        el_free(resumed);
    }
    el_free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, arena_make, arena_drop)
        T(test_policy_failures_stand),
        T(test_judges_are_retried_then_dropped),
        T(test_infrastructure_is_no_content),
        T(test_outage_ends_the_run_but_not_for_good),
        T(test_context_drops_analyses),
        T(test_context_ends_threads),
        T(test_stopped_under_a_larger_context),
        T(test_refusals_are_no_tries),
        T(test_a_larger_context_goes_on),
        T(test_other_settings_are_refused),
        T(test_more_analyses_later),
        T(test_strange_stores),
        T(test_store_faults),
        T(test_stop_and_store_faults),
        T(test_memory_faults),
#undef T
    };
    return cmocka_run_group_tests_name("failures", tests, NULL, NULL);
}
