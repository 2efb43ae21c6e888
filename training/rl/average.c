#include "training/rl/average.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"

#include <string.h>

/* The same tensors at the same places. */
static int same_layout(const struct el_layout *a, const struct el_layout *b)
{
    if (a->total != b->total || a->n != b->n)
        return 0;
    for (int i = 0; i < a->n; i++)
        if (strcmp(a->tensors[i].name, b->tensors[i].name) != 0 ||
            a->tensors[i].offset != b->tensors[i].offset)
            return 0;
    return 1;
}

int el_rl_average(struct el_weights *w, const struct el_weights *start, double share,
                  struct el_error *err)
{
    if (!same_layout(&w->layout, &start->layout))
        return el_error_set(err, EL_EREFUSED,
                            "no mean of weights: the start's tensors are not the trained model's");
    for (int64_t i = 0; i < w->layout.total; i++)
        w->data[i] = (float)((1 - share) * (double)w->data[i] + share * (double)start->data[i]);
    int rc = el_weights_round(w, err);
    return rc == 0 ? el_weights_digest(w, err) : rc;
}

/* ---- Folders ---- */

static int write_history(const char *recipe, double share, const struct el_weights *start,
                         const char *trained, const struct el_weights *w, const char *out,
                         struct el_error *err)
{
    struct el_buf text;
    char *path = el_path_join(out, "training.json");
    el_buf_init(&text);
    int rc = path ? el_buf_puts(&text, "{\n  \"recipe\": ") : EL_ENOMEM;
    if (rc == 0)
        rc = el_json_quote(&text, recipe, strlen(recipe));
    if (rc == 0)
        rc = el_buf_printf(&text,
                           ",\n  \"start_digest\": \"%s\",\n  \"start_share\": %g,\n"
                           "  \"trained_digest\": \"%s\",\n  \"weights_digest\": \"%s\"\n}\n",
                           start->digest, share, trained, w->digest);
    rc = rc < 0 ? el_error_set(err, EL_ENOMEM, "out of memory for training.json")
                : el_file_write(path, text.data, text.len, err);
    el_buf_release(&text);
    el_free(path);
    return rc;
}

static int write_folder(const struct el_weights *w, const char *trained, const char *out,
                        struct el_error *err)
{
    static const char *const files[] = {"tokenizer.json", "domain.json"};
    int rc = 0;
    for (int i = 0; i < 2 && rc >= 0; i++)
        rc = el_file_copy(trained, out, files[i], err);
    return rc < 0 ? rc : el_weights_save(w, out, err);
}

int el_rl_average_folders(const char *trained, const char *start, double share, const char *recipe,
                          const char *out, struct el_progress *progress, struct el_error *err)
{
    struct el_weights *w = NULL, *s = NULL;
    char was[EL_DIGEST_HEX] = "";
    int rc = el_weights_load(trained, el_device_host(), &w, NULL, progress, err);
    if (rc == 0)
        rc = el_weights_load(start, el_device_host(), &s, NULL, progress, err);
    if (rc == 0) {
        memcpy(was, w->digest, sizeof was);
        rc = el_rl_average(w, s, share, err);
    }
    if (rc == 0)
        rc = el_dir_make(out, err);
    if (rc == 0)
        rc = write_history(recipe, share, s, was, w, out, err);
    if (rc == 0)
        rc = write_folder(w, trained, out, err);
    el_weights_free(w);
    el_weights_free(s);
    return rc;
}
