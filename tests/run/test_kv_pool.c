/* The prefix tree against a naive twin: a list of prefixes with their users. Random sequences come,
 * share, grow, publish and leave; after every step the twin and the pool must agree on every count
 * and list. */
#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "core/run/kv_pool.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { SIZE = 4, DEPTH = 6, LENGTH = SIZE * DEPTH, MAX_BLOCKS = 64, MAX_USERS = 12 };

/* A published block of the twin: the whole prefix that it ends. */
struct entry {
    int there;
    int tokens[LENGTH], blocks; /* blocks: depth, 1.. */
    int users;
    long idle_since; /* when it had neither users nor children for the first time */
};

struct user {
    int active;
    int32_t tokens[LENGTH];
    int n, capacity; /* tokens so far; in the end */
    int32_t blocks[DEPTH];
    int n_blocks, n_published;
};

struct twin {
    struct el_kv_pool pool;
    struct entry entry[MAX_BLOCKS]; /* by block number */
    int owner[MAX_BLOCKS];          /* 1: a sequence's own, unpublished block */
    struct user user[MAX_USERS];
    int promised;
    long clock;
    struct el_rng rng;
};

static int below(struct twin *t, int n)
{
    return (int)el_rng_below(&t->rng, (uint32_t)n);
}

static int begins_with(const struct entry *e, const struct entry *start)
{
    return e->blocks >= start->blocks &&
           memcmp(e->tokens, start->tokens, sizeof(int) * (size_t)(start->blocks * SIZE)) == 0;
}

static int has_children(const struct twin *t, const struct entry *e)
{
    for (int i = 0; i < t->pool.n_blocks; i++)
        if (t->entry[i].there && t->entry[i].blocks == e->blocks + 1 &&
            begins_with(&t->entry[i], e))
            return 1;
    return 0;
}

/* The block that holds the first `blocks` blocks of these tokens, or -1. */
static int twin_find(const struct twin *t, const int32_t *tokens, int blocks)
{
    for (int i = 0; i < t->pool.n_blocks; i++)
        if (t->entry[i].there && t->entry[i].blocks == blocks &&
            memcmp(t->entry[i].tokens, tokens, sizeof(int) * (size_t)(blocks * SIZE)) == 0)
            return i;
    return -1;
}

/* Blocks that became idle since the last look, get their time. At most one does per call. */
static void note_idle(struct twin *t)
{
    int fresh = 0;
    for (int i = 0; i < t->pool.n_blocks; i++) {
        struct entry *e = &t->entry[i];
        int idle = e->there && !e->users && !has_children(t, e);
        if (idle && !e->idle_since) {
            e->idle_since = ++t->clock;
            fresh++;
        } else if (!idle) {
            e->idle_since = 0;
        }
    }
    assert_in_range(fresh, 0, 1);
}

static int twin_free(const struct twin *t)
{
    int n = 0;
    for (int i = 0; i < t->pool.n_blocks; i++)
        n += !t->entry[i].there && !t->owner[i];
    return n;
}

static void check_block(const struct twin *t, int b)
{
    const struct el_kv_block *k = &t->pool.blocks[b];
    const struct entry *e = &t->entry[b];
    assert_int_equal(!!k->in_tree, e->there);
    if (!e->there) {
        assert_int_equal(k->users > 0, t->owner[b]);
        return;
    }
    int children = 0;
    for (int i = 0; i < t->pool.n_blocks; i++)
        children += t->entry[i].there && t->entry[i].blocks == e->blocks + 1 &&
                    begins_with(&t->entry[i], e);
    assert_int_equal(k->users, e->users);
    assert_int_equal(k->children, children);
    assert_int_equal(k->parent, twin_find(t, e->tokens, e->blocks - 1));
}

/* The idle list holds exactly the idle blocks, oldest first; the free list the free ones. */
static void check_lists(const struct twin *t)
{
    const struct el_kv_pool *p = &t->pool;
    int idle = 0, on_list = 0, free_list = 0, prev = -1;
    long last = 0;
    for (int i = 0; i < p->n_blocks; i++)
        idle += t->entry[i].idle_since != 0;
    for (int b = p->idle_head; b >= 0; prev = b, b = p->blocks[b].next) {
        assert_int_equal(p->blocks[b].prev, prev);
        assert_true(t->entry[b].idle_since > last);
        last = t->entry[b].idle_since;
        assert_true(++on_list <= p->n_blocks);
    }
    assert_int_equal(p->idle_tail, prev);
    assert_int_equal(on_list, idle);
    for (int b = p->free_head; b >= 0; b = p->blocks[b].next) {
        assert_true(!t->entry[b].there && !t->owner[b]);
        assert_true(++free_list <= p->n_blocks);
    }
    assert_int_equal(free_list, p->n_free);
}

