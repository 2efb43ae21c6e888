/* quantization_config of config.json. Internal to config*.c. */
#ifndef EL_MODEL_CONFIG_QUANTIZATION_H
#define EL_MODEL_CONFIG_QUANTIZATION_H

#include "core/base/json.h"
#include "core/model/config.h"

/* Fills c->fp8 and c->fp8_format from `o`, a model configuration; no quantization_config (or null)
 * is no FP8. Another method than block-scaled e4m3 is EL_EREFUSED. */
int el_config_read_quantization(const cJSON *o, const char *name, struct el_config *c,
                                struct el_error *err);

#endif
