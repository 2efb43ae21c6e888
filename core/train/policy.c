#include "core/train/policy.h"

#include "core/train/trainer_parts.h"

#include <string.h>

/* The rollouts of one pass: numbers first..end-1, those without loss left out when `skip`. */
struct batch {
    const struct el_rollout *r;
    const struct el_policy_options *o;
    int first, end, skip;
    int routed, kept, selected; /* all of them have routes, kept sets, selected sets */
    int root;                   /* the last one packed whole */
};

static int taken(const struct batch *b, int i)
{
    return !(b->skip && b->r[i].no_loss);
}

static int check_rollout(const struct el_trainer *t, const struct el_rollout *r,
                         struct el_error *err)
{
    int vocab = t->w->config.vocab_size, last = r->ids[r->n - 1];
    if (r->prompt >= 1 && r->prompt < r->n && last >= 0 && last < vocab)
        return 0;
    return el_error_set(err, EL_EINVAL,
                        "a rollout of %d tokens, %d of them prompt, that ends in token %d: "
                        "expected a prompt, a completion, and tokens in 0..%d",
                        r->n, r->prompt, last, vocab - 1);
}

/* What is replayed in the first n rows is the same. */
static int same_replay(const struct el_trainer *t, const struct el_policy_options *o,
                       const struct el_rollout *a, const struct el_rollout *b, size_t n)
{
    size_t experts = (size_t)(t->replay.layers * t->replay.per_token);
    size_t words = (size_t)t->acts.layers * (size_t)a->selected_words;
    if (o->keep_routing && a->routed && b->routed &&
        memcmp(a->routed, b->routed, n * experts * sizeof *a->routed) != 0)
        return 0;
    if (o->keep_selection && a->selected && b->selected)
        return a->selected_words == b->selected_words &&
               memcmp(a->selected, b->selected, n * words * sizeof *a->selected) == 0;
    return 1;
}

/* How many rows rollout i shares with the last one that was packed whole: those of the prompt but
 * its last token, when it is the same prompt under the same conditions. */
static int shared_rows(const struct el_trainer *t, const struct batch *b, int i)
{
    const struct el_rollout *r = &b->r[i], *root = &b->r[b->root];
    if (t->pack.sequences == 0 || r->prompt != root->prompt ||
        memcmp(r->ids, root->ids, (size_t)r->prompt * sizeof *r->ids) != 0)
        return 0;
    return same_replay(t, b->o, r, root, (size_t)r->prompt - 1) ? r->prompt - 1 : 0;
}

/* Rows are the tokens that predict: all but the last, from `shared` on. */
static int add_rollout(struct el_trainer *t, const struct el_rollout *r, int shared,
                       struct el_error *err)
{
    struct el_pack *p = &t->pack;
    int row = p->rows - shared;
    int rc = el_pack_branch(p, shared, r->ids, NULL, r->n - 1, t->w->config.vocab_size, err);
    for (int i = r->prompt - 1; i < r->n - 1 && rc == 0; i++) {
        p->target[row + i] = r->ids[i + 1];
        p->weight[row + i] = 1;
    }
    return rc;
}

/* Packs as many rollouts from b->first on as fit. */
static int pack_some(struct el_trainer *t, struct batch *b, int n, struct el_error *err)
{
    int rc = el_replay_prepare(&t->replay, &t->w->config, t->w->device, t->pack.max_rows, err);
    if (rc < 0)
        return rc;
    int most = t->pack.max_rows;
    if (b->o->max_rows > 0 && b->o->max_rows < most)
        most = b->o->max_rows;
    el_pack_clear(&t->pack);
    b->routed = b->kept = b->selected = 1;
    for (b->end = b->first; b->end < n; b->end++) {
        const struct el_rollout *r = &b->r[b->end];
        if (!taken(b, b->end))
            continue;
        rc = check_rollout(t, r, err);
        if (rc < 0)
            return rc;
        int shared = shared_rows(t, b, b->end);
        if (t->pack.sequences &&
            (r->n - 1 - shared > most - t->pack.rows || t->pack.sequences == t->pack.max_sequences))
            break;
        rc = add_rollout(t, r, shared, err);
        if (rc < 0)
            return rc;
        b->root = shared ? b->root : b->end;
        b->routed &= r->routed != NULL;
        b->kept &= r->kept_start != NULL;
        b->selected &= r->selected != NULL;
    }
    return 0;
}

