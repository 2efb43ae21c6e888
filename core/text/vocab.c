#include "core/text/vocab.h"

#include "core/base/alloc.h"
#include "core/text/byte_alphabet.h"

#include <stdlib.h>
#include <string.h>

int el_slice_compare(struct el_slice a, struct el_slice b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

int el_vocab_init(struct el_vocab *v, int size, size_t n_keys, size_t pool_bytes)
{
    *v = (struct el_vocab){.size = size};
    v->texts = el_alloc_array((size_t)size, sizeof *v->texts);
    v->flags = el_alloc_array((size_t)size, 1);
    v->keys = el_alloc_array(n_keys, sizeof *v->keys);
    v->pool = el_alloc_array(pool_bytes, 1);
    return v->texts && v->flags && v->keys && v->pool ? 0 : EL_ENOMEM;
}

void el_vocab_release(struct el_vocab *v)
{
    el_free(v->texts);
    el_free(v->flags);
    el_free(v->keys);
    el_free(v->pool);
    *v = (struct el_vocab){0};
}

int el_vocab_add(struct el_vocab *v, int32_t id, const char *spelling, struct el_error *err)
{
    if (v->texts[id].data)
        return el_error_set(err, EL_EFORMAT, "model.vocab: id %d of '%.80s' is taken already", id,
                            spelling);
    size_t n = strlen(spelling);
    char *text = v->pool + v->pool_len;
    ptrdiff_t bytes = el_byte_alphabet_read(spelling, n, text);
    if (bytes < 0)
        memcpy(text, spelling, n);
    struct el_slice s = {text, bytes < 0 ? n : (size_t)bytes};
    v->pool_len += s.len;
    v->texts[id] = s;
    v->keys[v->n_keys++] = (struct el_vocab_key){s, id, bytes < 0};
    return 0;
}

static int compare_keys(const void *pa, const void *pb)
{
    const struct el_vocab_key *a = pa, *b = pb;
    return a->raw != b->raw ? a->raw - b->raw : el_slice_compare(a->text, b->text);
}

int el_vocab_index(struct el_vocab *v, struct el_error *err)
{
    if (v->n_keys)
        qsort(v->keys, v->n_keys, sizeof *v->keys, compare_keys);
    for (size_t i = 1; i < v->n_keys; i++)
        if (compare_keys(&v->keys[i - 1], &v->keys[i]) == 0)
            return el_error_set(
                err, EL_EFORMAT, "model.vocab: ids %d and %d are spelled the same: '%.*s'",
                v->keys[i - 1].id, v->keys[i].id,
                (int)(v->keys[i].text.len < 80 ? v->keys[i].text.len : 80), v->keys[i].text.data);
    return 0;
}

struct el_slice el_vocab_add_content(struct el_vocab *v, int32_t id, const char *content, int flags)
{
    size_t n = strlen(content);
    struct el_slice s = {v->pool + v->pool_len, n};
    memcpy(v->pool + v->pool_len, content, n);
    v->pool_len += n;
    v->texts[id] = s;
    v->flags[id] = (unsigned char)flags;
    return s;
}

static int find(const struct el_vocab *v, struct el_slice text, int raw)
{
    struct el_vocab_key want = {text, 0, raw};
    const struct el_vocab_key *k =
        v->n_keys ? bsearch(&want, v->keys, v->n_keys, sizeof want, compare_keys) : NULL;
    return k ? k->id : EL_ENOTFOUND;
}

int el_vocab_find(const struct el_vocab *v, const char *bytes, size_t n)
{
    return find(v, (struct el_slice){bytes, n}, 0);
}

int el_vocab_find_spelling(const struct el_vocab *v, const char *spelling, char *scratch)
{
    size_t n = strlen(spelling);
    ptrdiff_t bytes = el_byte_alphabet_read(spelling, n, scratch);
    if (bytes < 0)
        return find(v, (struct el_slice){spelling, n}, 1);
    return find(v, (struct el_slice){scratch, (size_t)bytes}, 0);
}
