/* Text is taken in stretches: a character and what follows it up to the next one that is ASCII or
 * young (below). Neither composes with what stands before it or moves, so stretches do not see each
 * other; nothing composes with a young one at all. A stretch is decomposed character by character,
 * its marks are sorted by combining class, and it is composed again. utf8proc's own sort is
 * quadratic in the length of a run of marks. */
#include "core/text/normalizer.h"

#include "core/base/alloc.h"
#include "core/base/error.h"

#include <string.h>
#include <utf8proc.h>

/* A character and its combining class in one word. */
enum { class_shift = 24, code_mask = (1 << class_shift) - 1, decomposition_max = 32 };

void el_normalizer_work_init(struct el_normalizer_work *w)
{
    *w = (struct el_normalizer_work){0};
    el_buf_init(&w->text[0]);
    el_buf_init(&w->text[1]);
}

void el_normalizer_work_release(struct el_normalizer_work *w)
{
    el_buf_release(&w->text[0]);
    el_buf_release(&w->text[1]);
    el_free(w->chars);
    el_normalizer_work_init(w);
}

/* Characters that Unicode gave a combining class, a decomposition or a part in a composition after
 * version 9, up to 15. The `tokenizers` library's tables are those of version 9, where these stand
 * for themselves; vocabularies were made with it. Checked over all characters against version
 * 0.23.3 of the package (tests/text/compare_tokenizers.py --code-points own-nfd own-nfkd). */
static const struct range {
    int32_t first, last;
} young[] = {{0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},
             {0x0C3C, 0x0C3C},   {0x0D3B, 0x0D3C},   {0x0EBA, 0x0EBA},   {0x1715, 0x1715},
             {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0x32FF, 0x32FF},   {0xA7F2, 0xA7F4},
             {0xA82C, 0xA82C},   {0xAB69, 0xAB69},   {0x10781, 0x10785}, {0x10787, 0x107B0},
             {0x107B2, 0x107BA}, {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF},
             {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B},
             {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11938, 0x11938},
             {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34},
             {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45},
             {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E030, 0x1E06D},
             {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
             {0x1E4EC, 0x1E4EF}, {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9}};

static int is_young(int32_t code)
{
    size_t lo = 0, hi = sizeof young / sizeof *young;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (young[mid].last < code)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sizeof young / sizeof *young && young[lo].first <= code;
}

static int reserve(struct el_normalizer_work *w, size_t more)
{
    if (w->cap - w->len >= more)
        return 0;
    size_t cap = w->cap ? 2 * w->cap : 256;
    uint32_t *chars = el_realloc(w->chars, 2 * cap * sizeof *chars);
    if (!chars)
        return EL_ENOMEM;
    w->chars = chars;
    w->cap = cap;
    return 0;
}

static void decompose(struct el_normalizer_work *w, int32_t code, int options)
{
    int32_t parts[decomposition_max] = {code};
    int unused = 0;
    ptrdiff_t n = utf8proc_decompose_char(code, parts, decomposition_max,
                                          (utf8proc_option_t)options, &unused);
    n = n > decomposition_max ? 1 : n; /* Unicode's longest has 18 characters */
    for (ptrdiff_t i = 0; i < n; i++) {
        unsigned class = (unsigned)utf8proc_get_property(parts[i])->combining_class;
        w->chars[w->len++] = (uint32_t)parts[i] | class << class_shift;
    }
}

static void insert_sort(uint32_t *c, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t x = c[i];
        size_t k = i;
        for (; k > 0 && c[k - 1] >> class_shift > x >> class_shift; k--)
            c[k] = c[k - 1];
        c[k] = x;
    }
}

static void count_sort(uint32_t *c, size_t n, uint32_t *scratch)
{
    size_t at[257] = {0};
    for (size_t i = 0; i < n; i++)
        at[(c[i] >> class_shift) + 1]++;
    for (int k = 1; k < 257; k++)
        at[k] += at[k - 1];
    for (size_t i = 0; i < n; i++)
        scratch[at[c[i] >> class_shift]++] = c[i];
    memcpy(c, scratch, n * sizeof *c);
}

