/* Finding added tokens in text. Private to core/text. */
#ifndef EL_TEXT_ADDED_H
#define EL_TEXT_ADDED_H

#include "core/text/vocab.h"

struct el_added_token {
    struct el_slice content; /* what is looked for, not empty; in the vocabulary's pool or own */
    char *own;               /* el_alloc, or NULL */
    int32_t id;
    int control;        /* not matched in untrusted text, see EL_ENCODE_PLAIN */
    int single_word;    /* not matched beside a word character */
    int lstrip, rstrip; /* takes the white space before it, behind it */
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

/* A walk over one text. Zeroed but for the first field. */
struct el_added_scan {
    int plain;          /* pass over control tokens */
    size_t at;          /* where the search goes on */
    size_t start, stop; /* the last match with the white space that it takes */
    size_t blank_end;   /* of the last white space that was looked through */
};

/* The next match of text[0..n), or NULL: leftmost, and the longest there. As in the `tokenizers`
 * library, a token that is passed over hides those that overlap it, and one that lies in white
 * space which the match before has taken is found there all the same: then s->start is below the
 * s->stop of before. With lstrip it begins where that match ends, and is passed over when nothing
 * is left of it. O(n) for a whole walk, times the longest content. */
const struct el_added_token *el_added_next(const struct el_added_set *set, struct el_added_scan *s,
                                           const char *text, size_t n);

#endif
