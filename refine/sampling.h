/* Sampling parameters and seeds in settings: checked, read from JSON and written to it. */
#ifndef EL_REFINE_SAMPLING_H
#define EL_REFINE_SAMPLING_H

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/run/completion.h"

/* EL_EINVAL naming the field ("verifier.top_p") and its range. */
int el_role_sampling_check(const char *role, const struct el_sampling *s, struct el_error *err);
/* Takes over the fields of the object json[key]: {temperature, top_p, top_k, max_tokens}. Absent
 * ones keep their value, unknown ones are EL_EFORMAT. */
int el_role_sampling_read(struct el_sampling *s, const cJSON *json, const char *key,
                          struct el_error *err);
/* Appends "key":{...} and a comma, with numbers that read back exactly. */
int el_role_sampling_put(struct el_buf *out, const char *key, const struct el_sampling *s);

/* json["seed"], when it is there. All 64 bits are used, which a JSON number cannot hold: a string
 * of digits is read as well. */
int el_seed_read(const cJSON *json, const char *where, uint64_t *seed, struct el_error *err);

/* The name of a run: printable ASCII without blanks and quotes, as it stands in messages and JSON.
 */
int el_run_name_check(const char *name, struct el_error *err);
/* Copies json["name"], when it is there, into name (size bytes). */
int el_run_name_read(const cJSON *json, const char *where, char *name, size_t size,
                     struct el_error *err);

#endif
