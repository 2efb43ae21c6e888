#include "core/text/tokenizer.h"

#include "core/base/alloc.h"
#include "core/text/tokenizer_parts.h"
#include "core/base/utf8.h"

#include <limits.h>
#include <string.h>

int el_tokenizer_vocab_size(const struct el_tokenizer *t)
{
    return t->vocab.size;
}

int el_tokenizer_is_special(const struct el_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->vocab.size && (t->vocab.flags[id] & EL_VOCAB_SPECIAL);
}

int el_tokenizer_id(const struct el_tokenizer *t, const char *token)
{
    struct el_slice content = {token, strlen(token)};
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < t->added[k].n; i++) {
            int id = t->added[k].tokens[i].id; /* what is looked for may be its normal form */
            if (el_slice_compare(t->vocab.texts[id], content) == 0)
                return id;
        }
    char *scratch = el_alloc(content.len);
    if (!scratch)
        return EL_ENOMEM;
    int id = el_vocab_find_spelling(&t->vocab, token, scratch);
    el_free(scratch);
    return id;
}

int el_tokenizer_reaches(const struct el_tokenizer *t, int32_t id)
{
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < t->added[k].n; i++)
            if (t->added[k].tokens[i].id == id && !t->added[k].tokens[i].control)
                return 1;
    return el_bpe_reaches(&t->bpe, &t->vocab, id);
}

/* One call of el_tokenizer_encode. */
struct encoder {
    const struct el_tokenizer *t;
    int flags;
    struct el_tokens *out;
    struct el_error *err;
    struct el_normalizer_work normal;
    struct el_buf joined; /* the normal forms of stretches, and other bytes between them */
    struct el_pretokenizer_work pieces;
    struct el_bpe_work bpe;
};

static int encode_piece(struct encoder *e, const char *bytes, size_t n)
{
    return el_bpe_encode(&e->t->bpe, &e->t->vocab, &e->bpe, bytes, n, e->out, e->err);
}

static int encode_valid(struct encoder *e, const char *text, size_t n)
{
    int rc = el_pretokenizer_run(&e->t->pretokenizer, &e->pieces, text, n, e->err);
    for (size_t i = 0; i < e->pieces.pieces.len && rc == 0; i++) {
        struct el_piece p = e->pieces.pieces.v[i];
        rc = encode_piece(e, e->pieces.text + p.start, p.end - p.start);
    }
    return rc;
}

/* Text without added tokens: stretches of UTF-8 and stretches of other bytes in turn. */
static int encode_text(struct encoder *e, const char *text, size_t n)
{
    int rc = 0;
    for (size_t at = 0; at < n && rc == 0;) {
        size_t valid = el_utf8_valid_prefix(text + at, n - at);
        size_t other = valid ? 0 : el_utf8_invalid_prefix(text + at, n - at);
        rc = valid ? encode_valid(e, text + at, valid) : encode_piece(e, text + at, other);
        at += valid + other;
    }
    return rc;
}

/* Stretches of UTF-8 in normal form, other bytes as they are. */
static int normalize(struct encoder *e, const char *text, size_t n)
{
    int rc = 0;
    el_buf_clear(&e->joined);
    for (size_t at = 0; at < n && rc == 0;) {
        const char *form = text + at;
        size_t valid = el_utf8_valid_prefix(text + at, n - at);
        size_t other = valid ? 0 : el_utf8_invalid_prefix(text + at, n - at), form_n = other;
        if (valid)
            rc = el_normalizer_run(&e->t->normalizer, &e->normal, text + at, valid, &form, &form_n);
        if (rc == 0)
            rc = el_buf_add(&e->joined, form, form_n);
        at += valid + other;
    }
    return rc < 0 ? el_error_set(e->err, rc, "out of memory for the normal form of the text") : 0;
}

static int encode_with_added(struct encoder *e, int k, const char *text, size_t n);

/* What lies between the added tokens of set k. */
static int encode_between(struct encoder *e, int k, const char *text, size_t n)
{
    if (k == 1)
        return encode_text(e, text, n);
    if (e->t->normalizer.n == 0)
        return encode_with_added(e, 1, text, n);
    int rc = normalize(e, text, n);
    return rc < 0 ? rc : encode_with_added(e, 1, e->joined.data, e->joined.len);
}

/* Looks for the added tokens of set k, and for those of the next set in between. */
static int encode_with_added(struct encoder *e, int k, const char *text, size_t n)
{
    struct el_added_scan s = {.plain = !(e->flags & EL_ENCODE_SPECIAL)};
    const struct el_added_token *a;
    size_t done = 0;
    int rc = 0;
    while (rc == 0 && (a = el_added_next(&e->t->added[k], &s, text, n))) {
        if (done < s.start)
            rc = encode_between(e, k, text + done, s.start - done);
        if (rc == 0 && el_tokens_push(e->out, a->id) < 0)
            rc = el_error_set(e->err, EL_ENOMEM, "out of memory for the token list");
        done = s.stop;
    }
    return rc < 0 ? rc : encode_between(e, k, text + done, n - done);
}

int el_tokenizer_encode(const struct el_tokenizer *t, const char *text, size_t n, int flags,
                        struct el_tokens *out, struct el_error *err)
{
    if (n > INT32_MAX)
        return el_error_set(err, EL_ELIMIT, "a text of %zu bytes cannot be encoded at once", n);
    struct encoder e = {.t = t, .flags = flags, .out = out, .err = err};
    size_t before = out->len;
    int rc = el_pretokenizer_work_init(&e.pieces, &t->pretokenizer);
    el_normalizer_work_init(&e.normal);
    el_buf_init(&e.joined);
    el_bpe_work_init(&e.bpe);
    if (rc < 0)
        el_error_set(err, rc, "out of memory for encoding text");
    else
        rc = encode_with_added(&e, 0, text, n);
    el_bpe_work_release(&e.bpe);
    el_buf_release(&e.joined);
    el_normalizer_work_release(&e.normal);
    el_pretokenizer_work_release(&e.pieces);
    if (rc < 0)
        out->len = before;
    return rc;
}

static int decode_one(const struct el_tokenizer *t, int32_t id, int skip_special,
                      struct el_buf *out)
{
    if (id < 0 || id >= t->vocab.size || !t->vocab.texts[id].data)
        return EL_EINVAL;
    if (skip_special && el_tokenizer_is_special(t, id))
        return 0;
    return el_buf_add(out, t->vocab.texts[id].data, t->vocab.texts[id].len);
}

int el_tokenizer_decode(const struct el_tokenizer *t, const int32_t *ids, size_t n,
                        int skip_special, struct el_buf *out)
{
    size_t before = out->len;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = decode_one(t, ids[i], skip_special, out);
    if (rc < 0 && out->cap) {
        out->len = before;
        out->data[before] = 0;
    }
    return rc;
}
