/* The store under failure: every step failing in turn, kill -9, a full disk, damaged and foreign
 * files, versions. */
#include "tests/data/store_fixture.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/rng.h"
#include "data/store_migrate.h"
#include "data/store_reader.h"
#include "data/store_sql.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { n_jobs = 3 };

static int one_job(struct el_store *s, int64_t run, int64_t problem, int i, struct el_error *err)
{
    char key[16];
    snprintf(key, sizeof key, "k%d", i);
    struct el_job j = {
        .run = run, .key = key, .role = "generator", .problem = problem, .sample = i};
    int64_t job = 0;
    int rc = el_store_job_add(s, &j, &job, err);
    struct el_proof y = {.problem = problem, .text = "Y", .author = {EL_AUTHOR_MODEL, "m", key}};
    struct el_analysis z = {.is_self = 1, .text = "Z", .halves = 1};
    struct el_score c = {.raw = 1, .scale_max = 1, .halves = 2, .blind = EL_BLIND_UNKNOWN};
    struct el_job_result r = {.state = EL_JOB_DONE,
                              .text = key,
                              .proof = &y,
                              .self = &z,
                              .scores = &c,
                              .n_scores = 1,
                              .outcome = {.halves = 1, .finish = "stop", .logp_sum = -2.5}};
    return rc < 0 ? rc : el_store_job_put_result(s, job, &r, err);
}

/* A whole small run; whatever is there already is skipped by its key. */
static int scenario(struct el_store *s, struct el_error *err)
{
    struct el_problem p = {.set = "s", .external_id = "1", .statement = "X"};
    int64_t problem = 0, run = 0;
    int rc = el_store_problem_add(s, &p, &problem, NULL, err);
    struct el_run r = {.kind = EL_RUN_COMPETE,
                       .config = "{}",
                       .model_digest = "",
                       .prompt_digest = "",
                       .mode = "",
                       .dtype = "",
                       .isa = ""};
    if (rc >= 0)
        rc = el_store_run_add(s, &r, &run, err);
    for (int i = 0; i < n_jobs && rc >= 0; i++)
        rc = one_job(s, run, problem, i, err);
    return rc < 0 ? rc : el_store_run_set_done(s, run, err);
}

static int64_t count(struct fixture *f, const char *sql)
{
    struct el_sql q;
    int64_t n = -1;
    ok(el_sql_open(&q, f->store, sql, &f->err));
    ok(el_sql_one_int(&q, &n, &f->err));
    return n;
}

/* Nothing is half there: a job is done exactly when its reply and its objects are stored. */
static void assert_consistent(struct fixture *f)
{
    ok(el_store_check(f->store, &f->err));
    int64_t done = count(f, "SELECT COUNT(*) FROM jobs WHERE state = 'done'");
    assert_int_equal(count(f, "SELECT COUNT(*) FROM results"), done);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM proofs"), done);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM analyses"), done);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM scores"), done);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM jobs WHERE attempts <> (state = 'done')"), 0);
}

static void every_step_may_fail(void **state)
{
    struct fixture *f = *state;
    int failures = 0;
    for (long n = 1;; n++) {
        char path[128];
        snprintf(path, sizeof path, "%s/n.db", f->dir);
        el_store_close(f->store);
        unlink(path);
        f->store = NULL;
        ok(el_store_open(path, EL_STORE_CREATE, &f->store, &f->err));
        el_store_fail_after(n);
        int rc = scenario(f->store, &f->err);
        el_store_fail_after(0);
        if (rc < 0) {
            failures++;
            assert_int_equal(rc, EL_EIO);
            assert_non_null(strstr(f->err.msg, "injected"));
            assert_non_null(strstr(f->err.msg, path));
        }
        if (rc < 0 && n % 2) { /* the same handle goes on, or a new one does */
            el_store_close(f->store);
            ok(el_store_open(path, 0, &f->store, &f->err));
        } else if (rc < 0) {
            ok(el_store_begin(f->store, &f->err));
            el_store_rollback(f->store);
        }
        assert_consistent(f);
        ok(scenario(f->store, &f->err));
        assert_consistent(f);
        assert_int_equal(count(f, "SELECT COUNT(*) FROM results"), n_jobs);
        if (rc == 0)
            break;
    }
    assert_true(failures > 40);
}

