/* Denormals as zero, operands and results, in the calling thread until el_flush_end: what the
 * products of BF16 operands have in common with the processors' own (core/ops/gemm_bf16.h).
 *
 * Private to core/ops. */
#ifndef EL_OPS_FLUSH_H
#define EL_OPS_FLUSH_H

#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>

static inline uint64_t el_flush_begin(void)
{
    enum { FLUSH_RESULTS = 0x8000, DENORMALS_ARE_ZERO = 0x40 };
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | FLUSH_RESULTS | DENORMALS_ARE_ZERO);
    return before;
}

static inline void el_flush_end(uint64_t before)
{
    _mm_setcsr((unsigned)before);
}

#elif defined(__aarch64__)

static inline uint64_t el_flush_begin(void)
{
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (uint64_t)1 << 24));
    return before;
}

static inline void el_flush_end(uint64_t before)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
}

#else

static inline uint64_t el_flush_begin(void)
{
    return 0;
}

static inline void el_flush_end(uint64_t before)
{
    (void)before;
}

#endif

#endif
