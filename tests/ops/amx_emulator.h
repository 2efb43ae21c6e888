/* The kernel of core/ops/x86/bf16_amx.c on tiles that are arrays: its every load, store and product
 * runs on processors without AMX, too. What the instructions do was compared with a processor that
 * has them (docs/ARCHITECTURE.md). */
#ifndef EL_TESTS_OPS_AMX_EMULATOR_H
#define EL_TESTS_OPS_AMX_EMULATOR_H

#include "core/ops/bf16_kernel.h"

extern const struct el_bf16_kernel emulated_amx;

#endif
