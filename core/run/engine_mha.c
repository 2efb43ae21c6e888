/* Where masked MHA stops to pay: the attention block of the first layer itself, timed over the last
 * piece of a prompt, with keys in the cache as in serving. */
#include "core/run/engine_internal.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/run/mha_limit.h"

#include <math.h>

enum {
    LONGEST = 16384, /* tokens of a prompt that are tried at most */
    FEWEST = 2,      /* timed runs of a form at one length */
    MOST = 5,
};
static const double long_enough = 0.1; /* seconds of timed runs: FEWEST will do */

/* Rows n-rows..n-1 of one sequence whose position j lies in cache row j. */
static struct el_pass last_rows(struct el_engine *e, int n)
{
    int rows = n < e->o.max_rows ? n : e->o.max_rows, size = e->pool.block_size;
    struct el_pass_arrays host = el_pass_arrays_at(e, e->host), dev = el_pass_arrays_at(e, e->dev);
    struct el_device *d = e->w->device;
    for (int i = 0; i < rows; i++) {
        host.seq[i] = 0;
        host.pos[i] = host.slot[i] = n - rows + i;
    }
    for (int b = 0; b < e->table_stride; b++)
        host.tables[b] = b * size;
    size_t bytes = (size_t)rows * sizeof *host.pos;
    d->copy_in(d, dev.seq, host.seq, bytes);
    d->copy_in(d, dev.pos, host.pos, bytes);
    d->copy_in(d, dev.slot, host.slot, bytes);
    d->copy_in(d, dev.tables, host.tables, (size_t)e->table_stride * sizeof *host.tables);
    return (struct el_pass){.w = e->w,
                            .packed = &e->packed,
                            .s = e->s,
                            .mode = e->o.attention,
                            .fp8 = e->o.fp8,
                            .slot = dev.slot,
                            .cache = e->cache,
                            .at = {.rows = rows,
                                   .sequences = 1,
                                   .seq = dev.seq,
                                   .pos = dev.pos,
                                   .tables = dev.tables,
                                   .table_stride = e->table_stride,
                                   .block_shift = e->pool.block_shift,
                                   .max_pos = n - 1}};
}

static double seconds_of(struct el_engine *e, const struct el_pass *p)
{
    double start = el_clock_seconds();
    el_attention_forward(p, &e->acts, 0);
    return el_clock_seconds() - start;
}

/* Both forms in turns, so that what slows the machine for a while slows both; the fastest run of
 * each counts. */
static int pays(void *user, int n)
{
    struct el_engine *e = user;
    struct el_pass absorbed = last_rows(e, n), masked = absorbed;
    masked.mha = (struct el_mha_part){absorbed.at.rows, n - 1};
    seconds_of(e, &absorbed); /* warm up: workspaces grow */
    seconds_of(e, &masked);
    double best[2] = {INFINITY, INFINITY}, spent = 0;
    for (int i = 0; i < FEWEST || (i < MOST && spent < long_enough); i++) {
        double a = seconds_of(e, &absorbed), m = seconds_of(e, &masked);
        best[0] = fmin(best[0], a);
        best[1] = fmin(best[1], m);
        spent += a + m;
    }
    return best[1] < best[0];
}

/* Noise in the residual stream, zeros in the cache. */
static int prepare(struct el_engine *e)
{
    const struct el_config *c = &e->w->config;
    size_t n = (size_t)e->o.max_rows * (size_t)c->hidden_size;
    struct el_device *d = e->w->device;
    float *x = el_alloc_array(n, sizeof *x);
    if (!x)
        return EL_ENOMEM;
    struct el_rng r;
    el_rng_init(&r, 1);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)el_rng_normal(&r);
    d->copy_in(d, e->acts.layer[0].x, x, n * sizeof *x);
    el_free(x);
    el_packed_fill(&e->packed, e->s);
    return 0;
}

int el_engine_measure_mha(struct el_engine *e, struct el_error *err)
{
    int longest = e->o.context < LONGEST ? e->o.context : LONGEST;
    if (prepare(e) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for measuring attention");
    e->o.mha_limit = el_mha_limit_find(pays, e, longest);
    int rc = el_stream_check(e->s, err);
    e->packed_is_current = rc == 0;
    return rc;
}
