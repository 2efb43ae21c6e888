#include "core/model/form.h"

#include <string.h>

static const char *const names[EL_FORMS] = {"f32", "bf16", "fp8"};

const char *el_form_name(enum el_form form)
{
    return names[form];
}

int el_form_from_name(const char *name)
{
    for (int i = 0; i < EL_FORMS; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static int ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static int is_projection(const char *name)
{
    static const char *const ends[] = {
        ".q_a_proj.weight",   ".q_b_proj.weight",  ".kv_a_proj_with_mqa.weight",
        ".kv_b_proj.weight",  ".o_proj.weight",    ".indexer.wq_b.weight",
        ".indexer.wk.weight", ".gate_proj.weight", ".up_proj.weight",
        ".down_proj.weight",
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i]))
            return 1;
    return 0;
}

enum el_dtype el_form_dtype(enum el_form form, const char *name, int dims)
{
    if (form == EL_FORM_F32 || ends_with(name, ".e_score_correction_bias"))
        return EL_F32;
    return form == EL_FORM_FP8 && dims == 2 && is_projection(name) ? EL_F8_E4M3 : EL_BF16;
}

int64_t el_form_bytes(enum el_form form, const struct el_fp8_format *f, const char *name, int dims,
                      int64_t rows, int64_t columns)
{
    enum el_dtype type = el_form_dtype(form, name, dims);
    int64_t bytes = rows * (dims == 2 ? columns : 1) * (int64_t)el_dtype_size(type);
    if (type == EL_F8_E4M3)
        bytes += 4 * el_fp8_blocks(rows, f->block_rows) * el_fp8_blocks(columns, f->block_columns);
    return bytes;
}
