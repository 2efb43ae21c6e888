#include "tests/model/checkpoint.h"

#include "core/base/alloc.h"
#include "core/base/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

char folder[] = "/tmp/el_weights_XXXXXX";

int checkpoint_make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

int checkpoint_remove_folder(void **state)
{
    (void)state;
    unlink(path_in("config.json"));
    unlink(path_in("model.safetensors"));
    return rmdir(folder);
}

const char *path_in(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

struct el_weights *create(const struct el_config *c, uint64_t seed)
{
    struct el_weights *w;
    struct el_error err = {0};
    if (el_weights_create(c, el_device_host(), seed, &w, &err) < 0)
        fail_msg("%s", err.msg);
    return w;
}

struct el_weights *load(int *skipped)
{
    struct el_weights *w;
    struct el_error err = {0};
    if (el_weights_load(folder, el_device_host(), &w, skipped, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    return w;
}

void save(const struct el_weights *w)
{
    struct el_error err = {0};
    if (el_weights_save(w, folder, &err) < 0)
        fail_msg("%s", err.msg);
}

void expect_refusal(int code, const char *says)
{
    struct el_weights *w;
    struct el_error err = {0};
    int rc = el_weights_load(folder, el_device_host(), &w, NULL, NULL, &err);
    if (rc != code || !strstr(err.msg, says))
        fail_msg("code %d, '%s', expected %d, '%s'", rc, err.msg, code, says);
}

const float *values(const struct el_weights *w, const char *name, int64_t *n)
{
    int i = el_layout_find(&w->layout, name);
    assert_true(i >= 0);
    *n = w->layout.tensors[i].count;
    return w->data + w->layout.tensors[i].offset;
}

struct list list_of(const struct el_config *c)
{
    struct list l = {.w = create(c, 11)};
    l.n = l.w->layout.n;
    l.t = el_alloc_array((size_t)l.n + 4, sizeof *l.t);
    for (int i = 0; i < l.n; i++) {
        const struct el_tensor_info *info = &l.w->layout.tensors[i];
        l.t[i] = (struct el_st_tensor){.name = info->name,
                                       .dtype = EL_F32,
                                       .dims = info->dims,
                                       .shape = {info->shape[0], info->shape[1]},
                                       .data = l.w->data + info->offset};
    }
    return l;
}

void list_free(struct list *l)
{
    el_free(l->t);
    el_weights_free(l->w);
}

void list_write(const struct list *l, const char *file, int from, int to)
{
    char *text = el_config_print(&l->w->config);
    assert_int_equal(el_file_write(path_in("config.json"), text, strlen(text), NULL), 0);
    el_free(text);
    assert_int_equal(el_safetensors_write(path_in(file), l->t + from, to - from, NULL, 0, NULL), 0);
}

struct el_st_tensor *list_find(struct list *l, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->t[i].name, name) == 0)
            return &l->t[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

void list_add(struct list *l, const char *name)
{
    l->t[l->n++] = (struct el_st_tensor){
        .name = name, .dtype = EL_F32, .dims = 1, .shape = {2}, .data = l->w->data};
}

void list_write_index(const struct list *l, int cut, const char *first, const char *second)
{
    struct el_buf b;
    el_buf_init(&b);
    el_buf_puts(&b, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (int i = 0; i < l->n; i++)
        el_buf_printf(&b, "%s\"%s\":\"%s\"", i ? "," : "", l->t[i].name, i < cut ? first : second);
    el_buf_puts(&b, "}}");
    assert_int_equal(el_file_write(path_in("model.safetensors.index.json"), b.data, b.len, NULL),
                     0);
    el_buf_release(&b);
}
