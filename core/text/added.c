#include "core/text/added.h"

#include "core/base/alloc.h"
#include "core/text/charclass.h"

#include <stdlib.h>

int el_added_init(struct el_added_set *set, size_t n)
{
    *set = (struct el_added_set){0};
    set->tokens = el_alloc_array(n, sizeof *set->tokens);
    return set->tokens ? 0 : EL_ENOMEM;
}

void el_added_release(struct el_added_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        el_free(set->tokens[i].own);
    el_free(set->tokens);
    *set = (struct el_added_set){0};
}

static int compare_tokens(const void *pa, const void *pb)
{
    const struct el_added_token *a = pa, *b = pb;
    return el_slice_compare(a->content, b->content);
}

void el_added_index(struct el_added_set *set)
{
    if (set->n)
        qsort(set->tokens, set->n, sizeof *set->tokens, compare_tokens);
    for (size_t i = 0; i < set->n; i++)
        set->first[(unsigned char)set->tokens[i].content.data[0] + 1] = i + 1;
    for (int c = 1; c <= 256; c++)
        if (set->first[c] < set->first[c - 1])
            set->first[c] = set->first[c - 1];
}

const struct el_added_token *el_added_get(const struct el_added_set *set, struct el_slice content)
{
    struct el_added_token want = {.content = content};
    return set->n ? bsearch(&want, set->tokens, set->n, sizeof want, compare_tokens) : NULL;
}

/* The first of tokens[lo..hi) whose byte number `depth` is at least c. All of them are longer
 * than depth and agree before it. */
static size_t lower_bound(const struct el_added_set *set, size_t lo, size_t hi, size_t depth, int c)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if ((unsigned char)set->tokens[mid].content.data[depth] < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Narrows the sorted contents byte by byte: [lo, hi) are those that agree with text so far, and
 * the one that ends here, if any, is the first of them. */
static const struct el_added_token *longest_at(const struct el_added_set *set, const char *text,
                                               size_t n)
{
    const struct el_added_token *best = NULL;
    unsigned char c = (unsigned char)text[0];
    size_t lo = set->first[c], hi = set->first[c + 1];
    for (size_t depth = 1; lo < hi; depth++) {
        if (set->tokens[lo].content.len == depth)
            best = &set->tokens[lo++];
        if (depth == n)
            break;
        c = (unsigned char)text[depth];
        hi = lower_bound(set, lo, hi, depth, c + 1);
        lo = lower_bound(set, lo, hi, depth, c);
    }
    return best;
}

/* The first token at or after *at; *at becomes its place. */
static const struct el_added_token *find(const struct el_added_set *set, const char *text, size_t n,
                                         size_t *at)
{
    for (; *at < n && set->n; (*at)++) {
        const struct el_added_token *t = longest_at(set, text + *at, n - *at);
        if (t)
            return t;
    }
    return NULL;
}

static size_t strip_left(const char *text, size_t start, size_t floor)
{
    size_t k;
    while (start > floor && (k = el_space_before(text, start)))
        start -= k;
    return start < floor ? floor : start;
}

static size_t strip_right(struct el_added_scan *s, const char *text, size_t n, size_t stop)
{
    size_t k;
    if (stop < s->blank_end)
        return s->blank_end;
    while ((k = el_space_after(text, n, stop)))
        stop += k;
    return s->blank_end = stop;
}

static int is_single_word(const char *text, size_t n, size_t start, size_t stop)
{
    return !el_word_before(text, start) && !el_word_after(text, n, stop);
}

const struct el_added_token *el_added_next(const struct el_added_set *set, struct el_added_scan *s,
                                           const char *text, size_t n)
{
    const struct el_added_token *t;
    while ((t = find(set, text, n, &s->at))) {
        size_t start = s->at, stop = start + t->content.len;
        s->at = stop;
        if ((t->control && s->plain) || (t->single_word && !is_single_word(text, n, start, stop)))
            continue;
        start = t->lstrip ? strip_left(text, start, s->stop) : start;
        stop = t->rstrip ? strip_right(s, text, n, stop) : stop;
        if (start >= stop)
            continue;
        s->start = start;
        s->stop = stop;
        return t;
    }
    return NULL;
}
