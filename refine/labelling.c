#include "refine/labelling.h"

#include "core/base/alloc.h"
#include "core/base/digest.h"

#include <string.h>

static int no_memory(struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "out of memory for the state of the labelling");
}

int el_labelling_init(struct el_labelling *s, const struct el_label_settings *set,
                      struct el_error *err)
{
    memset(s, 0, sizeof *s);
    s->set = *set;
    el_map_init(&s->by_digest);
    el_map_init(&s->by_proof);
    el_map_init(&s->by_analysis);
    s->decided_head = s->decided_tail = -1;
    return el_label_settings_check(set, err);
}

void el_labelling_release(struct el_labelling *s)
{
    for (int i = 0; i < s->n_items; i++) {
        el_free(s->items[i].analyses);
        el_free(s->items[i].texts);
    }
    for (int i = 0; i < s->n_texts; i++)
        el_free(s->texts[i].metas);
    el_free(s->items);
    el_free(s->texts);
    el_free(s->copies);
    el_map_release(&s->by_digest);
    el_map_release(&s->by_proof);
    el_map_release(&s->by_analysis);
    el_free(s->queue[0].items);
    el_free(s->queue[1].items);
    memset(s, 0, sizeof *s);
}

/* Room for one more element: 0 or EL_ENOMEM. */
static int grow(void **items, int n, int *cap, size_t size)
{
    if (n < *cap)
        return 0;
    int next = *cap ? 2 * *cap : 64;
    void *grown = el_realloc(*items, (size_t)next * size);
    if (!grown)
        return EL_ENOMEM;
    *items = grown;
    *cap = next;
    return 0;
}

/* ------------------------------------------------------------------------------------- proofs */

static uint64_t digest_of(int problem, const char *text, size_t n)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_u64(&d, (uint64_t)problem);
    el_digest_bytes(&d, text, n);
    return el_digest_key(&d);
}

static int add_item(struct el_labelling *s, int problem, int64_t proof, size_t n)
{
    if (grow((void **)&s->items, s->n_items, &s->cap_items, sizeof *s->items) < 0)
        return EL_ENOMEM;
    s->items[s->n_items] = (struct el_label_item){
        .problem = problem, .proof = proof, .bytes = n, .first_copy = -1, .next_decided = -1};
    return s->n_items++;
}

/* In the order of arrival, so that the first copy is the row that is asked about. */
static int add_copy(struct el_labelling *s, int item, int64_t proof)
{
    if (grow((void **)&s->copies, s->n_copies, &s->cap_copies, sizeof *s->copies) < 0)
        return EL_ENOMEM;
    int *link = &s->items[item].first_copy;
    while (*link >= 0)
        link = &s->copies[*link].next;
    *link = s->n_copies;
    s->copies[s->n_copies++] = (struct el_label_copy){.proof = proof, .next = -1};
    return 0;
}

int el_labelling_proof(struct el_labelling *s, int problem, int64_t proof, const char *text,
                       size_t n, struct el_error *err)
{
    uint64_t digest = digest_of(problem, text, n);
    int i = el_map_get(&s->by_digest, digest);
    if (el_map_get(&s->by_proof, (uint64_t)proof) >= 0)
        return i;
    if (i < 0) {
        i = add_item(s, problem, proof, n);
        if (i < 0 || el_map_put(&s->by_digest, digest, i) < 0)
            return no_memory(err);
    }
    if (add_copy(s, i, proof) < 0 || el_map_put(&s->by_proof, (uint64_t)proof, i) < 0)
        return no_memory(err);
    return i;
}

/* ------------------------------------------------------------------------------------- queues */

static int push(struct el_labelling *s, enum el_label_task_kind kind, int subject, int sample,
                struct el_error *err)
{
    struct el_label_queue *q = &s->queue[kind];
    if (q->count == q->cap) {
        size_t cap = q->cap ? 2 * q->cap : 64;
        struct el_label_task *grown = el_alloc_array(cap, sizeof *grown);
        if (!grown)
            return no_memory(err);
        for (size_t i = 0; i < q->count; i++)
            grown[i] = q->items[(q->head + i) % q->cap];
        el_free(q->items);
        *q = (struct el_label_queue){grown, 0, q->count, cap};
    }
    q->items[(q->head + q->count++) % q->cap] = (struct el_label_task){subject, sample};
    s->outstanding[kind]++;
    return 0;
}

