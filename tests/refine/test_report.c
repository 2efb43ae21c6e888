/* The report's numbers against the store's rows, the comparison of runs, and the page with hostile
 * texts. */
#include "arena.h"

#include "core/base/alloc.h"
#include "core/base/json.h"
#include "refine/compare.h"
#include "refine/report.h"
#include "refine/report_page.h"
#include "refine/svg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static void must(struct arena *a, int rc)
{
    if (rc < 0)
        fail_msg("%d, %s", rc, a->err.msg);
}

static struct el_store *run_and_open(struct arena *a, const char *contest, struct el_settings *s,
                                     const struct fake_options *o)
{
    struct el_store *store = NULL;
    must(a, arena_run(a, contest, s, o, NULL));
    must(a, el_store_open(a->path, EL_STORE_READONLY, &store, &a->err));
    return store;
}

/* Pass@1 by hand: the last attempt with a proof of every thread, judged by text. */
static double pass_by_hand(const struct el_report *r, int problem, int rounds)
{
    double sum = 0;
    for (int i = 0; i < r->state.set.threads; i++) {
        int thread = problem * r->state.set.threads + i, text = -1;
        for (int k = 1; k <= rounds && k <= r->state.threads[thread].round; k++)
            if (el_competition_at(&r->state, thread, k)->text >= 0)
                text = el_competition_at(&r->state, thread, k)->text;
        sum += text >= 0 && r->truth[text] == EL_SCORE_ONE;
    }
    return sum / r->state.set.threads;
}

static void test_values(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    s.threads = 8;
    s.analyse_all = 1;
    struct fake_options o = {.malformed = 0.1, .unscored = 0.1, .judge_malformed = 0.2};
    struct el_store *store = run_and_open(a, "world:test:6", &s, &o);
    struct el_report r;
    must(a, el_report_make(&r, store, "run", NULL, &a->err));
    assert_int_equal(r.exact, 1);
    assert_int_equal(r.has_votes, 1);
    for (int round = 1; round <= 3; round++) {
        double sum = 0;
        for (int p = 0; p < 6; p++) {
            double by_hand = pass_by_hand(&r, p, round);
            sum += by_hand;
            assert_true(el_report_value(&r, EL_TRUTH_EXACT, EL_MEASURE_PASS, EL_KIND_SHARE, round,
                                        p) == by_hand);
            double best =
                el_report_value(&r, EL_TRUTH_EXACT, EL_MEASURE_BEST, EL_KIND_MEAN, round, p);
            double most =
                el_report_value(&r, EL_TRUTH_EXACT, EL_MEASURE_ORACLE, EL_KIND_MEAN, round, p);
            assert_true(best <= most);
        }
        const struct el_figure *f =
            &r.rounds[round - 1].figure[EL_TRUTH_EXACT][EL_MEASURE_PASS][EL_KIND_SHARE];
        assert_true(fabs(f->value - sum / 6) < 1e-12);
        assert_true(f->lo <= f->value && f->value <= f->hi);
        assert_false(
            isnan(r.rounds[round - 1].figure[EL_TRUTH_VOTES][EL_MEASURE_PASS][EL_KIND_MEAN].value));
    }
    assert_true(r.rounds[0].tokens < r.rounds[2].tokens);
    /* a right proof has a right answer and a right trace, and nothing else is one */
    for (int round = 0; round < 3; round++) {
        const struct el_report_round *x = &r.rounds[round];
        double right = (1 - x->answer_error.value) * (1 - x->trace_error.value);
        assert_true(fabs(right - x->figure[EL_TRUTH_EXACT][EL_MEASURE_PASS][EL_KIND_SHARE].value) <
                    1e-12);
        assert_true(x->answer_error.value > 0 && x->answer_error.value < 1);
        assert_true(x->trace_error.value > 0 && x->trace_error.value < 1);
        assert_true(x->answer_error.lo < x->answer_error.value &&
                    x->answer_error.value < x->answer_error.hi);
    }
    assert_true(fabs(r.pass_at_k[0].value -
                     r.rounds[2].figure[EL_TRUTH_EXACT][EL_MEASURE_PASS][EL_KIND_SHARE].value) <
                1e-12);
    assert_true(r.verifier.analyses > 0 && r.self.analyses > 0);
    assert_true(r.verifier.quality.value > 0.5 && r.verifier.quality.value < 1);
    double mean = 0;
    for (int i = 0; i < 3; i++)
        mean += r.self.recall[i].value / 3;
    assert_true(fabs(mean - r.self.balanced.value) < 1e-9);
    int64_t ended = 0;
    for (int i = 0; i < 8; i++)
        ended += r.threads_by_state[i];
    assert_int_equal(ended, 48);
    el_report_release(&r);
    assert_int_equal(el_report_make(&r, store, "walk", NULL, &a->err), EL_ENOTFOUND);
    assert_non_null(strstr(a->err.msg, "there are: run"));
    el_store_close(store);
}

