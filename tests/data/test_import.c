/* Import of small files in every format, malformed ones included; export and back. */
#include "tests/data/store_fixture.h"

#include "core/base/alloc.h"
#include "data/export.h"
#include "data/import.h"
#include "data/store_sql.h"

static int import(struct fixture *f, const char *text, const struct el_import_options *o,
                  struct el_import_report *r)
{
    memset(r, 0, sizeof *r);
    return el_import_text(f->store, "f", text, strlen(text), o, r, &f->err);
}

static int64_t count(struct fixture *f, const char *sql)
{
    struct el_sql q;
    int64_t n = -1;
    ok(el_sql_open(&q, f->store, sql, &f->err));
    ok(el_sql_one_int(&q, &n, &f->err));
    return n;
}

static const char inputs[] =
    "[\n {\"id\": 1, \"question\": \"Find $k$.\", \"answer\": \"4\", \"contest\": \"IMO2025\", "
    "\"problem_idx\": \"IMO2025-1\"},\n {\"id\": 2, \"question\": \"Show it.\", \"answer\": "
    "\"null\", \"contest\": \"IMO2025\", \"problem_idx\": \"IMO2025-2\"}]";
static const char outputs[] =
    "{\"question\": \"Find $k$.\", \"problem_idx\": \"IMO2025-1\", \"level\": \"hard\", "
    "\"model_prediction\": {\"proof\": \"P1\", \"average_automatic_rating\": 1.0, "
    "\"human_rating\": 7}}\n\n"
    "{\"question\": \"Show it.\", \"problem_idx\": \"IMO2025-2\", \"model_prediction\": "
    "{\"proof\": \"P2\", \"average_automatic_rating\": 0.75, \"human_rating\": 6}}\n";
static const char bench[] =
    "Problem ID,Problem,Solution,Grading guidelines,Category,Level,Short Answer,Source\r\n"
    "PB-Basic-001,\"Two\nlines, \"\"quoted\"\"\",S,G,Algebra,easy, ,\"IMO 2019, P1\"\r\n";
static const char corpus[] =
    "{\"proof_id\": \"o1\", \"problem_id\": \"q1\", \"competition\": \"imo\", \"category\": "
    "[\"Algebra\", \"Geometry\"], \"problem\": \"X?\", \"proof\": \"Y\", \"model\": \"m\", "
    "\"human_label\": \"correct\", \"human_solution\": null, \"llm_judgment\": {\"timestamp\": "
    "\"t\", \"result\": {\"summary\": \"S.\", \"issues\": [{\"category\": \"c\", \"location\": "
    "\"l\", \"description\": \"d\"}]}}}\n"
    "{\"proof_id\": \"o2\", \"problem_id\": \"q1\", \"competition\": \"imo\", \"category\": "
    "[\"Algebra\", \"Geometry\"], \"problem\": \"X?\", \"proof\": \"Z\", \"model\": \"m\", "
    "\"human_label\": \"incorrect\", \"human_solution\": \"H\", \"llm_judgment\": null}\n";

static void deepseek_files_meet_in_one_problem(void **state)
{
    struct fixture *f = *state;
    struct el_import_report r;
    ok(import(f, inputs, NULL, &r));
    assert_int_equal(r.format, EL_IMPORT_DEEPSEEK_INPUTS);
    assert_int_equal(r.problems, 2);
    ok(import(f, outputs, NULL, &r));
    assert_int_equal(r.format, EL_IMPORT_DEEPSEEK_OUTPUTS);
    assert_true(r.problems == 0 && r.proofs == 2 && r.scores == 4 && r.existing == 2);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM problems WHERE answer = '4' AND level = 'hard' "
                              "AND set_name = 'IMO2025'"),
                     1);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM problems WHERE answer IS NULL"), 1);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM scores WHERE rater_kind = 'human' AND "
                              "mapping = 'proofbench-7' AND blind IS NULL AND scale_max = 7"),
                     2);
    assert_int_equal(count(f, "SELECT SUM(halves) FROM dv"), 3);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM scores WHERE rater_kind = 'imported' AND "
                              "halves IS NULL AND mapping IS NULL"),
                     2);
}

