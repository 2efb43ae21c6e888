#include "core/ops/indexer.h"
#include "tests/ops/batch.h"
#include "tests/ops/gradient.h"

#include <string.h>

static void assert_selected(const int32_t *got, const int32_t *expected, int n)
{
    for (int i = 0; i < n; i++)
        if (got[i] != expected[i])
            fail_msg("place %d holds %d, expected %d", i, got[i], expected[i]);
}

/* One row at position pos with q = 1 in one dimension: the score of key j is w * relu(k[j]). */
static void select_row(const float *k, float w, int pos, int topk, int32_t *selected)
{
    struct el_stream s = reference_stream();
    const int32_t zero = 0, position = pos;
    const float one = 1;
    struct el_index_select a = {.at = {.rows = 1,
                                       .sequences = 1,
                                       .seq = &zero,
                                       .pos = &position,
                                       .tables = &zero,
                                       .table_stride = 1,
                                       .block_shift = 30,
                                       .max_pos = pos},
                                .heads = 1,
                                .dim = 1,
                                .q = &one,
                                .w = &w,
                                .k = k,
                                .topk = topk,
                                .selected = selected};
    el_index_select(&s, &a);
    el_stream_release(&s);
}

/* Keys below 0 score exactly 0: the plateau that relu makes. The last two keys, the best of all,
 * are not visible. */
static const float keys[9] = {-1, 5, -2, -3, 5, -1, 2, 99, 98};

static void ties_go_to_the_lowest_position(void **state)
{
    (void)state;
    int32_t selected[6];
    select_row(keys, 1, 6, 4, selected); /* scores 0 5 0 0 5 0 2 */
    assert_selected(selected, (int32_t[]){0, 1, 4, 6}, 4);
    select_row(keys, 1, 6, 5, selected);
    assert_selected(selected, (int32_t[]){0, 1, 2, 4, 6}, 5);
    select_row(keys, 1, 6, 1, selected);
    assert_selected(selected, (int32_t[]){1}, 1);
    select_row(keys, -1, 6, 3, selected); /* scores 0 -5 0 0 -5 0 -2: the plateau is the best */
    assert_selected(selected, (int32_t[]){0, 2, 3}, 3);
    select_row(keys, -1, 6, 6, selected);
    assert_selected(selected, (int32_t[]){0, 1, 2, 3, 5, 6}, 6);
    select_row(keys, 0, 6, 2, selected);
    assert_selected(selected, (int32_t[]){0, 1}, 2);
}

static void only_visible_keys(void **state)
{
    (void)state;
    int32_t selected[10];
    select_row(keys, 1, 1, 4, selected);
    assert_selected(selected, (int32_t[]){0, 1, -1, -1}, 4);
    select_row(keys, 1, 3, 4, selected);
    assert_selected(selected, (int32_t[]){0, 1, 2, 3}, 4);
    select_row(keys, 1, 0, 1, selected);
    assert_selected(selected, (int32_t[]){0}, 1);
}

/* A weight of NaN spoils the keys that relu lets through; the others, at 0, go before them. */
static void nan_is_the_worst_score(void **state)
{
    (void)state;
    const float spoiled[4] = {1, -1, 2, -3}, strange[4] = {NAN, 1, INFINITY, 2};
    int32_t selected[3];
    select_row(spoiled, NAN, 3, 2, selected);
    assert_selected(selected, (int32_t[]){1, 3}, 2);
    select_row(spoiled, NAN, 3, 3, selected);
    assert_selected(selected, (int32_t[]){0, 1, 3}, 3);
    select_row(strange, 1, 3, 2, selected); /* relu(NaN) is 0 */
    assert_selected(selected, (int32_t[]){2, 3}, 2);
}

