/* Any text: refused, or an index whose files are plain names and whose tensors have one each; what
 * it says survives printing and reading. */
#include "core/base/alloc.h"
#include "core/tensor/st_index.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_files(const struct el_st_index *x)
{
    for (int i = 0; i < x->n_files; i++)
        if (!x->files[i][0] || strchr(x->files[i], '/') || x->files[i][0] == '.' ||
            (i && strcmp(x->files[i - 1], x->files[i]) >= 0))
            abort();
}

static void check_printing(const struct el_st_index *x)
{
    struct el_st_index back;
    struct el_buf text;
    const char **tensors = el_alloc_array((size_t)x->n + 1, sizeof *tensors);
    int *file_of = el_alloc_array((size_t)x->n + 1, sizeof *file_of);
    el_buf_init(&text);
    for (int i = 0; i < x->n; i++) {
        tensors[i] = x->places[i].tensor;
        file_of[i] = x->places[i].file;
    }
    el_st_index_print(&text, tensors, file_of, x->n, x->files, 0);
    /* names that are not UTF-8 are repaired, and may become equal */
    if (el_st_index_parse(&back, "printed", text.data, text.len, NULL) == 0) {
        if (back.n != x->n)
            abort();
        el_st_index_release(&back);
    }
    el_buf_release(&text);
    el_free(tensors);
    el_free(file_of);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct el_st_index x;
    struct el_error err = {0};
    int rc = el_st_index_parse(&x, "fuzz", (const char *)data, n, &err);
    if (rc < 0 && !err.msg[0])
        abort();
    if (rc < 0)
        return 0;
    check_files(&x);
    for (int i = 0; i < x.n; i++)
        if (x.places[i].file < 0 || x.places[i].file >= x.n_files ||
            (i && strcmp(x.places[i - 1].tensor, x.places[i].tensor) >= 0))
            abort();
    check_printing(&x);
    el_st_index_release(&x);
    return 0;
}
