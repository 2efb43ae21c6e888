#include "core/run/token_file.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "core/tensor/safetensors.h"

#include <limits.h>
#include <string.h>

static int make_room(const char *path, int64_t batch, int64_t length, struct el_token_batch *out,
                     struct el_error *err)
{
    if (batch < 1 || length < 1 || batch > INT_MAX || length > INT_MAX || batch > INT_MAX / length)
        return el_error_set(err, EL_EFORMAT,
                            "%s: tokens of shape [%lld,%lld]: expected [B,T] with at least one "
                            "token",
                            path, (long long)batch, (long long)length);
    out->batch = (int)batch;
    out->length = (int)length;
    out->tokens = el_alloc_array((size_t)batch * (size_t)length, sizeof *out->tokens);
    if (!out->tokens)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory for %lld tokens", path,
                            (long long)(batch * length));
    return 0;
}

static int set_token(const char *path, struct el_token_batch *out, int row, int at, double id,
                     int vocab, struct el_error *err)
{
    if (!(id >= 0 && id < vocab) || id != (double)(int32_t)id)
        return el_error_set(err, EL_EFORMAT,
                            "%s: row %d position %d is %.15g: expected a token id, 0 to %d", path,
                            row, at, id, vocab - 1);
    out->tokens[(int64_t)row * out->length + at] = (int32_t)id;
    return 0;
}

static int read_row(const char *path, const cJSON *row, int number, int vocab,
                    struct el_token_batch *out, struct el_error *err)
{
    int at = 0;
    if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) != out->length)
        return el_error_set(err, EL_EFORMAT,
                            "%s: row %d: expected an array of %d tokens like row 0", path, number,
                            out->length);
    for (const cJSON *v = row->child; v; v = v->next, at++) {
        if (!cJSON_IsNumber(v))
            return el_error_set(err, EL_EFORMAT, "%s: row %d position %d: expected a token id",
                                path, number, at);
        int rc = set_token(path, out, number, at, v->valuedouble, vocab, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int from_json(const char *path, const struct el_buf *text, int vocab,
                     struct el_token_batch *out, struct el_error *err)
{
    cJSON *json = NULL;
    int rc = el_json_parse(path, text->data, text->len, &json, err), number = 0;
    if (rc < 0)
        return rc;
    if (!json->child || !cJSON_IsArray(json->child))
        rc = el_error_set(err, EL_EFORMAT, "%s: expected an array of arrays of token ids", path);
    else
        rc = make_room(path, cJSON_GetArraySize(json), cJSON_GetArraySize(json->child), out, err);
    for (const cJSON *row = rc < 0 ? NULL : json->child; row && rc == 0; row = row->next)
        rc = read_row(path, row, number++, vocab, out, err);
    cJSON_Delete(json);
    return rc;
}

static int from_tensor(const char *path, const struct el_st_tensor *t, int vocab,
                       struct el_token_batch *out, struct el_error *err)
{
    size_t size = el_dtype_size(t->dtype);
    int rc = 0;
    if (t->dims != 2 || (t->dtype != EL_I32 && t->dtype != EL_I64))
        return el_error_set(err, EL_EFORMAT,
                            "%s: tensor 'tokens' is %s of %d dimensions: expected I32 or I64 [B,T]",
                            path, el_dtype_name(t->dtype), t->dims);
    rc = make_room(path, t->shape[0], t->shape[1], out, err);
    for (int i = 0; rc == 0 && i < out->batch * out->length; i++) {
        int64_t id = 0;
        int32_t narrow;
        const char *at = (const char *)t->data + (size_t)i * size;
        if (t->dtype == EL_I64) {
            memcpy(&id, at, sizeof id);
        } else {
            memcpy(&narrow, at, sizeof narrow);
            id = narrow;
        }
        rc = set_token(path, out, i / out->length, i % out->length, (double)id, vocab, err);
    }
    return rc;
}

static int from_safetensors(const char *path, const struct el_buf *bytes, int vocab,
                            struct el_token_batch *out, struct el_error *err)
{
    struct el_safetensors st;
    int rc = el_safetensors_parse(&st, path, bytes->data, bytes->len, err);
    if (rc < 0)
        return rc;
    const struct el_st_tensor *t = el_safetensors_find(&st, "tokens");
    if (t)
        rc = from_tensor(path, t, vocab, out, err);
    else
        rc = el_error_set(err, EL_EFORMAT, "%s: expected a tensor 'tokens'", path);
    el_safetensors_release(&st);
    return rc;
}

/* What a safetensors file begins with: a length and an object. */
static int looks_like_safetensors(const struct el_buf *b)
{
    return b->len > 8 && b->data[8] == '{';
}

static int from_bytes(const char *path, const struct el_buf *b, int vocab,
                      struct el_token_batch *out, struct el_error *err)
{
    size_t i = 0;
    while (i < b->len && memchr(" \t\r\n", b->data[i], 4))
        i++;
    if (i < b->len && b->data[i] == '[')
        return from_json(path, b, vocab, out, err);
    if (looks_like_safetensors(b))
        return from_safetensors(path, b, vocab, out, err);
    return el_error_set(err, EL_EFORMAT,
                        "%s: %s; expected token ids: a JSON array of arrays as in [[1, 2, 3]], or "
                        "safetensors with a tensor 'tokens'",
                        path, i < b->len ? "neither a JSON array nor safetensors" : "empty");
}

int el_token_file_load(const char *path, int vocab, struct el_token_batch *out,
                       struct el_error *err)
{
    struct el_buf bytes;
    *out = (struct el_token_batch){0};
    el_buf_init(&bytes);
    int rc = el_file_read(path, (size_t)1 << 30, &bytes, err);
    if (rc == 0)
        rc = from_bytes(path, &bytes, vocab, out, err);
    el_buf_release(&bytes);
    if (rc < 0)
        el_token_batch_release(out);
    return rc;
}

void el_token_batch_release(struct el_token_batch *b)
{
    el_free(b->tokens);
    *b = (struct el_token_batch){0};
}
