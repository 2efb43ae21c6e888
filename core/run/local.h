/* The completion backend that runs on this machine: model folder in, completions out. */
#ifndef EL_RUN_LOCAL_H
#define EL_RUN_LOCAL_H

#include "core/model/pass.h"
#include "core/run/completion.h"
#include "core/run/engine.h"
#include "core/text/tokenizer.h"

enum { EL_LOCAL_CONTEXT = 4096 }; /* of a sequence, where nothing else is asked for */

struct el_local_options {
    const char *model; /* Hugging Face folder with tokenizer.json */
    enum el_attention attention;
    int mha_limit;    /* el_engine_options' mha_limit; 0 with attention MHA: measured */
    int batch;        /* sequences decoded together; 0: 64 */
    int context;      /* tokens of a sequence; 0: EL_LOCAL_CONTEXT, or what the model allows if that
                         is less. More than it allows is EL_EINVAL naming both */
    int cache_tokens; /* 0: 2 * batch * context, at most what fits 2 GiB */
    int threads;      /* 0: OMP_NUM_THREADS, or one per core */
    int trace;        /* EL_TRACE_* bits: what traces hold beside log-probabilities and kept sets */
    int fp8;          /* el_engine_options' fp8; more tokens fit 2 GiB */
    enum el_compute compute; /* el_engine_options' compute */
    const char *isa;         /* op table by name; NULL: the fastest */
    int mtp;                 /* the folder's MTP layer drafts tokens (core/run/engine.h); only with
                                el_local_open, EL_ENOTFOUND or EL_EFORMAT where there is none to use */
    int mtp_before_norm;
    /* Sees the text of every request grow, piece by piece (a piece may be part of a character, or
     * of a stop string that the completion's text will not hold). May be NULL. */
    void (*on_text)(void *user, int64_t tag, const char *text, size_t n);
    void *on_text_user;
    /* Sees weights being read (core/model/weights.h): the model's up to their number, then the MTP
     * layer's up to theirs; only with el_local_open, and not needed after it. May be NULL. */
    struct el_progress *loading;
};

/* Loads tokenizer and weights. What options, config.json, tokenizer.json and the headers of the
 * weights decide is refused before any value is read. Free with el_backend_free. */
int el_local_open(const struct el_local_options *o, struct el_backend **out, struct el_error *err);

/* The same over weights that the caller keeps (training uses this on live weights between updates;
 * the prefix cache is dropped when the digest changes). name/digest as the caller says. */
int el_local_wrap(const struct el_local_options *o, const struct el_weights *w,
                  const char *tokenizer_path, struct el_backend **out, struct el_error *err);

/* Tokens of a sequence of a model of this shape, where the options ask for no other number. */
int el_local_context(const struct el_config *c);

/* What the engine did so far, e.g. the share of attention keys that DSA left out. */
const struct el_engine_stats *el_local_stats(const struct el_backend *b);
/* The tokens of a request's prompt with these messages; EL_ELIMIT as of el_backend_submit, which
 * refuses a prompt that leaves no room in b->context_limit. */
int el_local_prompt_tokens(struct el_backend *b, const struct el_message *m, int n, int thinking,
                           struct el_error *err);
const struct el_tokenizer *el_local_tokenizer(const struct el_backend *b);

#endif
