/* UNROLL in front of a loop over registers: unrolled whole, or its arrays stay in memory.
 * UNROLL_BY(n) in front of a loop of any length: n rounds to a jump. */
#ifndef EL_BASE_UNROLL_H
#define EL_BASE_UNROLL_H

#if defined(__clang__)
#define UNROLL       _Pragma("clang loop unroll(full)")
#define UNROLL_BY(n) UNROLL_TEXT(clang loop unroll_count(n))
#else
#define UNROLL       _Pragma("GCC unroll 16")
#define UNROLL_BY(n) UNROLL_TEXT(GCC unroll n)
#endif
#define UNROLL_TEXT(...) _Pragma(#__VA_ARGS__)

#endif
