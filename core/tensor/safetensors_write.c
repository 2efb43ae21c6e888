#include "core/tensor/safetensors.h"

#include "core/base/json.h"

#include <string.h>

static int64_t data_bytes(const struct el_st_tensor *t)
{
    int64_t bits = el_dtype_bits(t->dtype);
    for (int i = 0; i < t->dims; i++)
        bits *= t->shape[i];
    return bits / 8;
}

static int put_metadata(struct el_buf *b, const struct el_st_meta *meta, int n_meta)
{
    int rc = el_buf_puts(b, "\"__metadata__\":{");
    for (int i = 0; i < n_meta && rc == 0; i++) {
        rc = i ? el_buf_putc(b, ',') : 0;
        if (rc == 0)
            rc = el_json_quote(b, meta[i].key, strlen(meta[i].key));
        if (rc == 0)
            rc = el_buf_putc(b, ':');
        if (rc == 0)
            rc = el_json_quote(b, meta[i].value, strlen(meta[i].value));
    }
    return rc < 0 ? rc : el_buf_putc(b, '}');
}

static int put_entry(struct el_buf *b, const struct el_st_tensor *t, int64_t begin)
{
    int rc = el_json_quote(b, t->name, strlen(t->name));
    if (rc == 0)
        rc = el_buf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", el_dtype_name(t->dtype));
    for (int i = 0; i < t->dims && rc == 0; i++)
        rc = el_buf_printf(b, i ? ",%lld" : "%lld", (long long)t->shape[i]);
    if (rc == 0)
        rc = el_buf_printf(b, "],\"data_offsets\":[%lld,%lld]}", (long long)begin,
                           (long long)(begin + data_bytes(t)));
    return rc;
}

/* The length is patched in at the end; spaces bring the data to a multiple of 8. */
static int make_header(struct el_buf *b, const struct el_st_tensor *tensors, int n,
                       const struct el_st_meta *meta, int n_meta, int64_t *total)
{
    int rc = el_buf_add(b, "\0\0\0\0\0\0\0\0{", 9);
    if (rc == 0 && n_meta)
        rc = put_metadata(b, meta, n_meta);
    *total = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        rc = i || n_meta ? el_buf_putc(b, ',') : 0;
        if (rc == 0)
            rc = put_entry(b, &tensors[i], *total);
        *total += data_bytes(&tensors[i]);
    }
    if (rc == 0)
        rc = el_buf_putc(b, '}');
    while (rc == 0 && b->len % 8)
        rc = el_buf_putc(b, ' ');
    if (rc < 0)
        return rc;
    uint64_t length = b->len - 8;
    memcpy(b->data, &length, sizeof length);
    return 0;
}

enum { length_bytes = 8 }; /* in front of the header */

int el_st_size_begin(struct el_st_size *z, const struct el_st_meta *meta, int n_meta)
{
    struct el_buf b;
    el_buf_init(&b);
    int rc = n_meta ? put_metadata(&b, meta, n_meta) : 0;
    if (rc == 0)
        *z = (struct el_st_size){.header = length_bytes + 1 + (int64_t)b.len};
    el_buf_release(&b);
    return rc;
}

int el_st_size_add(struct el_st_size *z, const struct el_st_tensor *t)
{
    struct el_buf b;
    el_buf_init(&b);
    int rc = put_entry(&b, t, z->data);
    if (rc == 0) {
        z->header += (z->header > length_bytes + 1) + (int64_t)b.len; /* with its comma */
        z->data += data_bytes(t);
    }
    el_buf_release(&b);
    return rc;
}

int64_t el_st_size_total(const struct el_st_size *z)
{
    return (z->header + 1 + 7) / 8 * 8 + z->data;
}

int el_st_writer_begin(struct el_st_writer *w, const char *path, const struct el_st_tensor *tensors,
                       int n, const struct el_st_meta *meta, int n_meta, struct el_error *err)
{
    struct el_buf header;
    *w = (struct el_st_writer){.file.fd = -1};
    el_buf_init(&header);
    int rc = make_header(&header, tensors, n, meta, n_meta, &w->expected);
    if (rc < 0)
        el_error_set(err, rc, "%s: out of memory for the header of %d tensors", path, n);
    else if (header.len - 8 > EL_ST_MAX_HEADER)
        rc = el_error_set(err, EL_ELIMIT, "%s: a header of %d tensors is above %d bytes", path, n,
                          EL_ST_MAX_HEADER);
    if (rc == 0)
        rc = el_atomic_open(&w->file, path, err);
    if (rc == 0) {
        rc = el_atomic_write(&w->file, header.data, header.len, err);
        if (rc < 0)
            el_atomic_discard(&w->file);
    }
    el_buf_release(&header);
    return rc;
}

int el_st_writer_add(struct el_st_writer *w, const void *data, size_t bytes, struct el_error *err)
{
    w->written += (int64_t)bytes;
    return el_atomic_write(&w->file, data, bytes, err);
}

int el_st_writer_commit(struct el_st_writer *w, struct el_error *err)
{
    if (w->written == w->expected)
        return el_atomic_commit(&w->file, err);
    int rc = el_error_set(err, EL_EINVAL, "%s: %lld bytes of tensor data came, announced were %lld",
                          w->file.path, (long long)w->written, (long long)w->expected);
    el_atomic_discard(&w->file);
    return rc;
}

void el_st_writer_discard(struct el_st_writer *w)
{
    el_atomic_discard(&w->file);
}

int el_safetensors_write(const char *path, const struct el_st_tensor *tensors, int n,
                         const struct el_st_meta *meta, int n_meta, struct el_error *err)
{
    struct el_st_writer w;
    int rc = el_st_writer_begin(&w, path, tensors, n, meta, n_meta, err);
    for (int i = 0; i < n && rc == 0; i++) {
        rc = el_st_writer_add(&w, tensors[i].data, (size_t)data_bytes(&tensors[i]), err);
        if (rc < 0)
            el_st_writer_discard(&w);
    }
    return rc < 0 ? rc : el_st_writer_commit(&w, err);
}
