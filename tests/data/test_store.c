/* Rows in, rows out: identity, immutability, labels, transactions. */
#include "tests/data/store_fixture.h"

#include "core/base/io.h"
#include "data/store_sql.h"

#include <sys/stat.h>

static void problems_merge_and_report_conflicts(void **state)
{
    struct fixture *f = *state;
    struct el_problem p = {.set = "IMO", .external_id = "1", .statement = "Show x.", .answer = "4"};
    int64_t a = 0, b = 0;
    int conflicts = -1;
    assert_int_equal(el_store_problem_add(f->store, &p, &a, &conflicts, &f->err), 1);
    assert_int_equal(conflicts, 0);
    p.answer = "5";
    p.rubric = "two marks";
    assert_int_equal(el_store_problem_add(f->store, &p, &b, &conflicts, &f->err), 0);
    assert_int_equal(a, b);
    assert_int_equal(conflicts, 1);
    struct el_problem got;
    ok(el_store_problem_get(f->store, a, &got, &f->err));
    assert_string_equal(got.answer, "4");
    assert_string_equal(got.rubric, "two marks");
    assert_null(got.category);
    char key[EL_DIGEST_HEX];
    el_problem_key("IMO", "1", "Show x.", key);
    assert_string_equal(got.key, key);
    el_problem_release(&got);
    ok(el_store_problem_by_key(f->store, key, &got, &f->err));
    assert_int_equal(got.id, a);
    el_problem_release(&got);
    p.statement = "Show y.";
    assert_int_equal(el_store_problem_add(f->store, &p, &b, NULL, &f->err), 1);
    assert_int_not_equal(a, b);
}

static void unknown_rows_are_named(void **state)
{
    struct fixture *f = *state;
    struct el_problem p;
    struct el_proof y = {.problem = 99, .text = "t"};
    assert_int_equal(el_store_problem_get(f->store, 7, &p, &f->err), EL_ENOTFOUND);
    assert_non_null(strstr(f->err.msg, "no problem with id 7"));
    assert_int_equal(el_store_problem_by_key(f->store, "zz", &p, &f->err), EL_ENOTFOUND);
    assert_int_equal(el_store_proof_add(f->store, &y, NULL, &f->err), EL_ENOTFOUND);
    assert_non_null(strstr(f->err.msg, "no problem with id 99"));
    struct el_analysis v = {.proof = 3, .text = "t", .halves = EL_SCORE_NONE};
    assert_int_equal(el_store_analysis_add(f->store, &v, NULL, &f->err), EL_ENOTFOUND);
    struct el_reply_text t;
    assert_int_equal(el_store_result_get(f->store, 5, -1, &t, &f->err), EL_ENOTFOUND);
}

static void proofs_analyses_and_metas_come_back(void **state)
{
    struct fixture *f = *state;
    int64_t problem = make_problem(f, "1"), proof = make_proof(f, problem, "a");
    assert_int_equal(make_proof(f, problem, "a"), proof);
    assert_int_not_equal(make_proof(f, problem, "b"), proof);
    struct el_analysis a = {.proof = proof,
                            .is_self = 1,
                            .text = "All right.",
                            .halves = 2,
                            .author = {EL_AUTHOR_MODEL, "m", "k"},
                            .extra = "{\"n\":1}"};
    int64_t analysis = 0, meta = 0;
    assert_int_equal(el_store_analysis_add(f->store, &a, &analysis, &f->err), 1);
    assert_int_equal(el_store_analysis_add(f->store, &a, &analysis, &f->err), 0);
    struct el_meta_analysis m = {
        .analysis = analysis, .text = "?", .halves = EL_SCORE_NONE, .failure = "no_boxed_score"};
    assert_int_equal(el_store_meta_add(f->store, &m, &meta, &f->err), 1);
    struct el_analysis got;
    ok(el_store_analysis_get(f->store, analysis, &got, &f->err));
    assert_int_equal(got.is_self, 1);
    assert_int_equal(got.halves, 2);
    assert_null(got.failure);
    assert_string_equal(got.author.origin, "k");
    assert_string_equal(got.extra, "{\"n\":1}");
    el_analysis_release(&got);
    struct el_meta_analysis back;
    ok(el_store_meta_get(f->store, meta, &back, &f->err));
    assert_int_equal(back.halves, EL_SCORE_NONE);
    assert_string_equal(back.failure, "no_boxed_score");
    el_meta_release(&back);
}