/* (n, layers, k) of each rollout to (layers, rows, k) of the pass. */
static void upload_routes(struct el_trainer *t, const struct batch *b, struct el_pass *p)
{
    struct el_replay *m = &t->replay;
    int64_t rows = t->pack.rows, row = 0, k = m->per_token;
    const int32_t *shared = t->pack.shared;
    for (int i = b->first; i < b->end; i++) {
        const struct el_rollout *r = &b->r[i];
        if (!taken(b, i))
            continue;
        for (int64_t j = *shared++; j < r->n - 1; j++, row++)
            for (int64_t l = 0; l < m->layers; l++)
                memcpy(m->host_routing + (l * rows + row) * k, r->routed + (j * m->layers + l) * k,
                       (size_t)k * sizeof *r->routed);
    }
    m->device->copy_in(m->device, m->routing, m->host_routing,
                       (size_t)(m->layers * rows * k) * sizeof *m->routing);
    p->routing = m->routing;
}

static void upload_selection(struct el_trainer *t, const struct batch *b, struct el_pass *p)
{
    const struct el_pack *pack = &t->pack;
    for (int i = b->first, s = 0; i < b->end; i++) {
        const struct el_rollout *r = &b->r[i];
        if (!taken(b, i))
            continue;
        el_selection_fill(&t->selection, r->selected, r->selected_words, pack->shared[s], r->n - 1,
                          pack->start[s], pack->rows);
        s++;
    }
    p->selected = el_selection_upload(&t->selection, pack->rows);
}

/* What was selected at sampling against what the forward pass would have selected, for a rollout
 * that is sequence s of the pack, whose shared rows begin at `root`. */
static void compare_rollout(struct el_trainer *t, const struct el_rollout *r, int s, int root,
                            int layer, struct el_selection_sums *sums)
{
    int shared = t->pack.shared[s];
    el_selection_compare(&t->selection, r->selected, r->selected_words, 0, shared, root, layer,
                         sums);
    el_selection_compare(&t->selection, r->selected, r->selected_words, shared, r->n - 1,
                         t->pack.start[s], layer, sums);
}

static void compare_selection(struct el_trainer *t, const struct batch *b,
                              struct el_selection_sums *sums)
{
    for (int l = 0; l < t->acts.layers; l++) {
        int s = 0, root = 0;
        el_selection_download(&t->selection, &t->acts, l, t->pack.rows);
        for (int i = b->first; i < b->end; i++)
            if (taken(b, i)) {
                root = t->pack.shared[s] ? root : t->pack.start[s];
                compare_rollout(t, &b->r[i], s++, root, l, sums);
            }
    }
}

/* The same for the experts of every MoE layer. */
static void compare_routing(struct el_trainer *t, const struct batch *b,
                            struct el_routing_sums *sums)
{
    const struct el_layer_acts *first = t->acts.layer + t->w->config.first_k_dense_replace;
    const struct el_pack *p = &t->pack;
    for (int l = 0; l < t->replay.layers; l++) {
        int s = 0, root = 0;
        el_replay_download(&t->replay, first + l, p->rows);
        for (int i = b->first; i < b->end; i++) {
            const struct el_rollout *r = &b->r[i];
            if (!taken(b, i))
                continue;
            root = p->shared[s] ? root : p->start[s];
            el_replay_compare(&t->replay, r->routed, 0, p->shared[s], root, l, sums);
            el_replay_compare(&t->replay, r->routed, p->shared[s], r->n - 1, p->start[s], l, sums);
            s++;
        }
    }
}

static int gather_kept(struct el_trainer *t, const struct batch *b, struct el_targets *targets,
                       struct el_error *err)
{
    struct el_replay *m = &t->replay;
    int target = 0, rc = 0;
    m->kept_start[0] = 0;
    for (int i = b->first; i < b->end; i++) {
        const struct el_rollout *r = &b->r[i];
        for (int j = 0; taken(b, i) && j < r->n - r->prompt && rc == 0; j++)
            rc = el_replay_keep(m, target++, r->kept + r->kept_start[j],
                                r->kept_start[j + 1] - r->kept_start[j], err);
    }
    targets->kept_start = m->kept_start;
    targets->kept = m->kept;
    return rc;
}

/* Forward pass over what is packed, and its targets. */
static int forward(struct el_trainer *t, const struct el_weights *w, const struct batch *b,
                   struct el_pass *p, struct el_targets *targets, struct el_error *err)
{
    const struct el_policy_options *o = b->o;
    int rc = 0;
    if (b->selected && o->mode == EL_ATTENTION_MQA)
        rc =
            el_selection_prepare(&t->selection, &t->w->config, t->w->device, t->pack.max_rows, err);
    if (rc < 0)
        return rc;
    *p = el_trainer_pass(t, o->mode, 0);
    p->w = w;
    if (o->keep_selection && b->selected && o->mode == EL_ATTENTION_MQA)
        upload_selection(t, b, p);
    if (o->keep_routing && b->routed && t->replay.layers)
        upload_routes(t, b, p);
    *targets = el_trainer_targets(t);
    targets->inv_temperature = (float)(1 / o->temperature);
    if (o->keep_sampling_mask && b->kept)
        rc = gather_kept(t, b, targets, err);
    if (rc == 0)
        el_transformer_forward(p, &t->acts);
    return rc < 0 ? rc : el_stream_check(t->s, err);
}

