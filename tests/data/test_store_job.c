/* Runs, jobs, results: states, idempotence, order, locks. */
#include "data/store_sql.h"
#include "tests/data/store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static struct el_job_result reply(int attempt, enum el_job_state state)
{
    return (struct el_job_result){.state = state,
                                  .text = "the reply",
                                  .outcome = {.attempt = attempt,
                                              .halves = state == EL_JOB_DONE ? 2 : EL_SCORE_NONE,
                                              .failure = state == EL_JOB_DONE ? NULL : "truncated",
                                              .finish = "stop",
                                              .prompt_tokens = 10,
                                              .completion_tokens = 5,
                                              .logp_sum = NAN}};
}

static int64_t make_job(struct fixture *f, int64_t run, int64_t problem, const char *key,
                        int sample)
{
    struct el_job j = {
        .run = run, .key = key, .role = "generator", .problem = problem, .sample = sample};
    int64_t id = 0;
    ok(el_store_job_add(f->store, &j, &id, &f->err));
    return id;
}

static void a_result_brings_its_objects(void **state)
{
    struct fixture *f = *state;
    int64_t problem = make_problem(f, "1"), run = make_run(f, 7);
    int64_t job = make_job(f, run, problem, "k1", 0);
    struct el_proof y = {.problem = problem, .text = "Y", .author = {EL_AUTHOR_MODEL, "m", "k1/0"}};
    struct el_analysis z = {
        .is_self = 1, .text = "Z", .halves = 2, .author = {EL_AUTHOR_MODEL, "m", "k1/0"}};
    struct el_score c = {.rater_kind = EL_RATER_ORACLE,
                         .raw = 1,
                         .scale_max = 1,
                         .halves = 2,
                         .blind = EL_BLIND_YES};
    struct el_job_result r = reply(0, EL_JOB_DONE);
    r.proof = &y;
    r.self = &z;
    r.scores = &c;
    r.n_scores = 1;
    assert_int_equal(el_store_job_put_result(f->store, job, &r, &f->err), 1);
    r.text = "another reply to the same question";
    assert_int_equal(el_store_job_put_result(f->store, job, &r, &f->err), 0);
    struct el_job got;
    ok(el_store_job_by_key(f->store, run, "k1", &got, &f->err));
    assert_int_equal(got.state, EL_JOB_DONE);
    assert_int_equal(got.attempts, 1);
    assert_int_equal(got.last.halves, 2);
    assert_true(isnan(got.last.logp_sum));
    assert_true(got.last.proof > 0 && got.last.analysis > 0 && got.last.meta == 0);
    struct el_analysis self;
    ok(el_store_analysis_get(f->store, got.last.analysis, &self, &f->err));
    assert_int_equal(self.proof, got.last.proof);
    el_analysis_release(&self);
    struct el_reply_text text;
    ok(el_store_result_get(f->store, job, 0, &text, &f->err));
    assert_string_equal(text.text, "the reply");
    el_reply_text_release(&text);
    el_job_release(&got);
}

static void attempts_go_in_order_and_failures_are_dropped(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 7), job = make_job(f, run, make_problem(f, "1"), "k", 0);
    struct el_job_result r = reply(1, EL_JOB_PENDING);
    assert_int_equal(el_store_job_put_result(f->store, job, &r, &f->err), EL_EINVAL);
    assert_non_null(strstr(f->err.msg, "attempt 1 offered, expected 0"));
    r = reply(0, EL_JOB_PENDING);
    assert_int_equal(el_store_job_put_result(f->store, job, &r, &f->err), 1);
    r = reply(1, EL_JOB_FAILED);
    assert_int_equal(el_store_job_put_result(f->store, job, &r, &f->err), EL_EINVAL);
    r.drop_reason = "truncated";
    r.drop_proof_bytes = 1234;
    assert_int_equal(el_store_job_put_result(f->store, job, &r, &f->err), 1);
    r = reply(2, EL_JOB_DONE);
    assert_int_equal(el_store_job_put_result(f->store, job, &r, &f->err), EL_EINVAL);
    assert_non_null(strstr(f->err.msg, "takes no further reply"));
    struct el_job got;
    ok(el_store_job_get(f->store, job, &got, &f->err));
    assert_int_equal(got.state, EL_JOB_FAILED);
    assert_int_equal(got.attempts, 2);
    assert_int_equal(got.last.prompt_tokens, 10);
    assert_int_equal(got.read_tokens, 20); /* those of both */
    assert_int_equal(got.written_tokens, 10);
    assert_string_equal(got.last.failure, "truncated");
    el_job_release(&got);
}

