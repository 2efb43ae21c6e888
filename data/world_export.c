#include "data/world.h"

#include "core/base/json.h"

#include <inttypes.h>

static int put_problem(enum el_world_split split, uint64_t index, struct el_buf *text,
                       struct el_buf *out)
{
    struct el_world_problem p;
    el_world_problem(split, index, &p);
    el_buf_clear(text);
    int rc = el_world_problem_text(&p, text);
    if (rc >= 0)
        rc = el_buf_printf(out, "  {\"id\": \"%s-%" PRIu64 "\", \"question\": ",
                           el_world_split_name((int)split), index);
    if (rc >= 0)
        rc = el_json_quote(out, text->data, text->len);
    return rc < 0 ? rc : el_buf_putc(out, '}');
}

int el_world_export(enum el_world_split split, uint64_t first, uint64_t count, struct el_buf *out)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_buf_puts(out, "[\n");
    for (uint64_t i = 0; i < count && rc >= 0; i++) {
        rc = put_problem(split, first + i, &text, out);
        if (rc >= 0)
            rc = el_buf_puts(out, i + 1 < count ? ",\n" : "\n");
    }
    el_buf_release(&text);
    return rc < 0 ? rc : el_buf_puts(out, "]\n");
}
