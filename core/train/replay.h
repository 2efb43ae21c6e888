/* What a pass over sampled completions replays: room for the routes and kept sets of the packed
 * sequences; and how far the routes of a pass that replays none are from those of sampling.
 * Internal to core/train; filled by policy.c. */
#ifndef EL_TRAIN_REPLAY_H
#define EL_TRAIN_REPLAY_H

#include "core/model/acts.h"
#include "core/model/config.h"
#include "core/tensor/device.h"

#include <stddef.h>
#include <stdint.h>

struct el_replay {
    struct el_device *device;
    int layers, per_token; /* MoE layers, experts per token */
    int32_t *routing;      /* device (MoE layers, rows of the pass, k) */
    int32_t *host_routing; /* the same, being filled; also what a layer chose, to compare */
    int32_t *kept_start;   /* host (targets+1) */
    int32_t *kept;         /* host, grown as needed */
    size_t kept_room;
    float *entropy; /* host (targets) */
};

/* Makes room for max_rows rows unless that was done. */
int el_replay_prepare(struct el_replay *r, const struct el_config *c, struct el_device *d,
                      int max_rows, struct el_error *err);
void el_replay_release(struct el_replay *r);

/* Rows, counted once for each MoE layer, and the experts they go to. */
struct el_routing_sums {
    int64_t rows, rows_differ, experts, experts_differ;
};
/* Compares what MoE layer number `layer` of a pass chose in rows row.., positions from..n-1 of a
 * sequence, with routed (n, MoE layers, k): as sets. el_replay_download comes first, once for each
 * layer, with the layer's activations. */
void el_replay_download(struct el_replay *r, const struct el_layer_acts *acts, int rows);
void el_replay_compare(const struct el_replay *r, const int32_t *routed, int from, int n, int row,
                       int layer, struct el_routing_sums *sums);

/* Appends n ids to the kept sets and closes set number `target`. */
int el_replay_keep(struct el_replay *r, int target, const int32_t *ids, int32_t n,
                   struct el_error *err);

#endif
