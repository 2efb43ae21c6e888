/* model.safetensors.index.json: which file of a folder holds which tensor.
 *
 *     {"metadata": {"total_size": BYTES, ...}, "weight_map": {"TENSOR": "FILE", ...}}
 *
 * Only the weight_map is read. A tensor that appears twice is refused, and so is a file that is not
 * a plain name: an index must not reach outside its folder. */
#ifndef EL_TENSOR_ST_INDEX_H
#define EL_TENSOR_ST_INDEX_H

#include "core/base/buf.h"
#include "core/base/error.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

enum { EL_ST_MAX_SHARDS = 4096 };

struct el_st_index {
    struct el_st_place {
        const char *tensor;
        int file; /* index into files */
    } * places;   /* ascending by tensor */
    int n;
    const char **files; /* ascending, each once */
    int n_files;
    cJSON *tree; /* holds the names */
};

/* `name` opens every message. EL_ELIMIT for more than EL_ST_MAX_SHARDS files. */
int el_st_index_parse(struct el_st_index *x, const char *name, const char *json, size_t n,
                      struct el_error *err);
int el_st_index_load(struct el_st_index *x, const char *path, struct el_error *err);
void el_st_index_release(struct el_st_index *x);

/* The text of an index: tensors[i] lies in files[file_of[i]]. `bytes` is the size of all values.
 * Appends to out; EL_ENOMEM. */
int el_st_index_print(struct el_buf *out, const char *const *tensors, const int *file_of, int n,
                      const char *const *files, int64_t bytes);

#endif