static void opening_may_fail_at_every_step(void **state)
{
    struct fixture *f = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/open.db", f->dir);
    struct el_store *s = NULL;
    int failures = 0;
    for (long n = 1;; n++) {
        unlink(path);
        el_store_fail_after(n);
        int rc = el_store_open(path, EL_STORE_CREATE, &s, &f->err);
        el_store_fail_after(0);
        if (rc == 0)
            break;
        failures++;
        ok(el_store_open(path, EL_STORE_CREATE, &s, &f->err));
        ok(el_store_check(s, &f->err));
        el_store_close(s);
    }
    el_store_close(s);
    assert_true(failures > 20);
}

static void every_allocation_may_fail(void **state)
{
    struct fixture *f = *state;
    ok(scenario(f->store, &f->err));
    for (long n = 1;; n++) {
        struct el_problem p = {0};
        struct el_job j = {0};
        struct el_store *s = NULL;
        el_alloc_fail_after(n);
        int rc = el_store_open(f->path, 0, &s, &f->err);
        if (rc == 0)
            rc = el_store_problem_get(s, 1, &p, &f->err);
        if (rc == 0)
            rc = el_store_job_get(s, 1, &j, &f->err);
        if (rc == 0)
            rc = el_store_run_lock(s, 1, &f->err);
        el_alloc_fail_after(0);
        el_problem_release(&p);
        el_job_release(&j);
        el_store_close(s);
        if (rc == 0)
            break;
        assert_int_equal(rc, EL_ENOMEM);
    }
}

/* ---- kill -9 */

/* Writes results for ever, telling each committed one through the pipe. */
static void write_until_killed(const char *path, int pipe_fd)
{
    struct el_store *s;
    if (el_store_open(path, 0, &s, NULL) < 0)
        _exit(1);
    for (int i = 0;; i++) {
        int rc = one_job(s, 1, 1, i, NULL);
        if (rc < 0 || (rc == 1 && write(pipe_fd, &i, sizeof i) != sizeof i))
            _exit(2);
    }
}

/* Every result that the writer told of as committed is there. */
static int check_told(struct fixture *f, int fd)
{
    int told = 0;
    for (int i; read(fd, &i, sizeof i) == sizeof i; told++) {
        struct el_job j;
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        ok(el_store_job_by_key(f->store, 1, key, &j, &f->err));
        assert_int_equal(j.state, EL_JOB_DONE);
        el_job_release(&j);
    }
    return told;
}

static void a_killed_writer_loses_nothing_committed(void **state)
{
    struct fixture *f = *state;
    make_problem(f, "1");
    make_run(f, 1);
    struct el_rng rng;
    el_rng_init(&rng, 11);
    int told = 0;
    for (int round = 0; round < 20; round++) {
        int fd[2];
        assert_int_equal(pipe(fd), 0);
        pid_t pid = fork();
        if (pid == 0)
            write_until_killed(f->path, fd[1]);
        close(fd[1]);
        struct timespec wait = {0, 1000000L * el_rng_range(&rng, 5, 60)};
        struct pollfd first = {.fd = fd[0], .events = POLLIN};
        if (round % 2) /* even rounds may also kill it while it opens the store */
            assert_int_equal(poll(&first, 1, 60000), 1);
        nanosleep(&wait, NULL);
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        told += check_told(f, fd[0]);
        close(fd[0]);
        assert_consistent(f);
    }
    assert_true(told >= 10);
}

/* ---- the disk, the file */

static void a_full_disk_is_an_error_and_no_damage(void **state)
{
    struct fixture *f = *state;
    int64_t problem = make_problem(f, "1");
    ok(el_sql_exec(f->store, "PRAGMA max_page_count = 1", &f->err)); /* its present size */
    char *big = malloc(100001);
    memset(big, 'x', 100000);
    big[100000] = 0;
    struct el_proof y = {.problem = problem, .text = big};
    ok(el_store_begin(f->store, &f->err));
    assert_int_equal(el_store_proof_add(f->store, &y, NULL, &f->err), EL_EIO);
    assert_non_null(strstr(f->err.msg, "full"));
    assert_non_null(strstr(f->err.msg, f->path));
    el_store_rollback(f->store);
    ok(el_sql_exec(f->store, "PRAGMA max_page_count = 1000000", &f->err));
    ok(el_store_proof_add(f->store, &y, NULL, &f->err));
    ok(el_store_check(f->store, &f->err));
    free(big);
}

