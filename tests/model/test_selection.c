/* Selected sets as bits: there and back, and how many keys differ. */
#include "core/model/selection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void there_and_back(void **state)
{
    (void)state;
    static const int32_t sets[][6] = {{0, 1, 2, 3, 4, 5},
                                      {7, 31, 32, 63, 64, 95},
                                      {95, -1, -1, -1, -1, -1},
                                      {-1, -1, -1, -1, -1, -1}};
    for (int i = 0; i < 4; i++) {
        uint32_t bits[3] = {~0u, ~0u, ~0u};
        int32_t again[6];
        int n = -1;
        el_selection_pack(sets[i], 6, bits, 3);
        el_selection_unpack(bits, 3, again, 6);
        assert_memory_equal(again, sets[i], sizeof again);
        assert_int_equal(el_selection_missing(sets[i], 6, bits, 3, &n), 0);
        assert_int_equal(n, i == 2 ? 1 : i == 3 ? 0 : 6);
    }
    assert_int_equal(el_selection_words(0), 0);
    assert_int_equal(el_selection_words(1), 1);
    assert_int_equal(el_selection_words(32), 1);
    assert_int_equal(el_selection_words(33), 2);
}

static void differences(void **state)
{
    (void)state;
    const int32_t sampled[4] = {1, 5, 9, 40}, now[4] = {1, 6, 9, 70};
    uint32_t bits[2];
    int32_t few[2];
    int n = 0;
    el_selection_pack(sampled, 4, bits, 2);
    assert_int_equal(el_selection_missing(now, 4, bits, 2, &n), 2); /* 6; 70 is beyond the bits */
    assert_int_equal(n, 4);
    el_selection_unpack(bits, 2, few, 2);
    assert_true(few[0] == 1 && few[1] == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back),
                                       cmocka_unit_test(differences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
