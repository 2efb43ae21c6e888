/* Where problems come from, what a model's domain refuses, and what settings are legal. */
#include "arena.h"

#include "core/base/io.h"
#include "data/store_sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int read_text(struct arena *a, const char *json, struct el_contest *c)
{
    char path[128];
    struct el_store *store = NULL;
    snprintf(path, sizeof path, "%s/problems.json", a->dir);
    assert_int_equal(el_file_write(path, json, strlen(json), &a->err), 0);
    assert_int_equal(el_store_open(a->path, EL_STORE_CREATE, &store, &a->err), 0);
    el_contest_init(c);
    int rc = el_contest_read(c, path, store, &a->err);
    el_store_close(store);
    return rc;
}

static void test_json(void **state)
{
    struct arena *a = *state;
    struct el_contest c;
    assert_int_equal(
        read_text(a,
                  "[{\"id\":\"A1\",\"question\":\"Prove 1=1.\",\"extra\":[1]},"
                  "{\"id\":7,\"problem\":\"Prove 2=2.\"},{\"question\":\"Prove 3=3.\"},"
                  "{\"id\":\"A1\",\"question\":\"Prove 1=1.\"}]",
                  &c),
        0);
    assert_int_equal(c.n, 3);
    assert_string_equal(c.problems[0].external_id, "A1");
    assert_string_equal(c.problems[0].set, "problems");
    assert_string_equal(c.problems[1].external_id, "7");
    assert_string_equal(c.problems[2].external_id, "2");
    assert_int_equal(el_contest_is_world(&c), 0);
    el_contest_release(&c);
}

static void test_malformed_json(void **state)
{
    struct arena *a = *state;
    static const struct {
        const char *json, *message;
        int code;
    } cases[] = {{"{}", "expected an array", EL_EFORMAT},
                 {"[]", "no problems", EL_ENOTFOUND},
                 {"[{\"id\":1}]", "entry 0", EL_EFORMAT},
                 {"[3]", "entry 0", EL_EFORMAT},
                 {"[{\"question\":\"\"}]", "entry 0", EL_EFORMAT},
                 {"[{\"question\":\"x\"}", "problems.json", EL_EFORMAT},
                 {"[{\"id\":\"A\",\"question\":\"x\"},{\"id\":\"B\",\"question\":\"x\"},"
                  "{\"id\":\"A\",\"question\":\"y\"}]",
                  "problems.json: entry 2: its id 'A' is that of entry 0", EL_EFORMAT},
                 {"[{\"id\":1,\"question\":\"x\"},{\"question\":\"y\"}]", /* its place is its id */
                  "entry 1: its id '1' is that of entry 0", EL_EFORMAT},
                 {"[{\"id\":7,\"question\":\"x\"},{\"id\":\"7\",\"question\":\"y\"}]",
                  "entry 1: its id '7' is that of entry 0", EL_EFORMAT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct el_contest c;
        assert_int_equal(read_text(a, cases[i].json, &c), cases[i].code);
        assert_non_null(strstr(a->err.msg, cases[i].message));
        el_contest_release(&c);
    }
}

static void test_world_and_stores(void **state)
{
    struct arena *a = *state;
    struct el_store *store = NULL, *other = NULL;
    struct el_contest c, d;
    char path[128], source[160];
    static const char *const wrong[] = {"world:test:0", "world:nowhere:3", "world:test",
                                        "world:test:x", "world:test:3:",   "world:test:3:4x"};
    assert_int_equal(el_store_open(a->path, EL_STORE_CREATE, &store, &a->err), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        el_contest_init(&c);
        assert_int_equal(el_contest_read(&c, wrong[i], store, &a->err), EL_EINVAL);
        assert_non_null(strstr(a->err.msg, "world:SPLIT:COUNT"));
        el_contest_release(&c);
        assert_int_equal(el_contest_check_source(wrong[i], &a->err), EL_EINVAL);
    }
    el_contest_init(&c);
    assert_int_equal(el_contest_check_source("world:test:4:2", &a->err), 0);
    assert_int_equal(el_contest_check_source("not/read/yet.json", &a->err), 0);
    assert_int_equal(el_contest_read(&c, "world:test:4:2", store, &a->err), 0);
    assert_int_equal(c.n, 4);
    assert_string_equal(c.problems[0].external_id, "2");
    assert_int_equal(el_contest_is_world(&c), 1);
    snprintf(path, sizeof path, "%s/other.db", a->dir);
    assert_int_equal(el_store_open(path, EL_STORE_CREATE, &other, &a->err), 0);
    snprintf(source, sizeof source, "%s#world-test", a->path);
    el_contest_init(&d);
    assert_int_equal(el_contest_read(&d, source, other, &a->err), 0);
    assert_int_equal(d.n, 4);
    assert_memory_equal(c.keys, d.keys, sizeof *c.keys * 4);
    el_contest_release(&d);
    el_contest_init(&d);
    assert_int_equal(el_contest_read(&d, a->path, store, &a->err), 0);
    assert_int_equal(d.n, 4);
    el_contest_release(&d);
    el_contest_init(&d);
    snprintf(source, sizeof source, "%s#nothing", a->path);
    assert_int_equal(el_contest_read(&d, source, store, &a->err), EL_ENOTFOUND);
    assert_non_null(strstr(a->err.msg, "'nothing'; there are those of: world-test"));
    assert_int_equal(el_contest_read(&d, source, other, &a->err), EL_ENOTFOUND);
    assert_non_null(strstr(a->err.msg, "'nothing'; there are those of: world-test"));
    el_contest_release(&d);
    el_contest_release(&c);
    el_store_close(other);
    el_store_close(store);
}

/* Each problem costs the same, however many were there before it: processor time that was a second
 * or two, where comparing each with all took more than one minute. */
static void test_many_problems(void **state)
{
    struct arena *a = *state;
    static const char sql[] =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) "
        "INSERT INTO problems (key, digest, set_name, external_id, statement) "
        "SELECT printf('%032x', i), '', 'many', i, 'Prove it.' FROM n";
    struct el_store *store = NULL;
    struct el_contest c;
    el_contest_init(&c);
    assert_int_equal(el_store_open(a->path, EL_STORE_CREATE, &store, &a->err), 0);
    assert_int_equal(sqlite3_exec(store->db, sql, NULL, NULL, NULL), SQLITE_OK);
    clock_t start = clock();
    assert_int_equal(el_contest_read(&c, a->path, store, &a->err), 0);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    assert_int_equal(c.n, 200000);
    assert_int_equal(el_contest_read(&c, a->path, store, &a->err), 0);
    assert_int_equal(c.n, 200000);
    el_contest_release(&c);
    el_store_close(store);
    if (seconds > 40)
        fail_msg("%.1f seconds", seconds);
}