/* Relu is applied per head, before the weighted sum: head 0 gives 2 * relu(-3) = 0 and not -6. */
static void relu_is_per_head(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    const int32_t zero = 0, pos = 2;
    const float q[4] = {1, 0, 0, 1}, w[2] = {2, 1}, k[6] = {1, 0, -3, 4, 0, 3};
    int32_t selected[1];
    struct el_index_select a = {.at = {.rows = 1,
                                       .sequences = 1,
                                       .seq = &zero,
                                       .pos = &pos,
                                       .tables = &zero,
                                       .table_stride = 1,
                                       .block_shift = 30,
                                       .max_pos = 2},
                                .heads = 2,
                                .dim = 2,
                                .q = q,
                                .w = w,
                                .k = k,
                                .topk = 1,
                                .selected = selected};
    el_index_select(&s, &a); /* scores 2, 4, 3 */
    assert_int_equal(selected[0], 1);
    el_stream_release(&s);
}

enum { HEADS = 2, DIM = 3, LONG = 200 };

/* The definition, slowly: a key is in the set when fewer than topk others are better, and better
 * is a greater score or the same score at a lower position. */
static int belongs(const int *score, int n, int j, int topk)
{
    int better = 0;
    for (int other = 0; other < n; other++)
        better += score[other] > score[j] || (score[other] == score[j] && other < j);
    return better < topk;
}

/* Small integers: scores are exact and ties plenty. */
static void random_rows_against_the_definition(void **state)
{
    (void)state;
    struct el_rng r;
    el_rng_init(&r, 5);
    for (int round = 0; round < 200; round++) {
        float k[LONG];
        int score[LONG], n = el_rng_range(&r, 1, LONG), topk = el_rng_range(&r, 1, n + 2);
        int spread = el_rng_range(&r, 1, 40);
        for (int j = 0; j < n; j++) {
            score[j] = el_rng_range(&r, -spread, spread);
            k[j] = (float)score[j];
            score[j] = score[j] > 0 ? score[j] : 0;
        }
        int32_t selected[LONG + 2], expected[LONG + 2];
        int taken = 0;
        for (int j = 0; j < n; j++)
            if (belongs(score, n, j, topk))
                expected[taken++] = j;
        while (taken < topk)
            expected[taken++] = -1;
        select_row(k, 1, n - 1, topk, selected);
        assert_selected(selected, expected, topk);
    }
}

/* A batch with scattered blocks gives each row what it gets alone with its keys in order. */
static void batches_with_block_tables(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    float q[BATCH_ROWS * HEADS * DIM], w[BATCH_ROWS * HEADS], k[BATCH_CACHE * DIM];
    fill_normal(q, COUNT(q), 1);
    fill_normal(w, COUNT(w), 2);
    fill_normal(k, COUNT(k), 3);
    int32_t selected[BATCH_ROWS * 2], alone[2], zero = 0;
    struct el_index_select all = {.at = batch_rows(),
                                  .heads = HEADS,
                                  .dim = DIM,
                                  .q = q,
                                  .w = w,
                                  .k = k,
                                  .topk = 2,
                                  .selected = selected};
    el_index_select(&s, &all);
    for (int i = 0; i < BATCH_ROWS; i++) {
        float ordered[5 * DIM];
        for (int p = 0; p <= batch_pos[i]; p++)
            memcpy(ordered + p * DIM, k + batch_cache_row(batch_seq[i], p) * DIM,
                   DIM * sizeof(float));
        struct el_index_select one = all;
        one.at = (struct el_rows){.rows = 1,
                                  .sequences = 1,
                                  .seq = &zero,
                                  .pos = batch_pos + i,
                                  .tables = &zero,
                                  .table_stride = 1,
                                  .block_shift = 30,
                                  .max_pos = batch_pos[i]};
        one.q = q + i * HEADS * DIM;
        one.w = w + i * HEADS;
        one.k = ordered;
        one.selected = alone;
        el_index_select(&s, &one);
        assert_selected(selected + i * 2, alone, 2);
    }
    el_stream_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ties_go_to_the_lowest_position),
        cmocka_unit_test(only_visible_keys),
        cmocka_unit_test(nan_is_the_worst_score),
        cmocka_unit_test(relu_is_per_head),
        cmocka_unit_test(random_rows_against_the_definition),
        cmocka_unit_test(batches_with_block_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