/* Keys that sparse attention reads, counted one by one. */
static void test_attention_share(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    s.index_topk = 24;
    struct fake_options o = {0};
    struct el_store *store = run_and_open(a, "world:test:2", &s, &o);
    struct el_report r;
    double all = 0, read = 0;
    must(a, el_report_make(&r, store, "run", NULL, &a->err));
    for (int t = 0; t < el_competition_threads(&r.state); t++)
        for (int k = 1; k <= r.state.threads[t].round; k++) {
            const struct el_attempt *x = el_competition_at(&r.state, t, k);
            for (int i = 1; i <= x->prompt_tokens + x->completion_tokens; i++) {
                all += i;
                read += i < 24 ? i : 24;
            }
        }
    assert_true(fabs(r.keys_dropped - (1 - read / all)) < 1e-9);
    el_report_release(&r);
    el_store_close(store);
}

/* The page has the terminal's figures. */
static void page_shows_comparison(struct arena *a, const struct el_report *x,
                                  const struct el_report *y, struct el_store *store)
{
    struct el_compare c;
    struct el_buf page;
    char row[200];
    el_buf_init(&page);
    must(a, el_compare_make(&c, x, y, &a->err));
    must(a, el_report_html(x, &c, store, 0, &page, &a->err));
    assert_non_null(strstr(page.data, "<h2>run (control none) against again (control resample), "
                                      "scored by exact truth, n = 6 problems in both</h2>"));
    for (int m = EL_MEASURE_PASS; m <= EL_MEASURE_BEST; m++)
        for (int i = 0; i < 3; i++) {
            const struct el_compare_row *r = &c.rows[m][EL_KIND_SHARE][i];
            snprintf(row, sizeof row,
                     "<tr><td>%d</td><td>%.0f</td><td>%.3f</td><td>%.3f</td><td>%+.3f <span "
                     "class=\"soft\">[%+.3f, %+.3f]</span></td>",
                     i + 1, r->tokens, r->a.value, r->b_rounds.value, r->d_rounds.value,
                     r->d_rounds.lo, r->d_rounds.hi);
            assert_non_null(strstr(page.data, row));
        }
    el_buf_clear(&page);
    must(a, el_report_html(x, NULL, store, 0, &page, &a->err));
    assert_null(strstr(page.data, "against again"));
    el_buf_release(&page);
    el_compare_release(&c);
}

static void test_compare(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    s.threads = 8;
    struct fake_options o = {0};
    must(a, arena_run(a, "world:test:6", &s, &o, NULL));
    strcpy(s.name, "again");
    s.control = EL_CONTROL_RESAMPLE;
    s.rounds = 6;
    struct el_store *store = run_and_open(a, "world:test:8", &s, &o);
    struct el_report x, y;
    struct el_compare c;
    struct el_buf text;
    must(a, el_report_make(&x, store, "run", NULL, &a->err));
    must(a, el_report_make(&y, store, "again", NULL, &a->err));
    must(a, el_compare_make(&c, &x, &y, &a->err));
    assert_int_equal(c.n_problems, 6);
    const struct el_compare_row *row = c.rows[EL_MEASURE_PASS][EL_KIND_SHARE];
    /* One seed: the first round is the same, draw by draw. */
    assert_true(row[0].d_rounds.value == 0 && row[0].d_rounds.lo == 0 && row[0].d_rounds.hi == 0);
    for (int i = 0; i < 3; i++) {
        assert_true(fabs(row[i].a.value - row[i].b_rounds.value - row[i].d_rounds.value) < 1e-9);
        assert_true(row[i].d_rounds.lo <= row[i].d_rounds.hi);
    }
    el_compare_release(&c);
    /* Against itself every difference is zero, at equal tokens as well. */
    must(a, el_compare_make(&c, &x, &x, &a->err));
    for (int m = 0; m < EL_MEASURES; m++)
        for (int i = 0; i < 3; i++) {
            const struct el_compare_row *same = &c.rows[m][EL_KIND_MEAN][i];
            if (isnan(same->a.value))
                continue;
            assert_true(fabs(same->d_tokens.value) < 1e-9 && fabs(same->d_tokens.hi) < 1e-9);
            assert_true(fabs(same->d_written.value) < 1e-9);
        }
    el_buf_init(&text);
    assert_int_equal(el_compare_text(&c, &text), 0);
    assert_non_null(strstr(text.data, "at equal tokens"));
    el_buf_clear(&text);
    assert_int_equal(el_compare_json(&c, &text), 0);
    cJSON *json = cJSON_Parse(text.data);
    assert_non_null(json);
    cJSON_Delete(json);
    el_buf_release(&text);
    el_compare_release(&c);
    page_shows_comparison(a, &x, &y, store);
    el_report_release(&x);
    el_report_release(&y);
    el_store_close(store);
}