static void importing_twice_adds_nothing(void **state)
{
    struct fixture *f = *state;
    const char *const files[] = {inputs, outputs, bench, corpus};
    struct el_import_report r;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 4; i++) {
            ok(import(f, files[i], NULL, &r));
            if (round)
                assert_int_equal(r.problems + r.proofs + r.analyses + r.scores + r.conflicts, 0);
        }
    assert_int_equal(count(f, "SELECT COUNT(*) FROM proofs"), 4);
}

static void proofbench_rows_may_span_lines(void **state)
{
    struct fixture *f = *state;
    struct el_import_report r;
    ok(import(f, bench, NULL, &r));
    assert_int_equal(r.format, EL_IMPORT_PROOFBENCH);
    struct el_problem p;
    ok(el_store_problem_get(f->store, 1, &p, &f->err));
    assert_string_equal(p.statement, "Two\nlines, \"quoted\"");
    assert_string_equal(p.set, "ProofBench-Basic");
    assert_null(p.answer);
    assert_string_equal(p.extra, "{\"source\":\"IMO 2019, P1\"}");
    el_problem_release(&p);
}

static void corpus_judgments_become_analyses(void **state)
{
    struct fixture *f = *state;
    struct el_import_report r;
    ok(import(f, corpus, NULL, &r));
    assert_true(r.problems == 1 && r.proofs == 2 && r.analyses == 1 && r.scores == 3);
    struct el_analysis a;
    ok(el_store_analysis_get(f->store, 1, &a, &f->err));
    assert_string_equal(a.text, "S.\n\n[c] l: d");
    assert_int_equal(a.halves, EL_SCORE_NONE);
    assert_non_null(strstr(a.extra, "\"timestamp\":\"t\""));
    el_analysis_release(&a);
    struct el_problem p;
    ok(el_store_problem_get(f->store, 1, &p, &f->err));
    assert_string_equal(p.category, "Algebra, Geometry");
    assert_string_equal(p.reference, "H"); /* came with the second record */
    el_problem_release(&p);
    assert_int_equal(count(f, "SELECT SUM(halves) FROM dv"), 2);
}

static void options_are_obeyed(void **state)
{
    struct fixture *f = *state;
    struct el_import_report r;
    struct el_mapping m = {.name = "mine", .by_share = 1, .n_steps = 1, .steps = {{0, 1}}};
    struct el_import_options o = {.set = "own", .mapping = &m, .scale_max = 10};
    ok(import(f, outputs, &o, &r));
    assert_int_equal(count(f, "SELECT COUNT(*) FROM problems WHERE set_name = 'own'"), 2);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM scores WHERE mapping = 'mine' AND halves = 1 "
                              "AND scale_max = 10"),
                     2);
    o.format = EL_IMPORT_DEEPSEEK_INPUTS;
    assert_int_equal(import(f, bench, &o, &r), EL_EFORMAT);
    assert_non_null(strstr(f->err.msg, "f line 2: record: missing field 'question'"));
}

static void expect_error(struct fixture *f, const char *text, const char *part)
{
    struct el_import_report r;
    int64_t before = count(f, "SELECT COUNT(*) FROM problems");
    assert_true(import(f, text, NULL, &r) < 0);
    if (!strstr(f->err.msg, part))
        fail_msg("'%s' does not say '%s'", f->err.msg, part);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM problems"), before);
    assert_int_equal(r.problems + r.records, 0);
}

#define GOOD "{\"statement\": \"A\"}\n"
#define OUTPUT(idx, prediction)                                                                    \
    "{\"question\": \"q\", \"problem_idx\": \"" idx "\", \"model_prediction\": " prediction "}"

