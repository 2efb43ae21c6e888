/* What a pass over sampled completions replays: room for the routes and kept sets of the packed
 * sequences. Internal to core/train; filled by policy.c. */
#ifndef EL_TRAIN_REPLAY_H
#define EL_TRAIN_REPLAY_H

#include "core/model/config.h"
#include "core/tensor/device.h"

#include <stddef.h>
#include <stdint.h>

struct el_replay {
    struct el_device *device;
    int layers, per_token; /* MoE layers, experts per token */
    int32_t *routing;      /* device (MoE layers, rows of the pass, k) */
    int32_t *host_routing; /* the same, being filled */
    int32_t *kept_start;   /* host (targets+1) */
    int32_t *kept;         /* host, grown as needed */
    size_t kept_room;
    float *entropy; /* host (targets) */
};

/* Makes room for max_rows rows unless that was done. */
int el_replay_prepare(struct el_replay *r, const struct el_config *c, struct el_device *d,
                      int max_rows, struct el_error *err);
void el_replay_release(struct el_replay *r);

/* Appends n ids to the kept sets and closes set number `target`. */
int el_replay_keep(struct el_replay *r, int target, const int32_t *ids, int32_t n,
                   struct el_error *err);

#endif
