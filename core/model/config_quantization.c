#include "core/model/config_quantization.h"

#include <stdio.h>
#include <string.h>

#include "core/model/config_keys.h"

static int only(const cJSON *o, const char *where, const char *key, const char *value,
                struct el_error *err)
{
    const char *v = value;
    int rc = el_json_str_or(o, where, key, &v, err);
    if (rc == 0 && strcmp(v, value) != 0)
        return el_error_set(err, EL_EREFUSED, "%s: '%s' is \"%s\", only \"%s\" is supported", where,
                            key, v, value);
    return rc;
}

static int is_block_side(const cJSON *v)
{
    return cJSON_IsNumber(v) && v->valuedouble == v->valueint && v->valueint >= 1 &&
           v->valueint <= EL_CONFIG_MAX_SIZE;
}

static int read_block(const cJSON *o, const char *where, struct el_fp8_format *f,
                      struct el_error *err)
{
    const cJSON *size = cJSON_GetObjectItemCaseSensitive(o, "weight_block_size");
    if (!cJSON_IsArray(size) || cJSON_GetArraySize(size) != 2 || !is_block_side(size->child) ||
        !is_block_side(size->child->next))
        return el_error_set(err, EL_EFORMAT,
                            "%s: 'weight_block_size' must be two integers from 1 to %d (one scale "
                            "per tensor or row is not supported)",
                            where, EL_CONFIG_MAX_SIZE);
    f->block_rows = size->child->valueint;
    f->block_columns = size->child->next->valueint;
    return 0;
}

/* The style matters to whoever writes scales; any scale can be read. */
static int read_scale_format(const cJSON *o, const char *where, struct el_fp8_format *f,
                             struct el_error *err)
{
    const char *style = "float";
    int rc = el_json_str_or(o, where, "scale_fmt", &style, err);
    if (rc < 0)
        return rc;
    f->ue8m0 = strcmp(style, "ue8m0") == 0;
    if (f->ue8m0 || strcmp(style, "float") == 0)
        return 0;
    return el_error_set(err, EL_EREFUSED,
                        "%s: 'scale_fmt' is \"%s\", expected \"ue8m0\" or \"float\"", where, style);
}

int el_config_read_quantization(const cJSON *o, const char *name, struct el_config *c,
                                struct el_error *err)
{
    const cJSON *q = cJSON_GetObjectItemCaseSensitive(o, "quantization_config");
    char where[256];
    if (!q || cJSON_IsNull(q))
        return 0;
    if (!cJSON_IsObject(q))
        return el_error_set(err, EL_EFORMAT,
                            "%s: field 'quantization_config' must be an object or null", name);
    snprintf(where, sizeof where, "%.200s: quantization_config", name);
    c->fp8 = 1;
    int rc = only(q, where, "quant_method", "fp8", err);
    if (rc == 0)
        rc = only(q, where, "fmt", "e4m3", err);
    if (rc == 0)
        rc = only(q, where, "activation_scheme", "dynamic", err);
    if (rc == 0)
        rc = read_block(q, where, &c->fp8_format, err);
    return rc == 0 ? read_scale_format(q, where, &c->fp8_format, err) : rc;
}
