#include "core/model/pack.h"

#include "core/base/alloc.h"

#include <string.h>

static int host_arrays(struct el_pack *p)
{
    size_t n = (size_t)p->max_rows, s = (size_t)p->max_sequences;
    p->token = el_alloc_array(n, sizeof *p->token);
    p->target = el_alloc_array(n, sizeof *p->target);
    p->seq = el_alloc_array(n, sizeof *p->seq);
    p->pos = el_alloc_array(n, sizeof *p->pos);
    p->weight = el_alloc_array(n, sizeof *p->weight);
    p->times = el_alloc_array(n, sizeof *p->times);
    p->start = el_alloc_array(s, sizeof *p->start);
    p->shared = el_alloc_array(s, sizeof *p->shared);
    p->family = el_alloc_array(s, sizeof *p->family);
    return p->token && p->target && p->seq && p->pos && p->weight && p->times && p->start &&
           p->shared && p->family;
}

static int device_arrays(struct el_pack *p)
{
    size_t n = (size_t)p->max_rows * sizeof(int32_t);
    size_t s = (size_t)p->max_sequences * sizeof(int32_t);
    p->d_token = el_device_alloc(p->device, n);
    p->d_seq = el_device_alloc(p->device, n);
    p->d_pos = el_device_alloc(p->device, n);
    p->d_start = el_device_alloc(p->device, s);
    p->d_shared = el_device_alloc(p->device, s);
    p->d_times = el_device_alloc(p->device, (size_t)p->max_rows * sizeof(float));
    return p->d_token && p->d_seq && p->d_pos && p->d_start && p->d_shared && p->d_times;
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
    void *device[] = {p->d_token,  p->d_seq,    p->d_pos,  p->d_start,
                      p->d_shared, p->d_tables, p->d_times};
    void *host[] = {p->token, p->target, p->seq,    p->pos,    p->weight,
                    p->times, p->start,  p->shared, p->family, p->tables};
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        if (device[i])
            el_device_release(p->device, device[i]);
    for (size_t i = 0; i < sizeof host / sizeof *host; i++)
        el_free(host[i]);
    memset(p, 0, sizeof *p);
}

void el_pack_clear(struct el_pack *p)
{
    p->rows = p->sequences = p->families = p->max_pos = 0;
}

/* ---- Sharing ---- */

static int shares(const struct el_pack *p)
{
    return p->families < p->sequences;
}

/* The last family's first sequence begins with these tokens. */
static int begins_with(const struct el_pack *p, const int32_t *tokens, int shared)
{
    if (p->families == 0)
        return 0;
    int first = p->family[p->families - 1], row = p->start[first];
    int end = first + 1 < p->sequences ? p->start[first + 1] : p->rows;
    return shared <= end - row &&
           memcmp(p->token + row, tokens, (size_t)shared * sizeof *tokens) == 0;
}

/* Room for the tables that one more sequence, of n tokens, would need. */
static int make_room(struct el_pack *p, int n, struct el_error *err)
{
    size_t longest = (size_t)(n - 1 > p->max_pos ? n - 1 : p->max_pos) + 1;
    size_t entries = ((size_t)p->sequences + 1) * longest;
    if (entries <= p->tables_room)
        return 0;
    int32_t *host = el_realloc(p->tables, 2 * entries * sizeof *host);
    p->tables = host ? host : p->tables;
    int32_t *device = host ? el_device_alloc(p->device, 2 * entries * sizeof *device) : NULL;
    if (!device)
        return el_error_set(err, EL_ENOMEM, "out of memory for the rows that %d sequences share",
                            p->sequences + 1);
    if (p->d_tables)
        el_device_release(p->device, p->d_tables);
    p->d_tables = device;
    p->tables_room = 2 * entries;
    return 0;
}

/* The row of every position: those that are shared lie in the family's first sequence. */
static void fill_tables(struct el_pack *p)
{
    int stride = p->max_pos + 1;
    for (int f = 0; f < p->families; f++) {
        int first = p->family[f], end = f + 1 < p->families ? p->family[f + 1] : p->sequences;
        for (int s = first; s < end; s++)
            for (int j = 0; j < stride; j++)
                p->tables[(int64_t)s * stride + j] =
                    j < p->shared[s] ? p->start[first] + j : p->start[s] + j - p->shared[s];
    }
}

