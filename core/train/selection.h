/* Selected sets of the indexer between sampling and training: replayed, and compared with what the
 * weights in training would select. Internal to core/train; used by policy.c. */
#ifndef EL_TRAIN_SELECTION_H
#define EL_TRAIN_SELECTION_H

#include "core/model/acts.h"
#include "core/model/config.h"

#include <stdint.h>

struct el_selection_replay {
    struct el_device *device;
    int layers, topk;
    int32_t *sets; /* device (L, rows of the pass, topk) */
    int32_t *host; /* the same, being filled; also what a layer selected, to compare */
};

/* Makes room for max_rows rows unless that was done. */
int el_selection_prepare(struct el_selection_replay *r, const struct el_config *c,
                         struct el_device *d, int max_rows, struct el_error *err);
void el_selection_release(struct el_selection_replay *r);

/* Puts the sets of positions from..n-1 of a sequence, of which bits (n, L, words) has all, into
 * rows row.. of a pass of `rows`. */
void el_selection_fill(struct el_selection_replay *r, const uint32_t *bits, int words, int from,
                       int n, int row, int rows);
/* What was filled, on the device: (L, rows, topk). */
const int32_t *el_selection_upload(struct el_selection_replay *r, int rows);

/* Rows in which there was a choice (more visible positions than topk), counted once for each layer,
 * and the keys they select. */
struct el_selection_sums {
    int64_t rows, rows_differ, keys, keys_differ;
};
/* Compares what a layer of a pass selected in rows row.., positions from..n-1 of a sequence, with
 * bits as above. el_selection_download comes first, once for each layer. */
void el_selection_download(struct el_selection_replay *r, const struct el_acts *acts, int layer,
                           int rows);
void el_selection_compare(const struct el_selection_replay *r, const uint32_t *bits, int words,
                          int from, int n, int row, int layer, struct el_selection_sums *sums);

#endif
