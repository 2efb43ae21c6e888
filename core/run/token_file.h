/* Token ids from a file: JSON, an array of B arrays of T integers, or safetensors with a tensor
 * `tokens`, I32 or I64 of shape [B,T]. */
#ifndef EL_RUN_TOKEN_FILE_H
#define EL_RUN_TOKEN_FILE_H

#include "core/base/error.h"

#include <stdint.h>

struct el_token_batch {
    int batch, length; /* B >= 1, T >= 1 */
    int32_t *tokens;   /* (B, T) */
};

/* Ids must be in 0..vocab-1. A file that starts with '[' (after white space) is JSON. EL_EFORMAT
 * names the file and the row and position that is wrong. */
int el_token_file_load(const char *path, int vocab, struct el_token_batch *out,
                       struct el_error *err);
void el_token_batch_release(struct el_token_batch *b);

#endif