static void malformed_files_name_file_and_line(void **state)
{
    struct fixture *f = *state;
    expect_error(f, "", "f: empty");
    expect_error(f, "[1]", "f record 1: expected an object");
    expect_error(f, "[{]", "f: not valid JSON");
    expect_error(f, GOOD "{\"statement\": 3}\n", "f line 2: record: field 'statement'");
    expect_error(f, GOOD "\n{\"statement\"\n", "f line 3: not valid JSON");
    expect_error(f, GOOD "{\"statement\": \"a\\u0000b\"}\n", "f line 2: holds \\u0000");
    expect_error(f, GOOD "{\"statement\": \"\xff\"}\n", "f line 2: not UTF-8");
    expect_error(f, "[\n\"\xff\"]", "f line 2: not UTF-8");
    expect_error(f, "Problem ID,Problem\nPB-Basic-1,\xff\n", "f line 2: not UTF-8");
    expect_error(f, "Problem ID,\xff\n", "f line 1: not UTF-8");
    expect_error(f, "{\"x\": 1}\n", "f line 1: no known format");
    expect_error(f, "a,b\n1\n", "f line 2: 1 fields, the header has 2");
    expect_error(f, "Problem ID,Problem\nPB-Basic-1,\"open\n", "f line 2: the quote");
    expect_error(f, "Problem ID,Problem\nBasic,x\n", "is no problem name");
    expect_error(f, OUTPUT("IMO2025-1", "3"), "'model_prediction' must be an object");
    expect_error(f, OUTPUT("XYZ-1", "{\"proof\": \"p\", \"human_rating\": 3}"), "not known");
    expect_error(f, OUTPUT("IMO2025-1", "{\"proof\": \"p\", \"human_rating\": 8}"), "8 out of 7");
    expect_error(f, OUTPUT("IMO2025-1", "{\"proof\": \"p\", \"human_rating\": \"7\"}"),
                 "must be a finite number");
    expect_error(f, OUTPUT("IMO2025-1", "{\"proof\": \"p\", \"average_automatic_rating\": 1.5}"),
                 "1.5 out of 1");
    expect_error(f, "{\"proof_id\": \"a\", \"human_label\": \"maybe\", \"proof\": \"p\"}",
                 "expected correct or incorrect");
    expect_error(f, "{\"record\": \"poem\"}", "field 'record' is 'poem'");
    expect_error(f, "{\"record\": \"proof\", \"problem_key\": \"zz\", \"text\": \"t\"}",
                 "no row with key 'zz'");
    expect_error(f, "{\"record\": \"dv\", \"statement\": \"s\", \"proof\": \"p\"}",
                 "missing field 'score'");
    expect_error(f, "{\"record\": \"dv\", \"statement\": \"s\", \"proof\": \"p\", \"score\": 0.7}",
                 "expected 0, 0.5, 1 or null");
    expect_error(f, "{\"record\": \"problem\", \"statement\": \"s\", \"extra\": [1]}",
                 "'extra' must be an object");
}

/* Nothing that a record holds is dropped without a word. */
static void fields_without_a_place_are_errors(void **state)
{
    struct fixture *f = *state;
    struct el_import_report r;
    expect_error(f, GOOD "{\"statement\": \"s\", \"proof\": \"p\", \"score\": 1}\n",
                 "f line 2: field 'proof' has no place in a problem");
    expect_error(f,
                 "{\"record\": \"dv\", \"statement\": \"s\", \"proof\": \"p\", \"score\": 1, "
                 "\"analysis\": \"a\"}",
                 "f line 1: field 'analysis' has no place in a record 'dv'");
    expect_error(f, "record,statement,proof,score,reviewer\ndv,s,p,1,me\n",
                 "f line 2: field 'reviewer' has no place in a record 'dv'");
    expect_error(f, "{\"record\": \"score\", \"proof_key\": \"a\", \"analysis_key\": \"b\"}",
                 "'proof_key' and 'analysis_key': expected one of them");
    ok(import(f, "{\"statement\": \"s\", \"proof\": null, \"key\": \"k\"}", NULL, &r));
    assert_int_equal(r.problems, 1);
}

static void collect(void *user, const char *message)
{
    el_buf_printf(user, "%s;", message);
}

static void keep_going_counts_and_names(void **state)
{
    struct fixture *f = *state;
    struct el_buf told;
    el_buf_init(&told);
    struct el_import_options o = {.keep_going = 1, .malformed = collect, .user = &told};
    struct el_import_report r;
    ok(import(f, GOOD "{\n{\"statement\": \"B\"}\n{\"statement\": 1}\n{\"statement\": \"\xff\"}\n",
              &o, &r));
    assert_true(r.records == 2 && r.malformed == 3 && r.problems == 2);
    assert_non_null(strstr(told.data, "f line 2: "));
    assert_non_null(strstr(told.data, "f line 4: "));
    /* A record that fails in its middle leaves nothing behind. */
    ok(import(f, OUTPUT("IMO2025-1", "{\"proof\": \"p\", \"human_rating\": 9}"), &o, &r));
    assert_true(r.malformed == 1 && r.problems == 0);
    assert_non_null(strstr(told.data, "9 out of 7"));
    assert_int_equal(count(f, "SELECT COUNT(*) FROM proofs"), 0);
    el_buf_release(&told);
}