/* Puts each run of marks into the order of their classes, equal ones as they stood. */
static void sort_marks(struct el_normalizer_work *w)
{
    for (size_t i = 0, end; i < w->len; i = end + 1) {
        for (end = i; end < w->len && w->chars[end] >> class_shift; end++)
            ;
        if (end - i > 32)
            count_sort(w->chars + i, end - i, w->chars + w->cap);
        else
            insert_sort(w->chars + i, end - i);
    }
}

static int write_chars(struct el_normalizer_work *w, const struct el_form *form, struct el_buf *out)
{
    int32_t *codes = (int32_t *)w->chars;
    for (size_t i = 0; i < w->len; i++)
        codes[i] = (int32_t)(w->chars[i] & code_mask);
    ptrdiff_t n = (ptrdiff_t)w->len;
    if (form->compose)
        n = utf8proc_normalize_utf32(codes, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (el_buf_reserve(out, 4 * w->len + 1) < 0)
        return EL_ENOMEM;
    for (ptrdiff_t i = 0; i < n; i++)
        out->len += (size_t)utf8proc_encode_char(codes[i], (unsigned char *)out->data + out->len);
    out->data[out->len] = 0;
    return 0;
}

/* One stretch. Returns its length, which ends where a character stands that does not compose with
 * what is before it, or EL_ENOMEM. */
static ptrdiff_t put_stretch(struct el_normalizer_work *w, const struct el_form *form,
                             const char *text, size_t n, struct el_buf *out)
{
    int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (form->compat ? UTF8PROC_COMPAT : 0);
    const unsigned char *p = (const unsigned char *)text;
    int32_t code;
    size_t at = (size_t)utf8proc_iterate(p, (ptrdiff_t)n, &code);
    if (is_young(code))
        return el_buf_add(out, text, at) < 0 ? EL_ENOMEM : (ptrdiff_t)at;
    for (w->len = 0;;) {
        if (reserve(w, decomposition_max) < 0)
            return EL_ENOMEM;
        decompose(w, code, options);
        if (at == n || p[at] < 0x80)
            break;
        ptrdiff_t more = utf8proc_iterate(p + at, (ptrdiff_t)(n - at), &code);
        if (is_young(code))
            break;
        at += (size_t)more;
    }
    sort_marks(w);
    return write_chars(w, form, out) < 0 ? EL_ENOMEM : (ptrdiff_t)at;
}

static size_t ascii_prefix(const char *text, size_t n)
{
    size_t at = 0;
    while (at < n && (unsigned char)text[at] < 0x80)
        at++;
    return at;
}

static int apply(struct el_normalizer_work *w, const struct el_form *form, const char *text,
                 size_t n, struct el_buf *out)
{
    el_buf_clear(out);
    for (size_t at = 0; at < n;) {
        size_t ascii = ascii_prefix(text + at, n - at);
        size_t plain = at + ascii < n && ascii ? ascii - 1 : ascii;
        if (el_buf_add(out, text + at, plain) < 0)
            return EL_ENOMEM;
        at += plain;
        ptrdiff_t taken = at < n ? put_stretch(w, form, text + at, n - at, out) : 0;
        if (taken < 0)
            return EL_ENOMEM;
        at += (size_t)taken;
    }
    return 0;
}

int el_normalizer_run(const struct el_normalizer *z, struct el_normalizer_work *w, const char *text,
                      size_t n, const char **out, size_t *out_n)
{
    *out = text;
    *out_n = n;
    if (z->n == 0 || ascii_prefix(text, n) == n)
        return 0;
    for (int i = 0; i < z->n; i++) {
        struct el_buf *to = &w->text[i % 2];
        if (apply(w, &z->forms[i], *out, *out_n, to) < 0)
            return EL_ENOMEM;
        *out = to->data;
        *out_n = to->len;
    }
    return 0;
}
