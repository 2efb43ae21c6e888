/* The tokenizer of the small proof world: a tokenizer.json in the Hugging Face format (byte-level
 * BPE with DeepSeek's pre-tokenizer) with one token for each number 0..199 and added tokens for
 * the boilerplate of the world and of configs/prompts/small. Fixed: the same bytes every time. */
#ifndef EL_DATA_WORLD_TOKENIZER_H
#define EL_DATA_WORLD_TOKENIZER_H

#include "core/base/buf.h"

/* Appends the JSON text. 0 or EL_ENOMEM. */
int el_world_tokenizer_json(struct el_buf *out);
/* Tokens in the vocabulary, added ones included. */
int el_world_tokenizer_size(void);

#endif