static void write_domain(struct arena *a, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/domain.json", a->dir);
    assert_int_equal(el_file_write(path, text, strlen(text), &a->err), 0);
}

static void test_domain(void **state)
{
    struct arena *a = *state;
    struct el_contest c, world;
    struct el_store *store = NULL;
    assert_int_equal(read_text(a, "[{\"id\":\"imo6\",\"question\":\"Prove 1=1.\"}]", &c), 0);
    assert_int_equal(el_contest_check_domain(&c, a->dir, &a->err), 0);
    assert_int_equal(el_contest_model_is_of_world(a->dir, &a->err), 0);
    assert_int_equal(el_statement_check_domain("Prove 1=1.", "--problem", a->dir, &a->err), 0);
    write_domain(a, "{\"domain\": \"small-proof-world\"}");
    assert_int_equal(el_contest_check_domain(&c, a->dir, &a->err), EL_EREFUSED);
    assert_non_null(strstr(a->err.msg, "imo6"));
    assert_non_null(strstr(a->err.msg, "--model DIR"));
    assert_int_equal(el_contest_model_is_of_world(a->dir, &a->err), 1);
    assert_int_equal(el_statement_check_domain("Prove 1=1.", "--problem", a->dir, &a->err),
                     EL_EREFUSED);
    assert_non_null(strstr(a->err.msg, "--problem is outside"));
    assert_int_equal(el_store_open(a->path, EL_STORE_CREATE, &store, &a->err), 0);
    el_contest_init(&world);
    assert_int_equal(el_contest_read(&world, "world:large:3", store, &a->err), 0);
    assert_int_equal(el_contest_check_domain(&world, a->dir, &a->err), 0);
    assert_int_equal(
        el_statement_check_domain(world.problems[0].statement, "--problem", a->dir, &a->err), 0);
    write_domain(a, "{\"domain\": \"chess\"}");
    assert_int_equal(el_contest_check_domain(&world, a->dir, &a->err), EL_EFORMAT);
    write_domain(a, "{\"domain\": 3}");
    assert_int_equal(el_contest_check_domain(&world, a->dir, &a->err), EL_EFORMAT);
    write_domain(a, "{");
    assert_int_equal(el_contest_check_domain(&world, a->dir, &a->err), EL_EFORMAT);
    el_contest_release(&world);
    el_contest_release(&c);
    el_store_close(store);
}

