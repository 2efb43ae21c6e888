/* Checkpoints for the tests: a temporary folder, and the tensors of a model as a list that a test
 * may spoil before it is written. */
#ifndef EL_TESTS_MODEL_CHECKPOINT_H
#define EL_TESTS_MODEL_CHECKPOINT_H

#include "core/model/weights.h"
#include "core/tensor/safetensors.h"

/* The folder of this program; it is made before all tests and removed after them, which fails when
 * a test leaves a file there besides config.json and model.safetensors. */
extern char folder[];
int checkpoint_make_folder(void **state);
int checkpoint_remove_folder(void **state);
const char *path_in(const char *name); /* valid until the next call */

/* A failure ends the test. */
struct el_weights *create(const struct el_config *c, uint64_t seed);
struct el_weights *load(int *skipped);
void save(const struct el_weights *w);
/* The checkpoint in the folder must be refused with this code and message. */
void expect_refusal(int code, const char *says);

const float *values(const struct el_weights *w, const char *name, int64_t *n);

struct list {
    struct el_weights *w;
    struct el_st_tensor *t; /* n of them, with room for 4 more; data point into w */
    int n;
};
struct list list_of(const struct el_config *c);
void list_free(struct list *l);
/* Tensors from..to into a file, and config.json. */
void list_write(const struct list *l, const char *file, int from, int to);
struct el_st_tensor *list_find(struct list *l, const char *name);
/* A vector of two values. */
void list_add(struct list *l, const char *name);
/* An index that has the first `cut` tensors in one file and the others in another. */
void list_write_index(const struct list *l, int cut, const char *first, const char *second);

#endif
