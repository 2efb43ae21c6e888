#include "training/rl/judge.h"

#include "core/base/alloc.h"
#include "training/rl/ask.h"

#include <math.h>
#include <string.h>

/* One judgement to be had: of the proof (verifier) or the analysis (meta-verifier) of a sample. */
struct vote {
    int sample; /* number over all groups */
    enum el_role role;
    int index;    /* of this sample and role */
    int attempts; /* made */
    int halves;   /* EL_SCORE_NONE until it could be read */
    struct el_buf prompt;
};

struct bench {
    const struct el_rl_judge *j;
    struct el_rl_group *group;
    int n, g; /* groups, samples of each */
    int64_t step;
    struct vote *vote;
    int n_votes, room;
    struct el_rl_judge_counts *counts;
};

static struct el_rl_sample *sample_at(const struct bench *b, int i, const struct el_rl_task **task)
{
    struct el_rl_group *group = &b->group[i / b->g];
    *task = &group->task;
    return &group->sample[i % b->g];
}

static int new_proof(const struct el_rl_task *t)
{
    return t->role == EL_ROLE_GENERATOR || t->role == EL_ROLE_REFINER;
}

/* Of who writes proofs. Where only the outcome counts, nobody reads the proof. */
static int votes_on_proof(const struct el_rl_rewards *w, enum el_role role)
{
    if (w->proof_weight == 0)
        return 0;
    if (role == EL_ROLE_VERIFIER)
        return w->verifications;
    return w->weights.beta > 0 ? w->meta_verifications : 0;
}

/* How many judgements of each kind a sample needs. */
static int votes_needed(const struct bench *b, int i, enum el_role role)
{
    const struct el_rl_task *t;
    const struct el_rl_rewards *w = &b->j->recipe->rewards;
    struct el_rl_sample *s = sample_at(b, i, &t);
    if (b->group[i / b->g].refused || !el_reply_format(&s->reply))
        return 0;
    if (new_proof(t))
        return votes_on_proof(w, role);
    int asks = t->role == EL_ROLE_VERIFIER && role == EL_ROLE_META_VERIFIER && w->use_meta_reward;
    return asks ? w->meta_verifications : 0;
}

/* ---- By the oracle ---- */

static int by_oracle(struct bench *b, struct el_error *err)
{
    for (int i = 0; i < b->n * b->g; i++) {
        const struct el_rl_task *t;
        struct el_rl_sample *s = sample_at(b, i, &t);
        struct el_rl_judgement j = {NAN, NAN};
        if (b->group[i / b->g].refused)
            continue;
        if (!t->in_world && t->role != EL_ROLE_META_VERIFIER)
            return el_error_set(
                err, EL_EREFUSED,
                "the oracle knows only the small world, not \"%.60s\"; name a judge", t->statement);
        if (el_reply_format(&s->reply))
            j = el_rl_oracle(t, s);
        el_rl_sample_reward(b->j->recipe, t, &j, s);
    }
    return 0;
}

/* ---- By a model ---- */

static int add_vote(struct bench *b, int i, enum el_role role, int index, struct el_error *err)
{
    const struct el_rl_task *t;
    const struct el_rl_sample *s = sample_at(b, i, &t);
    if (b->n_votes == b->room) {
        int room = b->room ? 2 * b->room : 64;
        struct vote *more = el_realloc(b->vote, (size_t)room * sizeof *more);
        if (!more)
            return el_error_set(err, EL_ENOMEM, "out of memory for judgements");
        b->vote = more;
        b->room = room;
    }
    struct vote *v = &b->vote[b->n_votes++];
    *v = (struct vote){.sample = i, .role = role, .index = index, .halves = EL_SCORE_NONE};
    el_buf_init(&v->prompt);
    const struct el_role_input in = {.statement = el_slice_str(t->statement),
                                     .proof = el_rl_sample_proof(t, s),
                                     .analysis = el_rl_sample_analysis(s),
                                     .extras = el_rl_task_extras(b->j->recipe, t)};
    return el_role_prompt(role, b->j->prompts, &in, &v->prompt, err);
}

static int list_votes(struct bench *b, struct el_error *err)
{
    static const enum el_role roles[] = {EL_ROLE_VERIFIER, EL_ROLE_META_VERIFIER};
    int rc = 0;
    for (int i = 0; i < b->n * b->g; i++)
        for (int k = 0; k < 2; k++)
            for (int v = 0, n = votes_needed(b, i, roles[k]); v < n && rc == 0; v++)
                rc = add_vote(b, i, roles[k], v, err);
    return rc;
}

static uint64_t key_of(const struct bench *b, const struct vote *v)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "judge");
    el_digest_str(&d, b->j->backend->digest);
    el_digest_u64(&d, b->j->recipe->seed);
    el_digest_u64(&d, (uint64_t)b->step);
    el_digest_u64(&d, (uint64_t)v->sample);
    el_digest_u64(&d, (uint64_t)v->role);
    el_digest_u64(&d, (uint64_t)v->index);
    el_digest_u64(&d, (uint64_t)v->attempts);
    return el_digest_key(&d);
}

