/* Taking a template apart and filling it in; prompt.h gives the rules. */
#include "roles/prompt_template.h"
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "roles/prompt.h"

#include <string.h>

enum { TEMPLATE_MAX = 1 << 20 };

static const struct {
    const char *name;
    enum el_prompt_field field;
} synonym[] = {
    {"statement", EL_FIELD_STATEMENT},
    {"question", EL_FIELD_STATEMENT},
    {"problem", EL_FIELD_STATEMENT},
    {"proof", EL_FIELD_PROOF},
    {"solution", EL_FIELD_PROOF},
    {"analysis", EL_FIELD_ANALYSIS},
    {"analyses", EL_FIELD_ANALYSIS},
    {"proof analysis", EL_FIELD_ANALYSIS},
    {"proof analyses", EL_FIELD_ANALYSIS},
    {"evaluation", EL_FIELD_ANALYSIS},
    {"rating", EL_FIELD_ANALYSIS},
    {"instruction", EL_FIELD_INSTRUCTION},
    {"proof_generation_prompt", EL_FIELD_INSTRUCTION},
    {"proofs_to_refine", EL_FIELD_PROOFS},
    {"reference", EL_FIELD_REFERENCE},
    {"rubric", EL_FIELD_RUBRIC},
};

const char *el_prompt_placeholder(int i)
{
    return i >= 0 && (size_t)i < sizeof synonym / sizeof *synonym ? synonym[i].name : NULL;
}

const char *el_prompt_field_name(enum el_prompt_field field)
{
    for (size_t i = 0; i < sizeof synonym / sizeof *synonym; i++)
        if (synonym[i].field == field)
            return synonym[i].name;
    return "unknown";
}

static int field_of(struct el_slice name)
{
    for (size_t i = 0; i < sizeof synonym / sizeof *synonym; i++)
        if (strlen(synonym[i].name) == name.len &&
            memcmp(synonym[i].name, name.data, name.len) == 0)
            return synonym[i].field;
    return -1;
}

/* One reading of one template. */
struct reader {
    struct el_prompt_template *t;
    unsigned allowed;
    size_t done;  /* text before this has become pieces */
    int open;     /* the field of the {?...} we are in, or -1 */
    size_t begun; /* where that one stands */
    struct el_error *err;
};

static int line_of(const struct el_prompt_template *t, size_t off)
{
    int line = 1;

    for (size_t i = 0; i < off; i++)
        line += t->text.data[i] == '\n';
    return line;
}

static int add_piece(struct reader *r, int field, size_t off, size_t len)
{
    struct el_prompt_template *t = r->t;

    if (t->n_pieces == t->cap_pieces) {
        const size_t cap = t->cap_pieces ? 2 * t->cap_pieces : 16;
        struct el_prompt_piece *p = el_realloc(t->pieces, cap * sizeof *p);

        if (!p)
            return el_error_set(r->err, EL_ENOMEM, "%s: out of memory", t->path);
        t->pieces = p;
        t->cap_pieces = cap;
    }
    t->pieces[t->n_pieces++] = (struct el_prompt_piece){field, r->open, off, len};
    return 0;
}

/* Text up to `end` becomes a piece; reading goes on at `next`. */
static int flush(struct reader *r, size_t end, size_t next)
{
    int rc = end > r->done ? add_piece(r, -1, r->done, end - r->done) : 0;

    r->done = next;
    return rc;
}

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Is text[off], a brace, the argument of a LaTeX command, or an exponent or index? */
static int is_latex_argument(const char *text, size_t off)
{
    size_t i = off;

    if (i > 0 && (text[i - 1] == '^' || text[i - 1] == '_'))
        return 1;
    while (i > 0 && is_letter(text[i - 1]))
        i--;
    return i < off && i > 0 && text[i - 1] == '\\';
}

static int looks_like_name(struct el_slice v)
{
    for (size_t i = 0; i < v.len; i++)
        if (!is_letter(v.data[i]) && (i == 0 || !strchr("0123456789_ -", v.data[i])))
            return 0;
    return v.len >= 3;
}

static int is_optional(int field)
{
    return field == EL_FIELD_REFERENCE || field == EL_FIELD_RUBRIC;
}

static int misplaced(const struct reader *r, size_t off, int field)
{
    return el_error_set(r->err, EL_EFORMAT, "%s, line %d: {%s} has no value in this prompt",
                        r->t->path, line_of(r->t, off), el_prompt_field_name(field));
}

/* The group text[off..off+len) with its braces, known to hold no other brace. */
static int read_value(struct reader *r, size_t off, size_t len)
{
    const char *text = r->t->text.data;
    const struct el_slice name = el_slice_trim(el_slice_of(text + off + 1, len - 2));
    const int field = field_of(name);
    int rc;

    if (is_latex_argument(text, off))
        return 0;
    if (field < 0) {
        if (!looks_like_name(name) || (off > 0 && (text[off - 1] == '}' || text[off - 1] == ']')))
            return 0;
        return el_error_set(r->err, EL_EFORMAT,
                            "%s, line %d: unknown placeholder {%.*s} (write {{%.*s}} for the text)",
                            r->t->path, line_of(r->t, off), (int)name.len, name.data, (int)name.len,
                            name.data);
    }
    if (!(r->allowed & 1u << field))
        return misplaced(r, off, field);
    if (is_optional(field) && r->open >= 0 && r->open != field)
        return el_error_set(r->err, EL_EFORMAT, "%s, line %d: {%s} inside {?%s}", r->t->path,
                            line_of(r->t, off), el_prompt_field_name(field),
                            el_prompt_field_name(r->open));
    rc = flush(r, off, off + len);
    if (rc == 0)
        rc = add_piece(r, field, off, 0);
    r->t->holds |= 1u << field;
    if (r->open < 0)
    r->t->requires |= 1u << field;
    return rc;
}

