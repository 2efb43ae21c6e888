#include "core/train/replay.h"

#include "core/base/alloc.h"

#include <stdint.h>
#include <string.h>

static int moe_layers(const struct el_config *c)
{
    int n = 0;
    for (int l = 0; l < c->num_hidden_layers; l++)
        n += el_config_layer_is_moe(c, l);
    return n;
}

int el_replay_prepare(struct el_replay *r, const struct el_config *c, struct el_device *d,
                      int max_rows, struct el_error *err)
{
    if (r->kept_start)
        return 0;
    size_t rows = (size_t)max_rows;
    *r = (struct el_replay){
        .device = d, .layers = moe_layers(c), .per_token = c->num_experts_per_tok};
    size_t routes = rows * (size_t)r->layers * (size_t)r->per_token;
    r->entropy = el_alloc_array(rows, sizeof *r->entropy);
    if (routes) {
        r->host_routing = el_alloc_array(routes, sizeof *r->host_routing);
        r->routing = el_device_alloc(d, routes * sizeof *r->routing);
    }
    if (r->entropy && (!routes || (r->host_routing && r->routing)))
        r->kept_start = el_alloc_array(rows + 1, sizeof *r->kept_start);
    if (r->kept_start)
        return 0;
    el_replay_release(r);
    return el_error_set(err, EL_ENOMEM, "out of memory for replaying %d rows", max_rows);
}

void el_replay_release(struct el_replay *r)
{
    if (r->routing)
        el_device_release(r->device, r->routing);
    el_free(r->host_routing);
    el_free(r->kept_start);
    el_free(r->kept);
    el_free(r->entropy);
    memset(r, 0, sizeof *r);
}

void el_replay_download(struct el_replay *r, const struct el_layer_acts *acts, int rows)
{
    r->device->copy_out(r->device, r->host_routing, acts->chosen,
                        (size_t)rows * (size_t)r->per_token * sizeof *r->host_routing);
}

/* How many of the k experts of a are not in b. */
static int missing(const int32_t *a, const int32_t *b, int k)
{
    int n = 0;
    for (int i = 0; i < k; i++) {
        int j = 0;
        while (j < k && b[j] != a[i])
            j++;
        n += j == k;
    }
    return n;
}

void el_replay_compare(const struct el_replay *r, const int32_t *routed, int from, int n, int row,
                       int layer, struct el_routing_sums *sums)
{
    int k = r->per_token;
    for (int64_t i = from; i < n; i++) {
        int differ = missing(routed + (i * r->layers + layer) * k,
                             r->host_routing + (row + i - from) * k, k);
        sums->rows++;
        sums->rows_differ += differ > 0;
        sums->experts += k;
        sums->experts_differ += differ;
    }
}

int el_replay_keep(struct el_replay *r, int target, const int32_t *ids, int32_t n,
                   struct el_error *err)
{
    size_t used = (size_t)r->kept_start[target];
    if (used + (size_t)n > INT32_MAX) /* places are 32 bits */
        return el_error_set(err, EL_ELIMIT,
                            "the kept sampling sets of one pass have more than %d tokens; expected "
                            "fewer rows in a pass, or a smaller top-p",
                            INT32_MAX);
    if (used + (size_t)n > r->kept_room) {
        size_t room = 2 * (used + (size_t)n);
        int32_t *more = el_realloc(r->kept, room * sizeof *more);
        if (!more)
            return el_error_set(err, EL_ENOMEM, "out of memory for kept sampling sets");
        r->kept = more;
        r->kept_room = room;
    }
    memcpy(r->kept + used, ids, (size_t)n * sizeof *ids);
    r->kept_start[target + 1] = (int32_t)used + n;
    return 0;
}