static void check(const struct twin *t)
{
    int unused = 0;
    for (int i = 0; i < t->pool.n_blocks; i++) {
        check_block(t, i);
        unused += t->entry[i].there && !t->entry[i].users;
    }
    assert_int_equal(t->pool.n_free, twin_free(t));
    assert_int_equal(t->pool.n_unused, unused);
    assert_int_equal(t->pool.reserved, t->promised);
    assert_int_equal(el_kv_pool_available(&t->pool), twin_free(t) + unused - t->promised);
    assert_true(el_kv_pool_available(&t->pool) >= 0);
    check_lists(t);
    for (int u = 0; u < MAX_USERS; u++)
        for (int b = 0; t->user[u].active && b < t->user[u].n_published; b++)
            assert_int_equal(twin_find(t, t->user[u].tokens, b + 1), t->user[u].blocks[b]);
}

static void drop(struct twin *t, int block)
{
    el_kv_pool_drop(&t->pool, block);
    if (t->entry[block].there)
        t->entry[block].users--;
    else
        t->owner[block] = 0;
    note_idle(t);
}

static void add(struct twin *t, struct user *u)
{
    int n = 1 + below(t, LENGTH - 1), alphabet = 1 + below(t, 2);
    *u = (struct user){.n = n, .capacity = n + 1 + below(t, LENGTH - n)};
    for (int i = 0; i < LENGTH; i++)
        u->tokens[i] = below(t, alphabet + 1);
    int matched = el_kv_pool_match(&t->pool, EL_KV_ROOT, u->tokens, n - 1, u->blocks), expected = 0;
    while ((expected + 1) * SIZE <= n - 1 && twin_find(t, u->tokens, expected + 1) >= 0)
        expected++;
    assert_int_equal(matched, expected);
    for (int b = 0; b < matched; b++) {
        assert_int_equal(u->blocks[b], twin_find(t, u->tokens, b + 1));
        t->entry[u->blocks[b]].users++;
    }
    note_idle(t);
    int need = (u->capacity + SIZE - 1) / SIZE - matched;
    int room = el_kv_pool_available(&t->pool);
    int rc = el_kv_pool_reserve(&t->pool, need);
    assert_int_equal(rc, room < need ? EL_ELIMIT : 0);
    if (rc == 0) {
        t->promised += need;
        u->active = 1;
        u->n_blocks = u->n_published = matched;
        return;
    }
    for (int b = matched - 1; b >= 0; b--)
        drop(t, u->blocks[b]);
}

static void twin_evict(struct twin *t, int expected)
{
    int oldest = -1;
    for (int i = 0; i < t->pool.n_blocks; i++)
        if (t->entry[i].idle_since &&
            (oldest < 0 || t->entry[i].idle_since < t->entry[oldest].idle_since))
            oldest = i;
    assert_int_equal(oldest, expected);
    t->entry[oldest] = (struct entry){0};
    note_idle(t);
}

static void take(struct twin *t, struct user *u)
{
    int had_free = twin_free(t);
    int b = el_kv_pool_take(&t->pool);
    assert_in_range(b, 0, t->pool.n_blocks - 1);
    if (!had_free)
        twin_evict(t, b);
    assert_true(!t->entry[b].there && !t->owner[b]);
    t->owner[b] = 1;
    t->promised--;
    u->blocks[u->n_blocks++] = b;
}

static void publish(struct twin *t, struct user *u)
{
    int at = u->n_published++, own = u->blocks[at];
    int there = twin_find(t, u->tokens, at + 1);
    int got = el_kv_pool_publish(&t->pool, own, at ? u->blocks[at - 1] : -1, u->tokens + at * SIZE);
    assert_int_equal(got, there >= 0 ? there : own);
    t->owner[own] = 0;
    if (there < 0) {
        t->entry[own] = (struct entry){.there = 1, .blocks = at + 1};
        memcpy(t->entry[own].tokens, u->tokens, sizeof(int) * (size_t)((at + 1) * SIZE));
    }
    t->entry[got].users++;
    u->blocks[at] = got;
    note_idle(t);
}

/* Computes a few positions: takes blocks for them and names those that become full. */
static void advance(struct twin *t, struct user *u, int *computed)
{
    int n = 1 + below(t, SIZE + 2);
    *computed = *computed + n < u->capacity ? *computed + n : u->capacity;
    while (u->n_blocks * SIZE < *computed)
        take(t, u);
    while ((u->n_published + 1) * SIZE <= *computed)
        publish(t, u);
}

