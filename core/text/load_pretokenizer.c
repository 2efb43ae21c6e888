#include "core/text/loader.h"

#include <stdio.h>
#include <string.h>

static int read_behavior(const cJSON *step, const char *where, enum el_split_behavior *out,
                         struct el_error *err)
{
    static const char *const names[] = {
        [EL_SPLIT_ISOLATED] = "Isolated",
        [EL_SPLIT_REMOVED] = "Removed",
        [EL_SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [EL_SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
        [EL_SPLIT_CONTIGUOUS] = "Contiguous",
    };
    const char *name;
    int rc = el_json_str(step, where, "behavior", &name, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i <= EL_SPLIT_CONTIGUOUS; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum el_split_behavior)i;
            return 0;
        }
    return el_error_set(err, EL_EFORMAT, "%s: unknown behavior '%.80s'", where, name);
}

static int read_pattern(const cJSON *step, const char *where, const char **pattern, int *literal,
                        struct el_error *err)
{
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(step, "pattern");
    const char *regex = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(p, "Regex"));
    const char *string = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(p, "String"));
    *pattern = regex ? regex : string;
    *literal = !regex;
    if (!*pattern || !**pattern)
        return el_error_set(err, EL_EFORMAT,
                            "%s: pattern must be {\"Regex\": ...} or {\"String\": ...}, not empty",
                            where);
    return 0;
}

static int load_split(struct el_pretokenizer *p, const cJSON *step, const char *where,
                      struct el_error *err)
{
    enum el_split_behavior behavior = EL_SPLIT_ISOLATED;
    const char *pattern = NULL;
    int literal = 0, invert = 0, rc;
    if ((rc = read_pattern(step, where, &pattern, &literal, err)) < 0 ||
        (rc = read_behavior(step, where, &behavior, err)) < 0 ||
        (rc = el_json_bool_or(step, where, "invert", &invert, err)) < 0)
        return rc;
    rc = el_pretokenizer_add(p, pattern, literal, behavior, invert, err);
    if (rc < 0)
        el_error_prefix(err, "%s", where);
    return rc;
}

static int load_digits(struct el_pretokenizer *p, const cJSON *step, const char *where,
                       struct el_error *err)
{
    int single = 0;
    int rc = el_json_bool(step, where, "individual_digits", &single, err);
    if (rc < 0)
        return rc;
    rc = el_pretokenizer_add(p, "\\p{N}", 0, single ? EL_SPLIT_ISOLATED : EL_SPLIT_CONTIGUOUS, 0,
                             err);
    if (rc < 0)
        el_error_prefix(err, "%s", where);
    return rc;
}

static int load_byte_level(struct el_pretokenizer *p, const cJSON *step, const char *where,
                           struct el_error *err)
{
    int add_prefix_space = 0, use_regex = 1, rc;
    if ((rc = el_json_bool(step, where, "add_prefix_space", &add_prefix_space, err)) < 0 ||
        (rc = el_json_bool_or(step, where, "use_regex", &use_regex, err)) < 0)
        return rc;
    rc = el_pretokenizer_add_byte_level(p, add_prefix_space, use_regex, err);
    if (rc < 0)
        el_error_prefix(err, "%s", where);
    return rc;
}

/* Everything after ByteLevel would see bytes in their spelling, and a vocabulary of bytes needs
 * ByteLevel: it must be the last step, and must be there. */
static int load_step(struct el_pretokenizer *p, const cJSON *step, int last, const char *where,
                     struct el_error *err)
{
    const char *type;
    int rc = el_json_str(step, where, "type", &type, err);
    if (rc < 0)
        return rc;
    int is_split = strcmp(type, "Split") == 0, is_digits = strcmp(type, "Digits") == 0;
    int is_byte_level = strcmp(type, "ByteLevel") == 0;
    if (!is_split && !is_digits && !is_byte_level)
        return el_error_set(err, EL_EREFUSED, "%s: type '%.80s' is not supported", where, type);
    if (is_byte_level != last)
        return el_error_set(err, EL_EREFUSED, "%s: the last step, and no other, must be ByteLevel",
                            where);
    return is_split    ? load_split(p, step, where, err)
           : is_digits ? load_digits(p, step, where, err)
                       : load_byte_level(p, step, where, err);
}

static int load_sequence(struct el_pretokenizer *p, const cJSON *pre, struct el_error *err)
{
    const cJSON *steps = cJSON_GetObjectItemCaseSensitive(pre, "pretokenizers"), *f;
    if (!cJSON_IsArray(steps) || !steps->child)
        return el_error_set(err, EL_EFORMAT,
                            "pre_tokenizer: field 'pretokenizers' must be an array of steps");
    int index = 0, rc = 0;
    cJSON_ArrayForEach(f, steps)
    {
        char where[64];
        snprintf(where, sizeof where, "pre_tokenizer.pretokenizers[%d]", index++);
        rc = load_step(p, f, !f->next, where, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int el_load_pretokenizer(struct el_tokenizer *t, const cJSON *root, struct el_error *err)
{
    const cJSON *pre = cJSON_GetObjectItemCaseSensitive(root, "pre_tokenizer");
    if (el_pretokenizer_init(&t->pretokenizer) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for pre_tokenizer");
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(pre, "type"));
    if (type && strcmp(type, "Sequence") == 0)
        return load_sequence(&t->pretokenizer, pre, err);
    return load_step(&t->pretokenizer, pre, 1, "pre_tokenizer", err);
}
