#include "core/run/kv_pool.h"

#include "core/base/alloc.h"

#include <string.h>

int el_kv_pool_init(struct el_kv_pool *p, int n_blocks, int block_size, struct el_error *err)
{
    *p = (struct el_kv_pool){.n_blocks = n_blocks, .block_size = block_size, .n_buckets = 16};
    if (n_blocks < 1 || block_size < 1 || (block_size & (block_size - 1)))
        return el_error_set(err, EL_EINVAL,
                            "cache of %d blocks of %d tokens: expected at least one "
                            "block, of a power of two",
                            n_blocks, block_size);
    while ((1 << p->block_shift) < block_size)
        p->block_shift++;
    while (p->n_buckets < 2 * n_blocks)
        p->n_buckets *= 2;
    p->blocks = el_alloc_array((size_t)n_blocks, sizeof *p->blocks);
    p->tokens = el_alloc_array((size_t)n_blocks * (size_t)block_size, sizeof *p->tokens);
    p->buckets = el_alloc_array((size_t)p->n_buckets, sizeof *p->buckets);
    if (!p->blocks || !p->tokens || !p->buckets) {
        el_kv_pool_release(p);
        return el_error_set(err, EL_ENOMEM, "out of memory for %d cache blocks", n_blocks);
    }
    memset(p->buckets, -1, (size_t)p->n_buckets * sizeof *p->buckets);
    p->free_head = p->idle_head = p->idle_tail = -1;
    for (int b = n_blocks - 1; b >= 0; b--) {
        p->blocks[b].next = p->free_head;
        p->free_head = b;
    }
    p->n_free = n_blocks;
    return 0;
}

void el_kv_pool_release(struct el_kv_pool *p)
{
    el_free(p->blocks);
    el_free(p->tokens);
    el_free(p->buckets);
    memset(p, 0, sizeof *p);
}

static int32_t *bucket_of(const struct el_kv_pool *p, int parent, const int32_t *tokens)
{
    uint64_t h = (uint64_t)(uint32_t)(parent + 1) * 0x9E3779B97F4A7C15u;
    for (int i = 0; i < p->block_size; i++)
        h = (h ^ (uint32_t)tokens[i]) * 0x100000001B3u;
    h ^= h >> 32;
    return &p->buckets[h & (uint64_t)(p->n_buckets - 1)];
}

static int32_t *name_of(const struct el_kv_pool *p, int block)
{
    return p->tokens + (int64_t)block * p->block_size;
}

static int find(const struct el_kv_pool *p, int parent, const int32_t *tokens)
{
    int b = *bucket_of(p, parent, tokens);
    size_t bytes = (size_t)p->block_size * sizeof *tokens;
    while (b >= 0 && (p->blocks[b].parent != parent || memcmp(name_of(p, b), tokens, bytes) != 0))
        b = p->blocks[b].bucket_next;
    return b;
}

static void idle_push(struct el_kv_pool *p, int b)
{
    p->blocks[b].next = -1;
    p->blocks[b].prev = p->idle_tail;
    if (p->idle_tail >= 0)
        p->blocks[p->idle_tail].next = b;
    else
        p->idle_head = b;
    p->idle_tail = b;
}

static void idle_remove(struct el_kv_pool *p, int b)
{
    struct el_kv_block *k = &p->blocks[b];
    if (k->prev >= 0)
        p->blocks[k->prev].next = k->next;
    else
        p->idle_head = k->next;
    if (k->next >= 0)
        p->blocks[k->next].prev = k->prev;
    else
        p->idle_tail = k->prev;
}

static void free_push(struct el_kv_pool *p, int b)
{
    p->blocks[b].next = p->free_head;
    p->free_head = b;
    p->n_free++;
}

static int is_idle(const struct el_kv_block *k)
{
    return k->in_tree && !k->users && !k->children;
}

static void use(struct el_kv_pool *p, int b)
{
    struct el_kv_block *k = &p->blocks[b];
    if (is_idle(k))
        idle_remove(p, b);
    if (!k->users++)
        p->n_unused--;
}

void el_kv_pool_drop(struct el_kv_pool *p, int block)
{
    struct el_kv_block *k = &p->blocks[block];
    if (--k->users > 0)
        return;
    if (!k->in_tree) {
        free_push(p, block);
        return;
    }
    p->n_unused++;
    if (is_idle(k))
        idle_push(p, block);
}

static void unlink_name(struct el_kv_pool *p, int b)
{
    int32_t *at = bucket_of(p, p->blocks[b].parent, name_of(p, b));
    while (*at != b)
        at = &p->blocks[*at].bucket_next;
    *at = p->blocks[b].bucket_next;
}

/* The oldest idle block leaves the tree and becomes free. Its parent may become idle by it. */
static void evict(struct el_kv_pool *p)
{
    int b = p->idle_head, parent = p->blocks[b].parent;
    idle_remove(p, b);
    unlink_name(p, b);
    p->blocks[b].in_tree = 0;
    p->n_unused--;
    free_push(p, b);
    if (parent < 0)
        return;
    p->blocks[parent].children--;
    if (is_idle(&p->blocks[parent]))
        idle_push(p, parent);
}

void el_kv_pool_forget(struct el_kv_pool *p)
{
    while (p->idle_head >= 0)
        evict(p);
}

int el_kv_pool_match(struct el_kv_pool *p, int root, const int32_t *tokens, int n, int32_t *blocks)
{
    int count = 0, parent = root;
    for (int at = 0; at + p->block_size <= n; at += p->block_size) {
        int b = find(p, parent, tokens + at);
        if (b < 0)
            break;
        use(p, b);
        blocks[count++] = b;
        parent = b;
    }
    return count;
}

int el_kv_pool_available(const struct el_kv_pool *p)
{
    return p->n_free + p->n_unused - p->reserved;
}

int el_kv_pool_reserve(struct el_kv_pool *p, int n)
{
    if (el_kv_pool_available(p) < n)
        return EL_ELIMIT;
    p->reserved += n;
    return 0;
}

void el_kv_pool_unreserve(struct el_kv_pool *p, int n)
{
    p->reserved -= n;
}

int el_kv_pool_take(struct el_kv_pool *p)
{
    if (!p->n_free)
        evict(p);
    int b = p->free_head;
    p->free_head = p->blocks[b].next;
    p->n_free--;
    p->reserved--;
    p->blocks[b] = (struct el_kv_block){.users = 1, .parent = -1, .next = -1, .prev = -1};
    return b;
}

int el_kv_pool_publish(struct el_kv_pool *p, int block, int parent, const int32_t *tokens)
{
    int there = find(p, parent, tokens);
    if (there >= 0) {
        use(p, there);
        el_kv_pool_drop(p, block);
        return there;
    }
    memcpy(name_of(p, block), tokens, (size_t)p->block_size * sizeof *tokens);
    int32_t *bucket = bucket_of(p, parent, tokens);
    p->blocks[block].parent = parent;
    p->blocks[block].in_tree = 1;
    p->blocks[block].bucket_next = *bucket;
    *bucket = block;
    if (parent >= 0)
        p->blocks[parent].children++;
    return block;
}
