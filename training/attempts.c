#include "training/attempts.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"

#include <string.h>

void el_attempts_init(struct el_attempts *a)
{
    *a = (struct el_attempts){0};
}

void el_attempts_release(struct el_attempts *a)
{
    for (size_t i = 0; i < a->n; i++) {
        el_free(a->item[i].proof);
        el_free(a->item[i].analysis);
    }
    el_free(a->item);
    el_attempts_init(a);
}

static int add(struct el_attempts *a, uint64_t problem, struct el_slice proof,
               struct el_slice analysis)
{
    if (a->n == a->room) {
        size_t room = a->room ? 2 * a->room : 256;
        struct el_attempt *more = el_realloc(a->item, room * sizeof *more);
        if (!more)
            return EL_ENOMEM;
        a->item = more;
        a->room = room;
    }
    struct el_attempt *t = &a->item[a->n];
    t->problem = problem;
    t->proof = el_strndup(proof.data ? proof.data : "", proof.len);
    t->analysis = el_strndup(analysis.data ? analysis.data : "", analysis.len);
    if (!t->proof || !t->analysis) {
        el_free(t->proof);
        el_free(t->analysis);
        return EL_ENOMEM;
    }
    a->n++;
    return 0;
}

/* ---- Sampling ---- */

struct sampling {
    struct el_backend *b;
    const struct el_recipe *r;
    const struct el_recipe_stage *s;
    uint64_t first, seed;
    int64_t n; /* first attempts in all */
    const struct el_reply_parser *parser;
    struct el_attempts
        *slot; /* one pool per first attempt, so that order is that of the problems */
    struct el_attempts_report *report;
    int64_t *again; /* slots whose attempt is to be refined, a queue */
    int64_t n_again, sent_again;
};

/* Tags: slot for a first attempt, n + slot for its refinement. */
static uint64_t key_of(const struct sampling *s, int64_t tag)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, s->b->digest);
    el_digest_u64(&d, s->seed);
    el_digest_u64(&d, s->first);
    el_digest_u64(&d, (uint64_t)tag);
    return el_digest_key(&d);
}

static uint64_t problem_of(const struct sampling *s, int64_t slot)
{
    return s->first + (uint64_t)(slot / s->s->samples);
}

static int prompt_text(const struct sampling *s, int64_t tag, struct el_buf *out)
{
    struct el_world_problem p;
    struct el_buf statement;
    const struct el_world_prompts *prompts = &s->r->mix.prompts;
    el_buf_init(&statement);
    el_world_problem(EL_WORLD_TRAIN, problem_of(s, tag % s->n), &p);
    int rc = el_world_problem_text(&p, &statement);
    if (rc == 0 && tag < s->n) {
        rc = el_world_fill(prompts->generate, statement.data, NULL, NULL, out);
    } else if (rc == 0) {
        const struct el_attempt *old = &s->slot[tag - s->n].item[0];
        rc = el_world_fill(prompts->refine, statement.data, old->proof, old->analysis, out);
    }
    el_buf_release(&statement);
    return rc;
}

static int submit(struct sampling *s, int64_t tag, struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = prompt_text(s, tag, &text);
    if (rc < 0) {
        el_buf_release(&text);
        return el_error_set(err, rc, "out of memory for a prompt");
    }
    struct el_message m = {"user", text.data};
    struct el_request q = {.messages = &m,
                           .n_messages = 1,
                           .sampling = {.temperature = s->s->temperature,
                                        .top_p = 1,
                                        .max_tokens = s->r->max_sequence},
                           .key = key_of(s, tag),
                           .tag = tag};
    rc = el_backend_submit(s->b, &q, err);
    el_buf_release(&text);
    return rc;
}

