#include "core/ops/cpu/cpu.h"

void EL_CPU_PASTE(el_ops_init_cpu, EL_ISA)(struct el_ops *t)
{
    el_ops_init_ref(t);
    t->name = EL_CPU_STRING(EL_ISA);
    EL_CPU(init_gemm)(t);
}
