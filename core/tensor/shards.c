#include "core/tensor/shards.h"

#include "core/base/alloc.h"
#include "core/tensor/st_index.h"

#include <stdlib.h>
#include <string.h>

static int out_of_memory(const struct el_shards *s, struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "%s: out of memory for its list of tensors",
                        s->dir ? s->dir : "model");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct el_shard_tensor *)a)->t->name,
                  ((const struct el_shard_tensor *)b)->t->name);
}

/* The same name in two files: the files in their order. */
static int by_name_and_file(const void *a, const void *b)
{
    const struct el_shard_tensor *x = a, *y = b;
    int order = by_name(a, b);
    return order ? order : (x->file > y->file) - (x->file < y->file);
}

static const char *base_name(const struct el_safetensors *st)
{
    const char *slash = strrchr(st->name, '/');
    return slash ? slash + 1 : st->name;
}

static int add_file(struct el_shards *s, const char *name, struct el_error *err)
{
    char *path = el_path_join(s->dir, name);
    int rc = path ? el_safetensors_open(&s->files[s->n_files], path, err) : out_of_memory(s, err);
    el_free(path);
    if (rc == 0)
        s->n_files++;
    return rc;
}

static int open_named(struct el_shards *s, const char *const *names, int n, struct el_error *err)
{
    int rc = 0;
    s->files = el_alloc_array((size_t)n, sizeof *s->files);
    if (!s->files)
        return out_of_memory(s, err);
    for (int i = 0; i < n && rc == 0; i++)
        rc = add_file(s, names[i], err);
    return rc;
}

static int check_index(const struct el_shards *s, const struct el_st_index *x, const char *path,
                       struct el_error *err)
{
    for (int i = 0; i < x->n; i++)
        if (!el_safetensors_find(&s->files[x->places[i].file], x->places[i].tensor))
            return el_error_set(err, EL_EFORMAT, "%s: tensor '%.120s' is not in %.100s", path,
                                x->places[i].tensor, x->files[x->places[i].file]);
    return 0;
}

static int open_index(struct el_shards *s, const char *path, struct el_error *err)
{
    struct el_st_index x;
    int rc = el_st_index_load(&x, path, err);
    if (rc < 0)
        return rc;
    rc = open_named(s, x.files, x.n_files, err);
    if (rc == 0)
        rc = check_index(s, &x, path, err);
    el_st_index_release(&x);
    return rc;
}

static int open_files(struct el_shards *s, struct el_error *err)
{
    static const char *const single_name = "model.safetensors";
    char *single = el_path_join(s->dir, single_name);
    char *index = el_path_join(s->dir, "model.safetensors.index.json");
    int rc;
    if (!single || !index)
        rc = out_of_memory(s, err);
    else if (el_path_exists(single))
        rc = open_named(s, &single_name, 1, err);
    else if (el_path_exists(index))
        rc = open_index(s, index, err);
    else
        rc = el_error_set(err, EL_ENOTFOUND,
                          "%s: expected model.safetensors or model.safetensors.index.json there",
                          s->dir);
    el_free(single);
    el_free(index);
    return rc;
}

static int list_tensors(struct el_shards *s, struct el_error *err)
{
    size_t n = 0;
    for (int i = 0; i < s->n_files; i++)
        n += (size_t)s->files[i].n;
    s->tensors = el_alloc_array(n, sizeof *s->tensors);
    if (!s->tensors)
        return out_of_memory(s, err);
    for (int i = 0; i < s->n_files; i++)
        for (int j = 0; j < s->files[i].n; j++)
            s->tensors[s->n++] = (struct el_shard_tensor){&s->files[i].tensors[j], &s->files[i]};
    qsort(s->tensors, n, sizeof *s->tensors, by_name_and_file);
    return 0;
}

static int check_names(const struct el_shards *s, struct el_error *err)
{
    for (int i = 1; i < s->n; i++) {
        const struct el_shard_tensor *a = &s->tensors[i - 1], *b = &s->tensors[i];
        if (by_name(a, b) == 0)
            return el_error_set(err, EL_EFORMAT, "%s: tensor '%.120s' is in %.100s and in %.100s",
                                s->dir, a->t->name, base_name(a->file), base_name(b->file));
    }
    return 0;
}

int el_shards_open(struct el_shards *s, const char *dir, struct el_error *err)
{
    *s = (struct el_shards){.dir = el_strdup(dir)};
    int rc = s->dir ? open_files(s, err) : out_of_memory(s, err);
    if (rc == 0)
        rc = list_tensors(s, err);
    if (rc == 0)
        rc = check_names(s, err);
    if (rc < 0)
        el_shards_release(s);
    return rc;
}

void el_shards_release(struct el_shards *s)
{
    for (int i = 0; i < s->n_files; i++)
        el_safetensors_release(&s->files[i]);
    el_free(s->files);
    el_free(s->tensors);
    el_free(s->dir);
    *s = (struct el_shards){0};
}

const struct el_shard_tensor *el_shards_find(const struct el_shards *s, const char *name)
{
    struct el_st_tensor named = {.name = name};
    struct el_shard_tensor key = {.t = &named};
    return bsearch(&key, s->tensors, (size_t)s->n, sizeof key, by_name);
}
