/* Inside data/ only: what the importers of the single formats share. */
#ifndef EL_DATA_IMPORT_PARTS_H
#define EL_DATA_IMPORT_PARTS_H

#include "core/base/json.h"
#include "data/import.h"

struct el_import {
    struct el_store *store;
    const struct el_import_options *opts;
    struct el_import_report *report;
    const char *where; /* "FILE line 7" */
};

/* One record into the store. Messages need not name the record: the caller does. */
typedef int el_import_record_fn(struct el_import *im, const cJSON *record, struct el_error *err);

int el_import_deepseek_input(struct el_import *im, const cJSON *record, struct el_error *err);
int el_import_deepseek_output(struct el_import *im, const cJSON *record, struct el_error *err);
int el_import_proofbench(struct el_import *im, const cJSON *record, struct el_error *err);
int el_import_corpus(struct el_import *im, const cJSON *record, struct el_error *err);
int el_import_own(struct el_import *im, const cJSON *record, struct el_error *err);

/* Each adds a row (of the option's set, where one is given) and counts it. */
int el_import_problem(struct el_import *im, const struct el_problem *p, int64_t *id,
                      struct el_error *err);
int el_import_proof_row(struct el_import *im, const struct el_proof *p, int64_t *id,
                        struct el_error *err);
int el_import_analysis_row(struct el_import *im, const struct el_analysis *a, int64_t *id,
                           struct el_error *err);
int el_import_score_row(struct el_import *im, const struct el_score *c, struct el_error *err);
/* The same after mapping raw of scale_max: sets halves and mapping. */
int el_import_mapped_score(struct el_import *im, const struct el_score *c, struct el_error *err);

/* Text fields. A missing, null, blank or "null" optional one leaves *out alone. */
int el_import_text_field(const cJSON *record, const char *key, const char **out,
                         struct el_error *err);
int el_import_optional_text(const cJSON *record, const char *key, const char **out,
                            struct el_error *err);
/* A number, or (from CSV) a string that is one. Missing or null leaves *out alone. */
int el_import_number(const cJSON *record, const char *key, double *out, struct el_error *err);

#endif