static int read_vote(struct bench *b, struct vote *v, const struct el_completion *c,
                     struct el_error *err)
{
    struct el_reply reply;
    struct el_reply_context ctx = {
        c->finish == EL_FINISH_LENGTH ? EL_REPLY_CUT_OFF : EL_REPLY_ENDED, 0};
    v->attempts++;
    b->counts->asked++;
    if (c->finish == EL_FINISH_REFUSED) { /* asking again cannot help */
        v->attempts = b->j->recipe->rewards.judge_retries + 1;
        b->counts->unreadable++;
        return 0;
    }
    int rc = el_role_parse(v->role, b->j->parser, c->text, c->text_len, &ctx, &reply, err);
    if (rc == 0 && reply.failure == EL_REPLY_OK)
        v->halves = reply.halves;
    b->counts->unreadable += reply.failure != EL_REPLY_OK;
    return rc;
}

static int is_open(const struct bench *b, const struct vote *v)
{
    return v->halves == EL_SCORE_NONE && v->attempts <= b->j->recipe->rewards.judge_retries;
}

/* Asks for all votes that are open, once. Returns how many there were. */
static int ask_round(struct bench *b, struct el_progress *progress, struct el_error *err)
{
    struct el_rl_ask *ask = el_alloc_array((size_t)b->n_votes + 1, sizeof *ask);
    int n = 0, rc = 0;
    if (!ask)
        return el_error_set(err, EL_ENOMEM, "out of memory for judgements");
    for (int i = 0; i < b->n_votes; i++)
        if (is_open(b, &b->vote[i]))
            ask[n++] = (struct el_rl_ask){
                .prompt = b->vote[i].prompt.data,
                .sampling = el_rl_judge_sampling(b->j->recipe, b->vote[i].attempts),
                .key = key_of(b, &b->vote[i])};
    rc = el_rl_ask_all(b->j->backend, ask, n, progress, err);
    for (int i = 0, k = 0; i < b->n_votes && k < n; i++) {
        if (!is_open(b, &b->vote[i]))
            continue;
        if (rc == 0)
            rc = read_vote(b, &b->vote[i], &ask[k].out, err);
        el_completion_release(&ask[k++].out);
    }
    el_free(ask);
    return rc < 0 ? rc : n;
}

/* The mean of a sample's votes of one kind; *enough 0 when fewer than half could be read. */
static double mean_vote(const struct bench *b, int sample, enum el_role role, int *from,
                        int *enough)
{
    int asked = 0, read = 0;
    double sum = 0;
    for (; *from < b->n_votes && b->vote[*from].sample == sample && b->vote[*from].role == role;
         ++*from) {
        const struct vote *v = &b->vote[*from];
        asked++;
        if (v->halves == EL_SCORE_NONE)
            continue;
        read++;
        sum += el_score_value(v->halves);
    }
    *enough &= 2 * read >= asked;
    return read ? sum / read : NAN;
}

static void count_judged(struct el_rl_judge_counts *c, size_t bytes, int lost)
{
    int length_class = el_length_class(bytes);
    c->judged++;
    c->judged_bytes += (int64_t)bytes;
    c->lengths.asked[length_class]++;
    if (!lost)
        return;
    c->lost++;
    c->lost_bytes += (int64_t)bytes;
    c->lengths.dropped[length_class]++;
}

static void settle(struct bench *b)
{
    int from = 0;
    for (int i = 0; i < b->n * b->g; i++) {
        const struct el_rl_task *t;
        struct el_rl_sample *s = sample_at(b, i, &t);
        struct el_rl_judgement j;
        int enough = 1, first = from;
        if (b->group[i / b->g].refused)
            continue;
        j.proof = mean_vote(b, i, EL_ROLE_VERIFIER, &from, &enough);
        j.analysis = mean_vote(b, i, EL_ROLE_META_VERIFIER, &from, &enough);
        el_rl_sample_reward(b->j->recipe, t, &j, s);
        if (from == first)
            continue;
        s->lost = !enough;
        count_judged(b->counts, el_rl_sample_proof(t, s).len, s->lost);
    }
}

static int by_model(struct bench *b, struct el_progress *progress, struct el_error *err)
{
    int rc = list_votes(b, err), left = 1;
    while (rc == 0 && left > 0) {
        left = ask_round(b, progress, err);
        rc = left < 0 ? left : 0;
    }
    if (rc == 0)
        settle(b);
    for (int i = 0; i < b->n_votes; i++)
        el_buf_release(&b->vote[i].prompt);
    el_free(b->vote);
    return rc;
}

int el_rl_judge_all(const struct el_rl_judge *j, struct el_rl_group *group, int n, int64_t step,
                    struct el_rl_judge_counts *counts, struct el_progress *progress,
                    struct el_error *err)
{
    struct bench b = {.j = j,
                      .group = group,
                      .n = n,
                      .g = j->recipe->num_generations,
                      .step = step,
                      .counts = counts};
    for (int i = 0; i < n * b.g; i++) {
        const struct el_rl_task *t;
        struct el_rl_sample *s = sample_at(&b, i, &t);
        if (group[i / b.g].refused)
            continue;
        int rc = el_rl_sample_rules(j->recipe, t, s, err);
        if (rc < 0)
            return rc;
        el_rl_sample_truth(j->recipe, t, s);
        if (new_proof(t) && j->recipe->rewards.proof_weight == 0 &&
            isnan(s->term[EL_TERM_FINAL_ANSWER]))
            return el_error_set(
                err, EL_EREFUSED,
                "proof_weight 0: the final answer of \"%.60s\" cannot be checked by "
                "rule",
                t->statement);
    }
    return j->backend ? by_model(&b, progress, err) : by_oracle(&b, err);
}
