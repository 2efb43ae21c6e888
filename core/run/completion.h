/* Completion backends: requests in, completions out. `local` (this engine) is the one there is;
 * what else completes a prompt, such as a server, fits the same interface, and a caller does not
 * care.
 *
 * Use: submit requests while el_backend_room says there is room, then poll; polling does the work.
 * Completions come in any order; a completion depends only on (model, prompt, sampling parameters,
 * key), never on what else is in flight. */
#ifndef EL_RUN_COMPLETION_H
#define EL_RUN_COMPLETION_H

#include "core/base/error.h"
#include "core/text/message.h"

#include <stddef.h>
#include <stdint.h>

struct el_sampling {
    double temperature; /* 0: greedy */
    int top_k;          /* 0: off */
    double top_p;       /* 1: off */
    int max_tokens;     /* of the completion */
};

struct el_request {
    const struct el_message *messages;
    int n_messages;
    int thinking; /* open the assistant's turn with <think> */
    struct el_sampling sampling;
    uint64_t key;            /* the random stream of this sample (core/base/rng.h) */
    const char *const *stop; /* n_stop strings that end the completion (kept out of the text) */
    int n_stop;
    int want_full;  /* EL_ELIMIT instead of a completion that the context could cut off: where the
                       backend knows that prompt and sampling.max_tokens exceed it together */
    int want_trace; /* local backend: also ids, log-probabilities, kept sets, routed experts */
    int64_t tag;    /* comes back with the completion */
};

enum el_finish {
    EL_FINISH_STOP,   /* end token or stop string */
    EL_FINISH_LENGTH, /* max_tokens or the context limit */
    EL_FINISH_ERROR,  /* infrastructure: retry; `error` says what happened */
    EL_FINISH_REFUSED /* the prompt alone exceeds the context limit; retrying cannot help */
};

struct el_completion {
    int64_t tag;
    enum el_finish finish;
    char *text; /* the whole reply with its reasoning, NUL-terminated (text_len bytes) */
    size_t text_len;
    int prompt_tokens, cached_tokens, completion_tokens;
    double logp; /* sum over the completion; 0 where the backend cannot tell */
    struct el_error error;
    /* with want_trace on the local backend, else NULL */
    int32_t *ids; /* (n_ids): the prompt, then the completion incl. its end token */
    int n_ids;
    float *logps;               /* (n_ids - prompt_tokens) */
    int32_t *routed;            /* (n_ids, MoE layers, experts per token); -1 for the last token */
    int32_t *kept_start, *kept; /* kept sampling sets of the completion's tokens, or NULL: all */
    uint32_t
        *selected; /* (n_ids, layers, selected_words) bits of the keys that the indexer selected
                      (core/model/selection.h), where the backend keeps them, else NULL */
    int selected_words;
};

struct el_backend {
    char name[64];     /* "local" */
    char digest[33];   /* identifies the model in random-stream keys and in the store */
    char mode[96];     /* "dsa-mqa fp32 avx512", "dsa-mqa+fp8 bf16 avx512+amx", with masked MHA for
                          prompts of up to 3072 tokens "dsa-mha:3072 fp32 avx2": recorded with the
                          run; may be empty */
    int context_limit; /* tokens, 0: unknown */
    /* How many requests may be submitted now without waiting. */
    int (*room)(struct el_backend *b);
    /* Copies what it needs out of the request. EL_ELIMIT: the prompt alone exceeds the context,
     * where the backend knows that at once; EL_EINVAL: the request makes no sense. */
    int (*submit)(struct el_backend *b, const struct el_request *r, struct el_error *err);
    /* 1: *out holds a completion (release it); 0: nothing is in flight; < 0: the backend is broken
     * for good. May return EL_EINTR when a stop was requested. */
    int (*poll)(struct el_backend *b, struct el_completion *out, struct el_error *err);
    /* Whether poll has a completion at hand, so that it returns at once. NULL: not known. */
    int (*ready)(struct el_backend *b);
    void (*destroy)(struct el_backend *b);
};

void el_completion_release(struct el_completion *c);

static inline int el_backend_room(struct el_backend *b)
{
    return b->room(b);
}

static inline int el_backend_submit(struct el_backend *b, const struct el_request *r,
                                    struct el_error *err)
{
    return b->submit(b, r, err);
}

static inline int el_backend_poll(struct el_backend *b, struct el_completion *out,
                                  struct el_error *err)
{
    return b->poll(b, out, err);
}

void el_backend_free(struct el_backend *b); /* NULL is fine */

#endif
