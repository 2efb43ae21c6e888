#include "core/run/local.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/io.h"
#include "core/base/progress.h"
#include "core/model/inspect.h"
#include "core/model/mtp.h"
#include "core/text/chat.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct local {
    struct el_backend base; /* first: a backend pointer is a pointer to this */
    struct el_weights *own; /* NULL when the weights are the caller's */
    struct el_weights *mtp; /* NULL without an MTP layer */
    const struct el_weights *w;
    struct el_tokenizer *tokenizer;
    struct el_chat_format chat;
    struct el_stream stream;
    struct el_engine engine;
    struct el_tokens prompt; /* scratch */
    void (*on_text)(void *user, int64_t tag, const char *text, size_t n);
    void *on_text_user;
    int room;
};

/* A request in flight: its text grows token by token so that stop strings are seen. */
struct pending {
    int64_t tag;
    struct el_buf text;
    char **stop;
    int n_stop;
    size_t longest_stop;
    int failed; /* EL_ENOMEM while decoding */
};

static struct local *local_of(const struct el_backend *b)
{
    return (struct local *)(uintptr_t)b;
}

static void pending_free(struct pending *p)
{
    if (!p)
        return;
    el_buf_release(&p->text);
    for (int i = 0; i < p->n_stop; i++)
        el_free(p->stop[i]);
    el_free(p->stop);
    el_free(p);
}

static struct pending *pending_create(const struct el_request *r)
{
    struct pending *p = el_alloc_array(1, sizeof *p);
    if (!p)
        return NULL;
    p->tag = r->tag;
    el_buf_init(&p->text);
    p->stop = el_alloc_array((size_t)r->n_stop + 1, sizeof *p->stop);
    for (int i = 0; p->stop && i < r->n_stop; i++) {
        p->stop[i] = el_strdup(r->stop[i]);
        if (!p->stop[i])
            break;
        p->n_stop++;
        size_t n = strlen(r->stop[i]);
        p->longest_stop = n > p->longest_stop ? n : p->longest_stop;
    }
    if (p->stop && p->n_stop == r->n_stop)
        return p;
    pending_free(p);
    return NULL;
}

/* Cuts the text at the first stop string that the last n bytes completed. */
static int find_stop(struct pending *p, size_t n)
{
    size_t from = p->text.len > n + p->longest_stop ? p->text.len - n - p->longest_stop : 0;
    char *first = NULL;
    for (int i = 0; i < p->n_stop; i++) {
        size_t len = strlen(p->stop[i]);
        char *at = len ? memmem(p->text.data + from, p->text.len - from, p->stop[i], len) : NULL;
        if (at && (!first || at < first))
            first = at;
    }
    if (!first)
        return 0;
    p->text.len = (size_t)(first - p->text.data);
    *first = 0;
    return 1;
}

static int on_token(void *user, struct el_sequence *q, int32_t token)
{
    struct local *l = user;
    struct pending *p = q->user;
    size_t before = p->text.len;
    int rc = el_tokenizer_decode(l->tokenizer, &token, 1, 0, &p->text);
    if (rc == EL_EINVAL) /* a vocabulary may be wider than its tokenizer: shown as U+FFFD */
        rc = el_buf_puts(&p->text, "\xEF\xBF\xBD");
    if (rc < 0)
        p->failed = 1;
    if (l->on_text && p->text.len > before)
        l->on_text(l->on_text_user, p->tag, p->text.data + before, p->text.len - before);
    return find_stop(p, p->text.len - before);
}

static int local_room(struct el_backend *b)
{
    struct local *l = local_of(b);
    int n = l->room - el_engine_in_flight(&l->engine);
    return n > 0 ? n : 0;
}

/* Cached prefixes belong to the weights that they were computed with. */
static int renew_digest(struct local *l, struct el_error *err)
{
    if (strcmp(l->base.digest, l->w->digest) == 0)
        return 0;
    int rc = el_engine_forget(&l->engine, err);
    if (rc == 0)
        snprintf(l->base.digest, sizeof l->base.digest, "%s", l->w->digest);
    return rc;
}

/* Into l->prompt. */
static int encode(struct local *l, const struct el_message *m, int n, int thinking,
                  struct el_error *err)
{
    l->prompt.len = 0;
    int rc = el_chat_encode(&l->chat, l->tokenizer, m, n, thinking, &l->prompt, err);
    if (rc == 0 && l->prompt.len > INT_MAX / 2)
        rc = el_error_set(err, EL_ELIMIT, "a prompt of %zu tokens", l->prompt.len);
    return rc;
}

