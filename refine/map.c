#include "refine/map.h"

#include "core/base/alloc.h"
#include "core/base/error.h"

#include <string.h>

void el_map_init(struct el_map *m)
{
    memset(m, 0, sizeof *m);
}

void el_map_release(struct el_map *m)
{
    el_free(m->key);
    el_free(m->value);
    el_map_init(m);
}

/* Keys may be row ids, which follow one another: mix them (the finaliser of SplitMix64). */
static size_t place(const struct el_map *m, uint64_t key)
{
    uint64_t h = key;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    size_t i = (size_t)(h ^ (h >> 31)) & (m->cap - 1);
    while (m->value[i] >= 0 && m->key[i] != key)
        i = (i + 1) & (m->cap - 1);
    return i;
}

int el_map_get(const struct el_map *m, uint64_t key)
{
    return m->cap ? m->value[place(m, key)] : -1;
}

static int grow(struct el_map *m)
{
    struct el_map next = {.cap = m->cap ? 2 * m->cap : 64};
    next.key = el_alloc_array(next.cap, sizeof *next.key);
    next.value = el_alloc_array(next.cap, sizeof *next.value);
    if (!next.key || !next.value) {
        el_map_release(&next);
        return EL_ENOMEM;
    }
    memset(next.value, 0xff, next.cap * sizeof *next.value);
    for (size_t i = 0; i < m->cap; i++)
        if (m->value[i] >= 0)
            el_map_put(&next, m->key[i], m->value[i]);
    el_map_release(m);
    *m = next;
    return 0;
}

int el_map_put(struct el_map *m, uint64_t key, int value)
{
    if (4 * (m->used + 1) > 3 * m->cap && grow(m) < 0)
        return EL_ENOMEM;
    size_t i = place(m, key);
    m->used += m->value[i] < 0;
    m->key[i] = key;
    m->value[i] = value;
    return 0;
}
