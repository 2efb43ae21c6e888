/* The numeric keys of config.json, once: reading, checking and printing walk the same table.
 * Internal to config*.c. */
#ifndef EL_MODEL_CONFIG_KEYS_H
#define EL_MODEL_CONFIG_KEYS_H

#include <stddef.h>

enum { EL_CONFIG_MAX_SIZE = 1 << 20 };

enum el_config_kind { EL_KEY_INT, EL_KEY_REAL, EL_KEY_BOOL };

enum el_config_need {
    EL_KEY_OPTIONAL,
    EL_KEY_REQUIRED,
    EL_KEY_MOE, /* required, and checked against its minimum, only where MoE layers exist */
};

struct el_config_key {
    const char *key;
    size_t field; /* offset in struct el_config of an int (INT, BOOL) or a double (REAL) */
    enum el_config_kind kind;
    enum el_config_need need;
    double min, max;
};

/* Ends with a row whose key is NULL. */
extern const struct el_config_key el_config_keys[];

#endif
