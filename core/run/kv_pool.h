/* Cache blocks with reference counts under a prefix tree.
 *
 *        root                 tokens of a block are its name, together with its parent: a path
 *       /    \                from the root spells a prefix, so sequences that begin alike (64
 *   [16 tok] [16 tok]         analyses of one proof) share the blocks of their common beginning.
 *      |        |  \
 *   [16 tok] [16]  [16 ...]   only full blocks are in the tree; a sequence's last, partly filled
 *                             block is its own (the engine copies rows into it that a running
 *                             sequence already has)
 *
 * Invariants
 *   1. A sequence uses every block of its path from the root, so a block without users has no
 *      used descendant either, and can be had after its descendants are evicted.
 *   2. A block is free (no users, not in the tree), idle (no users, no children, in the tree: on
 *      the idle list, oldest first, and may be evicted), kept by idle descendants alone, or used.
 *   3. n_unused counts the blocks in the tree without users: n_free + n_unused blocks can be had.
 *   4. A block in the tree is full and its content never changes until it is evicted.
 * Cached content is bit for bit what recomputing it would give (row invariance), so sharing changes
 * no result.
 *
 * The pool counts blocks; the layers' buffers of n_blocks * block_size cache rows are the
 * engine's. Not thread-safe. */
#ifndef EL_RUN_KV_POOL_H
#define EL_RUN_KV_POOL_H

#include "core/base/error.h"

#include <stdint.h>

/* Parents of first blocks. Keys that were computed in another way have a tree of their own. */
enum { EL_KV_ROOT = -1, EL_KV_ROOT_MHA = -2 };

struct el_kv_pool {
    int block_size, block_shift, n_blocks;
    int n_free, n_unused;
    int reserved;               /* blocks promised to running sequences and not yet taken */
    struct el_kv_block *blocks; /* (n_blocks) */
    int32_t *tokens;            /* (n_blocks, block_size) names of blocks in the tree */
    int32_t *buckets;           /* hash table heads, n_buckets a power of two */
    int n_buckets;
    int free_head, idle_head, idle_tail;
};

struct el_kv_block {
    int users;    /* sequences */
    int children; /* blocks in the tree whose parent this is */
    int parent;   /* block, or a root */
    int in_tree;
    int next, prev;  /* free or idle list */
    int bucket_next; /* hash chain */
};

/* block_size: a power of two. */
int el_kv_pool_init(struct el_kv_pool *p, int n_blocks, int block_size, struct el_error *err);
void el_kv_pool_release(struct el_kv_pool *p);

/* Longest cached prefix of tokens[0..n) in the tree of `root`: fills blocks[] with blocks that have
 * one user more, returns how many (each covers block_size tokens). */
int el_kv_pool_match(struct el_kv_pool *p, int root, const int32_t *tokens, int n, int32_t *blocks);

/* Blocks that could be had now beyond what is reserved. */
int el_kv_pool_available(const struct el_kv_pool *p);

/* Promises n blocks to a sequence, so that it can always run to its end: 0, or EL_ELIMIT. Every
 * take uses up one promise; unreserve gives back the rest. */
int el_kv_pool_reserve(struct el_kv_pool *p, int n);
void el_kv_pool_unreserve(struct el_kv_pool *p, int n);

/* A block of one's own (one user), evicting the oldest idle one when none is free. A reservation
 * must exist. */
int el_kv_pool_take(struct el_kv_pool *p);

/* Names a block that has become full and puts it into the tree under `parent` (or a root). When an
 * equal block is there already, that one's number is returned, used once more, and `block`
 * is given back: the caller goes on with the returned one. */
int el_kv_pool_publish(struct el_kv_pool *p, int block, int parent, const int32_t *tokens);

/* Evicts every block without users. */
void el_kv_pool_forget(struct el_kv_pool *p);

/* One user less. */
void el_kv_pool_drop(struct el_kv_pool *p, int block);

#endif