int el_labelling_take(struct el_labelling *s, enum el_label_task_kind kind,
                      struct el_label_task *out)
{
    struct el_label_queue *q = &s->queue[kind];
    if (q->count == 0)
        return 0;
    *out = q->items[q->head];
    q->head = (q->head + 1) % q->cap;
    q->count--;
    return 1;
}

static int reserve_votes(struct el_vote_record **votes, int *cap, int n)
{
    struct el_vote_record *grown = el_realloc(*votes, (size_t)n * sizeof *grown);
    if (!grown)
        return EL_ENOMEM;
    memset(grown + *cap, 0, (size_t)(n - *cap) * sizeof *grown);
    *votes = grown;
    *cap = n;
    return 0;
}

static int reserve_analyses(struct el_label_item *x, int n)
{
    int old = x->cap;
    if (n <= old)
        return 0;
    int *texts = el_realloc(x->texts, (size_t)n * sizeof *texts);
    if (!texts)
        return EL_ENOMEM;
    x->texts = texts;
    if (reserve_votes(&x->analyses, &x->cap, n) < 0)
        return EL_ENOMEM;
    for (int i = old; i < n; i++)
        x->texts[i] = -1;
    return 0;
}

/* ----------------------------------------------------------------------------------- deciding */

void el_labelling_metas(struct el_labelling *s, int text, const struct el_label_rule *r,
                        struct el_meta_count *out)
{
    const struct el_label_text *t = &s->texts[text];
    *out = (struct el_meta_count){.verdict = EL_VERDICT_NONE};
    if (t->cap < r->m)
        return;
    for (int i = 0; i < r->m; i++) {
        if (t->metas[i].state == EL_VOTE_NONE)
            return;
        s->votes[i] = t->metas[i].state == EL_VOTE_DONE ? t->metas[i].halves : EL_SCORE_NONE;
    }
    el_label_verdict(r, s->votes, out);
}

/* What is there for the rule r, into s->views. 0: an analysis is missing. */
static int see(struct el_labelling *s, const struct el_label_item *x, const struct el_label_rule *r)
{
    for (int i = 0; i < r->n; i++) {
        struct el_meta_count metas = {.verdict = EL_VERDICT_NONE};
        if (i >= x->cap || x->analyses[i].state == EL_VOTE_NONE)
            return 0;
        if (x->texts[i] >= 0)
            el_labelling_metas(s, x->texts[i], r, &metas);
        s->views[i].verdict = (signed char)metas.verdict;
        s->views[i].halves = x->texts[i] >= 0 || x->analyses[i].state == EL_VOTE_DONE
                                 ? x->analyses[i].halves
                                 : EL_SCORE_NONE;
    }
    return 1;
}

int el_labelling_decide(struct el_labelling *s, int item, const struct el_label_rule *r,
                        struct el_label_result *out)
{
    return see(s, &s->items[item], r) && el_label_decide(r, s->views, out, s->examine);
}

/* Asks for the meta-assessments of a text, as far as they are neither there nor asked for. */
static int want_metas(struct el_labelling *s, int text, struct el_error *err)
{
    struct el_label_text *t = &s->texts[text];
    int m = s->set.rule.m, rc = 0;
    if (t->cap < m && reserve_votes(&t->metas, &t->cap, m) < 0)
        return no_memory(err);
    for (; rc == 0 && t->wanted < m; t->wanted++) {
        if (t->metas[t->wanted].state != EL_VOTE_NONE)
            continue;
        rc = push(s, EL_LABEL_META, text, t->wanted, err);
        s->items[t->item].outstanding += rc == 0;
    }
    return rc;
}

static int want_analyses(struct el_labelling *s, int item, struct el_error *err)
{
    struct el_label_item *x = &s->items[item];
    int n = s->set.rule.n, rc = 0;
    if (reserve_analyses(x, n) < 0)
        return no_memory(err);
    for (; rc == 0 && x->wanted < n; x->wanted++) {
        if (x->analyses[x->wanted].state != EL_VOTE_NONE)
            continue;
        rc = push(s, EL_LABEL_ANALYSIS, item, x->wanted, err);
        x->outstanding += rc == 0;
    }
    return rc;
}

