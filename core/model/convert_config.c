#include "core/model/convert_parts.h"

#include "core/base/json.h"

static int put(cJSON *o, const char *key, cJSON *value)
{
    if (!value)
        return 0;
    if (cJSON_GetObjectItemCaseSensitive(o, key)
            ? cJSON_ReplaceItemInObjectCaseSensitive(o, key, value)
            : cJSON_AddItemToObject(o, key, value))
        return 1;
    cJSON_Delete(value);
    return 0;
}

/* As published configurations say it; scales of any value are the default there. */
static cJSON *quantization(const struct el_fp8_format *f)
{
    int block[2] = {f->block_rows, f->block_columns};
    cJSON *q = cJSON_CreateObject();
    int ok = q && put(q, "activation_scheme", cJSON_CreateString("dynamic")) &&
             put(q, "fmt", cJSON_CreateString("e4m3")) &&
             put(q, "quant_method", cJSON_CreateString("fp8")) &&
             (!f->ue8m0 || put(q, "scale_fmt", cJSON_CreateString("ue8m0"))) &&
             put(q, "weight_block_size", cJSON_CreateIntArray(block, 2));
    if (ok)
        return q;
    cJSON_Delete(q);
    return NULL;
}

/* Both names of the type are in use; torch_dtype is the one that every reader knows. */
static int set_type(cJSON *o, enum el_form form)
{
    const char *type = form == EL_FORM_F32 ? "float32" : "bfloat16";
    if (cJSON_GetObjectItemCaseSensitive(o, "dtype") && !put(o, "dtype", cJSON_CreateString(type)))
        return 0;
    return put(o, "torch_dtype", cJSON_CreateString(type));
}

int el_convert_config(const char *path, const struct el_convert_options *o, struct el_buf *out,
                      struct el_error *err)
{
    cJSON *tree;
    int rc = el_json_load(path, &tree, err);
    if (rc < 0)
        return rc;
    cJSON_DeleteItemFromObjectCaseSensitive(tree, "quantization_config");
    char *text = NULL;
    if (set_type(tree, o->form) &&
        (o->form != EL_FORM_FP8 || put(tree, "quantization_config", quantization(&o->fp8))))
        text = cJSON_Print(tree);
    rc = text && el_buf_puts(out, text) == 0 && el_buf_putc(out, '\n') == 0
             ? 0
             : el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    cJSON_free(text);
    cJSON_Delete(tree);
    return rc;
}
