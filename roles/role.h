/* The four roles that one model plays: for each, how its request text is made and how its reply is
 * parsed. */
#ifndef EL_ROLES_ROLE_H
#define EL_ROLES_ROLE_H

#include "roles/prompt.h"
#include "roles/reply.h"

enum el_role {
    EL_ROLE_GENERATOR,     /* X -> Y and Z */
    EL_ROLE_VERIFIER,      /* X, Y -> V with a score of Y; never sees Z */
    EL_ROLE_META_VERIFIER, /* X, Y, V -> a score of V */
    EL_ROLE_REFINER,       /* X, (Y, analyses)... -> a new Y and Z */
    EL_ROLES               /* how many there are */
};

/* "generator", "verifier", "meta_verifier", "refiner" and back. An unknown name gives -1, an
 * unknown number "unknown". Static storage. */
const char *el_role_name(enum el_role role);
int el_role_from_name(const char *name);

/* What a role is asked about. Fields that the role does not use are ignored. */
struct el_role_input {
    struct el_slice statement;                    /* all roles */
    struct el_slice proof;                        /* verifier, meta-verifier */
    struct el_slice analysis;                     /* meta-verifier */
    const struct el_prompt_candidate *candidates; /* refiner */
    size_t n_candidates;
    struct el_prompt_extras extras; /* verifier, meta-verifier: optional */
};

/* Appends the request text to out. A missing input is EL_EINVAL, naming the role and the field. */
int el_role_prompt(enum el_role role, const struct el_prompt_set *set,
                   const struct el_role_input *in, struct el_buf *out, struct el_error *err);

/* Parses the reply with the role's parser (the refiner's replies are the generator's). */
int el_role_parse(enum el_role role, const struct el_reply_parser *p, const char *text, size_t n,
                  const struct el_reply_context *ctx, struct el_reply *reply, struct el_error *err);

#endif