/* Problems that only one run has do not move its rounds: over the common ones it is the same run.
 */
static void test_compare_part(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    struct fake_options o = {0};
    must(a, arena_run(a, "world:test:5", &s, &o, NULL));
    strcpy(s.name, "wide");
    struct el_store *store = run_and_open(a, "world:test:12", &s, &o);
    struct el_report x, y;
    struct el_compare c;
    must(a, el_report_make(&x, store, "run", NULL, &a->err));
    must(a, el_report_make(&y, store, "wide", NULL, &a->err));
    assert_true(fabs(x.rounds[2].tokens - y.rounds[2].tokens) > 1);
    must(a, el_compare_make(&c, &x, &y, &a->err));
    for (int m = 0; m < EL_MEASURES; m++)
        for (int i = 0; i < 3; i++) {
            const struct el_compare_row *row = &c.rows[m][EL_KIND_MEAN][i];
            assert_true(fabs(row->tokens - x.rounds[i].tokens) < 1e-9);
            if (isnan(row->a.value))
                continue;
            assert_true(fabs(row->d_rounds.value) < 1e-9 && fabs(row->d_tokens.value) < 1e-9);
            assert_true(fabs(row->d_written.value) < 1e-9);
        }
    el_compare_release(&c);
    el_report_release(&x);
    el_report_release(&y);
    el_store_close(store);
}

/* ------------------------------------------------------------------------------------ page */

static const char hostile[] =
    "## Solution\n</pre></details><script>alert(1)</script> \"q\" & 'x' \xff\xfe \x01 end\n"
    "## Self Evaluation\nHere is my evaluation of the solution:\n<img src=x onerror=alert(2)>\n"
    "Based on my evaluation, the final overall score should be:\n\\boxed{0.5}";

static char *page_of(struct arena *a, const char *contest, const struct fake_options *o,
                     size_t max_bytes)
{
    struct el_settings s = arena_settings();
    struct el_store *store = run_and_open(a, contest, &s, o);
    struct el_report r;
    struct el_buf out;
    el_buf_init(&out);
    must(a, el_report_make(&r, store, "run", NULL, &a->err));
    must(a, el_report_html(&r, NULL, store, max_bytes, &out, &a->err));
    el_report_release(&r);
    el_store_close(store);
    return el_buf_detach(&out);
}

static void test_hostile_texts(void **state)
{
    struct arena *a = *state;
    struct fake_options o = {.script = hostile};
    char *page = page_of(a, "world:test:2", &o, 0);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "<img"));
    assert_null(strstr(page, "\xff"));
    assert_null(strchr(page, 1));
    assert_non_null(strstr(page, "&lt;script&gt;alert(1)&lt;/script&gt; &quot;q&quot; &amp; "
                                 "&#39;x&#39; \xEF\xBF\xBD"));
    assert_non_null(strstr(page, "&lt;img src=x onerror=alert(2)&gt;"));
    assert_null(strstr(page, "http"));
    el_free(page);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

