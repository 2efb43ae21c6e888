#include "core/model/weights.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/tensor/safetensors.h"

#include <string.h>

#include "core/model/weights_internal.h"

struct save {
    struct el_weights *w;
    const char *path;
    struct el_st_writer writer;
    unsigned char stored[EL_WEIGHTS_CHUNK * sizeof(float)];
};

static int save_piece(void *user, const struct el_weights_piece *p, struct el_error *err)
{
    struct save *s = user;
    enum el_dtype type = el_weights_dtype(s->w, p->info);
    el_dtype_narrow(type, p->values, p->n, s->stored);
    el_dtype_widen(type, s->stored, p->n, p->values); /* a large value may round to infinity */
    int rc = el_weights_check_finite(s->path, p, err);
    if (rc < 0)
        return rc;
    return el_st_writer_add(&s->writer, s->stored, p->n * el_dtype_size(type), err);
}

static int begin(struct save *s, struct el_error *err)
{
    const struct el_layout *l = &s->w->layout;
    static const struct el_st_meta meta = {"format", "pt"};
    struct el_st_tensor *list = el_alloc_array((size_t)l->n, sizeof *list);
    if (!list)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", s->path);
    for (int i = 0; i < l->n; i++) {
        const struct el_tensor_info *t = &l->tensors[i];
        list[i] = (struct el_st_tensor){.name = t->name,
                                        .dtype = el_weights_dtype(s->w, t),
                                        .dims = t->dims,
                                        .shape = {t->shape[0], t->shape[1]}};
    }
    int rc = el_st_writer_begin(&s->writer, s->path, list, l->n, &meta, 1, err);
    el_free(list);
    return rc;
}

/* Takes a config.json away that says something else than `text`: from here until the new one is in
 * its place the folder has none, and is refused, rather than the old one beside new weights. What
 * it said is appended to `old`. 1: it says `text`, and stays. */
static int retire(const char *config_path, const char *text, struct el_buf *old,
                  struct el_error *err)
{
    if (!el_path_exists(config_path))
        return 0;
    int rc = el_file_read(config_path, 0, old, err);
    if (rc < 0)
        return rc;
    if (old->len == strlen(text) && memcmp(old->data, text, old->len) == 0)
        return 1;
    return el_file_remove(config_path, err);
}

/* With both files on the disk: weights, then what they are read by. 1: that is there already. */
static int replace(struct save *s, const char *config_path, const char *text, struct el_error *err)
{
    struct el_buf old;
    el_buf_init(&old);
    int stays = retire(config_path, text, &old, err), rc = stays;
    if (rc >= 0) {
        rc = el_st_writer_commit(&s->writer, err);
        if (rc < 0 && old.len && !el_path_exists(config_path)) /* the old weights are still there */
            el_file_write(config_path, old.data, old.len, NULL);
    }
    el_buf_release(&old);
    return rc < 0 ? rc : stays;
}

static int publish(struct save *s, const char *config_path, const char *text, struct el_error *err)
{
    struct el_atomic_file config;
    int rc = el_atomic_open(&config, config_path, err);
    if (rc == 0) {
        rc = el_atomic_write(&config, text, strlen(text), err);
        if (rc == 0)
            rc = el_atomic_sync(&config, err);
        if (rc == 0)
            rc = el_atomic_sync(&s->writer.file, err);
        if (rc == 0)
            rc = replace(s, config_path, text, err);
        if (rc == 0)
            return el_atomic_commit(&config, err);
        el_atomic_discard(&config);
        if (rc > 0)
            return 0;
    }
    el_st_writer_discard(&s->writer);
    return rc;
}

static int save_files(struct save *s, const char *config_path, const char *text,
                      struct el_error *err)
{
    int rc = begin(s, err);
    if (rc < 0)
        return rc;
    rc = el_weights_each(s->w, 0, save_piece, s, err);
    if (rc == 0)
        return publish(s, config_path, text, err);
    el_st_writer_discard(&s->writer);
    return rc;
}

int el_weights_save(const struct el_weights *w, const char *dir, struct el_error *err)
{
    int rc = el_dir_make(dir, err);
    if (rc < 0)
        return rc;
    char *path = el_path_join(dir, "model.safetensors"), *config = el_path_join(dir, "config.json");
    char *text = el_config_print(&w->config);
    struct save *s = el_alloc(sizeof *s);
    if (path && config && text && s) {
        s->w = (struct el_weights *)w; /* el_weights_each is told not to write */
        s->path = path;
        rc = save_files(s, config, text, err);
    } else {
        rc = el_error_set(err, EL_ENOMEM, "%s: out of memory while saving", dir);
    }
    el_free(s);
    el_free(text);
    el_free(config);
    el_free(path);
    return rc;
}