struct drops {
    int n;
    int64_t bytes;
};

static int take_drop(void *user, const struct el_drop *d, struct el_error *err)
{
    (void)err;
    struct drops *all = user;
    all->n++;
    all->bytes += d->proof_bytes;
    return 0;
}

static int take_usage(void *user, const struct el_usage *u, struct el_error *err)
{
    (void)err;
    *(int64_t *)user += u->replies * 1000000 + u->prompt_tokens * 1000 + u->completion_tokens;
    return 0;
}

static void drops_usage_and_outages_are_counted(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 7), job = make_job(f, run, make_problem(f, "1"), "k", 0);
    struct el_job_result r = reply(0, EL_JOB_PENDING);
    ok(el_store_job_put_result(f->store, job, &r, &f->err));
    r = reply(1, EL_JOB_FAILED);
    r.drop_reason = "truncated";
    r.drop_proof_bytes = 30;
    ok(el_store_job_outage(f->store, job, "connection refused", &f->err));
    ok(el_store_job_put_result(f->store, job, &r, &f->err));
    assert_int_equal(el_store_drop_add(f->store, job, "context", 12, &f->err), 1);
    assert_int_equal(el_store_drop_add(f->store, job, "context", 12, &f->err), 0);
    assert_int_equal(el_store_job_outage(f->store, job, "late", &f->err), EL_ENOTFOUND);
    struct drops d = {0, 0};
    ok(el_store_drop_each(f->store, run, take_drop, &d, &f->err));
    assert_int_equal(d.n, 2);
    assert_int_equal(d.bytes, 42);
    int64_t usage = 0;
    ok(el_store_usage_each(f->store, run, take_usage, &usage, &f->err));
    assert_int_equal(usage, 2020010);
}

static int append_key(void *user, const struct el_job *j, struct el_error *err)
{
    (void)err;
    return el_buf_printf(user, "%s ", j->key);
}

static void order_does_not_depend_on_arrival(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 7), problem = make_problem(f, "1");
    make_job(f, run, problem, "c", 2);
    make_job(f, run, problem, "a", 1);
    make_job(f, run, problem, "b", 1);
    assert_int_equal(make_job(f, run, problem, "a", 1), 2);
    make_job(f, make_run(f, 8), problem, "a", 1);
    struct el_buf keys;
    el_buf_init(&keys);
    struct el_job_filter any = {.run = run, .thread = -1, .round = -1, .state = -1};
    ok(el_store_job_each(f->store, &any, append_key, &keys, &f->err));
    assert_string_equal(keys.data, "a b c ");
    int64_t n = 0;
    any.state = EL_JOB_DONE;
    ok(el_store_job_count(f->store, &any, &n, &f->err));
    assert_int_equal(n, 0);
    any.state = EL_JOB_PENDING;
    any.role = "generator";
    ok(el_store_job_count(f->store, &any, &n, &f->err));
    assert_int_equal(n, 3);
    any.problem = problem;
    ok(el_store_job_count(f->store, &any, &n, &f->err));
    assert_int_equal(n, 3);
    el_buf_clear(&keys);
    ok(el_store_job_each(f->store, &any, append_key, &keys, &f->err));
    assert_string_equal(keys.data, "a b c ");
    el_buf_release(&keys);
    any.problem = problem + 1;
    ok(el_store_job_count(f->store, &any, &n, &f->err));
    assert_int_equal(n, 0);
    any.problem = 0;
    any.round = 5;
    ok(el_store_job_count(f->store, &any, &n, &f->err));
    assert_int_equal(n, 0);
}