static void test_page_is_balanced_and_complete(void **state)
{
    struct arena *a = *state;
    struct fake_options o = {.malformed = 0.1, .truncated = 0.1, .judge_malformed = 0.2};
    static const char *const tags[] = {"details", "pre", "div", "table", "mark", "ul", "h4", "svg"};
    char *page = page_of(a, "world:test:5", &o, 0);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        char open[16], open2[16], close[16];
        snprintf(open, sizeof open, "<%s>", tags[i]);
        snprintf(open2, sizeof open2, "<%s ", tags[i]);
        snprintf(close, sizeof close, "</%s>", tags[i]);
        assert_int_equal(count(page, open) + count(page, open2), count(page, close));
    }
    assert_int_equal(count(page, "<summary>Thread "), 20);
    assert_true(count(page, "<mark ") > 0);
    assert_non_null(strstr(page, "prefers-color-scheme:dark"));
    assert_null(strstr(page, "This page holds every"));
    el_free(page);
    page = page_of(a, "world:test:5", &o, 6000);
    assert_non_null(strstr(page, "This page holds every"));
    assert_true(count(page, "<summary>Thread ") < 20);
    el_free(page);
}

/* Marks stand on the lines that are wrong, whatever stands between: blank lines and remarks are no
 * steps. */
static void test_marks_stand_on_their_lines(void **state)
{
    (void)state;
    static const char statement[] = "Show that (1) 67=9*x+11*y for some x,y; (2) some of "
                                    "16,20,35,37 add up to 71.";
    static const char proof[] = "(1) x=5, y=2.\n9*5=45.\n\n11*2=23.\n45+23=68.\n"
                                "total 68 of 67 wrong.\n"
                                "(1) x=5, y=2.\n\n9*5=46.\n11*2=22.\n46+22=68.\n"
                                "total 68 of 67 right.\n"
                                "(2) take 16,20,35.\n16+20=36.\n\n36+35=72.\n"
                                "So all claims hold.\n";
    struct el_buf page;
    el_buf_init(&page);
    assert_int_equal(el_page_exact_proof(statement, proof, &page), 0);
    assert_non_null(strstr(page.data, ">9*5=46.</mark>"));
    assert_non_null(strstr(page.data, ">36+35=72.</mark>"));
    assert_null(strstr(page.data, ">11*2=22.</mark>"));
    assert_null(strstr(page.data, ">16+20=36.</mark>"));
    assert_null(strstr(page.data, "\"></mark>"));
    el_buf_release(&page);
}

/* Errors of answers and of traces after each round, in each of the three forms. */
static void test_answers_are_told(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    const struct fake_options o = {.malformed = 0.1};
    struct el_store *store = run_and_open(a, "world:test:5", &s, &o);
    struct el_report r;
    struct el_buf text, page;
    char line[80], row[200];
    el_buf_init(&text);
    el_buf_init(&page);
    must(a, el_report_make(&r, store, "run", NULL, &a->err));
    must(a, el_report_text(&r, &text));
    must(a, el_report_html(&r, NULL, store, 0, &page, &a->err));
    char *json = arena_report(a, "run");
    cJSON *root = cJSON_Parse(json);
    const cJSON *rounds = cJSON_GetObjectItem(root, "by_round");
    for (int i = 0; i < s.rounds; i++) {
        const struct el_figure *wrong = &r.rounds[i].answer_error,
                               *astray = &r.rounds[i].trace_error;
        snprintf(line, sizeof line, "%3d  %.3f [%.3f,%.3f]  %.3f [", i + 1, wrong->value, wrong->lo,
                 wrong->hi, astray->value);
        assert_non_null(strstr(text.data, line));
        snprintf(row, sizeof row,
                 "<tr><td>%d</td><td>%.3f <span class=\"soft\">[%.3f, %.3f]</span></td>"
                 "<td>%.3f <span",
                 i + 1, wrong->value, wrong->lo, wrong->hi, astray->value);
        assert_non_null(strstr(page.data, row));
        const cJSON *x = cJSON_GetArrayItem(rounds, i);
        assert_non_null(x);
        const cJSON *value = cJSON_GetObjectItem(cJSON_GetObjectItem(x, "answer_error"), "value");
        assert_true(fabs(value->valuedouble - wrong->value) < 1e-6);
        value = cJSON_GetObjectItem(cJSON_GetObjectItem(x, "trace_error"), "value");
        assert_true(fabs(value->valuedouble - astray->value) < 1e-6);
    }
    cJSON_Delete(root);
    el_free(json);
    el_buf_release(&text);
    el_buf_release(&page);
    el_report_release(&r);
    el_store_close(store);
}

