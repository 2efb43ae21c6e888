#include "refine/json_out.h"

#include "core/base/json.h"

#include <math.h>
#include <string.h>

static void check(struct el_json_out *j, int rc)
{
    if (rc < 0)
        j->failed = rc;
}

static void put_key(struct el_json_out *j, const char *key)
{
    if (!j->first)
        check(j, el_buf_puts(j->buf, ", "));
    j->first = 0;
    if (!key)
        return;
    check(j, el_json_quote(j->buf, key, strlen(key)));
    check(j, el_buf_puts(j->buf, ": "));
}

void el_json_open(struct el_json_out *j, const char *key, char bracket)
{
    put_key(j, key);
    check(j, el_buf_putc(j->buf, bracket));
    j->first = 1;
}

void el_json_close(struct el_json_out *j, char bracket)
{
    check(j, el_buf_putc(j->buf, bracket));
    j->first = 0;
}

void el_json_text(struct el_json_out *j, const char *key, const char *value)
{
    put_key(j, key);
    check(j, el_json_quote(j->buf, value, strlen(value)));
}

void el_json_number(struct el_json_out *j, const char *key, double value)
{
    put_key(j, key);
    check(j, isfinite(value) ? el_buf_printf(j->buf, "%.10g", value) : el_buf_puts(j->buf, "null"));
}

void el_json_count(struct el_json_out *j, const char *key, int64_t value)
{
    put_key(j, key);
    check(j, el_buf_printf(j->buf, "%lld", (long long)value));
}

void el_json_truth(struct el_json_out *j, const char *key, int value)
{
    put_key(j, key);
    check(j, el_buf_puts(j->buf, value ? "true" : "false"));
}

void el_json_figure(struct el_json_out *j, const char *key, const struct el_figure *f)
{
    el_json_open(j, key, '{');
    el_json_number(j, "value", f->value);
    el_json_number(j, "lo", f->lo);
    el_json_number(j, "hi", f->hi);
    el_json_close(j, '}');
}