int el_local_prompt_tokens(struct el_backend *b, const struct el_message *m, int n, int thinking,
                           struct el_error *err)
{
    struct local *l = local_of(b);
    int rc = encode(l, m, n, thinking, err);
    return rc < 0 ? rc : (int)l->prompt.len;
}

static int check_full(const struct local *l, const struct el_request *r, struct el_error *err)
{
    int limit = l->base.context_limit, prompt = (int)l->prompt.len;
    if (!r->want_full || prompt <= limit - r->sampling.max_tokens)
        return 0;
    return el_error_set(err, EL_ELIMIT,
                        "a prompt of %d tokens and a completion of %d: the context has %d", prompt,
                        r->sampling.max_tokens, limit);
}

static int local_submit(struct el_backend *b, const struct el_request *r, struct el_error *err)
{
    struct local *l = local_of(b);
    int rc = renew_digest(l, err);
    if (rc == 0)
        rc = encode(l, r->messages, r->n_messages, r->thinking, err);
    if (rc == 0)
        rc = check_full(l, r, err);
    if (rc < 0)
        return rc;
    struct pending *p = pending_create(r);
    if (!p)
        return el_error_set(err, EL_ENOMEM, "out of memory for a request");
    rc = el_engine_add(&l->engine, l->prompt.ids, (int)l->prompt.len, &r->sampling, r->key,
                       r->want_trace, p, NULL, err);
    if (rc < 0)
        pending_free(p);
    return rc;
}

/* Hands a sequence's arrays over to the completion. */
static void move_trace(struct el_sequence *q, struct el_completion *out)
{
    out->ids = q->tokens;
    out->n_ids = q->n;
    out->logps = q->logps;
    out->routed = q->routed;
    out->selected = q->selected;
    out->selected_words = q->selected_words;
    q->tokens = NULL;
    q->logps = NULL;
    q->routed = NULL;
    q->selected = NULL;
    if (!q->n_kept)
        return;
    out->kept_start = q->kept_start;
    out->kept = q->kept;
    q->kept_start = NULL;
    q->kept = NULL;
}

static void deliver(struct local *l, struct el_sequence *q, struct el_completion *out)
{
    struct pending *p = q->user;
    *out = (struct el_completion){.tag = p->tag,
                                  .finish = q->finish,
                                  .prompt_tokens = q->n_prompt,
                                  .cached_tokens = q->cached,
                                  .completion_tokens = q->n - q->n_prompt,
                                  .logp = q->logp};
    out->text_len = p->text.len;
    out->text = el_buf_detach(&p->text);
    if (q->finish == EL_FINISH_ERROR)
        el_error_set(&out->error, EL_ENUMERIC, "%s: the logits are not finite", l->base.name);
    if (!out->text || p->failed) {
        out->finish = EL_FINISH_ERROR;
        el_error_set(&out->error, EL_ENOMEM, "out of memory for a completion");
    }
    if (q->trace)
        move_trace(q, out);
    pending_free(p);
    el_sequence_free(q);
}

static int local_poll(struct el_backend *b, struct el_completion *out, struct el_error *err)
{
    struct local *l = local_of(b);
    for (;;) {
        struct el_sequence *q = el_engine_take(&l->engine);
        if (q) {
            deliver(l, q, out);
            return 1;
        }
        if (el_stop_requested)
            return el_error_set(err, EL_EINTR, "interrupted");
        int rc = el_engine_step(&l->engine, err);
        if (rc < 0)
            return rc;
        if (rc == 0 && !l->engine.finished)
            return 0;
    }
}

static int local_ready(struct el_backend *b)
{
    return local_of(b)->engine.finished != NULL;
}

static void drop_pending(struct el_sequence *q)
{
    for (; q; q = q->next)
        pending_free(q->user);
}

static void local_destroy(struct el_backend *b)
{
    struct local *l = local_of(b);
    for (int i = 0; i < l->engine.n_running; i++)
        pending_free(l->engine.running[i]->user);
    drop_pending(l->engine.waiting);
    drop_pending(l->engine.finished);
    if (l->engine.w)
        el_engine_release(&l->engine);
    el_stream_release(&l->stream);
    el_tokens_release(&l->prompt);
    el_tokenizer_free(l->tokenizer);
    el_weights_free(l->own);
    el_weights_free(l->mtp);
    el_free(l);
}

