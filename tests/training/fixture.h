/* What the training tests share: a folder of their own, and a recipe for a model so small that a
 * step takes a millisecond. */
#ifndef EL_TESTS_TRAINING_FIXTURE_H
#define EL_TESTS_TRAINING_FIXTURE_H

#include "core/base/buf.h"
#include "training/recipe.h"

#include <cjson/cJSON.h>

#define PROMPTS EL_SOURCE_DIR "/configs/prompts/small"

/* The call is given `&err`, whatever else is called so. */
#define must(call)                                                                                 \
    do {                                                                                           \
        _Pragma("GCC diagnostic push")                                                             \
            _Pragma("GCC diagnostic ignored \"-Wshadow\"") struct el_error err = {0};              \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.msg);                                                    \
        _Pragma("GCC diagnostic pop")                                                              \
    } while (0)

/* A fresh folder, removed with everything in it by leave. For cmocka. */
int enter_folder(void **state);
int leave_folder(void **state);

/* The path of a name in the folder; valid until 64 calls later. */
const char *at(const char *name);
void write_text(const char *path, const char *text);
/* The whole file, to be released. Fails the test when it cannot be read. */
struct el_buf read_text(const char *path);
int same_file(const char *a, const char *b);

/* The recipe as JSON, to be changed and freed. */
cJSON *tiny_recipe(void);
/* Puts a value, given as JSON text, at a dotted place ("stages.0.lr"); NULL removes it. */
void set_at(cJSON *tree, const char *place, const char *json);
void write_json(const char *path, const cJSON *tree);
/* Writes the tiny recipe with places and values changed (pairs, ended by NULL) to the folder. */
const char *write_recipe(const char *name, ...);

#endif
