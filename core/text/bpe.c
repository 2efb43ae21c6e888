/* The symbols of a piece form a doubly linked list, first one a byte. A heap holds every pair of
 * neighbours that can merge, lowest rank first, leftmost first. Merging puts the new symbol in the
 * place of the left one and takes the right one out of the list; entries of the heap that spoke of
 * either are found stale when they come up. A piece of n bytes makes at most 3n entries. */
#include "core/text/bpe.h"

#include "core/base/alloc.h"

#include <stdlib.h>
#include <string.h>

struct el_bpe_symbol {
    int32_t id;         /* -1: taken out */
    int32_t prev, next; /* indices, -1 at the ends */
};

struct el_bpe_candidate {
    uint32_t rank;
    int32_t at; /* index of the left symbol */
    int32_t id; /* what the two become */
};

static int compare_merges(const void *pa, const void *pb)
{
    const struct el_merge *a = pa, *b = pb;
    if (a->left != b->left)
        return a->left < b->left ? -1 : 1;
    if (a->right != b->right)
        return a->right < b->right ? -1 : 1;
    return (a->rank > b->rank) - (a->rank < b->rank);
}

/* Of equal pairs, which stand together with rising rank, keeps the last. */
static size_t drop_repeated(struct el_merge *m, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept && m[kept - 1].left == m[i].left && m[kept - 1].right == m[i].right)
            kept--;
        m[kept++] = m[i];
    }
    return kept;
}

int el_bpe_init(struct el_bpe *b, const struct el_vocab *v, struct el_merge *merges, size_t n,
                int ignore_merges)
{
    *b = (struct el_bpe){.merges = merges, .ignore_merges = ignore_merges};
    if (n)
        qsort(merges, n, sizeof *merges, compare_merges);
    b->n_merges = drop_repeated(merges, n);
    b->first = el_alloc_array((size_t)v->size + 1, sizeof *b->first);
    if (!b->first)
        return EL_ENOMEM;
    for (size_t i = 0; i < b->n_merges; i++)
        b->first[merges[i].left + 1]++;
    for (int id = 0; id < v->size; id++)
        b->first[id + 1] += b->first[id];
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        int id = el_vocab_find(v, &byte, 1);
        b->byte_ids[c] = id < 0 ? -1 : id;
    }
    return 0;
}

void el_bpe_release(struct el_bpe *b)
{
    el_free(b->merges);
    el_free(b->first);
    *b = (struct el_bpe){0};
}

void el_bpe_work_init(struct el_bpe_work *w)
{
    *w = (struct el_bpe_work){0};
}

void el_bpe_work_release(struct el_bpe_work *w)
{
    el_free(w->symbols);
    el_free(w->heap);
    el_bpe_work_init(w);
}

/* At least n symbols and 3n candidates, so that no push can fail. */
static int reserve(struct el_bpe_work *w, size_t n)
{
    if (n <= w->symbols_cap)
        return 0;
    size_t cap = n < 64 ? 64 : n;
    struct el_bpe_symbol *s = el_realloc(w->symbols, cap * sizeof *s);
    if (!s)
        return EL_ENOMEM;
    w->symbols = s;
    struct el_bpe_candidate *h = el_realloc(w->heap, 3 * cap * sizeof *h);
    if (!h)
        return EL_ENOMEM;
    w->heap = h;
    w->symbols_cap = cap;
    w->heap_cap = 3 * cap;
    return 0;
}

static const struct el_merge *find_merge(const struct el_bpe *b, int32_t left, int32_t right)
{
    size_t lo = b->first[left], end = b->first[left + 1], hi = end;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (b->merges[mid].right < right)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < end && b->merges[lo].right == right ? &b->merges[lo] : NULL;
}

