#include "training/rl/recipe_terms.h"

#include "core/base/alloc.h"

#include <math.h>

static int is_weight(double w)
{
    return isfinite(w) && w >= 0;
}

static int read_language(const cJSON *root, const char *path, struct el_rl_recipe *r,
                         struct el_error *err)
{
    const char *name = NULL;
    int rc = el_json_str_or(root, path, "language", &name, err);
    if (rc < 0)
        return rc;
    if (name && !(r->rewards.language = el_language_find(name)))
        return el_error_set(err, EL_EFORMAT,
                            "%s: field 'language' is '%.20s': expected en, de, fr, es, it, pt, zh, "
                            "ja, ko, ru, el, ar, he or hi",
                            path, name);
    if (!is_weight(r->rewards.language_weight) || (r->rewards.language_weight > 0 && !name))
        return el_error_set(err, EL_EFORMAT,
                            "%s: field 'language_consistency_weight' must not be negative, and "
                            "needs a 'language'",
                            path);
    return 0;
}

static int read_item(const cJSON *o, const char *path, struct el_rubric_item *out,
                     struct el_error *err)
{
    static const char *const keys[] = {"name", "pattern", "part", "points", "absent", NULL};
    const char *part = "proof";
    *out = (struct el_rubric_item){.points = 1};
    int rc = cJSON_IsObject(o) ? el_json_only(o, path, keys, err)
                               : el_error_set(err, EL_EFORMAT, "%s: expected an object", path);
    if (rc == 0)
        rc = el_json_str(o, path, "name", &out->name, err);
    if (rc == 0)
        rc = el_json_str(o, path, "pattern", &out->pattern, err);
    if (rc == 0)
        rc = el_json_str_or(o, path, "part", &part, err);
    if (rc == 0)
        rc = el_json_double_or(o, path, "points", &out->points, err);
    if (rc == 0)
        rc = el_json_bool_or(o, path, "absent", &out->absent, err);
    if (rc < 0)
        return el_error_prefix(err, "rubric.items");
    int k = el_rubric_part_find(part);
    out->part = (enum el_rubric_part)(k < 0 ? 0 : k);
    return k < 0 ? el_error_set(err, EL_EFORMAT,
                                "%s: rubric.items: part '%.20s': expected reply, proof or analysis",
                                path, part)
                 : 0;
}

static int read_items(const cJSON *list, const char *path, struct el_rl_recipe *r,
                      struct el_error *err)
{
    int n = cJSON_GetArraySize(list), rc = 0, i = 0;
    const cJSON *o;
    if (!list || cJSON_IsNull(list))
        return 0;
    if (!cJSON_IsArray(list))
        return el_error_set(err, EL_EFORMAT, "%s: rubric.items must be a list", path);
    struct el_rubric_item *items = el_alloc_array((size_t)n + 1, sizeof *items);
    if (!items)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    cJSON_ArrayForEach(o, list)
    {
        if (rc == 0)
            rc = read_item(o, path, &items[i++], err);
    }
    if (rc == 0 && n > 0 && (rc = el_rubric_create(items, n, &r->rewards.rubric, err)) < 0)
        el_error_prefix(err, "%s", path);
    el_free(items);
    return rc;
}

static int read_rubric(const cJSON *root, const char *path, struct el_rl_recipe *r,
                       struct el_error *err)
{
    static const char *const keys[] = {"weight", "of_problems", "items", NULL};
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "rubric");
    struct el_rl_rewards *w = &r->rewards;
    if (!o || cJSON_IsNull(o))
        return 0;
    int rc = el_json_only(o, path, keys, err);
    if (rc == 0)
        rc = el_json_double_or(o, path, "weight", &w->rubric_weight, err);
    if (rc == 0)
        rc = el_json_bool_or(o, path, "of_problems", &w->problem_rubrics, err);
    if (rc == 0)
        rc = read_items(cJSON_GetObjectItemCaseSensitive(o, "items"), path, r, err);
    if (rc == 0 && (!is_weight(w->rubric_weight) || (!w->rubric && !w->problem_rubrics)))
        rc = el_error_set(
            err, EL_EFORMAT,
            "%s: rubric: needs items or of_problems, and a weight that is not negative", path);
    return rc;
}

int el_rl_read_terms(const cJSON *root, const char *path, struct el_rl_recipe *r,
                     struct el_error *err)
{
    int rc = read_language(root, path, r, err);
    return rc == 0 ? read_rubric(root, path, r, err) : rc;
}
