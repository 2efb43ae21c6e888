#include "core/model/convert.h"

#include "core/base/alloc.h"
#include "core/base/folder.h"
#include "core/base/io.h"
#include "core/model/convert_parts.h"
#include "core/tensor/st_index.h"

#include <stdio.h>
#include <string.h>

/* A conversion under way. */
struct job {
    const char *from;
    const struct el_convert_options *o;
    struct el_convert_plan plan;
    struct el_atomic_folder folder;
    struct el_converter converter;
};

enum { name_size = 64 };

static void name_file(const struct job *j, int file, char name[name_size])
{
    if (j->plan.n_files == 1)
        snprintf(name, name_size, "model.safetensors");
    else
        snprintf(name, name_size, "model-%05d-of-%05d.safetensors", file + 1, j->plan.n_files);
}

static int out_of_memory(const struct job *j, struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "%s: out of memory", j->folder.path);
}

static int begin_file(struct job *j, struct el_st_writer *w, int first, int end,
                      struct el_error *err)
{
    char name[name_size];
    name_file(j, j->plan.items[first].file, name);
    char *path = el_path_join(j->folder.tmp, name);
    struct el_st_tensor *list = el_alloc_array(2 * (size_t)(end - first), sizeof *list);
    int n = 0;
    for (int i = first; list && i < end; i++)
        n += el_convert_describe(&j->plan.items[i], &j->o->fp8, list + n);
    int rc = path && list ? el_st_writer_begin(w, path, list, n, &el_convert_meta, 1, err)
                          : out_of_memory(j, err);
    el_free(list);
    el_free(path);
    return rc;
}

/* Items first..end are those of one file. */
static int write_file(struct job *j, int first, int end, struct el_error *err)
{
    struct el_st_writer w;
    int rc = begin_file(j, &w, first, end, err);
    if (rc < 0)
        return rc;
    for (int i = first; i < end && rc == 0; i++)
        rc = el_converter_run(&j->converter, &j->plan.items[i], &w, err);
    if (rc == 0)
        return el_st_writer_commit(&w, err);
    el_st_writer_discard(&w);
    return rc;
}

static int write_tensors(struct job *j, struct el_error *err)
{
    const struct el_convert_plan *p = &j->plan;
    int rc = 0;
    for (int first = 0, end; first < p->n && rc == 0; first = end) {
        for (end = first; end < p->n && p->items[end].file == p->items[first].file;)
            end++;
        rc = write_file(j, first, end, err);
    }
    return rc;
}

static int write_text(struct job *j, const char *name, const struct el_buf *text,
                      struct el_error *err)
{
    char *path = el_path_join(j->folder.tmp, name);
    int rc = path ? el_file_write(path, text->data, text->len, err) : out_of_memory(j, err);
    el_free(path);
    return rc;
}

struct index_lists {
    const char **tensors, **files;
    int *file_of, n;
    char (*names)[name_size];
};

static void fill_index(const struct job *j, struct index_lists *x)
{
    for (int f = 0; f < j->plan.n_files; f++) {
        name_file(j, f, x->names[f]);
        x->files[f] = x->names[f];
    }
    for (int i = 0; i < j->plan.n; i++) {
        struct el_st_tensor t[2];
        int n = el_convert_describe(&j->plan.items[i], &j->o->fp8, t);
        for (int k = 0; k < n; k++) {
            x->tensors[x->n] = t[k].name;
            x->file_of[x->n++] = j->plan.items[i].file;
        }
    }
}

static int write_index(struct job *j, struct el_error *err)
{
    size_t n = 2 * (size_t)j->plan.n, files = (size_t)j->plan.n_files;
    struct index_lists x = {.tensors = el_alloc_array(n, sizeof *x.tensors),
                            .files = el_alloc_array(files, sizeof *x.files),
                            .file_of = el_alloc_array(n, sizeof *x.file_of),
                            .names = el_alloc_array(files, sizeof *x.names)};
    struct el_buf text;
    el_buf_init(&text);
    int rc = x.tensors && x.files && x.file_of && x.names ? 0 : EL_ENOMEM;
    if (rc == 0) {
        fill_index(j, &x);
        rc = el_st_index_print(&text, x.tensors, x.file_of, x.n, x.files, j->plan.report.bytes);
    }
    rc = rc < 0 ? out_of_memory(j, err) : write_text(j, "model.safetensors.index.json", &text, err);
    el_buf_release(&text);
    el_free(x.tensors);
    el_free(x.files);
    el_free(x.file_of);
    el_free(x.names);
    return rc;
}

static int write_config(struct job *j, struct el_error *err)
{
    struct el_buf text;
    char *path = el_path_join(j->from, "config.json");
    el_buf_init(&text);
    int rc = path ? el_convert_config(path, j->o, &text, err) : out_of_memory(j, err);
    if (rc == 0)
        rc = write_text(j, "config.json", &text, err);
    el_buf_release(&text);
    el_free(path);
    return rc;
}

static int fill_folder(struct job *j, struct el_error *err)
{
    int rc = write_tensors(j, err);
    if (rc == 0 && j->plan.n_files > 1)
        rc = write_index(j, err);
    if (rc == 0)
        rc = write_config(j, err);
    for (const char *const *name = j->o->keep; rc == 0 && name && *name; name++) {
        rc = el_atomic_folder_copy(&j->folder, j->from, *name, err);
        rc = rc < 0 ? rc : 0;
    }
    return rc;
}

static int write_folder(struct job *j, const char *to, struct el_error *err)
{
    int rc = el_atomic_folder_open(&j->folder, to, err);
    if (rc < 0)
        return rc;
    rc = fill_folder(j, err);
    if (rc == 0)
        return el_atomic_folder_commit(&j->folder, err);
    el_atomic_folder_discard(&j->folder);
    return rc;
}

static int check_options(const struct el_convert_options *o, struct el_error *err)
{
    if (o->form == EL_FORM_FP8 && (o->fp8.block_rows < 1 || o->fp8.block_columns < 1))
        return el_error_set(err, EL_EINVAL, "FP8 blocks of %d x %d: expected 1 or more",
                            o->fp8.block_rows, o->fp8.block_columns);
    if (o->shard_bytes < 0)
        return el_error_set(err, EL_EINVAL, "files of %lld bytes: expected 0 or more",
                            (long long)o->shard_bytes);
    return 0;
}

int el_convert(const char *from, const char *to, const struct el_convert_options *o,
               struct el_convert_report *report, struct el_progress *progress, struct el_error *err)
{
    struct job j = {.from = from, .o = o};
    int rc = check_options(o, err);
    if (rc == 0)
        rc = el_convert_plan_init(&j.plan, from, o, err);
    if (rc < 0)
        return rc;
    if (j.plan.n_files > EL_ST_MAX_SHARDS)
        rc = el_error_set(err, EL_ELIMIT, "%s: %d files, expected at most %d", to, j.plan.n_files,
                          EL_ST_MAX_SHARDS);
    else
        rc = el_converter_init(&j.converter, &j.plan, o, err);
    if (rc == 0) {
        j.converter.progress = progress;
        rc = write_folder(&j, to, err);
        el_converter_release(&j.converter);
    }
    if (rc == 0 && report)
        *report = j.plan.report;
    el_convert_plan_release(&j.plan);
    return rc;
}
