#include "refine/sampling.h"

#include <ctype.h>
#include <string.h>

int el_run_name_check(const char *name, struct el_error *err)
{
    if (!*name)
        return el_error_set(err, EL_EINVAL, "a run needs a name");
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '"' || *c == '\\')
            return el_error_set(err, EL_EINVAL,
                                "the name of a run is printable ASCII without blanks and quotes");
    return 0;
}

int el_run_name_read(const cJSON *json, const char *where, char *name, size_t size,
                     struct el_error *err)
{
    const char *text = NULL;
    int rc = el_json_str_or(json, where, "name", &text, err);
    if (rc < 0 || !text)
        return rc;
    if (strlen(text) >= size)
        return el_error_set(err, EL_EFORMAT, "%s: name: longer than %zu bytes", where, size - 1);
    strcpy(name, text);
    return 0;
}

int el_role_sampling_check(const char *role, const struct el_sampling *s, struct el_error *err)
{
    if (!(s->temperature >= 0 && s->temperature <= 100))
        return el_error_set(err, EL_EINVAL, "%s.temperature is %g, expected 0 to 100", role,
                            s->temperature);
    if (!(s->top_p > 0 && s->top_p <= 1))
        return el_error_set(err, EL_EINVAL, "%s.top_p is %g, expected above 0, at most 1", role,
                            s->top_p);
    if (s->top_k < 0)
        return el_error_set(err, EL_EINVAL, "%s.top_k is %d, expected 0 or more", role, s->top_k);
    if (s->max_tokens < 1)
        return el_error_set(err, EL_EINVAL, "%s.max_tokens is %d, expected 1 or more", role,
                            s->max_tokens);
    return 0;
}

int el_role_sampling_read(struct el_sampling *s, const cJSON *json, const char *key,
                          struct el_error *err)
{
    static const char *const keys[] = {"temperature", "top_p", "top_k", "max_tokens", NULL};
    const cJSON *obj = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!obj)
        return 0;
    int rc = el_json_only(obj, key, keys, err);
    if (rc == 0)
        rc = el_json_double_or(obj, key, "temperature", &s->temperature, err);
    if (rc == 0)
        rc = el_json_double_or(obj, key, "top_p", &s->top_p, err);
    if (rc == 0)
        rc = el_json_int_or(obj, key, "top_k", &s->top_k, err);
    return rc == 0 ? el_json_int_or(obj, key, "max_tokens", &s->max_tokens, err) : rc;
}

int el_role_sampling_put(struct el_buf *out, const char *role, const struct el_sampling *s)
{
    return el_buf_printf(out,
                         "\"%s\":{\"temperature\":%.17g,\"top_p\":%.17g,\"top_k\":%d,"
                         "\"max_tokens\":%d},",
                         role, s->temperature, s->top_p, s->top_k, s->max_tokens);
}

int el_seed_read(const cJSON *json, const char *where, uint64_t *seed, struct el_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, "seed");
    if (!item)
        return 0;
    if (!cJSON_IsString(item)) {
        int64_t v = 0;
        int rc = el_json_i64(json, where, "seed", &v, err);
        *seed = (uint64_t)v;
        return rc;
    }
    uint64_t v = 0;
    const char *c = item->valuestring;
    for (; isdigit((unsigned char)*c) && v <= (UINT64_MAX - (uint64_t)(*c - '0')) / 10; c++)
        v = 10 * v + (uint64_t)(*c - '0');
    if (*c || c == item->valuestring)
        return el_error_set(err, EL_EFORMAT, "%s: seed: '%s' is not a number below 2^64", where,
                            item->valuestring);
    *seed = v;
    return 0;
}
