#include "core/text/loader.h"

#include <stdio.h>
#include <string.h>

static int load_form(struct el_normalizer *z, const cJSON *f, const char *where,
                     struct el_error *err)
{
    static const struct {
        const char *name;
        struct el_form form;
    } forms[] = {{"NFC", {0, 1}}, {"NFD", {0, 0}}, {"NFKC", {1, 1}}, {"NFKD", {1, 0}}};
    const char *type;
    int rc = el_json_str(f, where, "type", &type, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(type, forms[i].name) == 0) {
            if (z->n == EL_FORMS_MAX)
                return el_error_set(err, EL_ELIMIT, "%s: more than %d steps", where, EL_FORMS_MAX);
            z->forms[z->n++] = forms[i].form;
            return 0;
        }
    return el_error_set(err, EL_EREFUSED, "%s: type '%.80s' is not supported", where, type);
}

int el_load_normalizer(struct el_tokenizer *t, const cJSON *root, struct el_error *err)
{
    const cJSON *z = cJSON_GetObjectItemCaseSensitive(root, "normalizer"), *f;
    if (!z || cJSON_IsNull(z))
        return 0;
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(z, "type"));
    if (!type || strcmp(type, "Sequence") != 0)
        return load_form(&t->normalizer, z, "normalizer", err);
    const cJSON *steps = cJSON_GetObjectItemCaseSensitive(z, "normalizers");
    if (!cJSON_IsArray(steps))
        return el_error_set(err, EL_EFORMAT,
                            "normalizer: field 'normalizers' must be an array of steps");
    int index = 0, rc = 0;
    cJSON_ArrayForEach(f, steps)
    {
        char where[64];
        snprintf(where, sizeof where, "normalizer.normalizers[%d]", index++);
        if ((rc = load_form(&t->normalizer, f, where, err)) < 0)
            return rc;
    }
    return 0;
}
