/* The serving engine: many sequences of different lengths in one batch over a shared-prefix cache.
 *
 * Add sequences, call step until they finish. Every step is one pass through the model over one row
 * per decoding sequence plus pieces of prompts (chunked prefill). Row invariance makes a sequence's
 * tokens and log-probabilities independent of what else is in the batch. */
#ifndef EL_RUN_ENGINE_H
#define EL_RUN_ENGINE_H

#include "core/model/transformer.h"
#include "core/run/completion.h"
#include "core/run/kv_pool.h"
#include "core/run/sampler.h"

/* Both are kept by cache row, where sequences that share a prefix find them: 4 * MoE layers * k
 * bytes, and layers * context / 8 bytes, for each of cache_tokens. */
enum {
    EL_TRACE_ROUTED = 1,   /* the experts that were chosen */
    EL_TRACE_SELECTED = 2, /* the keys that each layer's indexer selected; MQA mode */
};

enum { EL_MHA_MEASURE = -1 };

struct el_engine_options {
    enum el_attention attention;
    int max_sequences; /* in one batch */
    int max_rows;      /* in one pass: decode rows plus prompt pieces; at least max_sequences */
    int context;       /* longest sequence, prompt and completion */
    int cache_tokens;  /* room in the cache over all sequences; at least context */
    int trace;         /* EL_TRACE_* bits: what is kept of every token */
    int fp8;           /* el_pass's fp8: other values, in a cache packed to 656 + 132 bytes a token
                          and layer in the 671B shape instead of 2304 + 512 */
    int mha_limit;     /* prompts of at most so many tokens are attended as masked MHA, but for
                          their last block; 0: none. The same function in other bits: not for
                          rollouts. Not with mtp. EL_MHA_MEASURE: up to where it pays on this
                          machine; o.mha_limit of the engine tells what was found. Attention MHA is
                          MQA with that, unless there is a limit */
    enum el_compute compute; /* BF16: another arithmetic (core/model/packed.h), not for rollouts.
                                What an MTP layer drafts and what masked MHA raises stays fp32 */
    int logits;              /* keep the logits of every drawn token in its sequence */
    const struct el_weights *mtp; /* an MTP layer that drafts tokens (core/model/mtp.h), or NULL;
                                     what is drawn stays the same, bit for bit, in fewer passes, but
                                     no prefixes are shared */
    int mtp_before_norm;          /* its hidden states: before model.norm; 0: behind it */
};

enum el_sequence_state { EL_SEQ_WAITING, EL_SEQ_RUNNING, EL_SEQ_DONE };

struct el_sequence {
    enum el_sequence_state state;
    int32_t *tokens; /* (capacity) prompt, then completion */
    float *logps;    /* (capacity - prompt) */
    int n_prompt, n, capacity;
    int cached;    /* prompt tokens that were found in the cache or copied inside it */
    int computed;  /* positions whose keys are in the cache */
    int32_t draft; /* a guess at token n, -1: none */
    int32_t *blocks;
    int n_blocks, n_published;
    int mha_blocks;         /* whole blocks of the prompt that are attended as masked MHA */
    int pending, drafted;   /* rows of the pass in hand, the last one a draft or not */
    int copy_block, copied; /* until the first pass: rows that another sequence's block holds */
    struct el_sampling sampling;
    uint64_t key;
    int trace;
    int32_t *kept_start, *kept; /* with trace: kept sets per completion token */
    size_t n_kept, kept_room;
    int32_t *routed; /* with trace, when done: (n, MoE layers, experts per token), -1 for the last
                        token, which no pass has seen */
    uint32_t *selected; /* with trace of them, when done: (n, L, selected_words), as
                           core/model/selection.h has it; no bits for the last token */
    int selected_words;
    float *logits; /* with the option logits: (capacity - prompt, V) what each was drawn from */
    enum el_finish finish;
    double logp;
    void *user;
    struct el_sequence *next; /* waiting or finished list */
};

struct el_engine_stats {
    int64_t prefill_tokens, cached_tokens, decode_tokens, passes;
    int64_t drafted, accepted; /* tokens guessed by the MTP layer and looked at; of these, right */
    int64_t keys_visible,
        keys_read; /* per layer-row: what dense attention would read, what DSA read */
};

/* Called for every new token of a sequence; returns 1 to end it (a stop string was found). */
typedef int (*el_token_fn)(void *user, struct el_sequence *q, int32_t token);

struct el_engine {
    const struct el_weights *w; /* borrowed */
    struct el_stream *s;        /* borrowed */
    struct el_engine_options o;
    struct el_kv_pool pool;
    struct el_packed packed; /* of w, filled by the first pass; empty when it is large and fp32 */
    int packed_is_current;
    struct el_acts acts;
    struct el_layer_cache *cache; /* (L) */
    void *cache_block;
    int32_t *routed;    /* host (cache rows, MoE layers, k) with trace */
    uint32_t *selected; /* host (cache rows, L, words of the context) with trace of them */
    struct el_sequence **running;
    int n_running;
    struct el_sequence *waiting, *waiting_tail, *finished, *finished_tail;
    int32_t *host, *dev; /* pass arrays: token, pos, seq, slot (max_rows each), tables, picks */
    int table_stride;
    struct el_sequence **row_of;   /* (max_rows) */
    float *hidden, *logits, *logp; /* device (max_sequences, C), (.., V), (..) */
    float *host_logits, *host_logp;
    struct el_sampler *sampler; /* (n_samplers), one for each thread of s */
    int n_samplers;
    struct el_engine_stats stats;
    struct el_engine_mtp *mtp; /* NULL without an MTP layer */
    el_token_fn on_token;
    void *on_token_user;
    int eos;
};

/* What el_engine_init refuses by configuration and options alone, for callers that have no weights
 * yet: `mtp` says whether there will be an MTP layer, o->mtp is not looked at. */
int el_engine_check(const struct el_config *c, const struct el_engine_options *o, int mtp,
                    struct el_error *err);

int el_engine_init(struct el_engine *e, const struct el_weights *w, struct el_stream *s,
                   const struct el_engine_options *o, struct el_error *err);
void el_engine_release(struct el_engine *e);

/* Queues a sequence of n >= 1 prompt tokens (copied). max_tokens is cut to the context limit;
 * EL_ELIMIT when the prompt leaves no room for a single token. On success *out is the engine's
 * until el_engine_take hands it over. */
int el_engine_add(struct el_engine *e, const int32_t *tokens, int n,
                  const struct el_sampling *sampling, uint64_t key, int trace, void *user,
                  struct el_sequence **out, struct el_error *err);

/* One pass. Returns the number of sequences still waiting or running, or an error, after which
 * nothing has changed and the step may be tried again. */
int el_engine_step(struct el_engine *e, struct el_error *err);

/* The next finished sequence or NULL; free with el_sequence_free. */
struct el_sequence *el_engine_take(struct el_engine *e);
void el_sequence_free(struct el_sequence *q);

/* Forgets all cached prefixes and packed weights: due after the weights have changed. EL_EBUSY
 * while a sequence is running. */
int el_engine_forget(struct el_engine *e, struct el_error *err);

/* Sequences added and not yet taken. */
int el_engine_in_flight(const struct el_engine *e);

#endif
