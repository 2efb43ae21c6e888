/* The lines that trainings report. */
#include "tests/data/store_fixture.h"

#include "data/store_sql.h"

struct lines {
    int n, stop_after;
    int64_t step[16];
    char text[16][64];
};

static int take(void *user, int64_t step, const char *line, struct el_error *err)
{
    (void)err;
    struct lines *all = user;
    all->step[all->n] = step;
    snprintf(all->text[all->n++], sizeof all->text[0], "%s", line);
    return all->n == all->stop_after;
}

static struct lines lines_of(struct fixture *f, int64_t run)
{
    struct lines all = {0};
    ok(el_store_metric_each(f->store, run, take, &all, &f->err));
    return all;
}

static int add(struct fixture *f, int64_t run, int64_t step, const char *more)
{
    char line[64];
    snprintf(line, sizeof line, "{\"step\":%lld%s}", (long long)step, more);
    int rc = el_store_metric_add(f->store, run, step, line, &f->err);
    ok(rc);
    return rc;
}

static void lines_come_back_by_step(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 1), other = make_run(f, 2);
    assert_int_equal(add(f, run, 20, ""), 1);
    assert_int_equal(add(f, run, 3, ",\"z\":1"), 1);
    assert_int_equal(add(f, run, 3, ",\"a\":1"), 1); /* of the same step, in the order of arrival */
    assert_int_equal(add(f, other, 7, ""), 1);
    assert_int_equal(add(f, run, 3, ",\"z\":1"), 0);
    struct lines got = lines_of(f, run);
    assert_int_equal(got.n, 3);
    assert_string_equal(got.text[0], "{\"step\":3,\"z\":1}");
    assert_string_equal(got.text[1], "{\"step\":3,\"a\":1}");
    assert_string_equal(got.text[2], "{\"step\":20}");
    assert_int_equal(got.step[2], 20);
    struct lines few = {.stop_after = 2};
    assert_int_equal(el_store_metric_each(f->store, run, take, &few, &f->err), 1);
    assert_int_equal(few.n, 2);
    assert_int_equal(lines_of(f, 99).n, 0);
}

/* As a training that goes on from its checkpoint of step 2. */
static void resuming_cuts_what_comes_after(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 1), other = make_run(f, 2);
    for (int step = 0; step < 5; step++) {
        add(f, run, step, ",\"try\":1");
        add(f, other, step, "");
    }
    assert_int_equal(el_store_metric_cut(f->store, run, 3, -1, &f->err), 2);
    assert_int_equal(el_store_metric_cut(f->store, run, 3, -1, &f->err), 0);
    for (int step = 3; step < 6; step++)
        assert_int_equal(add(f, run, step, ",\"try\":2"), 1);
    struct lines got = lines_of(f, run);
    assert_int_equal(got.n, 6);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(got.step[i], i);
        assert_non_null(strstr(got.text[i], i < 3 ? "\"try\":1" : "\"try\":2"));
    }
    assert_int_equal(lines_of(f, other).n, 5);
    assert_int_equal(el_store_metric_cut(f->store, run, 2, 3, &f->err), 2);
    got = lines_of(f, run);
    assert_true(got.n == 4 && got.step[1] == 1 && got.step[2] == 4);
    assert_int_equal(el_store_metric_cut(f->store, run, 0, -1, &f->err), 4);
    assert_int_equal(lines_of(f, run).n, 0);
}

static void other_lines_are_refused(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 1);
    const struct {
        int64_t run, step;
        const char *line;
        int rc;
    } bad[] = {{run, 1, NULL, EL_EINVAL},
               {run, 1, "", EL_EFORMAT},
               {run, 1, "{\"step\":1", EL_EFORMAT},
               {run, 1, "[1]", EL_EFORMAT},
               {run, 1, "{\"loss\":1}", EL_EFORMAT},
               {run, 1, "{\"step\":\"1\"}", EL_EFORMAT},
               {run, 1, "{\"step\":1}\n{\"step\":1}", EL_EFORMAT},
               {run, 1, "{\"step\":2}", EL_EINVAL},
               {run, -1, "{\"step\":-1}", EL_EINVAL},
               {run + 1, 1, "{\"step\":1}", EL_EINVAL}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f->err.msg[0] = '\0';
        int rc = el_store_metric_add(f->store, bad[i].run, bad[i].step, bad[i].line, &f->err);
        if (rc != bad[i].rc)
            fail_msg("case %zu: %d instead of %d, %s", i, rc, bad[i].rc, f->err.msg);
        assert_true(f->err.msg[0]);
    }
    assert_int_equal(lines_of(f, run).n, 0);
}

static void every_step_may_fail(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 1);
    add(f, run, 1, "");
    int failures = 0;
    for (long n = 1;; n++) {
        struct lines got = {0};
        el_store_fail_after(n);
        int rc = el_store_metric_add(f->store, run, 2, "{\"step\":2}", &f->err);
        if (rc >= 0)
            rc = el_store_metric_each(f->store, run, take, &got, &f->err);
        if (rc >= 0)
            rc = el_store_metric_cut(f->store, run, 2, -1, &f->err);
        el_store_fail_after(0);
        if (rc >= 0)
            break;
        assert_int_equal(rc, EL_EIO);
        assert_int_equal(lines_of(f, run).text[0][8], '1');
        failures++;
    }
    assert_int_equal(lines_of(f, run).n, 1);
    assert_true(failures >= 3);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(lines_come_back_by_step),
        with_store(resuming_cuts_what_comes_after),
        with_store(other_lines_are_refused),
        with_store(every_step_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
