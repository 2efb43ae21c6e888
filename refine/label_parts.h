/* Inside the driver of automatic labelling. Private to refine. */
#ifndef EL_REFINE_LABEL_PARTS_H
#define EL_REFINE_LABEL_PARTS_H

#include "refine/dispatch.h"
#include "refine/label.h"

struct el_labeller {
    struct el_label_options o;
    struct el_labelling state;
    struct el_dispatch dispatch; /* kinds: enum el_label_task_kind */
    int64_t run;
    char rater[96], origin[96]; /* of the labels */
    struct el_buf rule;         /* JSON */
};

/* The task of a flight: {item, sample} of an analysis, {text, sample} of a meta-assessment. */
enum { EL_FLIGHT_SUBJECT = 0, EL_FLIGHT_SAMPLE = 1 };

/* What the dispatcher calls; self is a struct el_labeller. */
int el_labeller_take(void *self, struct el_flight *f);
int el_labeller_ready(void *self, int kind);
int el_labeller_describe(void *self, struct el_flight *f, struct el_buf *prompt,
                         struct el_error *err);
int el_labeller_receive(void *self, struct el_flight *f, const struct el_parsed *p,
                        struct el_job_result *r, struct el_error *err);
int el_labeller_refuse(void *self, struct el_flight *f, struct el_error *err);

/* Stores what was decided since the last call. */
int el_labeller_settle(struct el_labeller *c, struct el_error *err);

#endif