static void a_failing_store_stops_even_keep_going(void **state)
{
    struct fixture *f = *state;
    struct el_import_options o = {.keep_going = 1};
    struct el_import_report r;
    long failures = 0;
    for (long n = 1;; n++) {
        el_store_fail_after(n);
        int rc = import(f, corpus, &o, &r);
        el_store_fail_after(0);
        if (rc == 0)
            break;
        failures++;
        assert_int_equal(rc, EL_EIO);
        assert_int_equal(r.malformed, 0);
        ok(el_store_begin(f->store, &f->err));
        el_store_rollback(f->store);
        assert_int_equal(count(f, "SELECT COUNT(*) FROM problems"), 0);
    }
    assert_true(failures > 20);
}

static void memory_may_run_out(void **state)
{
    struct fixture *f = *state;
    struct el_import_report r;
    for (long n = 1;; n++) {
        el_alloc_fail_after(n);
        int rc = import(f, n % 2 ? corpus : bench, NULL, &r);
        el_alloc_fail_after(0);
        if (rc == 0 && n > 20)
            break;
        assert_true(rc == 0 || rc == EL_ENOMEM);
    }
}

/* ---- export */

static int append(void *user, const void *bytes, size_t n, struct el_error *err)
{
    (void)err;
    return el_buf_add(user, bytes, n);
}

static void export_to(struct fixture *f, enum el_export_what what, enum el_export_format format,
                      struct el_buf *out)
{
    el_buf_clear(out);
    int64_t n = el_export(f->store, what, format, NULL, append, out, &f->err);
    ok((int)n);
}

static void fill(struct fixture *f)
{
    struct el_import_report r;
    ok(import(f, outputs, NULL, &r));
    ok(import(f, bench, NULL, &r));
    ok(import(f, corpus, NULL, &r));
    struct el_score c = {.analysis = 1,
                         .rater_kind = EL_RATER_ORACLE,
                         .rater = "",
                         .raw = 0.5,
                         .scale_max = 1,
                         .halves = 1,
                         .blind = EL_BLIND_NO,
                         .origin = "line\nbreak, \"quote\"",
                         .extra = "{\"a\":[1,{\"b\":null}]}"};
    ok(el_store_score_add(f->store, &c, NULL, &f->err));
    struct el_analysis z = {.proof = 1,
                            .is_self = 1,
                            .text = "",
                            .halves = EL_SCORE_NONE,
                            .failure = "empty",
                            .author = {EL_AUTHOR_HUMAN, "", ""}};
    ok(el_store_analysis_add(f->store, &z, NULL, &f->err));
}

/* A store filled from the exports of another exports the same bytes. */
static void round_trip(struct fixture *f, enum el_export_format format, int from, int to)
{
    struct fixture copy = *f;
    snprintf(copy.path, sizeof copy.path, "%s/copy%d%d.db", f->dir, format, from);
    assert_int_equal(el_store_open(copy.path, EL_STORE_CREATE, &copy.store, &copy.err), 0);
    struct el_buf a, b;
    el_buf_init(&a);
    el_buf_init(&b);
    struct el_import_report r = {0};
    for (int what = from; what <= to; what++) {
        export_to(f, (enum el_export_what)what, format, &a);
        int rc = el_import_text(copy.store, "export", a.data, a.len, NULL, &r, &copy.err);
        if (rc < 0)
            fail_msg("%s", copy.err.msg);
    }
    assert_true(r.records > 0 && r.malformed == 0);
    for (int what = from; what <= to; what++) {
        export_to(f, (enum el_export_what)what, format, &a);
        export_to(&copy, (enum el_export_what)what, format, &b);
        assert_string_equal(a.data, b.data);
    }
    el_buf_release(&a);
    el_buf_release(&b);
    el_store_close(copy.store);
}

static void exports_come_back_equal(void **state)
{
    struct fixture *f = *state;
    fill(f);
    for (int format = EL_EXPORT_JSON; format <= EL_EXPORT_CSV; format++) {
        round_trip(f, (enum el_export_format)format, EL_EXPORT_PROBLEMS, EL_EXPORT_SCORES);
        round_trip(f, (enum el_export_format)format, EL_EXPORT_DV, EL_EXPORT_DV);
        round_trip(f, (enum el_export_format)format, EL_EXPORT_DMV, EL_EXPORT_DMV);
    }
}