/* ---- Filling ---- */

static int check(const struct el_pack *p, int shared, const int32_t *tokens, int n, int vocab,
                 struct el_error *err)
{
    if (n < 1 || n - shared > p->max_rows - p->rows || p->sequences == p->max_sequences)
        return el_error_set(err, EL_ELIMIT,
                            "a sequence of %d tokens does not fit: %d rows are left", n,
                            p->max_rows - p->rows);
    for (int i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= vocab)
            return el_error_set(err, EL_EINVAL, "token %d at position %d: expected 0..%d",
                                tokens[i], i, vocab - 1);
    if (shared < 0 || shared >= n || (shared > 0 && !begins_with(p, tokens, shared)))
        return el_error_set(err, EL_EINVAL,
                            "%d shared tokens of %d: expected fewer, and those that the last "
                            "whole sequence begins with",
                            shared, n);
    return 0;
}

/* Tokens from..n-1 as rows of sequence number p->sequences. */
static void append(struct el_pack *p, const int32_t *tokens, const float *weight, int from, int n)
{
    int row = p->rows;
    p->start[p->sequences] = row;
    p->shared[p->sequences] = from;
    for (int i = from; i < n; i++, row++) {
        int scored = i + 1 < n && weight && weight[i + 1] != 0;
        p->token[row] = tokens[i];
        p->target[row] = scored ? tokens[i + 1] : -1;
        p->weight[row] = scored ? weight[i + 1] : 0;
        p->times[row] = 1;
        p->seq[row] = p->sequences;
        p->pos[row] = i;
    }
    p->rows = row;
    p->sequences++;
    if (n - 1 > p->max_pos)
        p->max_pos = n - 1;
}

int el_pack_branch(struct el_pack *p, int shared, const int32_t *tokens, const float *weight, int n,
                   int vocab, struct el_error *err)
{
    int rc = check(p, shared, tokens, n, vocab, err);
    if (rc == 0 && (shared > 0 || shares(p)))
        rc = make_room(p, n, err);
    if (rc < 0)
        return rc;
    if (shared == 0)
        p->family[p->families++] = p->sequences;
    int root = p->start[p->family[p->families - 1]];
    append(p, tokens, weight, shared, n);
    for (int i = 0; i < shared; i++)
        p->times[root + i]++;
    return 0;
}

int el_pack_add(struct el_pack *p, const int32_t *tokens, const float *weight, int n, int vocab,
                struct el_error *err)
{
    return el_pack_branch(p, 0, tokens, weight, n, vocab, err);
}

/* ---- To the device ---- */

static void upload_shared(struct el_pack *p, struct el_pass *pass)
{
    struct el_device *d = p->device;
    size_t entries = (size_t)p->sequences * ((size_t)p->max_pos + 1);
    fill_tables(p);
    d->copy_in(d, p->d_tables, p->tables, entries * sizeof(int32_t));
    d->copy_in(d, p->d_shared, p->shared, (size_t)p->sequences * sizeof(int32_t));
    d->copy_in(d, p->d_times, p->times, (size_t)p->rows * sizeof(float));
    pass->times = p->d_times;
    pass->at.tables = p->d_tables;
    pass->at.table_stride = p->max_pos + 1;
    pass->at.block_shift = 0;
    pass->at.shared = p->d_shared;
    for (int s = 0; s < p->sequences; s++)
        pass->at.shared_keys += p->shared[s];
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
    pass->times = NULL;
    pass->at = (struct el_rows){.rows = p->rows,
                                .sequences = p->sequences,
                                .seq = p->d_seq,
                                .pos = p->d_pos,
                                .tables = p->d_start,
                                .table_stride = 1,
                                .block_shift = 30,
                                .max_pos = p->max_pos};
    if (shares(p))
        upload_shared(p, pass);
}
