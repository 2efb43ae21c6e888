/* A hash table from 64-bit keys to numbers >= 0. */
#ifndef EL_REFINE_MAP_H
#define EL_REFINE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct el_map {
    uint64_t *key;
    int *value; /* -1: the place is free */
    size_t cap, used;
};

void el_map_init(struct el_map *m);
void el_map_release(struct el_map *m);
/* -1 when absent. */
int el_map_get(const struct el_map *m, uint64_t key);
/* Adds or replaces. 0 or EL_ENOMEM. */
int el_map_put(struct el_map *m, uint64_t key, int value);

#endif
