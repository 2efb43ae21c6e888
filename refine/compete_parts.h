/* Inside the driver of a competition. Private to refine. */
#ifndef EL_REFINE_COMPETE_PARTS_H
#define EL_REFINE_COMPETE_PARTS_H

#include "refine/compete.h"
#include "refine/competition.h"
#include "refine/dispatch.h"

struct el_compete {
    struct el_compete_options o;
    struct el_competition state;
    struct el_dispatch dispatch; /* kinds: enum el_task_kind */
    int64_t run;
};

/* The task of a flight: {thread} of an attempt, {text, sample} of an analysis. */
enum { EL_FLIGHT_THREAD = 0, EL_FLIGHT_TEXT = 0, EL_FLIGHT_SAMPLE = 1 };

/* What the dispatcher calls; self is a struct el_compete. */
int el_compete_take(void *self, struct el_flight *f);
int el_compete_ready(void *self, int kind);
int el_compete_describe(void *self, struct el_flight *f, struct el_buf *prompt,
                        struct el_error *err);
int el_compete_receive(void *self, struct el_flight *f, const struct el_parsed *p,
                       struct el_job_result *r, struct el_error *err);
int el_compete_refuse(void *self, struct el_flight *f, struct el_error *err);
void el_compete_show(void *self);

#endif
