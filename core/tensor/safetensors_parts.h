/* What the reading of safetensors files shares. Private to core/tensor. */
#ifndef EL_TENSOR_SAFETENSORS_PARTS_H
#define EL_TENSOR_SAFETENSORS_PARTS_H

#include "core/tensor/safetensors.h"

/* Whether a file of n bytes can hold the length of a header, and the header itself. */
int el_st_check_file(const char *name, uint64_t n, struct el_error *err);
int el_st_check_length(const char *name, uint64_t header, uint64_t n, struct el_error *err);

/* The header's n bytes of JSON, for data that lie at `data`, which is not read. */
int el_st_parse(struct el_safetensors *st, const char *name, const char *header, size_t n,
                const char *data, size_t data_bytes, struct el_error *err);

#endif