static void runs_are_found_again(void **state)
{
    struct fixture *f = *state;
    int64_t a = make_run(f, UINT64_MAX);
    assert_int_equal(make_run(f, UINT64_MAX), a);
    assert_int_not_equal(make_run(f, 3), a);
    ok(el_store_run_set_done(f->store, a, &f->err));
    struct el_run r;
    ok(el_store_run_get(f->store, a, &r, &f->err));
    assert_true(r.seed == UINT64_MAX && r.done);
    assert_string_equal(r.isa, "avx2");
    el_run_release(&r);
    assert_int_equal(el_store_run_set_done(f->store, 77, &f->err), EL_ENOTFOUND);
}

static void one_writer_per_run(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 7), other = make_run(f, 8);
    ok(el_store_run_lock(f->store, run, &f->err));
    ok(el_store_run_lock(f->store, run, &f->err));
    struct el_store *second;
    ok(el_store_open(f->path, 0, &second, &f->err));
    assert_int_equal(el_store_run_lock(second, run, &f->err), EL_EBUSY);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d on", (int)getpid());
    assert_non_null(strstr(f->err.msg, pid));
    ok(el_store_run_lock(second, other, &f->err));
    assert_int_equal(el_store_run_lock(second, 99, &f->err), EL_ENOTFOUND);
    el_store_run_unlock(f->store, run);
    ok(el_store_run_lock(second, run, &f->err));
    el_store_close(second);
    ok(el_store_run_lock(f->store, other, &f->err));
}

static struct el_job_result refusal(const char *reason)
{
    return (struct el_job_result){
        .state = EL_JOB_FAILED,
        .outcome = {.halves = EL_SCORE_NONE, .failure = reason, .finish = "refused"},
        .text = "",
        .drop_reason = reason};
}

static int64_t count(struct fixture *f, const char *sql)
{
    struct el_sql q;
    int64_t n = -1;
    ok(el_sql_open(&q, f->store, sql, &f->err));
    ok(el_sql_one_int(&q, &n, &f->err));
    return n;
}

static int64_t drops(struct fixture *f)
{
    return count(f, "SELECT COUNT(*) FROM drops");
}

static int run_is_done(struct fixture *f, int64_t run)
{
    struct el_run r;
    ok(el_store_run_get(f->store, run, &r, &f->err));
    int done = r.done;
    el_run_release(&r);
    return done;
}

/* A refused prompt is no fact of the run: its job is refused again, or answered, whatever number
 * the reply thinks to have. */
static void refused_jobs_take_a_reply(void **state)
{
    struct fixture *f = *state;
    int64_t problem = make_problem(f, "1"), run = make_run(f, 7), id[4];
    struct el_job j = {.run = run, .role = "refiner", .problem = problem, .thread = 1, .round = 2};
    for (int i = 0; i < 4; i++) { /* each stands in for those before it; the last one elsewhere */
        static const char *const keys[] = {"a", "b", "c", "d"};
        j.key = keys[i];
        j.sample = i;
        j.round = 2 + (i == 3);
        ok(el_store_job_add(f->store, &j, &id[i], &f->err));
    }
    struct el_job_result no = refusal("fewer");
    for (int i = 0; i < 4; i++)
        ok(el_store_job_put_result(f->store, id[i], &no, &f->err));
    ok(el_store_run_set_done(f->store, run, &f->err));
    assert_int_equal(el_store_job_put_result(f->store, id[0], &no, &f->err), 0);
    no.outcome.attempt = 1;
    assert_int_equal(el_store_job_put_result(f->store, id[0], &no, &f->err), 0);
    assert_int_equal(drops(f), 4);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM results"), 4);
    assert_true(run_is_done(f, run));
    struct el_job_result answer = reply(0, EL_JOB_DONE);
    answer.in_place = 1;
    assert_int_equal(el_store_job_put_result(f->store, id[1], &answer, &f->err), 1);
    assert_int_equal(el_store_job_put_result(f->store, id[1], &answer, &f->err), 0);
    assert_false(run_is_done(f, run));
    assert_int_equal(drops(f), 2); /* a and d */
    ok(el_store_job_get(f->store, id[1], &j, &f->err));
    assert_true(j.state == EL_JOB_DONE && j.attempts == 2 && j.refusals == 1);
    assert_int_equal(j.last.attempt, 1);
    el_job_release(&j);
    ok(el_store_check(f->store, &f->err));
}

