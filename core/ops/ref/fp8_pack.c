#include "core/ops/fp8_row.h"
#include "core/ops/ref/ref.h"

#include <string.h>

static void pack_row(const struct el_fp8_row *f, const float *x, uint8_t *row)
{
    uint8_t *scales = row + el_fp8_row_scales(f), *tail = row + el_fp8_row_tail(f);
    for (int j = 0; j < f->width; j += EL_FP8_GROUP, scales += 4) {
        int n = f->width - j < EL_FP8_GROUP ? f->width - j : EL_FP8_GROUP;
        struct el_ref_fp8 g = el_ref_fp8_of(x + j, n);
        for (int i = j; i < j + n; i++)
            row[i] = el_ref_fp8_code(g, x[i]);
        memcpy(scales, &g.scale, sizeof g.scale);
    }
    for (int i = 0; i < f->tail; i++) {
        uint16_t bits = el_ref_bf16(x[f->width + i]);
        memcpy(tail + 2 * (int64_t)i, &bits, sizeof bits);
    }
}

void el_ref_fp8_pack(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_fp8_pack *a = args;
    int64_t bytes = el_fp8_row_bytes(&a->form);
    for (int64_t i = 0; i < a->rows; i++)
        pack_row(&a->form, a->x + i * a->x_row, a->packed + (a->to ? a->to[i] : i) * bytes);
}
