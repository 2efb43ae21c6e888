#include "fake_backend.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/progress.h"
#include "core/base/rng.h"
#include "data/world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct waiting {
    struct el_completion reply;
};

struct fake {
    struct el_backend base;
    struct fake_options o;
    struct fake_counts counts;
    struct el_rng order;
    struct waiting *list;
    int n, peak, polls;
};

static struct fake *fake_of(const struct el_backend *b)
{
    return (struct fake *)(uintptr_t)b;
}

/* The text between two marks; after the last one to the end. */
static struct el_buf between(const char *text, const char *from, const char *to)
{
    struct el_buf b;
    el_buf_init(&b);
    const char *a = strstr(text, from);
    if (a) {
        a += strlen(from);
        const char *z = to ? strstr(a, to) : NULL;
        el_buf_add(&b, a, z ? (size_t)(z - a) : strlen(a));
    }
    return b;
}

static void put_self(const struct el_world_problem *p, const char *proof, size_t n,
                     struct el_rng *rng, struct el_buf *out)
{
    struct el_world_report r;
    el_world_judge_proof(p, proof, n, &r);
    el_buf_puts(out, "\n## Self Evaluation\n");
    if (r.score < 1 && el_rng_uniform(rng) < 0.1) {
        if (el_world_analysis_flawed(&r, EL_REVIEW_DROPPED, rng, out, NULL) == 0)
            return;
    }
    el_world_analysis_true(&r, out);
}

static void put_reply(const struct el_world_problem *p, const struct el_buf *proof,
                      struct el_rng *rng, struct el_buf *out)
{
    el_buf_puts(out, "## Solution\n");
    el_buf_add(out, proof->data, proof->len);
    put_self(p, proof->data, proof->len, rng, out);
}

static void draw_proof(const struct el_world_problem *p, double right, struct el_rng *rng,
                       struct el_buf *out)
{
    enum el_world_flaw flaw[EL_WORLD_CLAIMS];
    for (int i = 0; i < EL_WORLD_CLAIMS; i++)
        flaw[i] = el_rng_uniform(rng) < right ? EL_FLAW_NONE
                                              : (enum el_world_flaw)el_rng_below(rng, EL_FLAWS);
    el_world_proof_flawed(p, flaw, rng, out, NULL);
}

static void generate(const char *prompt, struct el_rng *rng, struct el_buf *out)
{
    struct el_world_problem p;
    struct el_buf statement = between(prompt, "Prove: ", "\n"), proof;
    el_buf_init(&proof);
    if (el_world_problem_parse(statement.data, statement.len, &p, NULL) == 0) {
        draw_proof(&p, 0.55, rng, &proof);
        put_reply(&p, &proof, rng, out);
    } else {
        el_buf_printf(out,
                      "## Solution\nTrivial, try %u.\n## Self Evaluation\nHere is my "
                      "evaluation of the solution:\nFine.\nBased on my evaluation, the final "
                      "overall score should be:\n\\boxed{%s}",
                      el_rng_below(rng, 5), el_rng_below(rng, 4) ? "0.5" : "1");
    }
    el_buf_release(&statement);
    el_buf_release(&proof);
}

static void refine(const char *prompt, struct el_rng *rng, struct el_buf *out)
{
    struct el_world_problem p;
    struct el_world_report r;
    struct el_world_review v;
    struct el_buf statement = between(prompt, "Refine: ", "\n"), next;
    struct el_buf proof = between(prompt, "Proof:\n", "\nReview:\n");
    struct el_buf review = between(prompt, "Review:\n", NULL);
    el_buf_init(&next);
    if (el_world_problem_parse(statement.data, statement.len, &p, NULL) < 0) {
        generate("Prove: none\n", rng, out);
    } else {
        el_world_judge_proof(&p, proof.data, proof.len, &r);
        el_world_judge_analysis(&r, review.data, review.len, &v);
        int mend = v.real > 0 && v.ms > 0.9 && el_rng_uniform(rng) < 0.6;
        if (!mend || el_world_proof_mended(&p, proof.data, proof.len, &r, rng, &next, NULL) < 0)
            draw_proof(&p, 0.5, rng, &next);
        put_reply(&p, &next, rng, out);
    }
    el_buf_release(&statement);
    el_buf_release(&proof);
    el_buf_release(&review);
    el_buf_release(&next);
}