/* Of a judge: unreadable, refused, unreadable twice, each under its own number. */
static void refusals_are_no_tries(void **state)
{
    struct fixture *f = *state;
    int64_t job = make_job(f, make_run(f, 7), make_problem(f, "1"), "a", 0);
    struct el_job_result bad = reply(0, EL_JOB_PENDING), no = refusal("context");
    ok(el_store_job_put_result(f->store, job, &bad, &f->err));
    no.outcome.attempt = 1;
    ok(el_store_job_put_result(f->store, job, &no, &f->err));
    for (int i = 2; i < 4; i++) {
        bad.outcome.attempt = i;
        assert_int_equal(el_store_job_put_result(f->store, job, &bad, &f->err), 1);
        assert_int_equal(drops(f), 0);
    }
    struct el_job j;
    ok(el_store_job_get(f->store, job, &j, &f->err));
    assert_true(j.state == EL_JOB_PENDING && j.attempts == 4 && j.refusals == 1);
    assert_false(el_job_was_refused(&j));
    el_job_release(&j);
}

/* A store is one file, by whatever name. */
static void names_share_their_lock(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 7);
    char folder[96], file[128], through[160], was[400];
    snprintf(folder, sizeof folder, "%s.link", f->dir);
    snprintf(file, sizeof file, "%s/link.db", f->dir);
    snprintf(through, sizeof through, "%s/s.db", folder);
    assert_int_equal(symlink(f->dir, folder), 0);
    assert_int_equal(symlink("s.db", file), 0);
    assert_non_null(getcwd(was, sizeof was));
    assert_int_equal(chdir(f->dir), 0);
    const char *const names[] = {file, through, "s.db", "./link.db"};
    ok(el_store_run_lock(f->store, run, &f->err));
    for (int i = 0; i < 4; i++) {
        struct el_store *second;
        ok(el_store_open(names[i], 0, &second, &f->err));
        assert_int_equal(el_store_run_lock(second, run, &f->err), EL_EBUSY);
        el_store_close(second);
    }
    assert_int_equal(chdir(was), 0);
    unlink(folder);
    el_store_run_unlock(f->store, run);

    struct el_store *second;
    ok(el_store_open(f->path, EL_STORE_READONLY, &second, &f->err));
    assert_int_equal(el_store_run_lock(second, run, &f->err), EL_EIO);
    el_store_close(second);
    ok(el_store_open(file, 0, &second, &f->err));
    second->lock_fd = open("/dev/null", O_RDONLY); /* takes no lock for writing */
    assert_int_equal(el_store_run_lock(second, run, &f->err), EL_EIO);
    assert_non_null(strstr(f->err.msg, "s.db.lock: cannot lock")); /* not link.db.lock */
    el_store_close(second);
}

/* The lock of a killed process is free at once. */
static void a_killed_writer_leaves_no_lock(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 7);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct el_store *mine;
        char byte =
            el_store_open(f->path, 0, &mine, NULL) == 0 && el_store_run_lock(mine, run, NULL) == 0
                ? 'y'
                : 'n';
        if (write(ready[1], &byte, 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    char byte = 0;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(el_store_run_lock(f->store, run, &f->err), EL_EBUSY);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ok(el_store_run_lock(f->store, run, &f->err));
    close(ready[0]);
    close(ready[1]);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_result_brings_its_objects),
        with_store(attempts_go_in_order_and_failures_are_dropped),
        with_store(drops_usage_and_outages_are_counted),
        with_store(order_does_not_depend_on_arrival),
        with_store(runs_are_found_again),
        with_store(one_writer_per_run),
        with_store(refused_jobs_take_a_reply),
        with_store(refusals_are_no_tries),
        with_store(names_share_their_lock),
        with_store(a_killed_writer_leaves_no_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
