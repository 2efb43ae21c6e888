#include "data/import_csv.h"

#include <string.h>

void el_csv_init(struct el_csv *c, const char *name, const char *text, size_t n)
{
    c->name = name;
    c->at = text;
    c->end = text + n;
    c->line = 1;
    c->row_line = 1;
    c->n_fields = 0;
    el_buf_init(&c->text);
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        c->at += 3;
}

void el_csv_release(struct el_csv *c)
{
    el_buf_release(&c->text);
}

const char *el_csv_field(const struct el_csv *c, int i)
{
    return c->text.data + c->start[i];
}

/* Bytes of the line break at `at`, 0 where there is none. */
static int line_break(const struct el_csv *c)
{
    if (c->at < c->end && *c->at == '\n')
        return 1;
    return c->end - c->at >= 2 && c->at[0] == '\r' && c->at[1] == '\n' ? 2 : 0;
}

static int fail(struct el_csv *c, int line, const char *what, struct el_error *err)
{
    while (c->at < c->end && *c->at != '\n')
        c->at++;
    if (c->at < c->end) {
        c->at++;
        c->line++;
    }
    return el_error_set(err, EL_EFORMAT, "%s line %d: %s", c->name, line, what);
}

static int no_memory(const struct el_csv *c, struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "%s line %d: out of memory", c->name, c->line);
}

/* From behind the opening quote to behind the closing one. */
static int read_quoted(struct el_csv *c, struct el_error *err)
{
    int opened = c->line;
    for (;;) {
        const char *from = c->at;
        while (c->at < c->end && *c->at != '"' && *c->at) {
            c->line += *c->at == '\n';
            c->at++;
        }
        if (el_buf_add(&c->text, from, (size_t)(c->at - from)) < 0)
            return no_memory(c, err);
        if (c->at == c->end)
            return fail(c, opened, "the quote that opens here is never closed", err);
        if (!*c->at)
            return fail(c, c->line, "a NUL byte", err);
        c->at++;
        if (c->at == c->end || *c->at != '"')
            return 0;
        c->at++;
        if (el_buf_putc(&c->text, '"') < 0)
            return no_memory(c, err);
    }
}

static int read_plain(struct el_csv *c, struct el_error *err)
{
    const char *from = c->at;
    while (c->at < c->end && *c->at != ',' && !line_break(c)) {
        if (*c->at == '"')
            return fail(c, c->line, "a quote inside an unquoted field", err);
        if (!*c->at)
            return fail(c, c->line, "a NUL byte", err);
        c->at++;
    }
    return el_buf_add(&c->text, from, (size_t)(c->at - from)) < 0 ? no_memory(c, err) : 0;
}

static int read_field(struct el_csv *c, struct el_error *err)
{
    if (c->n_fields == el_csv_fields_max)
        return fail(c, c->line, "more than 1024 fields", err);
    c->start[c->n_fields] = c->text.len;
    int quoted = c->at < c->end && *c->at == '"';
    c->quoted[c->n_fields++] = (char)quoted;
    c->at += quoted;
    int rc = quoted ? read_quoted(c, err) : read_plain(c, err);
    if (rc == 0 && c->at < c->end && *c->at != ',' && !line_break(c))
        rc = fail(c, c->line, "text after a closing quote", err);
    if (rc == 0 && el_buf_putc(&c->text, 0) < 0)
        rc = no_memory(c, err);
    return rc;
}

static void skip_breaks(struct el_csv *c)
{
    for (int n; (n = line_break(c)) > 0; c->line++)
        c->at += n;
}

int el_csv_next(struct el_csv *c, struct el_error *err)
{
    el_buf_clear(&c->text);
    c->n_fields = 0;
    skip_breaks(c);
    c->row_line = c->line;
    if (c->at == c->end)
        return 0;
    for (;;) {
        int rc = read_field(c, err);
        if (rc < 0)
            return rc;
        if (c->at == c->end)
            return 1;
        int n = line_break(c);
        c->at += n ? n : 1;
        c->line += n > 0;
        if (n)
            return 1;
    }
}
