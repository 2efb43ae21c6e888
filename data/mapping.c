#include "data/mapping.h"

#include "core/base/io.h"
#include "core/base/json.h"
#include "rewards/score.h"

#include <string.h>

/* configs/mappings, embedded at build time. */
extern const unsigned char el_mapping_proofbench_7[];
extern const unsigned char el_mapping_share_of_full[];
extern const unsigned char el_mapping_correct_incorrect[];

enum { file_max_bytes = 1 << 16 };

static int parse_step(const cJSON *node, const char *where, struct el_mapping *m,
                      struct el_error *err)
{
    static const char *const keys[] = {"at_least", "score", NULL};
    double at_least, score;
    if (m->n_steps == el_mapping_steps_max)
        return el_error_set(err, EL_EFORMAT, "%s: more than %d steps", where, el_mapping_steps_max);
    if (!cJSON_IsObject(node))
        return el_error_set(err, EL_EFORMAT, "%s: every step must be an object", where);
    int rc = el_json_only(node, where, keys, err);
    if (rc == 0)
        rc = el_json_double(node, where, "at_least", &at_least, err);
    if (rc == 0)
        rc = el_json_double(node, where, "score", &score, err);
    if (rc < 0)
        return rc;
    int halves = el_score_from_value(score);
    if (halves == EL_SCORE_NONE)
        return el_error_set(err, EL_EFORMAT, "%s: a step's score is %g: expected 0, 0.5 or 1",
                            where, score);
    if (m->n_steps && !(at_least < m->steps[m->n_steps - 1].at_least))
        return el_error_set(err, EL_EFORMAT, "%s: the steps' at_least must go down", where);
    m->steps[m->n_steps].at_least = at_least;
    m->steps[m->n_steps++].halves = halves;
    return 0;
}

static int parse_unit(const cJSON *root, const char *where, struct el_mapping *m,
                      struct el_error *err)
{
    const char *unit = NULL;
    int rc = el_json_str(root, where, "unit", &unit, err);
    if (rc < 0)
        return rc;
    m->by_share = strcmp(unit, "share") == 0;
    if (m->by_share)
        return 0;
    if (strcmp(unit, "points") != 0)
        return el_error_set(err, EL_EFORMAT, "%s: unit is '%s': expected points or share", where,
                            unit);
    rc = el_json_double(root, where, "scale_max", &m->scale_max, err);
    if (rc == 0 && !(m->scale_max > 0))
        rc = el_error_set(err, EL_EFORMAT, "%s: scale_max must be above 0", where);
    return rc;
}

static int parse_tree(const cJSON *root, const char *where, struct el_mapping *m,
                      struct el_error *err)
{
    static const char *const keys[] = {"name", "note", "unit", "scale_max", "steps", NULL};
    const char *name = NULL;
    int rc = cJSON_IsObject(root) ? el_json_only(root, where, keys, err)
                                  : el_error_set(err, EL_EFORMAT, "%s: expected an object", where);
    if (rc == 0)
        rc = el_json_str(root, where, "name", &name, err);
    if (rc == 0)
        rc = parse_unit(root, where, m, err);
    if (rc < 0)
        return rc;
    if (!name[0] || strlen(name) >= el_mapping_name_max)
        return el_error_set(err, EL_EFORMAT, "%s: name must have 1 to %d bytes", where,
                            el_mapping_name_max - 1);
    strcpy(m->name, name);
    const cJSON *step;
    const cJSON *steps = cJSON_GetObjectItemCaseSensitive(root, "steps");
    cJSON_ArrayForEach(step, steps)
    {
        rc = parse_step(step, where, m, err);
        if (rc < 0)
            return rc;
    }
    if (!m->n_steps || m->steps[m->n_steps - 1].at_least != 0)
        return el_error_set(err, EL_EFORMAT, "%s: steps must end with at_least 0", where);
    return 0;
}

int el_mapping_parse(const char *name, const char *text, size_t n, struct el_mapping *out,
                     struct el_error *err)
{
    cJSON *root = NULL;
    memset(out, 0, sizeof *out);
    int rc = el_json_parse(name, text, n, &root, err);
    if (rc == 0)
        rc = parse_tree(root, name, out, err);
    cJSON_Delete(root);
    return rc;
}

int el_mapping_load(const char *path, struct el_mapping *out, struct el_error *err)
{
    struct el_buf b;
    el_buf_init(&b);
    int rc = el_file_read(path, file_max_bytes, &b, err);
    if (rc == 0)
        rc = el_mapping_parse(path, b.data, b.len, out, err);
    el_buf_release(&b);
    return rc;
}

int el_mapping_default(double scale_max, struct el_mapping *out, struct el_error *err)
{
    const unsigned char *bytes = scale_max == 7   ? el_mapping_proofbench_7
                                 : scale_max == 1 ? el_mapping_correct_incorrect
                                                  : el_mapping_share_of_full;
    const char *text = (const char *)bytes;
    return el_mapping_parse("a shipped mapping", text, strlen(text), out, err);
}

int el_mapping_apply(const struct el_mapping *m, double raw, double scale_max, int *halves,
                     struct el_error *err)
{
    if (!(scale_max > 0) || !(raw >= 0) || !(raw <= scale_max))
        return el_error_set(err, EL_EINVAL, "a rating of %g out of %g: expected 0 to the maximum",
                            raw, scale_max);
    if (!m->by_share && m->scale_max != scale_max)
        return el_error_set(err, EL_EINVAL,
                            "mapping '%s' is for ratings out of %g, this one is out of %g", m->name,
                            m->scale_max, scale_max);
    double x = m->by_share ? raw / scale_max : raw;
    int i = 0;
    while (i < m->n_steps - 1 && x < m->steps[i].at_least)
        i++;
    *halves = m->steps[i].halves;
    return 0;
}
