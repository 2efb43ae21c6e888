/* Chooses among the CPU tables by what the processor can do. */
#include "core/ops/bf16_kernel.h"
#include "core/ops/ops.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

void el_ops_init_cpu_generic(struct el_ops *t);
#if defined(__x86_64__)
void el_ops_init_cpu_avx2(struct el_ops *t);
void el_ops_init_cpu_avx512(struct el_ops *t);
#endif

/* Fastest first; filled once, constant afterwards. */
static struct el_ops tables[3];
static int table_count;
/* Further ways of tables[0] to multiply BF16 operands. */
static struct el_ops variants[2];
static int variant_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
/* Linux gives a process the tile registers when it asks for them. */
static int has_amx(void)
{
    enum { TILES = 1 << 24, BF16 = 1 << 22, REQUEST_STATE = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (TILES | BF16)) != (TILES | BF16))
        return 0;
    return syscall(SYS_arch_prctl, REQUEST_STATE, TILE_DATA) == 0;
}

static int has_avx512bf16(void)
{
    enum { BF16 = 1 << 5 };
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & BF16;
}

/* The AVX-512 table takes the fastest kernel, the others become variants. */
static void choose_bf16(struct el_ops *t)
{
    const struct el_bf16_kernel *kernels[3];
    int n = 0;
    if (has_amx())
        kernels[n++] = &el_bf16_amx;
    if (has_avx512bf16())
        kernels[n++] = &el_bf16_avx512bf16;
    kernels[n++] = t->bf16;
    t->bf16 = kernels[0];
    for (int i = 1; i < n; i++) {
        variants[variant_count] = *t;
        variants[variant_count++].bf16 = kernels[i];
    }
}
#endif

static void fill_tables(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
        el_ops_init_cpu_avx512(&tables[table_count++]);
        choose_bf16(&tables[0]);
    }
    if (avx2)
        el_ops_init_cpu_avx2(&tables[table_count++]);
#endif
    el_ops_init_cpu_generic(&tables[table_count++]);
}

const struct el_ops *el_ops_cpu(void)
{
    pthread_once(&once, fill_tables);
    return &tables[0];
}

const struct el_ops *el_ops_find(const char *name)
{
    pthread_once(&once, fill_tables);
    for (int i = 0; i < table_count; i++)
        if (strcmp(tables[i].name, name) == 0)
            return &tables[i];
    return strcmp(name, "ref") == 0 ? el_ops_ref() : NULL;
}

const char *el_ops_bf16_name(const struct el_ops *t)
{
    return t->bf16 ? t->bf16->name : t->name;
}

const struct el_ops *el_ops_bf16_variant(const struct el_ops *t, int i)
{
    pthread_once(&once, fill_tables);
    if (i == 0)
        return t;
    return t == &tables[0] && i > 0 && i <= variant_count ? &variants[i - 1] : NULL;
}
