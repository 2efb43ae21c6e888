/* From a rating on any scale to 0, 0.5 or 1. No such mapping is published, so it is a file that can
 * be read and replaced (configs/mappings), and its name is stored with every score it made.
 *
 *     { "name": "proofbench-7", "note": "why", "unit": "points", "scale_max": 7,
 *       "steps": [ {"at_least": 7, "score": 1}, {"at_least": 6, "score": 0.5},
 *                  {"at_least": 0, "score": 0} ] }
 *
 * unit "points" compares the rating itself and refuses other scales than scale_max; unit "share"
 * compares rating / maximum and fits every scale. Steps go down and end at 0, so that every rating
 * has a score. */
#ifndef EL_DATA_MAPPING_H
#define EL_DATA_MAPPING_H

#include "core/base/error.h"

#include <stddef.h>

enum { el_mapping_steps_max = 16, el_mapping_name_max = 64 };

struct el_mapping {
    char name[el_mapping_name_max];
    int by_share;
    double scale_max; /* of unit "points", otherwise 0 */
    int n_steps;
    struct {
        double at_least;
        int halves;
    } steps[el_mapping_steps_max];
};

int el_mapping_load(const char *path, struct el_mapping *out, struct el_error *err);
/* `name` opens the messages. */
int el_mapping_parse(const char *name, const char *text, size_t n, struct el_mapping *out,
                     struct el_error *err);

/* The shipped mapping for a scale: proofbench-7 for 7, correct-incorrect for 1, share-of-full for
 * every other. */
int el_mapping_default(double scale_max, struct el_mapping *out, struct el_error *err);

/* *halves of a rating. EL_EINVAL when the rating is not within 0..scale_max, or the mapping is for
 * another scale. */
int el_mapping_apply(const struct el_mapping *m, double raw, double scale_max, int *halves,
                     struct el_error *err);

#endif