/* ------------------------------------------------------------------------------- settings */

static int read_settings(const char *json, struct el_settings *s, struct el_error *err)
{
    cJSON *tree = cJSON_Parse(json);
    assert_non_null(tree);
    el_settings_init(s);
    strcpy(s->name, "x");
    int rc = el_settings_read(s, tree, "preset", err);
    cJSON_Delete(tree);
    return rc < 0 ? rc : el_settings_check(s, err);
}

static void test_settings(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_settings s, again;
    static const char keys[2][33] = {"aa", "bb"};
    struct el_buf identity;
    assert_int_equal(read_settings("{\"threads\":3,\"control\":\"shuffle\",\"feedback\":\"both\","
                                   "\"seed\":\"18446744073709551615\",\"generator\":{\"top_p\":0.1,"
                                   "\"temperature\":0.3}}",
                                   &s, &err),
                     0);
    assert_int_equal(s.threads, 3);
    assert_true(s.seed == UINT64_MAX && s.generator.top_p == 0.1);
    el_buf_init(&identity);
    assert_int_equal(el_settings_identity(&s, "m", keys, 2, &identity), 0);
    assert_int_equal(read_settings(identity.data, &again, &err), 0);
    again.analyses = s.analyses;
    struct el_buf second;
    el_buf_init(&second);
    assert_int_equal(el_settings_identity(&again, "m", keys, 2, &second), 0);
    assert_string_equal(identity.data, second.data);
    el_buf_release(&identity);
    el_buf_release(&second);
}

static void test_wrong_settings(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
    } cases[] = {{"{\"thread\":3}", "thread"},
                 {"{\"threads\":0}", "threads is 0"},
                 {"{\"rounds\":5000}", "rounds is 5000"},
                 {"{\"feedback\":\"none\"}", "feedback"},
                 {"{\"control\":\"x\"}", "control"},
                 {"{\"seed\":\"18446744073709551616\"}", "seed"},
                 {"{\"seed\":\"\"}", "seed"},
                 {"{\"seed\":1.5}", "seed"},
                 {"{\"generator\":{\"top_p\":0}}", "generator.top_p"},
                 {"{\"verifier\":{\"temperature\":-1}}", "verifier.temperature"},
                 {"{\"verifier\":{\"max_tokens\":0}}", "verifier.max_tokens"},
                 {"{\"verifier\":{\"tokens\":1}}", "tokens"},
                 {"{\"name\":\"a b\"}", "blanks"},
                 {"{\"analyses\":-1}", "analyses"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct el_settings s;
        struct el_error err = {0};
        assert_true(read_settings(cases[i].json, &s, &err) < 0);
        if (!strstr(err.msg, cases[i].message))
            fail_msg("%s: %s", cases[i].json, err.msg);
    }
}

static void test_presets(void **state)
{
    (void)state;
    DIR *d = opendir(EL_SOURCE_DIR "/configs/compete");
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        cJSON *json = NULL;
        struct el_settings s;
        struct el_error err = {0};
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, EL_SOURCE_DIR "/configs/compete/%s", e->d_name);
        el_settings_init(&s);
        strcpy(s.name, "x");
        if (el_json_load(path, &json, &err) < 0 || el_settings_read(&s, json, path, &err) < 0 ||
            el_settings_check(&s, &err) < 0)
            fail_msg("%s", err.msg);
        cJSON_Delete(json);
        n++;
    }
    closedir(d);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_json, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_malformed_json, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_world_and_stores, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_many_problems, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_domain, arena_make, arena_drop),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_wrong_settings),
        cmocka_unit_test(test_presets),
    };
    return cmocka_run_group_tests_name("contest", tests, NULL, NULL);
}