/* What there was no memory for is not written otherwise: an export fails, or has every byte. One
 * allocation alone fails, so that nothing behind it hides what became of it. */
static void fail_each_of_export(struct fixture *f, enum el_export_what what,
                                enum el_export_format format)
{
    struct el_buf whole, got;
    long n = 0, asked;
    el_buf_init(&whole);
    el_buf_init(&got);
    export_to(f, what, format, &whole);
    ok(el_buf_reserve(&got, whole.len)); /* what is written to never fails */
    do {
        struct el_error why = {0};
        el_buf_clear(&got);
        el_alloc_fail_after(-++n);
        int64_t rc = el_export(f->store, what, format, NULL, append, &got, &why);
        asked = el_alloc_count();
        el_alloc_fail_after(0);
        assert_true(rc < 0 ? rc == EL_ENOMEM && why.msg[0] : strcmp(got.data, whole.data) == 0);
        assert_in_range(n, 1, 1000);
    } while (asked >= n);
    el_buf_release(&whole);
    el_buf_release(&got);
}

static void exports_without_memory(void **state)
{
    struct fixture *f = *state;
    fill(f);
    for (int what = EL_EXPORT_PROBLEMS; what <= EL_EXPORT_DMV; what++)
        for (int format = EL_EXPORT_JSON; format <= EL_EXPORT_CSV; format++)
            fail_each_of_export(f, (enum el_export_what)what, (enum el_export_format)format);
}

static void exported_text_is_as_documented(void **state)
{
    struct fixture *f = *state;
    struct el_import_report r;
    struct el_buf b;
    el_buf_init(&b);
    export_to(f, EL_EXPORT_PROBLEMS, EL_EXPORT_JSON, &b);
    assert_string_equal(b.data, "[]\n");
    ok(import(f,
              "{\"record\": \"dv\", \"statement\": \"X\", \"external_id\": \"1\", \"set\": \"s\", "
              "\"proof\": \"a,b\", \"score\": 0.5}",
              NULL, &r));
    export_to(f, EL_EXPORT_DV, EL_EXPORT_JSONL, &b);
    assert_string_equal(b.data,
                        "{\"record\": \"dv\", \"set\": \"s\", \"external_id\": \"1\", "
                        "\"statement\": \"X\", \"proof\": \"a,b\", \"author_kind\": \"import\", "
                        "\"author\": \"\", \"origin\": \"\", \"score\": 0.5, \"raters\": 1, "
                        "\"rater_kind\": \"human\", \"rater\": \"\", \"raw\": 0.5, "
                        "\"scale_max\": 1, \"mapping\": null, \"blind\": null, "
                        "\"score_origin\": \"\"}\n");
    export_to(f, EL_EXPORT_DV, EL_EXPORT_CSV, &b);
    assert_non_null(strstr(b.data, "dv,s,1,X,\"a,b\",import,\"\",\"\",0.5,1,human,\"\",0.5,1,,,"));
    el_buf_clear(&b);
    assert_int_equal(el_export(f->store, EL_EXPORT_DV, EL_EXPORT_CSV, "none", append, &b, &f->err),
                     0);
    el_buf_release(&b);
}

static int refuse(void *user, const void *bytes, size_t n, struct el_error *err)
{
    (void)user;
    (void)bytes;
    return el_error_set(err, EL_EIO, "no room for %zu bytes", n);
}

static void a_failing_writer_ends_the_export(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        el_export(f->store, EL_EXPORT_PROBLEMS, EL_EXPORT_JSON, NULL, refuse, NULL, &f->err),
        EL_EIO);
    assert_string_equal(f->err.msg, "no room for 1 bytes");
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(deepseek_files_meet_in_one_problem),
        with_store(importing_twice_adds_nothing),
        with_store(proofbench_rows_may_span_lines),
        with_store(corpus_judgments_become_analyses),
        with_store(options_are_obeyed),
        with_store(malformed_files_name_file_and_line),
        with_store(fields_without_a_place_are_errors),
        with_store(keep_going_counts_and_names),
        with_store(a_failing_store_stops_even_keep_going),
        with_store(memory_may_run_out),
        with_store(exports_come_back_equal),
        with_store(exports_without_memory),
        with_store(exported_text_is_as_documented),
        with_store(a_failing_writer_ends_the_export),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
