#include "core/text/pretokenizer.h"

#include "core/base/alloc.h"
#include "core/base/utf8.h"
#include "core/text/pattern.h"

#include <string.h>

/* The pattern that ByteLevel applies when use_regex is set (GPT-2's). */
static const char gpt2_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
    "|\\s+(?!\\S)|\\s+";

static void *pcre2_allocate(PCRE2_SIZE n, void *unused)
{
    (void)unused;
    return el_alloc(n);
}

static void pcre2_release(void *p, void *unused)
{
    (void)unused;
    el_free(p);
}

int el_pretokenizer_init(struct el_pretokenizer *p)
{
    *p = (struct el_pretokenizer){0};
    p->memory = pcre2_general_context_create(pcre2_allocate, pcre2_release, NULL);
    return p->memory ? 0 : EL_ENOMEM;
}

void el_pretokenizer_release(struct el_pretokenizer *p)
{
    for (int i = 0; i < p->n_splits; i++)
        pcre2_code_free(p->splits[i].code);
    pcre2_general_context_free(p->memory);
    *p = (struct el_pretokenizer){0};
}

static int compile_error(int code, const char *pattern, PCRE2_SIZE at, struct el_error *err)
{
    char why[128];
    pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
    if (code == PCRE2_ERROR_HEAP_FAILED)
        return el_error_set(err, EL_ENOMEM, "out of memory for the pattern");
    return el_error_set(err, EL_EFORMAT, "the pattern is wrong before '%.40s': %s", pattern + at,
                        why);
}

/* MULTILINE because ^ and $ mean lines in Oniguruma, and a line ends in LF there. A match must
 * never end inside a character, so \C is not allowed. */
static int compile(struct el_pretokenizer *p, const char *pattern, int literal, pcre2_code **code,
                   struct el_error *err)
{
    pcre2_compile_context *cc = pcre2_compile_context_create(p->memory);
    if (!cc)
        return el_error_set(err, EL_ENOMEM, "out of memory for the pattern");
    int options = literal ? PCRE2_UTF | PCRE2_LITERAL
                          : PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    int why;
    PCRE2_SIZE at;
    pcre2_set_max_pattern_length(cc, 1 << 16);
    pcre2_set_newline(cc, PCRE2_NEWLINE_LF);
    *code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, (uint32_t)options, &why, &at, cc);
    pcre2_compile_context_free(cc);
    return *code ? 0 : compile_error(why, pattern, at, err);
}

static int compile_regex(struct el_pretokenizer *p, const char *pattern, pcre2_code **code,
                         struct el_error *err)
{
    struct el_buf translated;
    el_buf_init(&translated);
    int rc = el_pattern_translate(pattern, &translated, err);
    if (rc == 0)
        rc = compile(p, translated.data, 0, code, err);
    el_buf_release(&translated);
    return rc;
}

int el_pretokenizer_add(struct el_pretokenizer *p, const char *pattern, int literal,
                        enum el_split_behavior behavior, int invert, struct el_error *err)
{
    if (p->n_splits == EL_SPLITS_MAX)
        return el_error_set(err, EL_ELIMIT, "more than %d steps", EL_SPLITS_MAX);
    pcre2_code *code;
    int rc = literal ? compile(p, pattern, 1, &code, err) : compile_regex(p, pattern, &code, err);
    if (rc < 0)
        return rc;
    /* Without the compiler (not every machine allows it) the interpreter finds the same. */
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    p->splits[p->n_splits++] = (struct el_split){code, behavior, invert};
    p->byte_level_split = p->n_splits;
    return 0;
}

int el_pretokenizer_add_byte_level(struct el_pretokenizer *p, int add_prefix_space, int use_regex,
                                   struct el_error *err)
{
    int own = p->n_splits;
    int rc = use_regex ? el_pretokenizer_add(p, gpt2_pattern, 0, EL_SPLIT_ISOLATED, 0, err) : 0;
    p->byte_level_split = own;
    p->add_prefix_space = add_prefix_space;
    return rc;
}

int el_pretokenizer_work_init(struct el_pretokenizer_work *w, const struct el_pretokenizer *p)
{
    *w = (struct el_pretokenizer_work){0};
    el_buf_init(&w->prefixed);
    w->match = pcre2_match_data_create(1, p->memory);
    return w->match ? 0 : EL_ENOMEM;
}

void el_pretokenizer_work_release(struct el_pretokenizer_work *w)
{
    el_free(w->pieces.v);
    el_free(w->next.v);
    el_buf_release(&w->prefixed);
    pcre2_match_data_free(w->match);
    *w = (struct el_pretokenizer_work){0};
}

static int out_of_memory(struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "out of memory for the pieces of the text");
}

static int push_piece(struct el_piece_list *list, struct el_piece piece, struct el_error *err)
{
    if (list->len == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        struct el_piece *v = el_realloc(list->v, cap * sizeof *v);
        if (!v)
            return out_of_memory(err);
        list->v = v;
        list->cap = cap;
    }
    list->v[list->len++] = piece;
    return 0;
}

/* The results of one split on one piece, as they are found from left to right. */
struct splitter {
    const struct el_split *split;
    struct el_piece_list *list;
    size_t first;       /* list->v[first..] came from this piece */
    int previous_match; /* whether the stretch before counted as a match */
};

