/* AMX's tile instructions as this folder uses them: eight tiles of 16 lines of 64 bytes. With
 * EL_AMX_EMULATED they are functions of whoever defines that: a test, on processors without AMX.
 *
 * Tile numbers must be constants. */
#ifndef EL_OPS_X86_AMX_TILES_H
#define EL_OPS_X86_AMX_TILES_H

#if defined(EL_AMX_EMULATED)

#include <stddef.h>

static inline void el_tile_fence(void)
{
}

void el_tile_begin(void);
void el_tile_end(void);
void el_tile_zero(int t);
void el_tile_load(int t, const void *from, size_t line); /* line: bytes from line to line */
void el_tile_store(int t, void *to, size_t line);
void el_tile_multiply(int c, int a, int b); /* c += a b, BF16 pairs */

#else

#include <immintrin.h>
#include <stdint.h>

/* What was written to memory before is there when a tile, or the shape of the tiles, is loaded
 * behind: GCC's intrinsics do not say that they read it. */
static inline void el_tile_fence(void)
{
    __asm__ volatile("" : : : "memory");
}

#define EL_TILE __attribute__((target("amx-tile")))

EL_TILE static inline void el_tile_begin(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t line_bytes[16];
        uint8_t lines[16];
    } __attribute__((aligned(64))) shape = {.palette = 1};
    for (int t = 0; t < 8; t++)
        shape.line_bytes[t] = 64, shape.lines[t] = 16;
    __asm__ volatile("" : : "r"(&shape) : "memory"); /* as el_tile_fence, of a local variable */
    _tile_loadconfig(&shape);
}

EL_TILE static inline void el_tile_end(void)
{
    _tile_release();
}

#define el_tile_zero(t)             _tile_zero(t)
#define el_tile_load(t, from, line) _tile_loadd(t, from, line)
#define el_tile_store(t, to, line)  _tile_stored(t, to, line)
#define el_tile_multiply(c, a, b)   _tile_dpbf16ps(c, a, b)

#endif

#endif
