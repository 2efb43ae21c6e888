#include "core/train/selection.h"

#include "core/base/alloc.h"
#include "core/model/selection.h"

#include <string.h>

int el_selection_prepare(struct el_selection_replay *r, const struct el_config *c,
                         struct el_device *d, int max_rows, struct el_error *err)
{
    if (r->host)
        return 0;
    size_t n = (size_t)max_rows * (size_t)c->num_hidden_layers * (size_t)c->index_topk;
    *r = (struct el_selection_replay){
        .device = d, .layers = c->num_hidden_layers, .topk = c->index_topk};
    r->host = el_alloc_array(n, sizeof *r->host);
    if (r->host)
        r->sets = el_device_alloc(d, n * sizeof *r->sets);
    if (r->sets)
        return 0;
    el_selection_release(r);
    return el_error_set(err, EL_ENOMEM, "out of memory for the selected sets of %d rows", max_rows);
}

void el_selection_release(struct el_selection_replay *r)
{
    if (r->sets)
        el_device_release(r->device, r->sets);
    el_free(r->host);
    memset(r, 0, sizeof *r);
}

void el_selection_fill(struct el_selection_replay *r, const uint32_t *bits, int words, int from,
                       int n, int row, int rows)
{
    for (int64_t i = from; i < n; i++)
        for (int64_t l = 0; l < r->layers; l++)
            el_selection_unpack(bits + (i * r->layers + l) * words, words,
                                r->host + (l * rows + row + i - from) * r->topk, r->topk);
}

const int32_t *el_selection_upload(struct el_selection_replay *r, int rows)
{
    size_t n = (size_t)rows * (size_t)r->layers * (size_t)r->topk;
    r->device->copy_in(r->device, r->sets, r->host, n * sizeof *r->sets);
    return r->sets;
}

void el_selection_download(struct el_selection_replay *r, const struct el_acts *acts, int layer,
                           int rows)
{
    r->device->copy_out(r->device, r->host, acts->layer[layer].selected,
                        (size_t)rows * (size_t)r->topk * sizeof *r->host);
}

void el_selection_compare(const struct el_selection_replay *r, const uint32_t *bits, int words,
                          int from, int n, int row, int layer, struct el_selection_sums *sums)
{
    for (int64_t i = from > r->topk ? from : r->topk; i < n; i++) {
        int keys;
        int missing = el_selection_missing(r->host + (row + i - from) * r->topk, r->topk,
                                           bits + (i * r->layers + layer) * words, words, &keys);
        sums->rows++;
        sums->rows_differ += missing > 0;
        sums->keys += keys;
        sums->keys_differ += missing;
    }
}
