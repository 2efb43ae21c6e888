/* The tensors of a folder: model.safetensors alone, or the files that
 * model.safetensors.index.json names, as if they were one. */
#ifndef EL_TENSOR_SHARDS_H
#define EL_TENSOR_SHARDS_H

#include "core/tensor/safetensors.h"

struct el_shard_tensor {
    const struct el_st_tensor *t;
    const struct el_safetensors *file;
};

struct el_shards {
    char *dir;
    struct el_safetensors *files;
    int n_files;
    struct el_shard_tensor *tensors; /* of all files, ascending by name, each name once */
    int n;
};

/* model.safetensors goes before an index. Neither is EL_ENOTFOUND. What the index says must hold;
 * tensors that it does not mention are there all the same. A tensor in two files is EL_EFORMAT
 * naming both. All files stay open until release (core/tensor/safetensors.h says what their number
 * means for the process). */
int el_shards_open(struct el_shards *s, const char *dir, struct el_error *err);
void el_shards_release(struct el_shards *s);

/* NULL when there is none of that name. */
const struct el_shard_tensor *el_shards_find(const struct el_shards *s, const char *name);

#endif
