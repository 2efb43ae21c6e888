#include "core/model/pack.h"

#include "core/base/alloc.h"

#include <string.h>

static int host_arrays(struct el_pack *p)
{
    size_t n = (size_t)p->max_rows;
    p->token = el_alloc_array(n, sizeof *p->token);
    p->target = el_alloc_array(n, sizeof *p->target);
    p->seq = el_alloc_array(n, sizeof *p->seq);
    p->pos = el_alloc_array(n, sizeof *p->pos);
    p->weight = el_alloc_array(n, sizeof *p->weight);
    p->start = el_alloc_array((size_t)p->max_sequences, sizeof *p->start);
    return p->token && p->target && p->seq && p->pos && p->weight && p->start;
}

static int device_arrays(struct el_pack *p)
{
    size_t n = (size_t)p->max_rows * sizeof(int32_t);
    p->d_token = el_device_alloc(p->device, n);
    p->d_seq = el_device_alloc(p->device, n);
    p->d_pos = el_device_alloc(p->device, n);
    p->d_start = el_device_alloc(p->device, (size_t)p->max_sequences * sizeof(int32_t));
    return p->d_token && p->d_seq && p->d_pos && p->d_start;
}

int el_pack_init(struct el_pack *p, struct el_device *d, int max_rows, int max_sequences,
                 struct el_error *err)
{
    *p = (struct el_pack){.max_rows = max_rows, .max_sequences = max_sequences, .device = d};
    if (host_arrays(p) && device_arrays(p))
        return 0;
    el_pack_release(p);
    return el_error_set(err, EL_ENOMEM, "out of memory for a batch of %d rows", max_rows);
}

void el_pack_release(struct el_pack *p)
{
    int32_t *device[] = {p->d_token, p->d_seq, p->d_pos, p->d_start};
    for (int i = 0; i < 4; i++)
        if (device[i])
            el_device_release(p->device, device[i]);
    el_free(p->token);
    el_free(p->target);
    el_free(p->seq);
    el_free(p->pos);
    el_free(p->weight);
    el_free(p->start);
    memset(p, 0, sizeof *p);
}

void el_pack_clear(struct el_pack *p)
{
    p->rows = p->sequences = p->max_pos = 0;
}

int el_pack_add(struct el_pack *p, const int32_t *tokens, const float *weight, int n, int vocab,
                struct el_error *err)
{
    if (n < 1 || n > p->max_rows - p->rows || p->sequences == p->max_sequences)
        return el_error_set(err, EL_ELIMIT,
                            "a sequence of %d tokens does not fit: %d rows are left", n,
                            p->max_rows - p->rows);
    for (int i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= vocab)
            return el_error_set(err, EL_EINVAL, "token %d at position %d: expected 0..%d",
                                tokens[i], i, vocab - 1);
    int row = p->rows;
    p->start[p->sequences] = row;
    for (int i = 0; i < n; i++, row++) {
        int scored = i + 1 < n && weight && weight[i + 1] != 0;
        p->token[row] = tokens[i];
        p->target[row] = scored ? tokens[i + 1] : -1;
        p->weight[row] = scored ? weight[i + 1] : 0;
        p->seq[row] = p->sequences;
        p->pos[row] = i;
    }
    p->rows = row;
    p->sequences++;
    if (n - 1 > p->max_pos)
        p->max_pos = n - 1;
    return 0;
}

void el_pack_upload(struct el_pack *p, struct el_pass *pass)
{
    struct el_device *d = p->device;
    size_t n = (size_t)p->rows * sizeof(int32_t);
    d->copy_in(d, p->d_token, p->token, n);
    d->copy_in(d, p->d_seq, p->seq, n);
    d->copy_in(d, p->d_pos, p->pos, n);
    d->copy_in(d, p->d_start, p->start, (size_t)p->sequences * sizeof(int32_t));
    pass->token = p->d_token;
    pass->at = (struct el_rows){.rows = p->rows,
                                .sequences = p->sequences,
                                .seq = p->d_seq,
                                .pos = p->d_pos,
                                .tables = p->d_start,
                                .table_stride = 1,
                                .block_shift = 30,
                                .max_pos = p->max_pos};
}
