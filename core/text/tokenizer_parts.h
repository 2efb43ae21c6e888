/* What a tokenizer is made of. Private to core/text. */
#ifndef EL_TEXT_TOKENIZER_PARTS_H
#define EL_TEXT_TOKENIZER_PARTS_H

#include "core/text/added.h"
#include "core/text/bpe.h"
#include "core/text/normalizer.h"
#include "core/text/pretokenizer.h"
#include "core/text/vocab.h"

struct el_tokenizer {
    struct el_vocab vocab;
    struct el_bpe bpe;
    struct el_normalizer normalizer;
    struct el_pretokenizer pretokenizer;
    /* Added tokens with "normalized": false, looked for in the whole text, and the others, looked
     * for in the normal form of what lies between those. */
    struct el_added_set added[2];
};

#endif