/* {?name} or {/name}. */
static int read_condition(struct reader *r, size_t off, size_t len)
{
    const char *text = r->t->text.data;
    const struct el_slice name = el_slice_trim(el_slice_of(text + off + 2, len - 3));
    const int field = field_of(name), opens = text[off + 1] == '?';
    int rc;

    if (!is_optional(field))
        return el_error_set(r->err, EL_EFORMAT,
                            "%s, line %d: expected reference or rubric in {%c%.*s}", r->t->path,
                            line_of(r->t, off), text[off + 1], (int)name.len, name.data);
    if (!(r->allowed & 1u << field))
        return misplaced(r, off, field);
    if (opens ? r->open >= 0 : r->open != field)
        return el_error_set(r->err, EL_EFORMAT, "%s, line %d: {%c%s} %s", r->t->path,
                            line_of(r->t, off), text[off + 1], el_prompt_field_name(field),
                            opens ? "inside another one" : "closes nothing");
    rc = flush(r, off, off + len);
    r->open = opens ? field : -1;
    r->begun = off;
    return rc;
}

/* Reads the group that begins at text[off] == '{'; *next is where to go on. */
static int read_group(struct reader *r, size_t off, size_t *next)
{
    const char *text = r->t->text.data;
    const size_t n = r->t->text.len;
    const size_t doubled = off + 1 < n && text[off + 1] == '{';
    size_t end = off + 1 + doubled;

    *next = off + 1;
    while (end < n && !strchr("{}\r\n", text[end]))
        end++;
    if (end >= n || text[end] != '}')
        return 0;
    if (doubled) { /* {{text}} stands for {text} */
        if (end + 1 >= n || text[end + 1] != '}')
            return 0;
        *next = end + 2;
        if (flush(r, off, off + 1))
            return EL_ENOMEM;
        return flush(r, end + 1, end + 2);
    }
    *next = end + 1;
    if (text[off + 1] == '?' || text[off + 1] == '/')
        return read_condition(r, off, end + 1 - off);
    return read_value(r, off, end + 1 - off);
}

static int read_template(struct reader *r)
{
    const struct el_buf *text = &r->t->text;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < text->len;) {
        if (text->data[i] == '{')
            rc = read_group(r, i, &i);
        else
            i++;
    }
    if (rc == 0 && r->open >= 0)
        return el_error_set(r->err, EL_EFORMAT, "%s, line %d: {?%s} is never closed", r->t->path,
                            line_of(r->t, r->begun), el_prompt_field_name(r->open));
    return rc ? rc : flush(r, text->len, text->len);
}

int el_prompt_template_load(struct el_prompt_template *t, const char *dir, const char *name,
                            unsigned allowed, struct el_error *err)
{
    struct reader r = {.t = t, .allowed = allowed, .open = -1, .err = err};
    struct el_buf file;
    struct el_slice body;
    int rc;

    el_buf_init(&file);
    el_buf_init(&t->text);
    t->path = el_path_join(dir, name);
    if (!t->path)
        return el_error_set(err, EL_ENOMEM, "%s/%s: out of memory", dir, name);
    rc = el_file_read(t->path, TEMPLATE_MAX, &file, err);
    if (rc == 0) {
        body = el_slice_trim(el_slice_of(file.data, file.len));
        if (el_buf_add(&t->text, body.data, body.len))
            rc = el_error_set(err, EL_ENOMEM, "%s: out of memory", t->path);
    }
    el_buf_release(&file);
    return rc ? rc : read_template(&r);
}

void el_prompt_template_release(struct el_prompt_template *t)
{
    if (t->text.data)
        el_buf_release(&t->text);
    el_free(t->path);
    el_free(t->pieces);
    *t = (struct el_prompt_template){0};
}

static int check_values(const struct el_prompt_template *t, const struct el_slice *values,
                        struct el_error *err)
{
    for (int f = 0; f < EL_FIELDS; f++) {
        if (t->requires & 1u << f && !values[f].data)
            return el_error_set(err, EL_EINVAL, "%s: no value was given for {%s}", t->path,
                                el_prompt_field_name(f));
        if (values[f].data && !(t->holds & 1u << f))
            return el_error_set(err, EL_EINVAL,
                                "%s: a value was given for {%s}, but the template has no place "
                                "for it",
                                t->path, el_prompt_field_name(f));
    }
    return 0;
}

int el_prompt_template_fill(const struct el_prompt_template *t,
                            const struct el_slice values[EL_FIELDS], struct el_buf *out,
                            struct el_error *err)
{
    size_t total = 0;
    int rc = check_values(t, values, err);

    if (rc)
        return rc;
    /* Room for everything first: after that no append can fail half way. */
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < t->n_pieces; i++) {
            const struct el_prompt_piece *p = &t->pieces[i];
            struct el_slice v = el_slice_of(t->text.data + p->off, p->len);

            if (p->only_if >= 0 && !values[p->only_if].data)
                continue;
            if (p->field >= 0)
                v = el_slice_trim(values[p->field]);
            total += v.len;
            if (pass)
                el_buf_add(out, v.data, v.len);
        }
        if (pass == 0 && el_buf_reserve(out, total))
            return el_error_set(err, EL_ENOMEM, "%s: out of memory", t->path);
    }
    return 0;
}
