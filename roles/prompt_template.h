/* Inside prompts: one template, taken apart once and filled in often. Not for other rooms. */
#ifndef EL_ROLES_PROMPT_TEMPLATE_H
#define EL_ROLES_PROMPT_TEMPLATE_H

#include "core/base/buf.h"
#include "core/base/error.h"
#include "roles/slice.h"

enum el_prompt_field {
    EL_FIELD_STATEMENT,
    EL_FIELD_PROOF,
    EL_FIELD_ANALYSIS,
    EL_FIELD_INSTRUCTION,
    EL_FIELD_PROOFS,
    EL_FIELD_REFERENCE,
    EL_FIELD_RUBRIC,
    EL_FIELDS
};

/* A run of the template's own text, or the place of a value. */
struct el_prompt_piece {
    int field;       /* enum el_prompt_field, or -1 for text */
    int only_if;     /* inside {?field}...{/field}: that field, else -1 */
    size_t off, len; /* of the text */
};

struct el_prompt_template {
    char *path;         /* for messages */
    struct el_buf text; /* the file, trimmed */
    struct el_prompt_piece *pieces;
    size_t n_pieces, cap_pieces;
    unsigned holds;    /* 1 << field for each placeholder */
    unsigned requires; /* the same, outside of {?...}: must have a value */
};

/* The usual name of a field: "statement". Static storage. */
const char *el_prompt_field_name(enum el_prompt_field field);

/* Reads and takes apart dir/name. Placeholders whose bit is not in `allowed` are refused. *t must
 * be zeroed; release it in either case. */
int el_prompt_template_load(struct el_prompt_template *t, const char *dir, const char *name,
                            unsigned allowed, struct el_error *err);
void el_prompt_template_release(struct el_prompt_template *t);

/* Appends the template with its values (absent: data NULL) to out; out is unchanged on failure.
 * A required value that is absent, or a value without a place, is EL_EINVAL. */
int el_prompt_template_fill(const struct el_prompt_template *t,
                            const struct el_slice values[EL_FIELDS], struct el_buf *out,
                            struct el_error *err);

#endif
