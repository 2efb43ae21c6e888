/* Finding added tokens in text. Private to core/text. */
#ifndef EL_TEXT_ADDED_H
#define EL_TEXT_ADDED_H

#include "core/text/vocab.h"

struct el_added_token {
    struct el_slice content; /* what is looked for, not empty; in the vocabulary's pool or own */
    char *own;               /* el_alloc, or NULL */
    int32_t id;
    int control; /* not matched in untrusted text, see EL_ENCODE_PLAIN */
};

struct el_added_set {
    struct el_added_token *tokens; /* [n], sorted by content after el_added_index */
    size_t n;
    size_t first[257]; /* contents that open with byte c are tokens[first[c] .. first[c+1]) */
};

/* Room for n tokens, which the caller fills in, counting up set->n. 0 or EL_ENOMEM. */
int el_added_init(struct el_added_set *set, size_t n);
void el_added_release(struct el_added_set *set);
/* Sorts. Contents are distinct. */
void el_added_index(struct el_added_set *set);

/* The token with this content, or NULL. */
const struct el_added_token *el_added_get(const struct el_added_set *set, struct el_slice content);

/* The first place at or after *at where a token's content stands, and the longest content there;
 * *at becomes that place. NULL when there is none up to n. */
const struct el_added_token *el_added_find(const struct el_added_set *set, const char *text,
                                           size_t n, size_t *at);

#endif
