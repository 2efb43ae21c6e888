#include "core/tensor/st_index.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"

#include <stdlib.h>
#include <string.h>

enum { index_max_bytes = 1 << 30 };

static int by_tensor(const void *a, const void *b)
{
    return strcmp(((const struct el_st_place *)a)->tensor, ((const struct el_st_place *)b)->tensor);
}

static int by_string(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_entry(const cJSON *entry, const char *name, struct el_error *err)
{
    if (!cJSON_IsString(entry))
        return el_error_set(err, EL_EFORMAT, "%s: weight_map: '%.120s' must be a string", name,
                            entry->string);
    const char *file = entry->valuestring;
    if (!*file || strchr(file, '/') || file[0] == '.')
        return el_error_set(err, EL_EFORMAT, "%s: '%.100s' is not the name of a file in its folder",
                            name, file);
    return 0;
}

static int collect_files(struct el_st_index *x, const cJSON *map, const char *name,
                         struct el_error *err)
{
    const cJSON *entry;
    int n = 0;
    cJSON_ArrayForEach(entry, map)
    {
        int rc = check_entry(entry, name, err);
        if (rc < 0)
            return rc;
        x->files[n++] = entry->valuestring;
    }
    qsort(x->files, (size_t)n, sizeof *x->files, by_string);
    for (int i = 0; i < n; i++)
        if (i == 0 || strcmp(x->files[i], x->files[x->n_files - 1]) != 0)
            x->files[x->n_files++] = x->files[i];
    if (x->n_files > EL_ST_MAX_SHARDS)
        return el_error_set(err, EL_ELIMIT, "%s: names more than %d files", name, EL_ST_MAX_SHARDS);
    return 0;
}

static int collect_places(struct el_st_index *x, const cJSON *map, const char *name,
                          struct el_error *err)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, map)
    {
        const char **file =
            bsearch(&entry->valuestring, x->files, (size_t)x->n_files, sizeof *x->files, by_string);
        x->places[x->n++] = (struct el_st_place){entry->string, (int)(file - x->files)};
    }
    qsort(x->places, (size_t)x->n, sizeof *x->places, by_tensor);
    for (int i = 1; i < x->n; i++)
        if (strcmp(x->places[i - 1].tensor, x->places[i].tensor) == 0)
            return el_error_set(err, EL_EFORMAT, "%s: weight_map: '%.120s' appears twice", name,
                                x->places[i].tensor);
    return 0;
}

static int read_map(struct el_st_index *x, const char *name, struct el_error *err)
{
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(x->tree, "weight_map");
    if (!cJSON_IsObject(map))
        return el_error_set(err, EL_EFORMAT, "%s: missing field 'weight_map' (an object)", name);
    size_t n = (size_t)cJSON_GetArraySize(map);
    x->files = el_alloc_array(n, sizeof *x->files);
    x->places = el_alloc_array(n, sizeof *x->places);
    if (!x->files || !x->places)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", name);
    int rc = collect_files(x, map, name, err);
    return rc == 0 ? collect_places(x, map, name, err) : rc;
}

int el_st_index_parse(struct el_st_index *x, const char *name, const char *json, size_t n,
                      struct el_error *err)
{
    *x = (struct el_st_index){0};
    int rc = el_json_parse(name, json, n, &x->tree, err);
    if (rc == 0)
        rc = read_map(x, name, err);
    if (rc < 0)
        el_st_index_release(x);
    return rc;
}

int el_st_index_load(struct el_st_index *x, const char *path, struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    *x = (struct el_st_index){0};
    int rc = el_file_read(path, index_max_bytes, &text, err);
    if (rc == 0)
        rc = el_st_index_parse(x, path, text.data, text.len, err);
    el_buf_release(&text);
    return rc;
}

void el_st_index_release(struct el_st_index *x)
{
    cJSON_Delete(x->tree);
    el_free(x->files);
    el_free(x->places);
    *x = (struct el_st_index){0};
}

int el_st_index_print(struct el_buf *out, const char *const *tensors, const int *file_of, int n,
                      const char *const *files, int64_t bytes)
{
    int rc = el_buf_printf(out, "{\n  \"metadata\": {\"total_size\": %lld},\n  \"weight_map\": {",
                           (long long)bytes);
    for (int i = 0; i < n && rc == 0; i++) {
        rc = el_buf_puts(out, i ? ",\n    " : "\n    ");
        if (rc == 0)
            rc = el_json_quote(out, tensors[i], strlen(tensors[i]));
        if (rc == 0)
            rc = el_buf_puts(out, ": ");
        if (rc == 0)
            rc = el_json_quote(out, files[file_of[i]], strlen(files[file_of[i]]));
    }
    return rc < 0 ? rc : el_buf_puts(out, "\n  }\n}\n");
}