static void count(struct el_attempts_report *r, const struct el_world_report *truth, int self,
                  int refined)
{
    if (refined) {
        r->refined_right += truth->score == 1;
        return;
    }
    r->right += truth->score == 1;
    r->half += truth->score == 0.5;
    for (int i = 0; i < truth->n_claims; i++) {
        r->claims++;
        r->claims_right += el_world_claim_is_right(truth, i);
    }
    r->self_right += self == (int)(2 * truth->score);
    r->said_one += self == 2;
    r->said_one_wrong += self == 2 && truth->score < 1;
}

static int take(struct sampling *s, const struct el_completion *c, struct el_error *err)
{
    struct el_reply reply;
    struct el_reply_context ctx = {
        c->finish == EL_FINISH_LENGTH ? EL_REPLY_CUT_OFF : EL_REPLY_ENDED, 0};
    int rc = el_reply_parse_generator(s->parser, c->text, c->text_len, &ctx, &reply, err);
    if (rc < 0)
        return rc;
    int refined = c->tag >= s->n;
    int64_t slot = c->tag % s->n;
    s->report->completions++;
    s->report->refined += refined;
    s->report->tokens += c->completion_tokens;
    if (reply.failure != EL_REPLY_OK) {
        s->report->unparsed += !refined;
        s->report->refined_unparsed += refined;
        return 0;
    }
    struct el_world_problem p;
    struct el_world_report truth;
    struct el_slice proof = el_reply_slice(reply.proof, c->text);
    el_world_problem(EL_WORLD_TRAIN, problem_of(s, slot), &p);
    el_world_judge_proof(&p, proof.data, proof.len, &truth);
    count(s->report, &truth, reply.halves, refined);
    if (!refined && s->s->refine && reply.halves < 2)
        s->again[s->n_again++] = slot;
    if (add(&s->slot[slot], problem_of(s, slot), proof, el_reply_slice(reply.analysis, c->text)) <
        0)
        return el_error_set(err, EL_ENOMEM, "out of memory for attempts");
    return 0;
}

/* A first attempt may be so long that no refinement of it fits the context: then there is none. */
static int submit_again(struct sampling *s, int64_t slot, struct el_error *err)
{
    struct el_error why = {0};
    int rc = submit(s, s->n + slot, &why);
    if (rc == 0 || rc == EL_ELIMIT)
        return 0;
    return el_error_set(err, rc, "%s", why.msg);
}

static int fill_backend(struct sampling *s, int64_t *sent, struct el_error *err)
{
    int rc = 0;
    while (rc == 0 && el_backend_room(s->b) > 0) {
        if (s->sent_again < s->n_again)
            rc = submit_again(s, s->again[s->sent_again++], err);
        else if (*sent < s->n)
            rc = submit(s, (*sent)++, err);
        else
            break;
    }
    return rc;
}

static int run(struct sampling *s, struct el_progress *progress, struct el_error *err)
{
    int64_t sent = 0;
    for (;;) {
        int rc = fill_backend(s, &sent, err);
        if (rc < 0)
            return rc;
        struct el_completion c = {0};
        rc = el_backend_poll(s->b, &c, err);
        if (rc <= 0)
            return rc;
        if (c.finish == EL_FINISH_ERROR)
            rc = el_error_set(err, c.error.code, "%s", c.error.msg);
        else
            rc = take(s, &c, err);
        el_completion_release(&c);
        if (rc < 0)
            return rc;
        el_progress_update(progress, s->report->completions, s->n + s->n_again, NULL);
    }
}

/* Moves the slots' attempts to the pool, in the order of the problems. */
static int collect(struct sampling *s, struct el_attempts *pool)
{
    int rc = 0;
    for (int64_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->slot[i].n && rc == 0; k++) {
            const struct el_attempt *t = &s->slot[i].item[k];
            rc = add(pool, t->problem, el_slice_str(t->proof), el_slice_str(t->analysis));
        }
        el_attempts_release(&s->slot[i]);
    }
    return rc;
}

