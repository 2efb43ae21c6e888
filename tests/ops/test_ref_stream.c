/* The stream itself: names, workspace, sticky failure, timing, and ops on the guard device. */
#include "core/base/alloc.h"
#include "core/ops/indexer.h"
#include "core/ops/norm.h"
#include "core/ops/pointwise.h"
#include "tests/ops/gradient.h"

#include <string.h>

static void names_and_table(void **state)
{
    (void)state;
    assert_string_equal(el_op_name(EL_OP_gemm), "gemm");
    assert_string_equal(el_op_name(EL_OP_adamw), "adamw");
    assert_string_equal(el_op_name(EL_OP_COUNT), "unknown");
    struct el_ops table;
    el_ops_init_ref(&table);
    assert_string_equal(table.name, "ref");
    for (int op = 0; op < EL_OP_COUNT; op++) {
        assert_non_null(table.run[op]);
        assert_ptr_equal(table.run[op], el_ops_ref()->run[op]);
        assert_ptr_equal(table.workspace[op], el_ops_ref()->workspace[op]);
    }
}

static void threads(void **state)
{
    (void)state;
    struct el_stream s;
    el_stream_init(&s, el_device_host(), el_ops_ref(), 0);
    assert_true(s.threads >= 1);
    el_stream_release(&s);
    el_stream_init(&s, el_device_host(), el_ops_ref(), 3);
    assert_int_equal(s.threads, 3);
    el_stream_release(&s);
}

/* One row at position pos of one sequence; heads and dimensions of 1. */
static void select_one(struct el_stream *s, const int32_t *zero, const int32_t *pos,
                       const float *values, int max_pos, int32_t *selected)
{
    struct el_index_select a = {.at = {.rows = 1,
                                       .sequences = 1,
                                       .seq = zero,
                                       .pos = pos,
                                       .tables = zero,
                                       .table_stride = 1,
                                       .block_shift = 30,
                                       .max_pos = max_pos},
                                .heads = 1,
                                .dim = 1,
                                .q = values,
                                .w = values,
                                .k = values,
                                .topk = 1,
                                .selected = selected};
    el_index_select(s, &a);
}

static void workspace_grows(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    int32_t zero = 0, pos = 3, selected;
    float values[4] = {1, 1, 3, 2};
    select_one(&s, &zero, &pos, values, 3, &selected);
    size_t first = s.ws_size;
    assert_true(first >= 4 * sizeof(float));
    assert_int_equal(selected, 2);
    void *ws = s.ws;
    select_one(&s, &zero, &pos, values, 3, &selected);
    assert_ptr_equal(s.ws, ws);
    select_one(&s, &zero, &pos, values, 1000, &selected);
    assert_true(s.ws_size >= 1001 * sizeof(float));
    assert_int_equal(el_stream_check(&s, NULL), 0);
    el_stream_release(&s);
    assert_null(s.ws);
}

static void failure_is_sticky_until_checked(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    struct el_error err = {0};
    int32_t zero = 0, pos = 3, selected = 77;
    float values[4] = {1, 1, 3, 2}, x = 1;
    el_alloc_fail_after(1);
    select_one(&s, &zero, &pos, values, 3, &selected);
    el_alloc_fail_after(0);
    struct el_fill fill = {.n = 1, .value = 5, .x = &x};
    el_fill(&s, &fill);
    assert_int_equal(selected, 77);
    assert_true(x == 1);
    assert_int_equal(el_stream_check(&s, &err), EL_ENOMEM);
    assert_int_equal(err.code, EL_ENOMEM);
    assert_non_null(strstr(err.msg, "index_select"));
    assert_int_equal(el_stream_check(&s, &err), 0);
    el_fill(&s, &fill);
    assert_true(x == 5);
    el_stream_release(&s);
}

static void seconds_are_counted_per_op(void **state)
{
    (void)state;
    static float x[1 << 16];
    double seconds[EL_OP_COUNT] = {0};
    struct el_stream s = reference_stream();
    s.seconds = seconds;
    struct el_fill fill = {.n = COUNT(x), .value = 5, .x = x};
    el_fill(&s, &fill);
    double once = seconds[EL_OP_fill];
    assert_true(once > 0);
    el_fill(&s, &fill);
    assert_true(seconds[EL_OP_fill] > once);
    assert_true(seconds[EL_OP_add] == 0);
    el_stream_release(&s);
}

static void *upload(struct el_device *d, const void *src, size_t bytes)
{
    void *p = el_device_alloc(d, bytes);
    assert_non_null(p);
    d->copy_in(d, p, src, bytes);
    return p;
}

static void ops_run_on_the_guard_device(void **state)
{
    (void)state;
    struct el_device *d = el_device_guard_create();
    struct el_stream s;
    el_stream_init(&s, d, el_ops_ref(), 1);
    const float x[4] = {3, 4, 0, 0}, ones[4] = {1, 1, 1, 1}, scores[4] = {1, 1, 3, 2};
    const int32_t zero = 0, pos = 3;
    struct el_rmsnorm norm = {.rows = 2,
                              .width = 2,
                              .x = upload(d, x, sizeof x),
                              .x_row = 2,
                              .eps = 1e-6f,
                              .w = upload(d, ones, sizeof ones),
                              .y = upload(d, x, sizeof x),
                              .y_row = 2};
    el_rmsnorm(&s, &norm);
    int32_t *selected = upload(d, &zero, sizeof zero);
    select_one(&s, upload(d, &zero, sizeof zero), upload(d, &pos, sizeof pos),
               upload(d, scores, sizeof scores), 3, selected);
    assert_int_equal(el_stream_check(&s, NULL), 0);
    float y[4];
    int32_t best;
    d->copy_out(d, y, norm.y, sizeof y);
    d->copy_out(d, &best, selected, sizeof best);
    float rms = sqrtf(12.5f);
    assert_close(y, (float[]){3 / rms, 4 / rms, 0, 0}, 4, 1e-6);
    assert_int_equal(best, 2);
    el_stream_release(&s);
    el_device_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_table),
        cmocka_unit_test(threads),
        cmocka_unit_test(workspace_grows),
        cmocka_unit_test(failure_is_sticky_until_checked),
        cmocka_unit_test(seconds_are_counted_per_op),
        cmocka_unit_test(ops_run_on_the_guard_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