static void verify(const char *prompt, struct el_rng *rng, struct el_buf *out)
{
    struct el_world_problem p;
    struct el_world_report r;
    struct el_buf statement = between(prompt, "Verify: ", "\n");
    struct el_buf proof = between(prompt, "Proof:\n", NULL);
    if (el_world_problem_parse(statement.data, statement.len, &p, NULL) < 0) {
        el_buf_printf(out,
                      "Here is my evaluation of the solution:\nHm.\nBased on my evaluation, "
                      "the final overall score should be:\n\\boxed{%s}",
                      el_rng_below(rng, 2) ? "0.5" : "0");
    } else {
        el_world_judge_proof(&p, proof.data, proof.len, &r);
        enum el_world_review_flaw flaw = (enum el_world_review_flaw)el_rng_below(rng, 12);
        if (flaw >= EL_REVIEW_FLAWS || flaw == EL_REVIEW_NONE ||
            el_world_analysis_flawed(&r, flaw, rng, out, NULL) < 0)
            el_world_analysis_true(&r, out);
    }
    el_buf_release(&statement);
    el_buf_release(&proof);
}

/* True of the small world four times in five, otherwise with another score. */
static void rate(const char *prompt, struct el_rng *rng, struct el_buf *out)
{
    struct el_world_problem p;
    struct el_world_report r;
    struct el_world_review v;
    struct el_buf statement = between(prompt, "Rate: ", "\n");
    struct el_buf proof = between(prompt, "Proof:\n", "\nReview:\n");
    struct el_buf review = between(prompt, "Review:\n", NULL);
    static const char *const scores[] = {"0", "0.5", "1"};
    const char *score = scores[el_rng_below(rng, 3)];
    if (el_world_problem_parse(statement.data, statement.len, &p, NULL) == 0) {
        el_world_judge_proof(&p, proof.data, proof.len, &r);
        el_world_judge_analysis(&r, review.data, review.len, &v);
        if (el_rng_below(rng, 5))
            score = v.ms > 0.9 ? "1" : v.ms > 0.4 ? "0.5" : "0";
    }
    el_buf_printf(out,
                  "Here is my analysis of the \"solution evaluation\":\nI looked.\nBased on my "
                  "analysis, I will rate the \"solution evaluation\" as:\n\\boxed{%s}",
                  score);
    el_buf_release(&statement);
    el_buf_release(&proof);
    el_buf_release(&review);
}

/* Spoils a well-formed generator's reply. */
static void spoil(struct fake *f, struct el_rng *rng, struct el_buf *text, struct el_completion *c)
{
    double u = el_rng_uniform(rng);
    const char *box = strstr(text->data, "\\boxed");
    if (u < f->o.malformed) {
        el_buf_clear(text);
        el_buf_puts(text, "I would rather not.");
    } else if (u < f->o.malformed + f->o.truncated) {
        text->len /= 2;
        text->data[text->len] = 0;
        c->finish = EL_FINISH_LENGTH;
    } else if (u < f->o.malformed + f->o.truncated + f->o.unscored && box) {
        text->len = (size_t)(box - text->data);
        text->data[text->len] = 0;
    }
}

