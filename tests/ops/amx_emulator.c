#include "tests/ops/amx_emulator.h"
#include "core/ops/flush.h"
#include "core/tensor/dtype.h"

#include <math.h>

#define EL_AMX_EMULATED
#define el_bf16_amx emulated_amx
#include "core/ops/x86/bf16_amx.c"

static _Thread_local union {
    float sum[16][16];
    uint16_t pair[16][32];
} tiles[8];
static _Thread_local int ready;

void el_tile_begin(void)
{
    memset(tiles, 0, sizeof tiles);
    ready = 1;
}

void el_tile_end(void)
{
    ready = 0;
}

void el_tile_zero(int t)
{
    memset(&tiles[t], ready ? 0 : 0xff, sizeof tiles[t]);
}

void el_tile_load(int t, const void *from, size_t line)
{
    for (size_t i = 0; i < 16; i++)
        memcpy(tiles[t].sum[i], (const char *)from + i * line, sizeof tiles[t].sum[i]);
}

void el_tile_store(int t, void *to, size_t line)
{
    for (size_t i = 0; i < 16; i++)
        memcpy((char *)to + i * line, tiles[t].sum[i], sizeof tiles[t].sum[i]);
}

void el_tile_multiply(int c, int a, int b)
{
    uint64_t mode = el_flush_begin();
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) {
            float chain[2] = {0, 0};
            for (int p = 0; p < 32; p++)
                chain[p % 2] =
                    fmaf(el_bf16_widen(tiles[a].pair[i][p]),
                         el_bf16_widen(tiles[b].pair[p / 2][2 * j + p % 2]), chain[p % 2]);
            tiles[c].sum[i][j] += chain[0] + chain[1];
        }
    el_flush_end(mode);
}