static int cache_room(const struct el_config *c, int batch, int context, int fp8)
{
    enum el_form form = fp8 ? EL_FORM_FP8 : EL_FORM_F32;
    int64_t per_token = (int64_t)c->num_hidden_layers *
                        (el_cache_kv_bytes(c, form) + el_cache_index_bytes(c, form));
    int64_t want = 2 * (int64_t)batch * context, fit = ((int64_t)2 << 30) / per_token;
    want = want < fit ? want : fit;
    return (int)(want > context ? want : context);
}

int el_local_context(const struct el_config *c)
{
    int most = c->max_position_embeddings;
    return most < EL_LOCAL_CONTEXT ? most : EL_LOCAL_CONTEXT;
}

static struct el_engine_options engine_options(const struct el_local_options *o,
                                               const struct el_config *c)
{
    int batch = o->batch > 0 ? o->batch : 64;
    int context = o->context > 0 ? o->context : el_local_context(c);
    return (struct el_engine_options){.attention = o->attention,
                                      .mha_limit = o->mha_limit,
                                      .max_sequences = batch,
                                      .max_rows = batch + 448,
                                      .context = context,
                                      .cache_tokens = o->cache_tokens > 0
                                                          ? o->cache_tokens
                                                          : cache_room(c, batch, context, o->fp8),
                                      .trace = o->trace,
                                      .fp8 = o->fp8,
                                      .compute = o->compute};
}

static int check_vocabulary(const struct local *l, const struct el_config *c, const char *path,
                            struct el_error *err)
{
    int have = el_tokenizer_vocab_size(l->tokenizer), room = c->vocab_size;
    if (have > room)
        return el_error_set(err, EL_EFORMAT, "%s: %d tokens, but the model's vocab_size is %d",
                            path, have, room);
    if (l->chat.eos != c->eos_token_id)
        return el_error_set(err, EL_EFORMAT,
                            "%s: the end token has id %d, but the model's eos_token_id is %d", path,
                            l->chat.eos, c->eos_token_id);
    return 0;
}

static int open_text(struct local *l, const struct el_config *c, const char *path,
                     struct el_error *err)
{
    int rc = el_tokenizer_load(path, &l->tokenizer, err);
    if (rc == 0)
        rc = el_chat_format_init(&l->chat, l->tokenizer, err);
    return rc < 0 ? rc : check_vocabulary(l, c, path, err);
}

static const struct el_ops *find_ops(const struct el_local_options *o)
{
    return o->isa ? el_ops_find(o->isa) : el_ops_cpu();
}

/* All that can be refused before there are weights: reading them may take hours. */
static int prepare(struct local *l, const struct el_local_options *o, const struct el_config *c,
                   const char *tokenizer, struct el_error *err)
{
    struct el_engine_options e = engine_options(o, c);
    l->base.room = local_room;
    l->base.submit = local_submit;
    l->base.poll = local_poll;
    l->base.ready = local_ready;
    l->base.destroy = local_destroy;
    snprintf(l->base.name, sizeof l->base.name, "local");
    l->on_text = o->on_text;
    l->on_text_user = o->on_text_user;
    el_tokens_init(&l->prompt);
    if (!find_ops(o))
        return el_error_set(err, EL_EINVAL,
                            "instruction set '%s': this machine has none of that name", o->isa);
    int rc = el_engine_check(c, &e, o->mtp, err);
    return rc < 0 ? rc : open_text(l, c, tokenizer, err);
}

/* All that decides about bits beside the weights, by what the engine found: masked MHA that pays
 * for no prompt is none. */
static void name_mode(struct local *l, const struct el_ops *ops)
{
    const struct el_engine_options *o = &l->engine.o;
    char form[24] = "mqa";
    if (o->mha_limit)
        snprintf(form, sizeof form, "mha:%d", o->mha_limit);
    const char *kernel = o->compute == EL_COMPUTE_BF16 ? el_ops_bf16_name(ops) : ops->name;
    int other = strcmp(kernel, ops->name) != 0;
    snprintf(l->base.mode, sizeof l->base.mode, "%s-%s%s %s %s%s%s",
             o->attention == EL_ATTENTION_DENSE ? "dense" : "dsa", form, o->fp8 ? "+fp8" : "",
             el_compute_name(o->compute), ops->name, other ? "+" : "", other ? kernel : "");
}

