/* The safetensors file format (https://github.com/huggingface/safetensors):
 *
 *     +---------------+---------------------------+-----------------------------+
 *     | N: 8 bytes LE | N bytes of JSON, padded   | tensor data, back to back   |
 *     +---------------+---------------------------+-----------------------------+
 *       {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
 *        "__metadata__": {"key": "value"}}          offsets count from the first data byte
 *
 * A file is refused unless every byte of the data belongs to exactly one tensor (no overlap, no
 * hole, nothing missing at the end), every size is the product of its shape and every name is
 * there once. Every dtype of the format is known by its size; whether a tensor can be read as
 * numbers is decided by whoever reads it, so one that nobody reads is in nobody's way. */
#ifndef EL_TENSOR_SAFETENSORS_H
#define EL_TENSOR_SAFETENSORS_H

#include "core/base/error.h"
#include "core/base/io.h"
#include "core/tensor/dtype.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

enum { EL_ST_MAX_DIMS = 8, EL_ST_MAX_HEADER = 100000000 };

struct el_st_tensor {
    const char *name; /* reading: points into the header */
    enum el_dtype dtype;
    int dims; /* 0: a scalar */
    int64_t shape[EL_ST_MAX_DIMS];
    const void *data; /* any alignment */
    size_t bytes;
};

struct el_safetensors {
    char *name;                   /* the file, for messages */
    struct el_st_tensor *tensors; /* ascending by name */
    int n;
    const cJSON *metadata; /* NULL when absent */
    cJSON *header;
    void *map; /* NULL when the bytes belong to the caller */
    size_t map_bytes;
    int fd; /* of the mapped file */
};

/* Maps the file read-only; `tensors[i].data` point into the mapping and live until release. Whoever
 * reads through them must know that nobody shortens the file meanwhile: touching a page that is
 * gone kills the process. el_safetensors_read has no such condition.
 *
 * The file stays open until release. Where that leaves the process few descriptors, its limit of
 * them (RLIMIT_NOFILE) is raised as far as the system allows; EL_ELIMIT when they have run out. */
int el_safetensors_open(struct el_safetensors *st, const char *path, struct el_error *err);
/* The same from bytes that stay the caller's and must outlive st. */
int el_safetensors_parse(struct el_safetensors *st, const char *name, const void *bytes, size_t n,
                         struct el_error *err);
void el_safetensors_release(struct el_safetensors *st);

/* Copies bytes start..start+n of a tensor of st, which must lie in it. A file that has become
 * shorter since it was opened is EL_EIO. From any thread. */
int el_safetensors_read(const struct el_safetensors *st, const struct el_st_tensor *t, size_t start,
                        void *dst, size_t n, struct el_error *err);

/* NULL when there is none of that name. */
const struct el_st_tensor *el_safetensors_find(const struct el_safetensors *st, const char *name);
/* A value of the metadata map, NULL when absent. */
const char *el_safetensors_metadata(const struct el_safetensors *st, const char *key);

/* The same, but absence or another dtype or shape is EL_EFORMAT naming file, tensor and what was
 * expected. dims -1: any shape. */
int el_safetensors_need(const struct el_safetensors *st, const char *name, enum el_dtype dtype,
                        int dims, const int64_t *shape, const struct el_st_tensor **out,
                        struct el_error *err);

/* Only the shape of a tensor of st. */
int el_safetensors_check(const struct el_safetensors *st, const struct el_st_tensor *t, int dims,
                         const int64_t *shape, struct el_error *err);

struct el_st_meta {
    const char *key, *value;
};

/* Writes a file atomically from tensors in memory (name, dtype, dims, shape and data are read;
 * bytes is derived). */
int el_safetensors_write(const char *path, const struct el_st_tensor *tensors, int n,
                         const struct el_st_meta *meta, int n_meta, struct el_error *err);

/* The same for tensors that are produced piece by piece: begin writes the header (data and bytes of
 * the tensors are not read), then the data of all tensors follow in their order through add, and
 * commit publishes the file, or discard throws it away. commit fails unless exactly the announced
 * number of bytes came. Whatever fails, the old file is untouched; discard is due after a failed
 * add, and harmless after a failed begin or any commit. */
struct el_st_writer {
    struct el_atomic_file file;
    int64_t expected, written;
};
int el_st_writer_begin(struct el_st_writer *w, const char *path, const struct el_st_tensor *tensors,
                       int n, const struct el_st_meta *meta, int n_meta, struct el_error *err);
int el_st_writer_add(struct el_st_writer *w, const void *data, size_t bytes, struct el_error *err);
int el_st_writer_commit(struct el_st_writer *w, struct el_error *err);
void el_st_writer_discard(struct el_st_writer *w);

/* How large a file will be, header included, while its tensors are being chosen: begin, then add in
 * the order in which they will be written. 0, or EL_ENOMEM without a message, which counts nothing.
 * Copies are independent of each other. */
struct el_st_size {
    int64_t header, data; /* header: up to the last tensor's entry */
};
int el_st_size_begin(struct el_st_size *z, const struct el_st_meta *meta, int n_meta);
int el_st_size_add(struct el_st_size *z, const struct el_st_tensor *t);
int64_t el_st_size_total(const struct el_st_size *z);

#endif
