/* How many rows a tile has, which those that pack operands in front of it must know. */
#ifndef EL_OPS_CPU_TILE_H
#define EL_OPS_CPU_TILE_H

#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

#if defined(__AVX512F__)
#define EL_TILE_ROWS 12
#elif defined(__AVX2__)
#define EL_TILE_ROWS 6
#else
#define EL_TILE_ROWS 4
#endif

_Static_assert(EL_TILE_ROWS <= VL && VL <= EL_STRIPS_SLACK,
               "a strip's columns are written as vectors");

/* Tiles of nearly equal height keep the pipes full. */
static inline int tiles_of(int m)
{
    return (m + EL_TILE_ROWS - 1) / EL_TILE_ROWS;
}

static inline int tile_height(int m, int tile)
{
    int tiles = tiles_of(m);
    return m / tiles + (tile < m % tiles);
}

#endif