static int joins_previous(const struct splitter *s, int is_match)
{
    switch (s->split->behavior) {
    case EL_SPLIT_MERGED_WITH_PREVIOUS:
        return is_match && !s->previous_match;
    case EL_SPLIT_MERGED_WITH_NEXT:
        return !is_match && s->previous_match;
    case EL_SPLIT_CONTIGUOUS:
        return is_match == s->previous_match;
    case EL_SPLIT_ISOLATED:
    case EL_SPLIT_REMOVED:
        break;
    }
    return 0;
}

static int emit(struct splitter *s, size_t start, size_t end, int is_match, struct el_error *err)
{
    is_match ^= s->split->invert;
    int joins = s->list->len > s->first && joins_previous(s, is_match);
    int removed = s->split->behavior == EL_SPLIT_REMOVED && is_match;
    s->previous_match = is_match;
    if (joins)
        s->list->v[s->list->len - 1].end = end;
    else if (!removed)
        return push_piece(s->list, (struct el_piece){start, end}, err);
    return 0;
}

static int match_error(int code, struct el_error *err)
{
    char why[128];
    if (code == PCRE2_ERROR_NOMEMORY)
        return out_of_memory(err);
    pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
    return el_error_set(err, EL_ELIMIT, "a pre_tokenizer pattern fails on this text: %s", why);
}

/* 1 and the match in w->match, 0 for none, negative for an error. */
static int search(const pcre2_code *code, struct el_pretokenizer_work *w, const char *text,
                  size_t n, size_t from, struct el_error *err)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    int rc = pcre2_match(code, subject, n, from, PCRE2_NO_UTF_CHECK, w->match, NULL);
    /* Compiled code has a small stack; the interpreter takes memory as it needs it. */
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(code, subject, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, w->match, NULL);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    return rc < 0 ? match_error(rc, err) : 1;
}

/* Finds the matches in the manner of the `tokenizers` library: an empty match counts unless it
 * touches the match before. With \K a match may start behind its search; such a start is moved up
 * to where the match before ended. */
static int split_piece(struct splitter *s, struct el_pretokenizer_work *w, struct el_piece piece,
                       struct el_error *err)
{
    const char *text = w->text + piece.start;
    size_t n = piece.end - piece.start, from = 0, done = 0;
    int any = 0, rc = 0;
    while (from <= n && (rc = search(s->split->code, w, text, n, from, err)) > 0) {
        const PCRE2_SIZE *o = pcre2_get_ovector_pointer(w->match);
        size_t end = o[1] < done ? done : o[1], start = o[0] < done ? done : o[0];
        start = start > end ? end : start;
        if (start == end && any && end == done) {
            from += from < n ? el_utf8_length(text + from, n - from) : 1;
            continue;
        }
        if (start > done)
            rc = emit(s, piece.start + done, piece.start + start, 0, err);
        if (rc >= 0)
            rc = emit(s, piece.start + start, piece.start + end, 1, err);
        if (rc < 0)
            return rc;
        from = done = end;
        any = 1;
    }
    if (rc >= 0 && done < n)
        rc = emit(s, piece.start + done, piece.end, 0, err);
    return rc < 0 ? rc : 0;
}

static void drop_empty(struct el_piece_list *list, size_t first)
{
    size_t kept = first;
    for (size_t i = first; i < list->len; i++)
        if (list->v[i].start < list->v[i].end)
            list->v[kept++] = list->v[i];
    list->len = kept;
}

static int split_all(const struct el_split *split, struct el_pretokenizer_work *w,
                     struct el_error *err)
{
    int rc = 0;
    w->next.len = 0;
    for (size_t i = 0; i < w->pieces.len && rc == 0; i++) {
        struct splitter s = {split, &w->next, w->next.len, 0};
        rc = split_piece(&s, w, w->pieces.v[i], err);
        drop_empty(&w->next, s.first);
    }
    struct el_piece_list done = w->next;
    w->next = w->pieces;
    w->pieces = done;
    return rc;
}

/* Copies the pieces one after the other, with a space before each that does not open with one. */
static int prefix_spaces(struct el_pretokenizer_work *w, struct el_error *err)
{
    int rc = 0;
    el_buf_clear(&w->prefixed);
    for (size_t i = 0; i < w->pieces.len && rc == 0; i++) {
        struct el_piece *p = &w->pieces.v[i];
        size_t start = w->prefixed.len;
        if (w->text[p->start] != ' ')
            rc = el_buf_putc(&w->prefixed, ' ');
        if (rc == 0)
            rc = el_buf_add(&w->prefixed, w->text + p->start, p->end - p->start);
        *p = (struct el_piece){start, w->prefixed.len};
    }
    w->text = w->prefixed.data;
    return rc < 0 ? out_of_memory(err) : 0;
}

int el_pretokenizer_run(const struct el_pretokenizer *p, struct el_pretokenizer_work *w,
                        const char *text, size_t n, struct el_error *err)
{
    w->text = text;
    w->pieces.len = 0;
    int rc = n ? push_piece(&w->pieces, (struct el_piece){0, n}, err) : 0;
    for (int i = 0; i <= p->n_splits && rc == 0; i++) {
        if (i == p->byte_level_split && p->add_prefix_space)
            rc = prefix_spaces(w, err);
        if (i < p->n_splits && rc == 0)
            rc = split_all(&p->splits[i], w, err);
    }
    return rc;
}