static void expect_open_error(struct fixture *f, int flags, int code, const char *text)
{
    struct el_store *s = NULL;
    assert_int_equal(el_store_open(f->path, flags, &s, &f->err), code);
    assert_non_null(strstr(f->err.msg, f->path));
    assert_non_null(strstr(f->err.msg, text));
}

static void close_store(struct fixture *f)
{
    el_store_close(f->store);
    f->store = NULL;
}

static void other_files_are_refused(void **state)
{
    struct fixture *f = *state;
    close_store(f);
    ok(el_file_write(f->path, "this is a text, long enough to be no header\n", 44, &f->err));
    expect_open_error(f, 0, EL_EFORMAT, "not a database");
    unlink(f->path);
    expect_open_error(f, 0, EL_ENOTFOUND, "no such store");
    expect_open_error(f, EL_STORE_READONLY, EL_ENOTFOUND, "no such store");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL);
    sqlite3_close(db);
    struct el_buf before, after;
    el_buf_init(&before);
    el_buf_init(&after);
    ok(el_file_read(f->path, 0, &before, &f->err));
    expect_open_error(f, EL_STORE_CREATE, EL_EFORMAT, "not a store made by elenchus");
    ok(el_file_read(f->path, 0, &after, &f->err));
    assert_int_equal(before.len, after.len); /* and stay as they are */
    assert_memory_equal(before.data, after.data, before.len);
    el_buf_release(&before);
    el_buf_release(&after);
    unlink(f->path);
    assert_int_equal(mkdir(f->path, 0700), 0);
    expect_open_error(f, EL_STORE_CREATE, EL_EFORMAT, "a folder; expected a store");
    expect_open_error(f, EL_STORE_READONLY, EL_EFORMAT, "a folder; expected a store");
    rmdir(f->path);
}

static void a_damaged_file_is_noticed(void **state)
{
    struct fixture *f = *state;
    ok(scenario(f->store, &f->err));
    close_store(f);
    struct el_buf b;
    el_buf_init(&b);
    ok(el_file_read(f->path, 0, &b, &f->err));
    assert_true(b.len > 8192);
    memset(b.data + 4096, 0xA5, b.len - 4096);
    ok(el_file_write(f->path, b.data, b.len, &f->err));
    el_buf_release(&b);
    int rc = el_store_open(f->path, 0, &f->store, &f->err);
    if (rc == 0)
        rc = el_store_check(f->store, &f->err);
    assert_int_equal(rc, EL_EFORMAT);
}

static void read_only_stays_read_only(void **state)
{
    struct fixture *f = *state;
    make_problem(f, "1");
    struct el_store *s;
    ok(el_store_open(f->path, EL_STORE_READONLY, &s, &f->err));
    struct el_problem p = {.set = "s", .external_id = "2", .statement = "X"};
    assert_int_equal(el_store_problem_add(s, &p, NULL, NULL, &f->err), EL_EIO);
    ok(el_store_problem_get(s, 1, &p, &f->err));
    el_problem_release(&p);
    el_store_close(s);
}

/* ---- versions */

static int add_column(struct el_store *s, struct el_error *err)
{
    int rc = el_sql_exec(s, "ALTER TABLE problems ADD COLUMN fresh TEXT", err);
    return rc < 0 ? rc : el_sql_exec(s, "PRAGMA user_version = 5", err);
}

static int fail_half_way(struct el_store *s, struct el_error *err)
{
    int rc = el_sql_exec(s, "ALTER TABLE problems ADD COLUMN half TEXT", err);
    return rc < 0 ? rc : el_error_set(err, EL_EIO, "no further");
}

static int forget_version(struct el_store *s, struct el_error *err)
{
    return el_sql_exec(s, "ALTER TABLE problems ADD COLUMN half TEXT", err);
}