static void leave(struct twin *t, struct user *u)
{
    int unused = (u->capacity + SIZE - 1) / SIZE - u->n_blocks;
    el_kv_pool_unreserve(&t->pool, unused);
    t->promised -= unused;
    for (int b = u->n_blocks - 1; b >= 0; b--)
        drop(t, u->blocks[b]);
    u->active = 0;
}

static void random_life(uint64_t seed, int n_blocks, int steps)
{
    static struct twin twin;
    struct twin *t = &twin;
    int computed[MAX_USERS] = {0};
    memset(t, 0, sizeof *t);
    el_rng_init(&t->rng, seed);
    assert_int_equal(el_kv_pool_init(&t->pool, n_blocks, SIZE, NULL), 0);
    for (int i = 0; i < steps; i++) {
        int who = below(t, MAX_USERS);
        struct user *u = &t->user[who];
        if (!u->active) {
            add(t, u);
            computed[who] = u->n_blocks * SIZE;
        } else if (computed[who] == u->capacity || below(t, 8) == 0) {
            leave(t, u);
        } else {
            advance(t, u, &computed[who]);
        }
        check(t);
    }
    for (int i = 0; i < MAX_USERS; i++)
        if (t->user[i].active)
            leave(t, &t->user[i]);
    check(t);
    assert_int_equal(t->pool.n_free + t->pool.n_unused, n_blocks);
    el_kv_pool_release(&t->pool);
}

static void test_against_the_twin(void **state)
{
    (void)state;
    static const int rooms[] = {DEPTH, 7, 12, 20, 40, MAX_BLOCKS};
    for (int i = 0; i < 6; i++)
        random_life(100 + (uint64_t)i, rooms[i], 3000);
}

/* The tree, step by step: a prefix is shared while its first computer still runs, outlives it, and
 * is evicted leaf first. */
static void test_by_hand(void **state)
{
    (void)state;
    struct el_kv_pool p;
    const int32_t tokens[] = {1, 2, 3, 4};
    int32_t shared[2];
    assert_int_equal(el_kv_pool_init(&p, 3, 2, NULL), 0);
    assert_int_equal(el_kv_pool_reserve(&p, 4), EL_ELIMIT);
    assert_int_equal(el_kv_pool_reserve(&p, 2), 0);
    assert_int_equal(el_kv_pool_available(&p), 1);
    int first = el_kv_pool_take(&p), second = el_kv_pool_take(&p);
    assert_int_equal(el_kv_pool_publish(&p, first, -1, tokens), first);
    assert_int_equal(el_kv_pool_publish(&p, second, first, tokens + 2), second);
    assert_int_equal(el_kv_pool_match(&p, EL_KV_ROOT_MHA, tokens, 3, shared), 0); /* another tree */
    assert_int_equal(el_kv_pool_match(&p, EL_KV_ROOT, tokens, 3, shared), 1);
    assert_int_equal(shared[0], first);
    assert_int_equal(p.blocks[first].users, 2);
    el_kv_pool_drop(&p, second);
    el_kv_pool_drop(&p, first);
    assert_int_equal(el_kv_pool_available(&p), 2); /* `first` still has a user */
    el_kv_pool_drop(&p, first);
    assert_int_equal(el_kv_pool_available(&p), 3);
    assert_int_equal(el_kv_pool_reserve(&p, 3), 0);
    int third = el_kv_pool_take(&p);
    assert_true(third != first && third != second);
    assert_int_equal(el_kv_pool_take(&p), second);
    assert_int_equal(el_kv_pool_match(&p, EL_KV_ROOT, tokens, 4, shared), 1);
    el_kv_pool_drop(&p, first);
    assert_int_equal(el_kv_pool_take(&p), first);
    assert_int_equal(el_kv_pool_match(&p, EL_KV_ROOT, tokens, 4, shared), 0);
    el_kv_pool_release(&p);
}

static void test_refused(void **state)
{
    (void)state;
    struct el_kv_pool p;
    struct el_error err = {0};
    assert_int_equal(el_kv_pool_init(&p, 0, 16, &err), EL_EINVAL);
    assert_int_equal(el_kv_pool_init(&p, 4, 3, &err), EL_EINVAL);
    assert_int_equal(el_kv_pool_init(&p, 4, 0, &err), EL_EINVAL);
    for (int n = 1; n <= 3; n++) {
        el_alloc_fail_after(n);
        assert_int_equal(el_kv_pool_init(&p, 4, 4, &err), EL_ENOMEM);
        el_alloc_fail_after(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_twin),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