/* Over the weights, which l has by now. */
static int open_engine(struct local *l, const struct el_local_options *o, struct el_error *err)
{
    const struct el_ops *ops = find_ops(o);
    snprintf(l->base.digest, sizeof l->base.digest, "%s", l->w->digest);
    el_stream_init(&l->stream, l->w->device, ops, o->threads);
    struct el_engine_options e = engine_options(o, &l->w->config);
    e.mtp = l->mtp;
    e.mtp_before_norm = o->mtp_before_norm;
    int rc = el_engine_init(&l->engine, l->w, &l->stream, &e, err);
    if (rc < 0)
        return rc;
    l->engine.on_token = on_token;
    l->engine.on_token_user = l;
    l->room = 2 * e.max_sequences;
    l->base.context_limit = e.context;
    name_mode(l, ops);
    return 0;
}

static struct local *create(struct el_error *err)
{
    struct local *l = el_alloc_array(1, sizeof *l);
    if (!l)
        el_error_set(err, EL_ENOMEM, "out of memory for a backend");
    return l;
}

/* Hands l out, or frees it. */
static int finish(struct local *l, int rc, struct el_backend **out)
{
    if (rc < 0)
        local_destroy(&l->base);
    else
        *out = &l->base;
    return rc;
}

int el_local_wrap(const struct el_local_options *o, const struct el_weights *w,
                  const char *tokenizer_path, struct el_backend **out, struct el_error *err)
{
    if (o->mtp)
        return el_error_set(err, EL_EINVAL, "an MTP layer is read from a model's folder only");
    struct local *l = create(err);
    if (!l)
        return EL_ENOMEM;
    l->w = w;
    int rc = prepare(l, o, &w->config, tokenizer_path, err);
    if (rc == 0)
        rc = open_engine(l, o, err);
    return finish(l, rc, out);
}

/* What is wrong with the layer is said in the words of whoever looks at checkpoints. */
static int check_mtp(const struct el_local_options *o, const struct el_config *c,
                     struct el_error *err)
{
    struct el_inspection found;
    if (c->num_nextn_predict_layers < 1)
        return el_error_set(err, EL_ENOTFOUND,
                            "%s: config.json announces no MTP layer (num_nextn_predict_layers 0)",
                            o->model);
    int rc = el_inspect(o->model, &found, err);
    if (rc == 0 && found.mtp != EL_MTP_COMPLETE)
        rc = el_error_set(err, found.mtp == EL_MTP_BROKEN ? EL_EFORMAT : EL_ENOTFOUND, "%s: %s",
                          o->model, found.text);
    return rc;
}

static int check_folder(struct local *l, const struct el_local_options *o, struct el_error *err)
{
    struct el_config c;
    char *config = el_path_join(o->model, "config.json");
    char *tokenizer = el_path_join(o->model, "tokenizer.json");
    int rc = config && tokenizer ? el_config_load(config, &c, err)
                                 : el_error_set(err, EL_ENOMEM, "%s: out of memory", o->model);
    if (rc == 0)
        rc = prepare(l, o, &c, tokenizer, err);
    if (rc == 0 && o->mtp)
        rc = check_mtp(o, &c, err);
    el_free(config);
    el_free(tokenizer);
    return rc;
}

int el_local_open(const struct el_local_options *o, struct el_backend **out, struct el_error *err)
{
    struct local *l = create(err);
    if (!l)
        return EL_ENOMEM;
    int rc = check_folder(l, o, err);
    if (rc == 0)
        rc = el_weights_load(o->model, el_device_host(), &l->own, NULL, o->loading, err);
    l->w = l->own;
    if (rc == 0 && o->mtp)
        rc = el_mtp_load(o->model, l->w, &l->mtp, o->loading, err);
    if (rc == 0)
        rc = open_engine(l, o, err);
    return finish(l, rc, out);
}

const struct el_engine_stats *el_local_stats(const struct el_backend *b)
{
    return &local_of(b)->engine.stats;
}

const struct el_tokenizer *el_local_tokenizer(const struct el_backend *b)
{
    return local_of(b)->tokenizer;
}
