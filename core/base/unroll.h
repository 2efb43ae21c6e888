/* UNROLL in front of a loop over registers: unrolled whole, or its arrays stay in memory. */
#ifndef EL_BASE_UNROLL_H
#define EL_BASE_UNROLL_H

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#endif