static void finish(struct el_labelling *s, int item)
{
    struct el_label_item *x = &s->items[item];
    x->stage = EL_STAGE_DECIDED;
    s->decided++;
    s->metas_of_decided += x->metas;
    if (s->decided_tail >= 0)
        s->items[s->decided_tail].next_decided = item;
    else
        s->decided_head = item;
    s->decided_tail = item;
}

int el_labelling_next_decided(struct el_labelling *s)
{
    int item = s->decided_head;
    if (item < 0)
        return -1;
    s->decided_head = s->items[item].next_decided;
    s->items[item].next_decided = -1;
    if (s->decided_head < 0)
        s->decided_tail = -1;
    return item;
}

/* With everything to be examined: marks the analyses whose verdict is missing. */
static int mark_all(struct el_labelling *s)
{
    int marked = 0;
    for (int i = 0; i < s->set.rule.n; i++) {
        int halves = s->views[i].halves, open = s->views[i].verdict == EL_VERDICT_NONE;
        s->examine[i] = open && (halves == EL_SCORE_ZERO || halves == EL_SCORE_HALF);
        marked += s->examine[i];
    }
    return marked;
}

/* Verdicts of the samples in s->examine become visible, and of their copies. */
static void reveal(struct el_labelling *s, const struct el_label_item *x, const signed char *known)
{
    int n = s->set.rule.n;
    for (int i = 0; i < n; i++)
        for (int j = 0; s->examine[i] && j < n; j++)
            if (x->texts[j] == x->texts[i])
                s->views[j].verdict = known[j];
}

/* Decides as a run does that was never killed: verdicts count from the step on in which they are
 * asked for, even where later ones are there already. Otherwise what is asked, and how a label is
 * explained, would depend on which replies a killed run had stored. */
static int decide_step_by_step(struct el_labelling *s, const struct el_label_item *x,
                               struct el_label_result *out)
{
    const struct el_label_rule *r = &s->set.rule;
    signed char known[EL_MAX_ANALYSES];
    if (!see(s, x, r))
        return 0;
    for (int i = 0; i < r->n; i++) {
        known[i] = s->views[i].verdict;
        s->views[i].verdict = EL_VERDICT_NONE;
    }
    while (!el_label_decide(r, s->views, out, s->examine)) {
        int there = 0, missing = 0;
        for (int i = 0; i < r->n; i++) {
            there += s->examine[i] && known[i] != EL_VERDICT_NONE;
            missing += s->examine[i] && known[i] == EL_VERDICT_NONE;
        }
        if (missing > 0 || there == 0)
            return 0;
        reveal(s, x, known);
    }
    return 1;
}

/* Nothing is outstanding: what comes next. */
static int plan(struct el_labelling *s, int item, struct el_error *err)
{
    struct el_label_item *x = &s->items[item];
    int rc = want_analyses(s, item, err);
    x->stage = EL_STAGE_ANALYSES;
    if (rc < 0 || x->outstanding > 0)
        return rc;
    int decided = s->set.complete ? el_labelling_decide(s, item, &s->set.rule, &x->result)
                                  : decide_step_by_step(s, x, &x->result);
    if (s->set.complete && mark_all(s) > 0)
        decided = 0;
    if (decided) {
        finish(s, item);
        return 0;
    }
    x->stage = EL_STAGE_METAS;
    for (int i = 0; rc == 0 && i < s->set.rule.n; i++)
        if (s->examine[i])
            rc = want_metas(s, x->texts[i], err);
    return rc;
}

static int move_on(struct el_labelling *s, int item, enum el_label_task_kind kind,
                   struct el_error *err)
{
    struct el_label_item *x = &s->items[item];
    s->outstanding[kind]--;
    x->outstanding--;
    return x->outstanding == 0 ? plan(s, item, err) : 0;
}

