/* What the files of this folder share. They are compiled once per instruction set with EL_ISA set
 * to its name; every symbol that is not static carries that name: EL_CPU(panel) is
 * el_cpu_panel_avx512 in the AVX-512 build. */
#ifndef EL_OPS_CPU_CPU_H
#define EL_OPS_CPU_CPU_H

#include "core/ops/ops.h"

#include <omp.h>
#include <stdatomic.h>

#define EL_CPU_PASTE2(a, b) a##_##b
#define EL_CPU_PASTE(a, b)  EL_CPU_PASTE2(a, b)
#define EL_CPU(name)        EL_CPU_PASTE(el_cpu_##name, EL_ISA)

#define EL_CPU_STRING2(x) #x
#define EL_CPU_STRING(x)  EL_CPU_STRING2(x)

/* Fills a table: the reference first, then everything below. */
void EL_CPU_PASTE(el_ops_init_cpu, EL_ISA)(struct el_ops *t);

/* Each file puts its ops into the table. */
void EL_CPU(init_gemm)(struct el_ops *t);
void EL_CPU(init_gemm_pack)(struct el_ops *t);
void EL_CPU(init_gemm_bf16)(struct el_ops *t);
void EL_CPU(init_norm)(struct el_ops *t);
void EL_CPU(init_rope)(struct el_ops *t);
void EL_CPU(init_fp8_round)(struct el_ops *t);
void EL_CPU(init_fp8_pack)(struct el_ops *t);
void EL_CPU(init_attention)(struct el_ops *t);
void EL_CPU(init_attention_bwd)(struct el_ops *t);
void EL_CPU(init_attention_mha)(struct el_ops *t);
void EL_CPU(init_index_select)(struct el_ops *t);
void EL_CPU(init_index_loss)(struct el_ops *t);
void EL_CPU(init_moe)(struct el_ops *t);
void EL_CPU(init_route)(struct el_ops *t);
void EL_CPU(init_pointwise)(struct el_ops *t);
void EL_CPU(init_rows)(struct el_ops *t);
void EL_CPU(init_loss)(struct el_ops *t);
void EL_CPU(init_optim)(struct el_ops *t);

/* Columns of a panel: two vectors. */
#if defined(__AVX512F__)
#define EL_PANEL 32
#elif defined(__AVX2__)
#define EL_PANEL 16
#else
#define EL_PANEL 8
#endif

/* n rounded up to whole panels. */
static inline int EL_CPU(whole_panels)(int64_t n)
{
    return (int)((n + EL_PANEL - 1) / EL_PANEL * EL_PANEL);
}

/* One panel of a matrix product: C(i,j) = [C(i,j) +] sum over p of A(i,p) B(p,j), i < m,
 * j < cols <= EL_PANEL, p < k in this order, one fused multiply-add a term. The bits of a row do
 * not depend on m. B(p,j) = b[p*b_row + j]; nothing outside the operands is read. */
struct el_panel {
    int m, cols, k;
    const float *a;
    int64_t a_row, a_col;
    const float *b;
    int64_t b_row;
    float *c;
    int64_t c_row;
    int accumulate;
    int strips; /* A as el_cpu_pack_strips leaves it, a_row and a_col are not used */
    const struct el_ahead *ahead; /* NULL: nothing to fetch */
};

/* Rows that are wanted soon. The product fetches them into the cache a few lines at a time, so that
 * reading scattered rows costs no waiting. */
struct el_ahead {
    const float *rows[EL_PANEL];
    int count, width; /* count <= EL_PANEL rows of width floats */
};
void EL_CPU(panel)(const struct el_panel *t);

/* The kernel behind it. */
void EL_CPU(tiles)(const struct el_panel *t);

/* The same over any number of columns with B in place (b_col = 1): panel after panel. */
void EL_CPU(panels)(struct el_panel t);

/* A's m rows of k values tile by tile, each as k columns of its height: what the panel reads then
 * lies side by side. dst: m*k floats, and EL_STRIPS_SLACK behind them that may be overwritten. */
enum { EL_STRIPS_SLACK = 16 };
void EL_CPU(pack_strips)(float *dst, const struct el_panel *t);

/* The same for A(i,p) = columns[p][from + i], i < m, p < k. A whole vector is read at the end of
 * each column: up to EL_STRIPS_SLACK floats behind its last. */
void EL_CPU(pack_strip_columns)(float *dst, const float *const *columns, int from, int m, int k);

/* dst[p*EL_PANEL + j] = src[j*src_row + p]: transposes `cols` (at most EL_PANEL) rows of k values
 * into a panel. Lanes behind cols become 0. dst is 64-byte aligned. */
void EL_CPU(pack_transposed)(float *dst, const float *src, int64_t src_row, int cols, int k);
/* The same for rows that lie anywhere: dst[p*EL_PANEL + j] = rows[j][p], j < cols. */
void EL_CPU(pack_rows)(float *dst, const float *const *rows, int cols, int k);

/* B(p,j) = b[p*b_row + j*b_col], j < cols, as a panel, whatever its strides. Lanes behind cols
 * become 0. */
void EL_CPU(pack_panel)(float *panel, const float *b, int64_t b_row, int64_t b_col, int cols,
                        int k);
/* The op gemm_pack, for products that pack their own B. */
void EL_CPU(gemm_pack)(struct el_stream *s, const void *args);

/* The k largest of order[0..n-1], equal ones by the lowest index: their indices, ascending, to
 * selected[0..k-1]. 1 <= k <= n. order holds INT32_MIN from n up to a whole panel; spare is scratch
 * of n + EL_PANEL integers. */
void EL_CPU(topk)(const int32_t *order, int n, int k, int32_t *selected, int32_t *spare);

/* Multiplies BF16 operands with this instruction set's fp32 arithmetic. */
extern const struct el_bf16_kernel EL_CPU(bf16_kernel);

/* Threads worth waking for `work` multiply-adds (or as many simple steps). */
static inline int el_cpu_threads(const struct el_stream *s, double work)
{
    return work < 40000.0 ? 1 : s->threads;
}

/* Thread number `id` of `n` works on items share(id).. share(id+1)-1 of `items`. */
static inline int64_t el_cpu_share(int64_t items, int id, int n)
{
    return items * id / n;
}

/* Takes the next part of 0..total-1 for one of `threads` threads: *lo..*hi-1; 0 when nothing is
 * left. Parts become smaller towards the end, so that threads end together though one may be slower
 * than another: processors have unequal cores, and others run beside us. */
static inline int el_cpu_claim(_Atomic int64_t *next, int64_t total, int threads, int64_t *lo,
                               int64_t *hi)
{
    int64_t least = total / (16 * threads) + 1;
    *lo = atomic_load_explicit(next, memory_order_relaxed);
    do {
        if (*lo >= total)
            return 0;
        int64_t part = threads > 1 ? (total - *lo) / (2 * threads) : total;
        *hi = *lo + (part > least ? part : least);
    } while (!atomic_compare_exchange_weak_explicit(next, lo, *hi, memory_order_relaxed,
                                                    memory_order_relaxed));
    return 1;
}

/* Bytes rounded up to whole cache lines, so that threads' parts of the workspace stay apart. */
static inline size_t el_cpu_round(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

#endif