static void refuse(struct fixture *f, const char *sql)
{
    assert_true(el_sql_exec(f->store, sql, &f->err) < 0);
    assert_non_null(strstr(f->err.msg, "is never"));
}

static int64_t count_proofs(struct fixture *f, struct el_store *s)
{
    struct el_sql q;
    int64_t n = 0;
    ok(el_sql_open(&q, s, "SELECT count(*) FROM proofs", &f->err));
    ok(el_sql_one_int(&q, &n, &f->err));
    return n;
}

/* The file alone has everything once it is settled, which a reader can be in the way of. */
static void a_settled_store_is_one_file(void **state)
{
    struct fixture *f = *state;
    char log[112], copy[112];
    struct el_store *other;
    struct stat st;
    int64_t n = 0;
    snprintf(log, sizeof log, "%s-wal", f->path);
    snprintf(copy, sizeof copy, "%s/copy.db", f->dir);
    make_proof(f, make_problem(f, "1"), "a");
    ok(el_store_open(f->path, EL_STORE_READONLY, &other, &f->err));
    ok(el_sql_exec(other, "BEGIN", &f->err));
    n = count_proofs(f, other);
    assert_int_equal(el_store_settle(f->store, &f->err), EL_EBUSY);
    ok(el_sql_exec(other, "ROLLBACK", &f->err));
    el_store_close(other);
    ok(el_store_settle(f->store, &f->err));
    assert_int_equal(stat(log, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(link(f->path, copy), 0);
    ok(el_store_open(copy, EL_STORE_READONLY, &other, &f->err));
    n = count_proofs(f, other);
    assert_int_equal(n, 1);
    el_store_close(other);
}

static int is_there(const struct fixture *f, const char *end)
{
    char path[112];
    snprintf(path, sizeof path, "%s%s", f->path, end);
    return access(path, F_OK) == 0;
}

static void reading_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct el_store *reader;
    make_problem(f, "1");
    el_store_close(f->store);
    assert_false(is_there(f, "-wal"));
    ok(el_store_open(f->path, EL_STORE_READONLY, &reader, &f->err));
    assert_int_equal(count_proofs(f, reader), 0);
    assert_int_equal(el_store_begin(reader, &f->err), EL_EIO);
    el_store_close(reader);
    assert_false(is_there(f, "-wal") || is_there(f, "-shm"));
    ok(el_store_open(f->path, 0, &f->store, &f->err));
    make_problem(f, "2"); /* a writer's log stays */
    ok(el_store_open(f->path, EL_STORE_READONLY, &reader, &f->err));
    el_store_close(reader);
    assert_true(is_there(f, "-wal"));
}

/* Stands for a folder that cannot be written, for root too: a name that leads nowhere. */
static void block(const struct fixture *f, const char *end)
{
    char path[112], nowhere[112];
    snprintf(path, sizeof path, "%s%s", f->path, end);
    snprintf(nowhere, sizeof nowhere, "%s/none/x", f->dir);
    assert_int_equal(symlink(nowhere, path), 0);
}

static void unblock(const struct fixture *f, const char *end)
{
    char path[112];
    snprintf(path, sizeof path, "%s%s", f->path, end);
    assert_int_equal(unlink(path), 0);
}

static void a_read_only_folder_is_read(void **state)
{
    struct fixture *f = *state;
    struct el_store *reader;
    struct el_problem p = {.set = "s", .external_id = "2", .statement = "X"};
    make_proof(f, make_problem(f, "1"), "a");
    el_store_close(f->store);
    block(f, "-wal");
    block(f, "-shm");
    ok(el_store_open(f->path, EL_STORE_READONLY, &reader, &f->err));
    assert_int_equal(count_proofs(f, reader), 1);
    assert_int_equal(el_store_problem_add(reader, &p, NULL, NULL, &f->err), EL_EIO);
    ok(el_store_check(reader, &f->err));
    unblock(f, "-wal");
    unblock(f, "-shm");
    ok(el_store_open(f->path, 0, &f->store, &f->err));
    make_problem(f, "2"); /* a reader keeps what it began with */
    assert_int_equal(count_proofs(f, reader), 1);
    el_store_close(reader);
}

/* Its file alone is not the store: nobody is told half of it. */
static void a_log_with_changes_is_not_passed_over(void **state)
{
    struct fixture *f = *state;
    char to[112], log[112];
    struct el_buf file;
    struct el_store *reader;
    make_problem(f, "1");
    snprintf(log, sizeof log, "%s-wal", f->path);
    snprintf(to, sizeof to, "%s.kept", f->path);
    el_buf_init(&file);
    ok(el_file_read(log, 0, &file, &f->err)); /* as a killed writer leaves it */
    ok(el_file_write(to, file.data, file.len, &f->err));
    el_buf_release(&file);
    el_store_close(f->store);
    assert_int_equal(rename(to, log), 0);
    block(f, "-shm");
    assert_int_equal(el_store_open(f->path, EL_STORE_READONLY, &reader, &f->err), EL_EIO);
    assert_non_null(strstr(f->err.msg, "-wal holds changes"));
    unblock(f, "-shm");
    ok(el_store_open(f->path, 0, &f->store, &f->err));
}

/* What failed at once leaves no file where there was none, and keeps all that was there. */
static void an_unused_store_leaves_no_file(void **state)
{
    struct fixture *f = *state;
    char fresh[112], left[130];
    struct el_store *s;
    static const char *const ends[] = {"", "-wal", "-shm"};
    snprintf(fresh, sizeof fresh, "%s/fresh.db", f->dir);
    ok(el_store_open(fresh, EL_STORE_CREATE, &s, &f->err));
    el_store_close_unused(s);
    for (int i = 0; i < 3; i++) {
        snprintf(left, sizeof left, "%s%s", fresh, ends[i]);
        assert_int_equal(access(left, F_OK), -1);
    }
    el_store_close(f->store); /* empty, but it was there */
    ok(el_store_open(f->path, EL_STORE_CREATE, &f->store, &f->err));
    el_store_close_unused(f->store);
    assert_int_equal(access(f->path, F_OK), 0);
    ok(el_store_open(fresh, EL_STORE_CREATE, &f->store, &f->err));
    make_problem(f, "1");
    el_store_close_unused(f->store);
    assert_int_equal(access(fresh, F_OK), 0);
    ok(el_store_open(f->path, 0, &f->store, &f->err));
}

static void what_was_said_never_changes(void **state)
{
    struct fixture *f = *state;
    int64_t proof = make_proof(f, make_problem(f, "1"), "");
    struct el_score c = {.proof = proof, .raw = 1, .scale_max = 1, .halves = 2, .blind = -1};
    ok(el_store_score_add(f->store, &c, NULL, &f->err));
    refuse(f, "UPDATE proofs SET text = 'x'");
    refuse(f, "DELETE FROM proofs");
    refuse(f, "UPDATE scores SET halves = 0");
    refuse(f, "DELETE FROM scores");
}

static void bad_scores_are_refused(void **state)
{
    struct fixture *f = *state;
    int64_t proof = make_proof(f, make_problem(f, "1"), "");
    struct el_score good = {.proof = proof, .raw = 3, .scale_max = 7, .halves = 0, .blind = -1};
    struct el_score bad = good;
    bad.raw = 8;
    assert_int_equal(el_store_score_add(f->store, &bad, NULL, &f->err), EL_EINVAL);
    bad.raw = NAN;
    assert_int_equal(el_store_score_add(f->store, &bad, NULL, &f->err), EL_EINVAL);
    bad = good;
    bad.scale_max = 0;
    assert_int_equal(el_store_score_add(f->store, &bad, NULL, &f->err), EL_EINVAL);
    bad = good;
    bad.halves = 3;
    assert_int_equal(el_store_score_add(f->store, &bad, NULL, &f->err), EL_EINVAL);
    bad = good;
    bad.analysis = 1;
    assert_int_equal(el_store_score_add(f->store, &bad, NULL, &f->err), EL_EINVAL);
    bad.analysis = bad.proof = 0;
    assert_int_equal(el_store_score_add(f->store, &bad, NULL, &f->err), EL_EINVAL);
    assert_int_equal(el_store_score_add(f->store, &good, NULL, &f->err), 1);
}

struct labels {
    int n;
    struct el_label last;
};

static int take_label(void *user, const struct el_label *l, struct el_error *err)
{
    (void)err;
    struct labels *all = user;
    all->n++;
    all->last = *l;
    return 0;
}

static struct labels dv(struct fixture *f, const char *set)
{
    struct labels all = {0};
    ok(el_store_dv_each(f->store, set, take_label, &all, &f->err));
    return all;
}

static void rate(struct fixture *f, int64_t proof, enum el_rater_kind kind, const char *rater,
                 int halves)
{
    struct el_score c = {.proof = proof,
                         .rater_kind = kind,
                         .rater = rater,
                         .raw = halves < 0 ? 0.5 : halves / 2.0,
                         .scale_max = 1,
                         .halves = halves,
                         .mapping = "direct",
                         .blind = EL_BLIND_YES};
    ok(el_store_score_add(f->store, &c, NULL, &f->err));
}

static void labels_prefer_people_and_take_the_lower_median(void **state)
{
    struct fixture *f = *state;
    int64_t proof = make_proof(f, make_problem(f, "1"), "");
    rate(f, proof, EL_RATER_MODEL, "m", 0);
    rate(f, proof, EL_RATER_IMPORTED, "auto", -1);
    assert_int_equal(dv(f, NULL).n, 0);
    rate(f, proof, EL_RATER_LABEL, "auto", 0);
    assert_int_equal(dv(f, NULL).last.halves, 0);
    rate(f, proof, EL_RATER_ORACLE, "world", 1);
    assert_int_equal(dv(f, NULL).last.halves, 1);
    rate(f, proof, EL_RATER_HUMAN, "ann", 2);
    assert_int_equal(dv(f, NULL).last.halves, 2);
    rate(f, proof, EL_RATER_HUMAN, "bob", 0);
    assert_int_equal(dv(f, NULL).last.halves, 0); /* two: the lower one */
    assert_int_equal(dv(f, NULL).last.raters, 2);
    rate(f, proof, EL_RATER_HUMAN, "bob", 1);
    assert_int_equal(dv(f, NULL).last.halves, 1); /* of one rater the latest */
    rate(f, proof, EL_RATER_HUMAN, "cyd", 2);
    assert_int_equal(dv(f, NULL).last.halves, 2);
    rate(f, proof, EL_RATER_ADJUDICATED, "dan", 0);
    struct labels all = dv(f, "set");
    assert_int_equal(all.n, 1);
    assert_int_equal(all.last.halves, 0);
    assert_int_equal(all.last.rater_kind, EL_RATER_ADJUDICATED);
    assert_int_equal(all.last.proof, proof);
    assert_int_equal(dv(f, "another").n, 0);
}

static void analyses_have_labels_of_their_own(void **state)
{
    struct fixture *f = *state;
    int64_t proof = make_proof(f, make_problem(f, "1"), ""), analysis = 0;
    struct el_analysis a = {.proof = proof, .text = "bad", .halves = 0};
    ok(el_store_analysis_add(f->store, &a, &analysis, &f->err));
    struct el_score c = {.analysis = analysis,
                         .rater_kind = EL_RATER_HUMAN,
                         .raw = 0.5,
                         .scale_max = 1,
                         .halves = 1,
                         .blind = EL_BLIND_YES};
    ok(el_store_score_add(f->store, &c, NULL, &f->err));
    rate(f, proof, EL_RATER_HUMAN, "ann", 2);
    struct labels all = {0};
    ok(el_store_dmv_each(f->store, NULL, take_label, &all, &f->err));
    assert_int_equal(all.n, 1);
    assert_int_equal(all.last.analysis, analysis);
    assert_int_equal(all.last.proof, proof);
    assert_int_equal(all.last.halves, 1);
    assert_int_equal(dv(f, NULL).n, 1);
}

static void transactions_nest(void **state)
{
    struct fixture *f = *state;
    ok(el_store_begin(f->store, &f->err));
    int64_t outer = make_problem(f, "outer");
    ok(el_store_begin(f->store, &f->err));
    int64_t inner = make_problem(f, "inner");
    el_store_rollback(f->store);
    ok(el_store_commit(f->store, &f->err));
    struct el_problem p;
    ok(el_store_problem_get(f->store, outer, &p, &f->err));
    el_problem_release(&p);
    assert_int_equal(el_store_problem_get(f->store, inner, &p, &f->err), EL_ENOTFOUND);
}

static int stop_at_second(void *user, const struct el_problem *p, struct el_error *err)
{
    (void)p;
    (void)err;
    return ++*(int *)user == 2;
}

static int give_up(void *user, const struct el_problem *p, struct el_error *err)
{
    (void)user;
    return el_error_set(err, EL_EINTR, "stopped at %s", p->external_id);
}

static void iteration_stops_when_asked(void **state)
{
    struct fixture *f = *state;
    make_problem(f, "1");
    make_problem(f, "2");
    make_problem(f, "3");
    int seen = 0;
    assert_int_equal(el_store_problem_each(f->store, "set", stop_at_second, &seen, &f->err), 1);
    assert_int_equal(seen, 2);
    assert_int_equal(el_store_problem_each(f->store, NULL, give_up, NULL, &f->err), EL_EINTR);
    assert_string_equal(f->err.msg, "stopped at 1");
}

static void sets_that_are_not_there_are_told(void **state)
{
    struct fixture *f = *state;
    ok(el_store_set_check(f->store, NULL, &f->err));
    assert_int_equal(el_store_set_check(f->store, "set", &f->err), EL_ENOTFOUND);
    assert_non_null(strstr(f->err.msg, "there are none at all"));
    make_problem(f, "1");
    make_problem(f, "2");
    const struct el_problem p = {.set = "other", .external_id = "1", .statement = "Prove it."};
    ok(el_store_problem_add(f->store, &p, NULL, NULL, &f->err));
    ok(el_store_set_check(f->store, "set", &f->err));
    ok(el_store_set_check(f->store, "other", &f->err));
    assert_int_equal(el_store_set_check(f->store, "se", &f->err), EL_ENOTFOUND);
    assert_non_null(
        strstr(f->err.msg, "no problems of a set 'se'; there are those of: other, set"));
}

static void texts_with_nul_are_cleaned(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(el_store_clean(&b, "a\0b\0", 4), 0);
    assert_string_equal(b.data, "a\xEF\xBF\xBD"
                                "b\xEF\xBF\xBD");
    assert_int_equal(el_store_clean(&b, NULL, 0), 0);
    el_buf_release(&b);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(problems_merge_and_report_conflicts),
        with_store(unknown_rows_are_named),
        with_store(proofs_analyses_and_metas_come_back),
        with_store(a_settled_store_is_one_file),
        with_store(reading_leaves_nothing),
        with_store(a_read_only_folder_is_read),
        with_store(a_log_with_changes_is_not_passed_over),
        with_store(an_unused_store_leaves_no_file),
        with_store(what_was_said_never_changes),
        with_store(bad_scores_are_refused),
        with_store(labels_prefer_people_and_take_the_lower_median),
        with_store(analyses_have_labels_of_their_own),
        with_store(transactions_nest),
        with_store(iteration_stops_when_asked),
        with_store(sets_that_are_not_there_are_told),
        cmocka_unit_test(texts_with_nul_are_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
