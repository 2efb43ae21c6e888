#include "core/run/completion.h"

#include "core/base/alloc.h"

void el_completion_release(struct el_completion *c)
{
    el_free(c->text);
    el_free(c->ids);
    el_free(c->logps);
    el_free(c->routed);
    el_free(c->selected);
    el_free(c->kept_start);
    el_free(c->kept);
    *c = (struct el_completion){0};
}

void el_backend_free(struct el_backend *b)
{
    if (b)
        b->destroy(b);
}