int el_labelling_start(struct el_labelling *s, struct el_error *err)
{
    int rc = 0;
    s->started = 1;
    for (int i = 0; rc == 0 && i < s->n_items; i++)
        rc = plan(s, i, err);
    return rc;
}

/* ---------------------------------------------------------------------------------- recording */

static int add_text(struct el_labelling *s, int item, uint64_t digest)
{
    if (grow((void **)&s->texts, s->n_texts, &s->cap_texts, sizeof *s->texts) < 0)
        return EL_ENOMEM;
    s->texts[s->n_texts] = (struct el_label_text){.item = item, .digest = digest, .sample = -1};
    return s->n_texts++;
}

static int find_text(const struct el_labelling *s, const struct el_label_item *x, uint64_t digest)
{
    for (int i = 0; i < x->cap; i++)
        if (x->texts[i] >= 0 && s->texts[x->texts[i]].digest == digest)
            return x->texts[i];
    return -1;
}

/* The text of an analysis that reports issues. */
static int note_text(struct el_labelling *s, int item, int sample, int64_t analysis,
                     const char *text)
{
    uint64_t digest = digest_of(0, text, strlen(text));
    int i = find_text(s, &s->items[item], digest);
    if (i < 0)
        i = add_text(s, item, digest);
    if (i < 0 || el_map_put(&s->by_analysis, (uint64_t)analysis, i) < 0)
        return EL_ENOMEM;
    struct el_label_text *t = &s->texts[i];
    s->items[item].texts[sample] = i;
    if (t->sample < 0 || sample < t->sample) {
        t->sample = sample;
        t->analysis = analysis;
    }
    return 0;
}

static int check_sample(int sample, struct el_error *err)
{
    if (sample >= 0 && sample < EL_MAX_ANALYSES)
        return 0;
    return el_error_set(err, EL_EFORMAT, "reply %d about one text, expected 0 to %d", sample,
                        EL_MAX_ANALYSES - 1);
}

int el_labelling_analysis(struct el_labelling *s, int item, int sample,
                          const struct el_vote_record *v, const char *text, struct el_error *err)
{
    struct el_label_item *x = &s->items[item];
    int rc = check_sample(sample, err);
    if (rc < 0)
        return rc;
    if (reserve_analyses(x, sample + 1) < 0)
        return no_memory(err);
    int settled = x->analyses[sample].state == EL_VOTE_NONE && v->state != EL_VOTE_NONE;
    x->analyses[sample] = *v;
    if (!settled)
        return 0;
    s->stored[EL_LABEL_ANALYSIS]++;
    int issues = v->state == EL_VOTE_DONE && v->halves < EL_SCORE_ONE;
    if (issues && note_text(s, item, sample, v->analysis, text) < 0)
        return no_memory(err);
    return s->started ? move_on(s, item, EL_LABEL_ANALYSIS, err) : 0;
}

int el_labelling_meta(struct el_labelling *s, int text, int sample, const struct el_vote_record *v,
                      struct el_error *err)
{
    struct el_label_text *t = &s->texts[text];
    int rc = check_sample(sample, err);
    if (rc < 0)
        return rc;
    if (sample >= t->cap && reserve_votes(&t->metas, &t->cap, sample + 1) < 0)
        return no_memory(err);
    int settled = t->metas[sample].state == EL_VOTE_NONE && v->state != EL_VOTE_NONE;
    t->metas[sample] = *v;
    if (!settled)
        return 0;
    s->stored[EL_LABEL_META]++;
    s->items[t->item].metas++;
    return s->started ? move_on(s, t->item, EL_LABEL_META, err) : 0;
}

int64_t el_labelling_expected(const struct el_labelling *s)
{
    const struct el_label_rule *r = &s->set.rule;
    int first = s->set.complete ? r->n : r->k;
    double mean = s->decided ? (double)s->metas_of_decided / s->decided : (double)first * r->m;
    int64_t metas = s->metas_of_decided + (int64_t)(mean * (s->n_items - s->decided));
    int64_t known = s->stored[EL_LABEL_META] + s->outstanding[EL_LABEL_META];
    return s->stored[EL_LABEL_ANALYSIS] + s->outstanding[EL_LABEL_ANALYSIS] +
           (metas > known ? metas : known);
}
