#include "core/ops/cpu/cpu.h"

void EL_CPU_PASTE(el_ops_init_cpu, EL_ISA)(struct el_ops *t)
{
    el_ops_init_ref(t);
    t->name = EL_CPU_STRING(EL_ISA);
    EL_CPU(init_gemm)(t);
    EL_CPU(init_gemm_pack)(t);
    EL_CPU(init_gemm_bf16)(t);
    EL_CPU(init_norm)(t);
    EL_CPU(init_rope)(t);
    EL_CPU(init_fp8_round)(t);
    EL_CPU(init_fp8_pack)(t);
    EL_CPU(init_attention)(t);
    EL_CPU(init_attention_bwd)(t);
    EL_CPU(init_attention_mha)(t);
    EL_CPU(init_index_select)(t);
    EL_CPU(init_index_loss)(t);
    EL_CPU(init_moe)(t);
    EL_CPU(init_route)(t);
    EL_CPU(init_rows)(t);
    EL_CPU(init_pointwise)(t);
    EL_CPU(init_loss)(t);
    EL_CPU(init_optim)(t);
}
