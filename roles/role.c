#include "roles/role.h"

#include <string.h>

static const char *const role_name[EL_ROLES] = {
    [EL_ROLE_GENERATOR] = "generator",
    [EL_ROLE_VERIFIER] = "verifier",
    [EL_ROLE_META_VERIFIER] = "meta_verifier",
    [EL_ROLE_REFINER] = "refiner",
};

const char *el_role_name(enum el_role role)
{
    return (unsigned)role < EL_ROLES ? role_name[role] : "unknown";
}

int el_role_from_name(const char *name)
{
    for (int i = 0; i < EL_ROLES; i++)
        if (strcmp(name, role_name[i]) == 0)
            return i;
    return -1;
}

int el_role_prompt(enum el_role role, const struct el_prompt_set *set,
                   const struct el_role_input *in, struct el_buf *out, struct el_error *err)
{
    int rc;

    switch (role) {
    case EL_ROLE_GENERATOR:
        rc = el_prompt_generate(set, in->statement, out, err);
        break;
    case EL_ROLE_VERIFIER:
        rc = el_prompt_verify(set, in->statement, in->proof, &in->extras, out, err);
        break;
    case EL_ROLE_META_VERIFIER:
        rc = el_prompt_meta(set, in->statement, in->proof, in->analysis, &in->extras, out, err);
        break;
    case EL_ROLE_REFINER:
        rc = el_prompt_refine(set, in->statement, in->candidates, in->n_candidates, out, err);
        break;
    default:
        return el_error_set(err, EL_EINVAL, "role %d: expected 0 to %d", (int)role, EL_ROLES - 1);
    }
    if (rc)
        el_error_prefix(err, "%s", el_role_name(role));
    return rc;
}

int el_role_parse(enum el_role role, const struct el_reply_parser *p, const char *text, size_t n,
                  const struct el_reply_context *ctx, struct el_reply *reply, struct el_error *err)
{
    switch (role) {
    case EL_ROLE_GENERATOR:
    case EL_ROLE_REFINER:
        return el_reply_parse_generator(p, text, n, ctx, reply, err);
    case EL_ROLE_VERIFIER:
        return el_reply_parse_verifier(p, text, n, ctx, reply, err);
    case EL_ROLE_META_VERIFIER:
        return el_reply_parse_meta_verifier(p, text, n, ctx, reply, err);
    default:
        return el_error_set(err, EL_EINVAL, "role %d: expected 0 to %d", (int)role, EL_ROLES - 1);
    }
}