/* Replies without a proof have no analyses: by votes there is nothing, in the table and the page.
 */
static void test_no_votes(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    const struct fake_options o = {.script = "no format at all"};
    struct el_store *store = run_and_open(a, "world:test:3", &s, &o);
    struct el_report r;
    struct el_buf text;
    el_buf_init(&text);
    must(a, el_report_make(&r, store, "run", NULL, &a->err));
    assert_true(
        isnan(el_report_value(&r, EL_TRUTH_EXACT, EL_MEASURE_VERIFIER, EL_KIND_MEAN, 3, 0)));
    assert_true(el_report_value(&r, EL_TRUTH_EXACT, EL_MEASURE_PASS, EL_KIND_MEAN, 3, 0) == 0);
    must(a, el_report_text(&r, &text));
    assert_non_null(strstr(text.data, "]  0.000     -         0.000"));
    el_buf_clear(&text);
    must(a, el_report_html(&r, NULL, store, 0, &text, &a->err));
    assert_non_null(strstr(text.data, "</td><td>0.000</td><td>-</td><td>0.000</td>"));
    el_buf_release(&text);
    el_report_release(&r);
    el_store_close(store);
}

static void test_escape(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    static const char text[] = "a<b>&\"'\n\t\r\0\x7f\xC3\xA9\xC3";
    assert_int_equal(el_html_escape(&b, text, sizeof text - 1), 0);
    assert_string_equal(b.data, "a&lt;b&gt;&amp;&quot;&#39;\n\t\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
                                "\xC3\xA9\xEF\xBF\xBD");
    el_buf_release(&b);
}

static void test_svg(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3}, y[] = {0.1, NAN, 0.4}, lo[] = {0, NAN, 0.3}, hi[] = {0.2, NAN, 1};
    const struct el_svg_series series[] = {
        {.name = "<a>", .x = x, .y = y, .lo = lo, .hi = hi, .n = 3, .dots = 1},
        {.name = "b", .x = x, .y = y, .n = 3, .colour = 1, .dots = 1},
        {.x = x, .y = y, .n = 3, .colour = 11, .dash = 2, .faint = 1}};
    const struct el_svg_chart chart = {.title = "t&",
                                       .x_label = "T",
                                       .y_label = "s<",
                                       .series = series,
                                       .n_series = 3,
                                       .y_max = 1,
                                       .x_whole = 1};
    const struct el_svg_chart empty = {.title = "none", .x_label = "T", .y_max = 1, .x_whole = 1};
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(el_svg_lines(&chart, &b), 0);
    assert_int_equal(count(b.data, "<circle"), 4);
    assert_int_equal(count(b.data, "<polygon"), 1);
    assert_null(strstr(b.data, "nan"));
    assert_non_null(strstr(b.data, "&lt;a&gt;"));
    assert_non_null(strstr(b.data, "transform=\"rotate(-90 14 175)\">s&lt;</text>"));
    assert_int_equal(count(b.data, "class=\"line s11 dash2 faint\""), 1); /* without a name */
    assert_int_equal(el_svg_lines(&empty, &b), 0);
    assert_null(strstr(b.data, "inf"));
    el_buf_release(&b);
}

/* Zero lies between the ends of the axis; what is outside is drawn at them. */
static void test_svg_axis(void **state)
{
    (void)state;
    const double x[] = {0, 1, 2, 3}, y[] = {-0.001, 0, 0.001, 5};
    const struct el_svg_series series[] = {{.name = "y", .x = x, .y = y, .n = 4}};
    const struct el_svg_chart chart = {.title = "",
                                       .x_label = "",
                                       .series = series,
                                       .n_series = 1,
                                       .y_min = -0.001,
                                       .y_max = 0.001};
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(el_svg_lines(&chart, &b), 0);
    assert_non_null(strstr(b.data, "points=\"72.0,316.0 256.0,175.0 440.0,34.0 624.0,34.0 \""));
    assert_non_null(strstr(b.data, ">0</text>"));
    assert_non_null(strstr(b.data, ">-0.001</text>"));
    assert_non_null(strstr(b.data, ">0.001</text>"));
    assert_null(strstr(b.data, "circle"));
    el_buf_release(&b);
}

static double stopped_after(const cJSON *root, int round)
{
    const cJSON *x = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "by_round"), round - 1);
    return cJSON_GetObjectItem(x, "stopped")->valuedouble;
}

