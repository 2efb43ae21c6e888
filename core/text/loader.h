/* Reading the parts of a tokenizer.json. Private to core/text. Each function fills its part of t,
 * which starts zeroed; after a failure el_tokenizer_free takes back what is there. Messages name
 * the field but not the file. */
#ifndef EL_TEXT_LOADER_H
#define EL_TEXT_LOADER_H

#include "core/base/json.h"
#include "core/text/tokenizer_parts.h"

/* "model": vocabulary and merges. Makes room in t->vocab for the added tokens as well. */
int el_load_model(struct el_tokenizer *t, const cJSON *root, struct el_error *err);
/* "normalizer". */
int el_load_normalizer(struct el_tokenizer *t, const cJSON *root, struct el_error *err);
/* "added_tokens"; after el_load_model and el_load_normalizer. */
int el_load_added(struct el_tokenizer *t, const cJSON *root, struct el_error *err);
/* "pre_tokenizer". */
int el_load_pretokenizer(struct el_tokenizer *t, const cJSON *root, struct el_error *err);

/* The id of a token in field->valuedouble, 0 to limit - 1. `where` and `token` name it. */
int el_load_id(const cJSON *field, const char *where, const char *token, int limit,
               struct el_error *err);

#endif