static int before(const struct el_bpe_candidate *a, const struct el_bpe_candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct el_bpe_work *w, struct el_bpe_candidate c)
{
    size_t i = w->heap_len++;
    while (i > 0 && before(&c, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = c;
}

static struct el_bpe_candidate heap_pop(struct el_bpe_work *w)
{
    struct el_bpe_candidate top = w->heap[0], last = w->heap[--w->heap_len];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < w->heap_len) {
        if (child + 1 < w->heap_len && before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!before(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

static void push_pair(const struct el_bpe *b, struct el_bpe_work *w, int32_t at)
{
    const struct el_bpe_symbol *s = w->symbols;
    if (at < 0 || s[at].next < 0)
        return;
    const struct el_merge *m = find_merge(b, s[at].id, s[s[at].next].id);
    if (m)
        heap_push(w, (struct el_bpe_candidate){m->rank, at, m->id});
}

static int fill_symbols(const struct el_bpe *b, struct el_bpe_work *w, const unsigned char *bytes,
                        size_t n, struct el_error *err)
{
    for (size_t i = 0; i < n; i++) {
        int32_t id = b->byte_ids[bytes[i]];
        if (id < 0)
            return el_error_set(err, EL_EREFUSED,
                                "the text holds the byte 0x%02X, for which the tokenizer has no "
                                "token",
                                bytes[i]);
        int32_t at = (int32_t)i;
        w->symbols[i] = (struct el_bpe_symbol){id, at - 1, i + 1 < n ? at + 1 : -1};
    }
    return 0;
}

/* Performs the merge unless it is stale. As in the `tokenizers` library a candidate still holds
 * when the pair now at its place is another one that makes the same token. */
static void apply(const struct el_bpe *b, struct el_bpe_work *w, struct el_bpe_candidate c)
{
    struct el_bpe_symbol *s = w->symbols, *left = &s[c.at];
    if (left->id < 0 || left->next < 0)
        return;
    struct el_bpe_symbol *right = &s[left->next];
    const struct el_merge *m = find_merge(b, left->id, right->id);
    if (!m || m->id != c.id)
        return;
    left->id = c.id;
    left->next = right->next;
    right->id = -1;
    if (left->next >= 0)
        s[left->next].prev = c.at;
    push_pair(b, w, left->prev);
    push_pair(b, w, c.at);
}

static int merge_all(const struct el_bpe *b, struct el_bpe_work *w, const char *bytes, size_t n,
                     struct el_error *err)
{
    if (reserve(w, n) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for a piece of %zu bytes", n);
    int rc = fill_symbols(b, w, (const unsigned char *)bytes, n, err);
    if (rc < 0)
        return rc;
    w->heap_len = 0;
    for (size_t i = 0; i + 1 < n; i++)
        push_pair(b, w, (int32_t)i);
    while (w->heap_len)
        apply(b, w, heap_pop(w));
    return 0;
}

static int push(struct el_tokens *out, int32_t id, struct el_error *err)
{
    if (el_tokens_push(out, id) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for %zu token ids", out->len + 1);
    return 0;
}

int el_bpe_encode(const struct el_bpe *b, const struct el_vocab *v, struct el_bpe_work *w,
                  const char *bytes, size_t n, struct el_tokens *out, struct el_error *err)
{
    if (n == 0)
        return 0;
    int whole = b->ignore_merges ? el_vocab_find(v, bytes, n) : EL_ENOTFOUND;
    if (whole >= 0)
        return push(out, whole, err);
    int rc = merge_all(b, w, bytes, n, err);
    for (int32_t i = 0; i >= 0 && rc == 0; i = w->symbols[i].next)
        rc = push(out, w->symbols[i].id, err);
    return rc;
}

int el_bpe_reaches(const struct el_bpe *b, const struct el_vocab *v, int32_t id)
{
    for (int c = 0; c < 256; c++)
        if (b->byte_ids[c] == id)
            return 1;
    for (size_t i = 0; i < b->n_merges; i++)
        if (b->merges[i].id == id)
            return 1;
    for (size_t i = 0; i < v->n_keys && b->ignore_merges; i++)
        if (v->keys[i].id == id && !v->keys[i].raw)
            return 1;
    return 0;
}