static void versions_go_up_step_by_step(void **state)
{
    struct fixture *f = *state;
    make_problem(f, "1");
    el_migration_fn *const *now = el_store_migrations;
    el_migration_fn *const broken[] = {now[0], now[1], now[2], now[3], fail_half_way};
    el_migration_fn *const forgetful[] = {now[0], now[1], now[2], now[3], forget_version};
    el_migration_fn *const next[] = {now[0], now[1], now[2], now[3], add_column};
    const char *version = "SELECT user_version FROM pragma_user_version";
    assert_int_equal(el_store_version, 4);
    assert_int_equal(count(f, version), 4);
    assert_int_equal(el_store_migrate(f->store, broken, 5, &f->err), EL_EIO);
    assert_int_equal(el_store_migrate(f->store, forgetful, 5, &f->err), EL_EFORMAT);
    assert_int_equal(count(f, version), 4);
    assert_int_equal(
        count(f, "SELECT COUNT(*) FROM pragma_table_info('problems') WHERE name = 'half'"), 0);
    ok(el_store_migrate(f->store, next, 5, &f->err));
    ok(el_store_migrate(f->store, next, 5, &f->err));
    assert_int_equal(count(f, version), 5);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM problems WHERE fresh IS NULL"), 1);
    close_store(f);
    expect_open_error(f, 0, EL_EREFUSED, "newer program");
}

/* Makes f's file one of an older version. */
static void make_old(struct fixture *f, int version)
{
    struct el_store raw = {.path = f->path, .lock_fd = -1};
    close_store(f);
    unlink(f->path);
    assert_int_equal(sqlite3_open(f->path, &raw.db), SQLITE_OK);
    ok(el_store_migrate(&raw, el_store_migrations, version, &f->err));
    for (int i = 0; i < raw.n_cached; i++)
        sqlite3_finalize(raw.cache[i].stmt);
    assert_int_equal(sqlite3_close(raw.db), SQLITE_OK);
}

/* A reader sees an old store as one of this program's, and leaves the file as it is. `sql` gives 1.
 */
static void read_old(struct fixture *f, const char *sql)
{
    struct el_problem p = {.set = "s", .external_id = "2", .statement = "X"};
    struct el_buf before, after;
    el_buf_init(&before);
    el_buf_init(&after);
    ok(el_file_read(f->path, 0, &before, &f->err));
    ok(el_store_open(f->path, EL_STORE_READONLY, &f->store, &f->err));
    assert_int_equal(count(f, "SELECT user_version FROM pragma_user_version"), el_store_version);
    assert_int_equal(count(f, sql), 1);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM withdrawn"), 0);
    assert_int_equal(el_store_problem_add(f->store, &p, NULL, NULL, &f->err), EL_EIO);
    close_store(f);
    ok(el_file_read(f->path, 0, &after, &f->err));
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, after.len);
    el_buf_release(&before);
    el_buf_release(&after);
}

/* A reader opens an old store, while one step or allocation after the other fails. */
static void read_with_faults(struct fixture *f)
{
    for (int faults = 0; faults < 2; faults++)
        for (long n = 1;; n++) {
            struct el_store *s = NULL;
            faults ? el_store_fail_after(n) : el_alloc_fail_after(n);
            int rc = el_store_open(f->path, EL_STORE_READONLY, &s, &f->err);
            el_store_fail_after(0);
            el_alloc_fail_after(0);
            el_store_close(s);
            if (rc == 0)
                break;
            assert_int_equal(rc, faults ? EL_EIO : EL_ENOMEM);
        }
}

