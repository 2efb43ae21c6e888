#include "core/ops/fp8_row.h"

#include "core/tensor/dtype.h"

#include <string.h>

float el_fp8_row_value(const struct el_fp8_row *f, const uint8_t *row, int i)
{
    float scale;
    uint16_t bits;
    if (i < f->width) {
        memcpy(&scale, row + el_fp8_row_scales(f) + 4 * (i / EL_FP8_GROUP), sizeof scale);
        return el_e4m3_widen(row[i]) * scale;
    }
    memcpy(&bits, row + el_fp8_row_tail(f) + 2 * (int64_t)(i - f->width), sizeof bits);
    return el_bf16_widen(bits);
}
