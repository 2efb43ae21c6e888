#include "core/ops/ref/ref.h"

static const struct el_ops reference = {
    .name = "ref",
    .run =
        {
#define X(name) [EL_OP_##name] = el_ref_##name,
            EL_OP_LIST(X)
#undef X
        },
    .workspace =
        {
            [EL_OP_attn] = el_ref_attn_workspace,
            [EL_OP_attn_mha] = el_ref_attn_mha_workspace,
            [EL_OP_index_select] = el_ref_index_select_workspace,
            [EL_OP_index_loss] = el_ref_index_loss_workspace,
            [EL_OP_moe_route] = el_ref_moe_route_workspace,
        },
};

const struct el_ops *el_ops_ref(void)
{
    return &reference;
}

void el_ops_init_ref(struct el_ops *t)
{
    *t = reference;
}
