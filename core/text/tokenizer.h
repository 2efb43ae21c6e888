/* Text to token ids and back: byte-level BPE from a Hugging Face tokenizer.json.
 *
 * What a file may hold
 *   normalizer      null, NFC, NFD, NFKC, NFKD, or a Sequence of these
 *   pre_tokenizer   ByteLevel, or a Sequence of Split and Digits steps that ends in ByteLevel; of
 *                   regular expressions, what core/text/pattern.h says
 *   model           BPE; merges as "a b" or ["a", "b"]; ignore_merges
 *   decoder         ByteLevel
 *   added_tokens    with single_word, lstrip, rstrip, normalized, special
 * Anything else that would change the ids is refused with its name. post_processor, padding and
 * truncation are not read: the chat format adds its own tokens and the caller knows its limit.
 *
 * What encoding promises
 *   1. For valid UTF-8 the ids are those of the Hugging Face `tokenizers` library (0.23.3:
 *      tests/text/compare_tokenizers.py), but for characters that are younger than PCRE2's Unicode
 *      tables and have no class there (Debian 12: younger than Unicode 14).
 *   2. Any bytes are accepted for which the vocabulary has tokens; the usual ones have all 256.
 *      Each longest run of bytes that are not UTF-8 is a piece of its own: no pre-tokenizer pattern
 *      sees it and no merge crosses its ends.
 *   3. Decoding what was encoded gives the same bytes, unless the file itself changes the text
 *      (a normalizer, a Split with behavior Removed, ByteLevel with add_prefix_space, added tokens
 *      with lstrip or rstrip).
 *   4. n bytes cost O(n log n) in the merges, whatever the text is.
 *
 * A loaded tokenizer never changes; any number of threads may use it at once. */
#ifndef EL_TEXT_TOKENIZER_H
#define EL_TEXT_TOKENIZER_H

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/text/tokens.h"

struct el_tokenizer;

/* Loads a tokenizer.json; *out is the caller's, freed with el_tokenizer_free. EL_EFORMAT: the file
 * is malformed; EL_EREFUSED: it asks for something we do not do. The message names the field. */
int el_tokenizer_load(const char *path, struct el_tokenizer **out, struct el_error *err);
/* The same from memory; `name` opens every message. */
int el_tokenizer_parse(const char *name, const char *json, size_t n, struct el_tokenizer **out,
                       struct el_error *err);
void el_tokenizer_free(struct el_tokenizer *t); /* NULL is fine */

/* Highest id + 1. Ids inside this range may be unused. */
int el_tokenizer_vocab_size(const struct el_tokenizer *t);

/* The id of an added token by its content, else of a vocabulary entry as the file spells it
 * ("\u0120the" for " the"); EL_ENOTFOUND when there is none, EL_ENOMEM. */
int el_tokenizer_id(const struct el_tokenizer *t, const char *token);

/* 1 when the file marks id as special, else 0 (also for ids out of range). */
int el_tokenizer_is_special(const struct el_tokenizer *t, int32_t id);

/* 1 when text that is encoded EL_ENCODE_PLAIN may become id: a byte's token, one that merges make
 * or that ignore_merges finds, an added token that is no control token. Else 0. May say 1 of a
 * token whose merges never come about. */
int el_tokenizer_reaches(const struct el_tokenizer *t, int32_t id);

enum el_encode_flags {
    /* For untrusted text. Control tokens written out in the text are ordinary bytes. A control
     * token is an added token that the file marks special, or whose content opens with '<' and
     * closes with '>': DeepSeek's files do not mark the role and thinking tokens. Other added
     * tokens are matched. */
    EL_ENCODE_PLAIN = 0,
    /* For text of our own making: every added token is matched. */
    EL_ENCODE_SPECIAL = 1,
};

/* Appends the ids of text[0..n) to out. Added tokens are found before anything else, leftmost
 * first and the longest there: those with "normalized": false in the whole text, then the others
 * in the normal form of what lies between. A failure leaves out as it was. EL_EREFUSED: the text
 * holds a byte for which the vocabulary has no token; EL_ELIMIT: a pattern of the file exceeds
 * PCRE2's limits, or the text is 2 GiB or longer. */
int el_tokenizer_encode(const struct el_tokenizer *t, const char *text, size_t n, int flags,
                        struct el_tokens *out, struct el_error *err);

/* Appends the bytes of ids[0..n) to out; they need not be UTF-8 (a character may be cut between
 * two tokens). With skip_special, ids that the file marks special give nothing. An added token
 * gives its content. EL_EINVAL: an id that the vocabulary does not have; EL_ENOMEM. A failure
 * leaves out as it was. */
int el_tokenizer_decode(const struct el_tokenizer *t, const int32_t *ids, size_t n,
                        int skip_special, struct el_buf *out);

#endif