/* What stands in a store of version 1 is there after it was opened, labels included. */
static void version_1_keeps_what_it_holds(void **state)
{
    struct fixture *f = *state;
    make_old(f, 1);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    const char *rows =
        "INSERT INTO problems (id, key, digest, set_name, external_id, statement) "
        "VALUES (1, 'k', 'd', 's', '1', 'X');"
        "INSERT INTO proofs (id, key, problem, text, author_kind, author, origin, created) "
        "VALUES (1, 'y', 1, 'Y', 'human', '', '', 0);"
        "INSERT INTO scores (id, key, proof, rater_kind, rater, raw, scale_max, halves, origin, "
        "created) VALUES (1, 'c', 1, 'label', 'auto', 0.5, 1, 1, '', 0)";
    assert_int_equal(sqlite3_exec(db, rows, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    read_old(f, "SELECT halves FROM dv WHERE proof = 1");
    ok(el_store_open(f->path, 0, &f->store, &f->err));
    assert_int_equal(count(f, "SELECT user_version FROM pragma_user_version"), el_store_version);
    assert_int_equal(count(f, "SELECT halves FROM dv WHERE proof = 1"), 1);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM decisions"), 0);
    ok(el_store_check(f->store, &f->err));
}

static void open_raw(struct fixture *f, struct el_store *raw)
{
    *raw = (struct el_store){.path = f->path, .lock_fd = -1};
    assert_int_equal(sqlite3_open(f->path, &raw->db), SQLITE_OK);
}

/* The copy says why there is none. */
static void copies_name_their_failures(void **state)
{
    struct fixture *f = *state;
    struct el_store raw;
    sqlite3 *writer;
    make_old(f, 1);
    assert_int_equal(sqlite3_open(f->path, &writer), SQLITE_OK);
    assert_int_equal(sqlite3_exec(writer, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    open_raw(f, &raw);
    assert_int_equal(el_store_copy_reader(&raw, &f->err), EL_EBUSY);
    assert_non_null(strstr(f->err.msg, "another process is writing"));
    sqlite3_close(raw.db);
    sqlite3_close(writer);
    ok(el_file_write(f->path, "this is a text, long enough to be no header\n", 44, &f->err));
    open_raw(f, &raw);
    assert_int_equal(el_store_copy_reader(&raw, &f->err), EL_EFORMAT);
    assert_non_null(strstr(f->err.msg, "expected a store"));
    sqlite3_close(raw.db);
}

/* A file with holes, whose header says that it has all these pages. */
static void old_stores_beyond_memory_are_refused(void **state)
{
    struct fixture *f = *state;
    make_old(f, 2);
    const uint32_t pages = (UINT32_C(1) << 30) / 4096 + 1;
    const unsigned char size[] = {pages >> 24, pages >> 16 & 255, pages >> 8 & 255, pages & 255};
    FILE *file = fopen(f->path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 28, SEEK_SET), 0);
    assert_int_equal(fwrite(size, 1, 4, file), 4);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(truncate(f->path, (off_t)pages * 4096), 0);
    expect_open_error(f, EL_STORE_READONLY, EL_EREFUSED, "open it once for writing");
}

/* Under two names there would be two logs. It is read, and nothing of it changes. */
static void hard_links_are_not_written(void **state)
{
    struct fixture *f = *state;
    char hard[128];
    struct el_buf before, after;
    el_buf_init(&before);
    el_buf_init(&after);
    snprintf(hard, sizeof hard, "%s/hard.db", f->dir);
    make_old(f, 3); /* which a writer would bring up to date */
    assert_int_equal(link(f->path, hard), 0);
    ok(el_file_read(f->path, 0, &before, &f->err));
    expect_open_error(f, 0, EL_EREFUSED, "has 2 names");
    expect_open_error(f, EL_STORE_CREATE, EL_EREFUSED, "has 2 names");
    ok(el_file_read(f->path, 0, &after, &f->err));
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, after.len);
    el_buf_release(&before);
    el_buf_release(&after);
    ok(el_store_open(f->path, EL_STORE_READONLY, &f->store, &f->err));
    close_store(f);
    unlink(hard);
    ok(el_store_open(f->path, 0, &f->store, &f->err));
    struct el_store *memory;
    ok(el_store_open(":memory:", EL_STORE_CREATE, &memory, &f->err));
    el_store_close(memory);
}

static int count_lines(void *user, int64_t step, const char *line, struct el_error *err)
{
    (void)step, (void)line, (void)err;
    ++*(int *)user;
    return 0;
}

/* A store of version 2 keeps its runs and decisions, and its runs can have metrics from then on. */
static void version_2_keeps_what_it_holds(void **state)
{
    struct fixture *f = *state;
    make_old(f, 2);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    const char *rows =
        "INSERT INTO problems (id, key, digest, set_name, external_id, statement) "
        "VALUES (1, 'k', 'd', 's', '1', 'X');"
        "INSERT INTO proofs (id, key, problem, text, author_kind, author, origin, created) "
        "VALUES (1, 'y', 1, 'Y', 'human', '', '', 0);"
        "INSERT INTO runs (id, key, kind, config, seed, model_digest, prompt_digest, mode, dtype, "
        "isa, created, state) VALUES (1, 'r', 'train', '{}', 1, '', '', '', '', '', 0, 'open');"
        "INSERT INTO decisions (run, proof, rater, outcome, reason, rule, created) "
        "VALUES (1, 1, 'auto', 'queued', 'because', '{}', 0)";
    assert_int_equal(sqlite3_exec(db, rows, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    read_with_faults(f);
    read_old(f, "SELECT COUNT(*) FROM human_queue WHERE proof = 1");
    ok(el_store_open(f->path, 0, &f->store, &f->err));
    assert_int_equal(count(f, "SELECT user_version FROM pragma_user_version"), el_store_version);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM human_queue WHERE proof = 1"), 1);
    int n = 0;
    ok(el_store_metric_each(f->store, 1, count_lines, &n, &f->err));
    assert_int_equal(n, 0);
    assert_int_equal(el_store_metric_add(f->store, 1, 3, "{\"step\":3}", &f->err), 1);
    ok(el_store_metric_each(f->store, 1, count_lines, &n, &f->err));
    assert_int_equal(n, 1);
    ok(el_store_check(f->store, &f->err));
}

/* A store of version 3, whose labels leave the withdrawn ones out already: it is read as it
 * stands. */
static void version_3_keeps_what_it_holds(void **state)
{
    struct fixture *f = *state;
    make_old(f, 3);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    const char *rows =
        "PRAGMA journal_mode = WAL;"
        "INSERT INTO problems (id, key, digest, set_name, external_id, statement) "
        "VALUES (1, 'k', 'd', 's', '1', 'X');"
        "INSERT INTO proofs (id, key, problem, text, author_kind, author, origin, created) "
        "VALUES (1, 'y', 1, 'Y', 'human', '', '', 0), (2, 'z', 1, 'Z', 'human', '', '', 0);"
        "INSERT INTO scores (id, key, proof, rater_kind, rater, raw, scale_max, halves, origin, "
        "created) VALUES (1, 'c', 1, 'label', 'auto', 0.5, 1, 1, '', 0), "
        "(2, 'd', 2, 'label', 'auto', 0.5, 1, 1, '', 0);"
        "INSERT INTO runs (id, key, kind, config, seed, model_digest, prompt_digest, mode, dtype, "
        "isa, created, state) VALUES (1, 'r', 'label', '{}', 1, '', '', '', '', '', 0, 'open');"
        "INSERT INTO decisions (run, proof, rater, outcome, reason, rule, created) "
        "VALUES (1, 2, 'auto', 'queued', 'because', '{}', 0)";
    assert_int_equal(sqlite3_exec(db, rows, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    read_with_faults(f);
    ok(el_store_open(f->path, EL_STORE_READONLY, &f->store, &f->err));
    assert_int_equal(count(f, "SELECT COUNT(*) FROM dv"), 1);
    assert_int_equal(count(f, "SELECT score FROM withdrawn"), 2);
    assert_int_equal(count(f, "SELECT score FROM opinions"), 1);
    assert_string_not_equal(sqlite3_db_filename(f->store->db, "main"), ""); /* no copy */
    assert_int_equal(count(f, "SELECT user_version FROM pragma_user_version"), 3);
    struct el_problem p = {.set = "s", .external_id = "2", .statement = "X"};
    assert_int_equal(el_store_problem_add(f->store, &p, NULL, NULL, &f->err), EL_EIO);
    assert_true(el_sql_exec(f->store, "DELETE FROM drops", &f->err) < 0);
    close_store(f);
    ok(el_store_open(f->path, 0, &f->store, &f->err));
    assert_int_equal(count(f, "SELECT proof FROM dv"), 1);
    assert_int_equal(count(f, "SELECT score FROM opinions"), 1);
    assert_int_equal(count(f, "SELECT score FROM withdrawn"), 2);
    ok(el_store_check(f->store, &f->err));
}

static void an_empty_file_becomes_a_store(void **state)
{
    struct fixture *f = *state;
    close_store(f);
    unlink(f->path);
    ok(el_file_write(f->path, "", 0, &f->err));
    expect_open_error(f, EL_STORE_READONLY, EL_EFORMAT, "an empty file");
    ok(el_store_open(f->path, 0, &f->store, &f->err));
    ok(scenario(f->store, &f->err));
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(every_step_may_fail),
        with_store(opening_may_fail_at_every_step),
        with_store(every_allocation_may_fail),
        with_store(a_killed_writer_loses_nothing_committed),
        with_store(a_full_disk_is_an_error_and_no_damage),
        with_store(other_files_are_refused),
        with_store(a_damaged_file_is_noticed),
        with_store(read_only_stays_read_only),
        with_store(versions_go_up_step_by_step),
        with_store(version_1_keeps_what_it_holds),
        with_store(version_2_keeps_what_it_holds),
        with_store(version_3_keeps_what_it_holds),
        with_store(copies_name_their_failures),
        with_store(old_stores_beyond_memory_are_refused),
        with_store(hard_links_are_not_written),
        with_store(an_empty_file_becomes_a_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