int el_policy_logprobs(struct el_trainer *t, const struct el_weights *w, const struct el_rollout *r,
                       int n, const struct el_policy_options *o, float *logp, float *entropy,
                       struct el_error *err)
{
    struct batch b = {.r = r, .o = o};
    int64_t at = 0;
    for (; b.first < n; b.first = b.end) {
        struct el_pass p;
        struct el_targets targets;
        int rc = pack_some(t, &b, n, err);
        if (rc == 0)
            rc = forward(t, w ? w : t->w, &b, &p, &targets, err);
        if (rc == 0)
            rc = el_lm_head_logprobs(&t->head, &p, &t->acts, &targets, logp + at,
                                     entropy ? entropy + at : NULL, err);
        if (rc < 0)
            return rc;
        at += targets.n;
    }
    return 0;
}

/* The rollouts' coefficients to t->coef. */
static void objective(struct el_trainer *t, const struct batch *b, int sequences,
                      const struct el_grpo_config *c, struct el_policy_sums *sums)
{
    int at = 0;
    for (int i = b->first; i < b->end; i++) {
        const struct el_rollout *r = &b->r[i];
        if (!taken(b, i))
            continue;
        struct el_grpo_tokens tokens = {.n = r->n - r->prompt,
                                        .logp = t->logp + at,
                                        .old_logp = r->old_logp,
                                        .ref_logp = r->ref_logp,
                                        .advantage = r->advantage};
        el_grpo_sequence(c, &tokens, 1.0 / sequences, t->coef + at, &sums->grpo);
        at += tokens.n;
    }
    for (int i = 0; i < at; i++)
        sums->entropy += t->replay.entropy[i];
}

static int backward(struct el_trainer *t, const struct el_pass *p, const struct el_targets *targets,
                    const struct el_policy_options *o, double kl_rows, struct el_policy_sums *sums,
                    struct el_error *err)
{
    int rc = el_lm_head_backward(&t->head, p, &t->acts, targets, t->coef, &t->grad, t->logp, err);
    if (rc < 0)
        return rc;
    struct el_backward how = {.dfinal = t->head.dfinal};
    if (o->mode == EL_ATTENTION_MQA)
        how.kl_coef = (float)(o->kl_weight / kl_rows);
    el_transformer_backward(p, &t->acts, how, &t->back, &t->grad);
    rc = el_stream_check(t->s, err);
    if (rc == 0 && how.kl_coef > 0)
        sums->indexer_kl += el_trainer_kl(t, kl_rows);
    return rc;
}

static double rows_with_loss(const struct el_rollout *r, int n)
{
    double rows = 0;
    for (int i = 0; i < n; i++)
        rows += r[i].no_loss ? 0 : r[i].n - 1;
    return rows;
}

static int need_reference(const struct el_rollout *r, int n, const struct el_grpo_config *c,
                          struct el_error *err)
{
    for (int i = 0; i < n && c->beta > 0; i++)
        if (!r[i].ref_logp && !r[i].no_loss)
            return el_error_set(err, EL_EINVAL,
                                "rollout %d has no reference log-probabilities, and beta is %g", i,
                                c->beta);
    return 0;
}

static int64_t tokens_of(const struct el_pack *p)
{
    int64_t n = p->rows;
    for (int s = 0; s < p->sequences; s++)
        n += p->shared[s];
    return n;
}

int el_policy_accumulate(struct el_trainer *t, const struct el_rollout *r, int n, int sequences,
                         const struct el_grpo_config *c, const struct el_policy_options *o,
                         struct el_policy_sums *sums, struct el_error *err)
{
    struct batch b = {.r = r, .o = o, .skip = 1};
    double kl_rows = rows_with_loss(r, n);
    int rc = need_reference(r, n, c, err);
    for (; b.first < n && rc == 0; b.first = b.end) {
        struct el_pass p;
        struct el_targets targets;
        rc = pack_some(t, &b, n, err);
        if (rc < 0 || t->pack.rows == 0)
            break;
        rc = forward(t, t->w, &b, &p, &targets, err);
        if (rc == 0)
            rc = el_lm_head_logprobs(&t->head, &p, &t->acts, &targets, t->logp, t->replay.entropy,
                                     err);
        if (rc < 0)
            break;
        objective(t, &b, sequences, c, sums);
        if (b.selected && o->mode == EL_ATTENTION_MQA)
            compare_selection(t, &b, &sums->selection);
        if (b.routed && !o->keep_routing)
            compare_routing(t, &b, &sums->routing);
        rc = backward(t, &p, &targets, o, kl_rows, sums, err);
        if (rc < 0)
            break;
        el_trainer_count_load(t);
        sums->tokens += tokens_of(&t->pack);
        sums->rows += t->pack.rows;
        sums->passes++;
    }
    return rc;
}