static void answer(struct fake *f, const char *prompt, uint64_t key, struct el_completion *c)
{
    struct el_rng rng;
    struct el_buf text;
    el_rng_init(&rng, key);
    el_buf_init(&text);
    int verifier = strncmp(prompt, "Verify:", 7) == 0, meta = strncmp(prompt, "Rate:", 5) == 0;
    int judge = verifier || meta;
    const char *script = meta ? f->o.meta_script : verifier ? f->o.verifier_script : f->o.script;
    f->counts.analyses += verifier;
    f->counts.metas += meta;
    f->counts.attempts += !judge;
    if (script)
        el_buf_puts(&text, script);
    else if (meta)
        rate(prompt, &rng, &text);
    else if (verifier)
        verify(prompt, &rng, &text);
    else if (strncmp(prompt, "Refine:", 7) == 0)
        refine(prompt, &rng, &text);
    else
        generate(prompt, &rng, &text);
    if (judge && el_rng_uniform(&rng) < f->o.judge_malformed) {
        el_buf_clear(&text);
        el_buf_puts(&text, "Who knows.");
    }
    if (!judge)
        spoil(f, &rng, &text, c);
    c->text_len = text.len;
    c->text = el_strndup(text.data, text.len);
    c->prompt_tokens = (int)strlen(prompt) / 4;
    c->completion_tokens = (int)text.len / 4;
    c->logp = -1;
    el_buf_release(&text);
}

static int fake_room(struct el_backend *b)
{
    struct fake *f = fake_of(b);
    return (f->o.room ? f->o.room : 8) - f->n;
}

static int fake_submit(struct el_backend *b, const struct el_request *r, struct el_error *err)
{
    struct fake *f = fake_of(b);
    const char *prompt = r->messages[0].content;
    int refuse = f->o.refuse_over && strlen(prompt) > (size_t)f->o.refuse_over;
    f->counts.submitted++;
    f->counts.refused += refuse;
    if (refuse && !f->o.refuse_late)
        return el_error_set(err, EL_ELIMIT, "the prompt is too long");
    struct waiting *grown = realloc(f->list, (size_t)(f->n + 1) * sizeof *grown);
    if (!grown)
        return el_error_set(err, EL_ENOMEM, "out of memory");
    f->list = grown;
    struct el_completion *c = &f->list[f->n++].reply;
    memset(c, 0, sizeof *c);
    c->tag = r->tag;
    c->finish = refuse ? EL_FINISH_REFUSED : EL_FINISH_STOP;
    if (!refuse && f->o.error_every && f->counts.submitted % f->o.error_every == 0) {
        c->finish = EL_FINISH_ERROR;
        el_error_set(&c->error, EL_EIO, "connection reset");
        f->counts.errors++;
    } else if (!refuse) {
        answer(f, prompt, r->key, c);
    }
    f->peak = f->n > f->peak ? f->n : f->peak;
    return 0;
}

static int fake_poll(struct el_backend *b, struct el_completion *out, struct el_error *err)
{
    struct fake *f = fake_of(b);
    f->polls++;
    if (f->o.die_after && f->polls == f->o.die_after)
        kill(getpid(), SIGKILL);
    if (f->o.stop_after && f->polls == f->o.stop_after) {
        el_stop_requested = 1;
        return el_error_set(err, EL_EINTR, "interrupted");
    }
    if (f->n == 0)
        return 0;
    int i = f->o.order_seed ? (int)el_rng_below(&f->order, (uint32_t)f->n) : 0;
    *out = f->list[i].reply;
    memmove(&f->list[i], &f->list[i + 1], (size_t)(f->n - i - 1) * sizeof *f->list);
    f->n--;
    f->counts.answered++;
    return 1;
}

static void fake_destroy(struct el_backend *b)
{
    struct fake *f = fake_of(b);
    for (int i = 0; i < f->n; i++)
        el_completion_release(&f->list[i].reply);
    free(f->list);
    free(f);
}

struct el_backend *fake_backend_create(const struct fake_options *o)
{
    struct fake *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->o = *o;
    el_rng_init(&f->order, o->order_seed);
    strcpy(f->base.name, "fake");
    strcpy(f->base.digest, "fa4e");
    strcpy(f->base.mode, "scripted");
    f->base.room = fake_room;
    f->base.submit = fake_submit;
    f->base.poll = fake_poll;
    f->base.destroy = fake_destroy;
    return &f->base;
}

const struct fake_counts *fake_backend_counts(const struct el_backend *b)
{
    return &fake_of(b)->counts;
}

int fake_backend_peak(const struct el_backend *b)
{
    return fake_of(b)->peak;
}
