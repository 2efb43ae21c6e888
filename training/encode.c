#include "training/encode.h"

#include "core/base/alloc.h"

#include <string.h>

void el_encoded_init(struct el_encoded *e)
{
    *e = (struct el_encoded){0};
    el_tokens_init(&e->tokens);
}

void el_encoded_release(struct el_encoded *e)
{
    el_tokens_release(&e->tokens);
    el_free(e->weight);
    el_encoded_init(e);
}

static int make_room(struct el_encoded *e)
{
    if (e->tokens.len <= e->room)
        return 0;
    float *more = el_realloc(e->weight, e->tokens.cap * sizeof *more);
    if (!more)
        return EL_ENOMEM;
    e->weight = more;
    e->room = e->tokens.cap;
    return 0;
}

static int in_spans(const struct el_example *x, size_t byte)
{
    for (int i = 0; i < x->n_loss; i++)
        if (byte >= x->loss[i].begin && byte < x->loss[i].end)
            return 1;
    return 0;
}

static int end_has_loss(const struct el_example *x)
{
    return x->n_loss > 0 && x->loss[x->n_loss - 1].end == strlen(x->completion);
}

static int weigh(const struct el_tokenizer *t, const struct el_example *x, size_t begin,
                 struct el_encoded *e)
{
    struct el_buf bytes;
    el_buf_init(&bytes);
    int rc = make_room(e);
    if (rc == 0)
        memset(e->weight, 0, begin * sizeof *e->weight);
    for (size_t i = begin; i < e->tokens.len && rc == 0; i++) {
        e->weight[i] = (float)in_spans(x, bytes.len);
        rc = el_tokenizer_decode(t, &e->tokens.ids[i], 1, 0, &bytes);
    }
    el_buf_release(&bytes);
    return rc;
}

int el_encode_example(const struct el_chat_format *f, const struct el_tokenizer *t,
                      const struct el_example *x, struct el_encoded *e, struct el_error *err)
{
    struct el_message user = {"user", x->prompt};
    e->tokens.len = 0;
    e->kind = x->kind;
    int rc = el_chat_encode(f, t, &user, 1, 0, &e->tokens, err);
    size_t begin = e->tokens.len;
    if (rc == 0)
        rc = el_tokenizer_encode(t, x->completion, strlen(x->completion), EL_ENCODE_PLAIN,
                                 &e->tokens, err);
    if (rc < 0)
        return rc;
    rc = weigh(t, x, begin, e);
    if (rc == 0)
        rc = el_tokens_push(&e->tokens, f->eos);
    if (rc == 0)
        rc = make_room(e);
    if (rc < 0)
        return el_error_set(err, rc, "an example cannot be encoded");
    e->weight[e->tokens.len - 1] = (float)end_has_loss(x);
    return 0;
}
