#include "core/text/tokens.h"

#include "core/base/alloc.h"
#include "core/base/error.h"

#include <string.h>

void el_tokens_init(struct el_tokens *t)
{
    *t = (struct el_tokens){0};
}

void el_tokens_release(struct el_tokens *t)
{
    el_free(t->ids);
    el_tokens_init(t);
}

static int reserve(struct el_tokens *t, size_t more)
{
    if (more <= t->cap - t->len)
        return 0;
    if (more > SIZE_MAX / 4 / sizeof *t->ids - t->len)
        return EL_ENOMEM;
    size_t cap = t->cap * 2 > t->len + more ? t->cap * 2 : t->len + more;
    cap = cap < 16 ? 16 : cap;
    int32_t *ids = el_realloc(t->ids, cap * sizeof *ids);
    if (!ids)
        return EL_ENOMEM;
    t->ids = ids;
    t->cap = cap;
    return 0;
}

int el_tokens_push(struct el_tokens *t, int32_t id)
{
    return el_tokens_append(t, &id, 1);
}

int el_tokens_append(struct el_tokens *t, const int32_t *ids, size_t n)
{
    int rc = reserve(t, n);
    if (rc < 0)
        return rc;
    if (n)
        memcpy(t->ids + t->len, ids, n * sizeof *ids);
    t->len += n;
    return 0;
}
