/* Chooses among the CPU tables by what the processor can do. */
#include "core/ops/ops.h"

#include <pthread.h>
#include <string.h>

void el_ops_init_cpu_generic(struct el_ops *t);
#if defined(__x86_64__)
void el_ops_init_cpu_avx2(struct el_ops *t);
void el_ops_init_cpu_avx512(struct el_ops *t);
#endif

/* Fastest first; filled once, constant afterwards. */
static struct el_ops tables[3];
static int table_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_tables(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        el_ops_init_cpu_avx512(&tables[table_count++]);
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