/* Threads under way have not stopped, those without a first attempt least of all. */
static void test_unfinished(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    struct fake_options o = {.room = 1, .stop_after = 3};
    double stopped[2];
    for (int whole = 0; whole < 2; whole++) {
        int rc = arena_run(a, "world:test:5", &s, &o, NULL);
        assert_int_equal(rc, whole ? 0 : EL_EINTR);
        char *json = arena_report(a, "run");
        cJSON *root = cJSON_Parse(json);
        const cJSON *finished = cJSON_GetObjectItem(root, "finished");
        assert_true(whole ? cJSON_IsTrue(finished) : cJSON_IsFalse(finished));
        stopped[whole] = stopped_after(root, 3);
        assert_true(stopped_after(root, 1) <= stopped[whole]);
        cJSON_Delete(root);
        el_free(json);
        o.stop_after = 0;
        el_stop_requested = 0;
    }
    assert_true(stopped[0] < 0.2 && stopped[1] == 1);
}

/* All threads have ended, the analyses are not all there. */
static void test_unfinished_analyses(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    s.rounds = 1;
    struct fake_options o = {.room = 1};
    struct fake_counts all = {0};
    must(a, arena_run(a, "world:test:3", &s, &o, &all));
    arena_remove_store(a);
    o.stop_after = all.attempts + all.analyses - 1;
    assert_int_equal(arena_run(a, "world:test:3", &s, &o, NULL), EL_EINTR);
    el_stop_requested = 0;
    o.stop_after = 0;
    struct el_store *store = NULL;
    struct el_report r;
    struct el_buf text;
    must(a, el_store_open(a->path, EL_STORE_READONLY, &store, &a->err));
    must(a, el_report_make(&r, store, "run", NULL, &a->err));
    assert_int_equal(r.threads_by_state[EL_THREAD_NEW], 0);
    assert_true(!r.finished && r.rounds[0].stopped == 1);
    el_buf_init(&text);
    must(a, el_report_text(&r, &text));
    assert_non_null(strstr(text.data, "UNFINISHED: analyses are missing\n"));
    el_buf_clear(&text);
    must(a, el_report_html(&r, NULL, store, 0, &text, &a->err));
    assert_non_null(strstr(text.data, ">Unfinished: analyses are missing.</p>"));
    el_buf_release(&text);
    el_report_release(&r);
    el_store_close(store);
}

/* Votes of the last round alone are no curve: the page has their row, and why there is no more. */
static void test_votes_of_one_round(void **state)
{
    struct arena *a = *state;
    const struct fake_options o = {0};
    static const char *const curve = "Share scoring 1 by rounds, by votes";
    static const char *const why = "The other rounds have final proofs without analyses";
    struct el_settings s = arena_settings();
    char *page = page_of(a, "world:test:5", &o, 0);
    assert_null(strstr(page, curve));
    assert_non_null(strstr(page, "Share scoring 1 by rounds, exact truth"));
    assert_int_equal(count(page, ">share scoring 1</text>"), 1);
    assert_int_equal(count(page, ">Best@4</text>"), 1); /* as the table has it */
    assert_int_equal(count(page, ">best of 4</text>"), 1);
    assert_int_equal(count(page, why), 1);
    assert_non_null(strstr(page, "Scored by the verifier's votes"));
    el_free(page);
    s.analyse_all = 1;
    arena_remove_store(a);
    struct el_store *store = run_and_open(a, "world:test:5", &s, &o);
    struct el_report r;
    struct el_buf out;
    el_buf_init(&out);
    must(a, el_report_make(&r, store, "run", NULL, &a->err));
    must(a, el_report_html(&r, NULL, store, 0, &out, &a->err));
    assert_non_null(strstr(out.data, curve));
    assert_null(strstr(out.data, why));
    el_buf_release(&out);
    el_report_release(&r);
    el_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, arena_make, arena_drop)
        T(test_values),
        T(test_attention_share),
        T(test_compare),
        T(test_compare_part),
        T(test_hostile_texts),
        T(test_marks_stand_on_their_lines),
        T(test_page_is_balanced_and_complete),
        T(test_answers_are_told),
        T(test_no_votes),
        T(test_unfinished),
        T(test_unfinished_analyses),
        T(test_votes_of_one_round),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_svg),
        cmocka_unit_test(test_svg_axis),
#undef T
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
