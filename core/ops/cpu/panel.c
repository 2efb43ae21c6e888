/* Panels of a product. AddressSanitizer makes the tile kernel many times slower, so that it is
 * compiled without (cmake/isa.cmake), and what it will touch is checked here. */
#include "core/ops/cpu/cpu.h"

#ifdef __has_feature /* clang's way to say it */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>

/* `lines` lines of `width` floats that lie `stride` apart: the first that is not all there is read
 * here, where that is reported. */
static void check(const float *at, int lines, int64_t width, int64_t stride)
{
    if (stride == width) {
        width *= lines;
        lines = lines > 0;
    }
    for (int i = 0; i < lines; i++, at += stride) {
        const volatile char *bad =
            __asan_region_is_poisoned((void *)at, (size_t)width * sizeof *at);
        if (bad)
            (void)*bad;
    }
}

static void check_operands(const struct el_panel *t)
{
    if (t->m <= 0 || t->cols <= 0)
        return;
    if (t->strips)
        check(t->a, t->m, t->k, t->k);
    else if (t->a_col == 1)
        check(t->a, t->m, t->k, t->a_row);
    else
        for (int p = 0; p < t->k; p++)
            check(t->a + p * t->a_col, t->a_row == 1 ? 1 : t->m, t->a_row == 1 ? t->m : 1,
                  t->a_row);
    check(t->b, t->k, t->cols, t->b_row);
    check(t->c, t->m, t->cols, t->c_row);
}
#else
static void check_operands(const struct el_panel *t)
{
    (void)t;
}
#endif

void EL_CPU(panel)(const struct el_panel *t)
{
    check_operands(t);
    EL_CPU(tiles)(t);
}

void EL_CPU(panels)(struct el_panel t)
{
    int n = t.cols;
    for (int j = 0; j < n; j += EL_PANEL) {
        t.cols = n - j < EL_PANEL ? n - j : EL_PANEL;
        EL_CPU(panel)(&t);
        t.b += EL_PANEL;
        t.c += EL_PANEL;
    }
}