int el_attempts_sample(struct el_backend *b, const struct el_recipe *r,
                       const struct el_recipe_stage *stage, uint64_t first, uint64_t seed,
                       struct el_attempts *pool, struct el_attempts_report *report,
                       struct el_progress *progress, struct el_error *err)
{
    struct el_reply_parser *parser = NULL;
    struct sampling s = {.b = b,
                         .r = r,
                         .s = stage,
                         .first = first,
                         .seed = seed,
                         .n = (int64_t)stage->attempts * stage->samples,
                         .report = report};
    *report = (struct el_attempts_report){0};
    int rc = el_reply_parser_create(&parser, err);
    if (rc < 0)
        return rc;
    s.parser = parser;
    s.slot = el_alloc_array((size_t)s.n, sizeof *s.slot);
    s.again = el_alloc_array((size_t)s.n, sizeof *s.again);
    if (!s.slot || !s.again)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for attempts");
    if (rc == 0)
        rc = run(&s, progress, err);
    if (s.slot && collect(&s, pool) < 0 && rc == 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for attempts");
    el_free(s.slot);
    el_free(s.again);
    el_reply_parser_free(parser);
    return rc;
}

/* ---- Files ---- */

static int print_one(struct el_buf *out, const struct el_attempt *t)
{
    int rc = el_buf_printf(out, "{\"problem\":%llu,\"proof\":", (unsigned long long)t->problem);
    if (rc == 0)
        rc = el_json_quote(out, t->proof, strlen(t->proof));
    if (rc == 0)
        rc = el_buf_puts(out, ",\"analysis\":");
    if (rc == 0)
        rc = el_json_quote(out, t->analysis, strlen(t->analysis));
    return rc == 0 ? el_buf_puts(out, "}\n") : rc;
}

int el_attempts_save(const struct el_attempts *a, const char *path, struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = 0;
    for (size_t i = 0; i < a->n && rc == 0; i++)
        rc = print_one(&text, &a->item[i]);
    rc = rc < 0 ? el_error_set(err, rc, "%s: out of memory", path)
                : el_file_write(path, text.data, text.len, err);
    el_buf_release(&text);
    return rc;
}

static int load_line(struct el_attempts *a, const char *where, const char *line, size_t n,
                     struct el_error *err)
{
    cJSON *o = NULL;
    int64_t problem = 0;
    const char *proof = NULL, *analysis = NULL;
    int rc = el_json_parse(where, line, n, &o, err);
    if (rc == 0)
        rc = el_json_i64(o, where, "problem", &problem, err);
    if (rc == 0)
        rc = el_json_str(o, where, "proof", &proof, err);
    if (rc == 0)
        rc = el_json_str(o, where, "analysis", &analysis, err);
    if (rc == 0 && problem < 0)
        rc = el_error_set(err, EL_EFORMAT, "%s: field 'problem' must not be negative", where);
    if (rc == 0 && add(a, (uint64_t)problem, el_slice_str(proof), el_slice_str(analysis)) < 0)
        rc = el_error_set(err, EL_ENOMEM, "%s: out of memory", where);
    cJSON_Delete(o);
    return rc;
}

int el_attempts_load(struct el_attempts *a, const char *path, struct el_error *err)
{
    struct el_buf text, where;
    el_buf_init(&text);
    el_buf_init(&where);
    int rc = el_file_read(path, 0, &text, err);
    int number = 0;
    for (char *line = text.data; rc == 0 && line < text.data + text.len;) {
        size_t left = (size_t)(text.data + text.len - line);
        char *end = memchr(line, '\n', left);
        size_t n = end ? (size_t)(end - line) : left;
        el_buf_clear(&where);
        if (el_buf_printf(&where, "%s: line %d", path, ++number) < 0)
            rc = el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
        if (rc == 0)
            rc = load_line(a, where.data, line, n, err);
        line += n + 1;
    }
    el_buf_release(&text);
    el_buf_release(&where);
    return rc;
}
