/* Writing JSON piece by piece: commas are put where they belong. A failed write (EL_ENOMEM) is
 * remembered, so that only the end has to be checked. */
#ifndef EL_REFINE_JSON_OUT_H
#define EL_REFINE_JSON_OUT_H

#include "core/base/buf.h"
#include "refine/report.h"

struct el_json_out {
    struct el_buf *buf;
    int first;  /* nothing stands yet in the innermost object or array */
    int failed; /* 0 or EL_ENOMEM */
};

/* key NULL: an element of an array. */
void el_json_open(struct el_json_out *j, const char *key, char bracket);
void el_json_close(struct el_json_out *j, char bracket);
void el_json_text(struct el_json_out *j, const char *key, const char *value);
void el_json_number(struct el_json_out *j, const char *key, double value); /* NaN: null */
void el_json_truth(struct el_json_out *j, const char *key, int value);     /* true, false */
void el_json_count(struct el_json_out *j, const char *key, int64_t value);
void el_json_figure(struct el_json_out *j, const char *key, const struct el_figure *f);

#endif
