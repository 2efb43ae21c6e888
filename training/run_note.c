#include "training/run_note.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"

#include <inttypes.h>
#include <string.h>

int el_run_note_recipe(struct el_digest *d, const char *path, struct el_error *err)
{
    cJSON *root = NULL;
    int rc = el_json_load(path, &root, err);
    if (rc < 0)
        return rc;
    cJSON_DeleteItemFromObjectCaseSensitive(root, "seed");
    char *text = cJSON_PrintUnformatted(root);
    if (text)
        el_digest_str(d, text);
    cJSON_free(text);
    cJSON_Delete(root);
    return text ? 0 : el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
}

int el_run_note_write(const char *out, const char *recipe, struct el_digest *d, uint64_t seed,
                      struct el_error *err)
{
    char arm[EL_DIGEST_HEX], *path = el_path_join(out, "run.json");
    struct el_buf text;
    el_digest_hex(d, arm);
    el_buf_init(&text);
    int rc = path ? el_buf_puts(&text, "{\"recipe\": ") : EL_ENOMEM;
    if (rc == 0)
        rc = el_json_quote(&text, recipe, strlen(recipe));
    if (rc == 0)
        rc = el_buf_printf(&text, ", \"arm\": \"%s\", \"seed\": %" PRIu64 "}\n", arm, seed);
    rc = rc < 0 ? el_error_set(err, EL_ENOMEM, "%s: out of memory", out)
                : el_file_write(path, text.data, text.len, err);
    el_buf_release(&text);
    el_free(path);
    return rc;
}
