/* The tokens of a tokenizer by id, and the model's own by text. Private to core/text. */
#ifndef EL_TEXT_VOCAB_H
#define EL_TEXT_VOCAB_H

#include "core/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct el_slice {
    const char *data;
    size_t len;
};

/* As memcmp; a prefix comes first. */
int el_slice_compare(struct el_slice a, struct el_slice b);

enum { EL_VOCAB_SPECIAL = 1, EL_VOCAB_ADDED = 2 };

/* A token of the model. raw: its spelling is outside the byte alphabet, so the text is the
 * spelling itself and no text is ever encoded to it. */
struct el_vocab_key {
    struct el_slice text;
    int32_t id;
    int raw;
};

struct el_vocab {
    struct el_slice *texts; /* [size] what an id decodes to; data NULL: no such id */
    unsigned char *flags;   /* [size] */
    int size;
    struct el_vocab_key *keys; /* [n_keys], sorted by (raw, text) after el_vocab_index */
    size_t n_keys;
    char *pool; /* holds every text */
    size_t pool_len;
};

/* Room for ids below size, n_keys tokens of the model, and pool_bytes of text (spellings of the
 * model, contents of added tokens). 0 or EL_ENOMEM; release is safe after either. */
int el_vocab_init(struct el_vocab *v, int size, size_t n_keys, size_t pool_bytes);
void el_vocab_release(struct el_vocab *v);

/* A token of the model; id < size. EL_EFORMAT: the id is taken. */
int el_vocab_add(struct el_vocab *v, int32_t id, const char *spelling, struct el_error *err);
/* Sorts the keys. EL_EFORMAT: a token stands there twice. */
int el_vocab_index(struct el_vocab *v, struct el_error *err);
/* After el_vocab_index: id decodes to content from now on. Returns the copy. */
struct el_slice el_vocab_add_content(struct el_vocab *v, int32_t id, const char *content,
                                     int flags);

/* Ids of the model's tokens, or EL_ENOTFOUND: by bytes, and by the spelling in the file (scratch
 * has room for strlen(spelling) bytes). */
int el_vocab_find(const struct el_vocab *v, const char *bytes, size_t n);
int el_vocab_find_spelling(const struct el_vocab *v, const char *spelling, char *scratch);

#endif
