/* Inside the dispatcher. Private to refine. */
#ifndef EL_REFINE_DISPATCH_PARTS_H
#define EL_REFINE_DISPATCH_PARTS_H

#include "refine/dispatch.h"

/* Makes sure that the job has a row. */
int el_dispatch_row(struct el_dispatch *d, struct el_flight *f, struct el_error *err);
/* Parses a reply and gives it to the owner; returns what the owner's receive returns. */
int el_dispatch_receive(struct el_dispatch *d, struct el_flight *f,
                        const struct el_completion *reply, struct el_error *err);

#endif
