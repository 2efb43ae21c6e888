/* A store of the run's own: programmed proofs and analyses of the small world, and the start's
 * attempts at problems, all scored by the oracle. Made in one go under another name and then
 * renamed, so that data.db is complete whenever it is there; a pure function of the recipe and the
 * start, of which data.db.from has the digest. */
#include "training/rl/part.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "data/oracle.h"
#include "data/world_store.h"
#include "training/rl/ask.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CORPUS_ANALYSES = 2 };

struct attempts {
    struct el_rl_run *run;
    struct el_store *store;
    struct el_backend *backend;
    struct el_rl_ask *ask;
    struct el_buf *statement, *prompt;
    int n;
    int64_t unparsed, refused;
};

static int make_prompt(struct attempts *a, int i, struct el_error *err)
{
    struct el_world_problem p;
    const struct el_rl_recipe *r = &a->run->recipe;
    struct el_digest d;
    el_buf_init(&a->statement[i]);
    el_buf_init(&a->prompt[i]);
    el_world_problem(r->split, el_rl_first_problem(r, EL_RL_ATTEMPTED) + (uint64_t)i, &p);
    if (el_world_problem_text(&p, &a->statement[i]) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for attempts");
    const struct el_role_input in = {.statement = el_slice_str(a->statement[i].data)};
    int rc = el_role_prompt(EL_ROLE_GENERATOR, a->run->prompts, &in, &a->prompt[i], err);
    el_digest_init(&d);
    el_digest_str(&d, "attempt");
    el_digest_str(&d, a->run->start->digest);
    el_digest_u64(&d, r->seed);
    el_digest_u64(&d, (uint64_t)i);
    a->ask[i] = (struct el_rl_ask){
        .prompt = a->prompt[i].data, .sampling = r->sampling, .key = el_digest_key(&d)};
    return rc;
}

/* The problem, the proof and its self-analysis as rows. */
static int store_reply(struct attempts *a, int i, const struct el_reply *reply,
                       struct el_error *err)
{
    char set[32], name[32], origin[48];
    struct el_buf proof, analysis;
    struct el_slice y = el_reply_slice(reply->proof, a->ask[i].out.text);
    struct el_slice z = el_reply_slice(reply->analysis, a->ask[i].out.text);
    int64_t problem = 0, row = 0, id;
    snprintf(name, sizeof name, "%" PRIu64,
             el_rl_first_problem(&a->run->recipe, EL_RL_ATTEMPTED) + (uint64_t)i);
    snprintf(origin, sizeof origin, "attempt %d", i);
    snprintf(set, sizeof set, "world-%s", el_world_split_name((int)a->run->recipe.split));
    el_buf_init(&proof);
    el_buf_init(&analysis);
    const struct el_author author = {EL_AUTHOR_MODEL, a->run->start->digest, origin};
    int rc = el_store_clean(&proof, y.data, y.len);
    if (rc == 0)
        rc = el_store_clean(&analysis, z.data, z.len);
    if (rc < 0)
        el_error_set(err, rc, "out of memory for an attempt");
    const struct el_problem p = {
        .set = set, .external_id = name, .statement = a->statement[i].data};
    if (rc == 0)
        rc = el_store_problem_add(a->store, &p, &problem, NULL, err);
    const struct el_proof y_row = {.problem = problem, .text = proof.data, .author = author};
    if (rc >= 0)
        rc = el_store_proof_add(a->store, &y_row, &row, err);
    const struct el_analysis z_row = {.proof = row,
                                      .is_self = 1,
                                      .text = analysis.data,
                                      .halves = reply->halves,
                                      .author = author};
    if (rc >= 0)
        rc = el_store_analysis_add(a->store, &z_row, &id, err);
    el_buf_release(&proof);
    el_buf_release(&analysis);
    return rc < 0 ? rc : 0;
}

static int store_all(struct attempts *a, struct el_error *err)
{
    int rc = el_store_begin(a->store, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < a->n && rc == 0; i++) {
        const struct el_completion *c = &a->ask[i].out;
        struct el_reply_context ctx = {
            c->finish == EL_FINISH_LENGTH ? EL_REPLY_CUT_OFF : EL_REPLY_ENDED, 0};
        struct el_reply reply;
        a->refused += c->finish == EL_FINISH_REFUSED;
        if (c->finish == EL_FINISH_REFUSED)
            continue;
        rc = el_role_parse(EL_ROLE_GENERATOR, a->run->parser, c->text, c->text_len, &ctx, &reply,
                           err);
        if (rc == 0 && reply.failure == EL_REPLY_OK)
            rc = store_reply(a, i, &reply, err);
        else
            a->unparsed++;
    }
    if (rc == 0)
        return el_store_commit(a->store, err);
    el_store_rollback(a->store);
    return rc;
}

static int ask_all(struct attempts *a, struct el_error *err)
{
    struct el_rl_part part;
    int rc = 0;
    el_rl_part_init(&part, a->run, "data, attempts");
    for (int i = 0; i < a->n && rc == 0; i++)
        rc = make_prompt(a, i, err);
    if (rc == 0)
        rc = el_rl_ask_all(a->backend, a->ask, a->n, &part.base, err);
    if (rc == 0)
        rc = store_all(a, err);
    if (rc == 0)
        el_rl_say(a->run, "%d attempts of the start, %" PRId64 " of them unreadable", a->n,
                  a->unparsed);
    if (rc == 0 && a->refused)
        el_rl_say(a->run, "left out: %" PRId64 " attempts whose prompts do not fit the model",
                  a->refused);
    return rc;
}

static int add_attempts(struct el_rl_run *t, struct el_store *s, struct el_error *err)
{
    const struct el_local_options o = {
        .attention = EL_ATTENTION_MQA, .batch = 128, .threads = t->o->threads, .isa = t->o->isa};
    struct attempts a = {.run = t, .store = s, .n = t->recipe.attempts};
    size_t n = (size_t)a.n;
    if (n == 0)
        return 0;
    a.ask = el_alloc_array(n, sizeof *a.ask);
    a.statement = el_alloc_array(n, sizeof *a.statement);
    a.prompt = el_alloc_array(n, sizeof *a.prompt);
    int rc = a.ask && a.statement && a.prompt
                 ? el_local_wrap(&o, t->start, t->tokenizer_path, &a.backend, err)
                 : el_error_set(err, EL_ENOMEM, "out of memory for attempts");
    if (rc == 0)
        rc = ask_all(&a, err);
    for (size_t i = 0; a.ask && a.statement && a.prompt && i < n; i++) {
        el_completion_release(&a.ask[i].out);
        el_buf_release(&a.statement[i]);
        el_buf_release(&a.prompt[i]);
    }
    el_backend_free(a.backend);
    el_free(a.ask);
    el_free(a.statement);
    el_free(a.prompt);
    return rc;
}

static int fill(struct el_rl_run *t, struct el_store *s, struct el_error *err)
{
    const struct el_world_store_plan plan = {.split = t->recipe.split,
                                             .first =
                                                 el_rl_first_problem(&t->recipe, EL_RL_PROGRAMMED),
                                             .problems = (t->recipe.world + 2) / 3,
                                             .analyses = CORPUS_ANALYSES,
                                             .scores = 1,
                                             .checked = t->recipe.checked,
                                             .false_start = t->recipe.false_start,
                                             .unlisted = t->recipe.unlisted,
                                             .reused = t->recipe.reused,
                                             .seed = t->recipe.seed};
    struct el_world_stored stored = {0};
    struct el_oracle_tally tally = {0};
    int rc = plan.problems > 0 ? el_world_store(s, &plan, &stored, NULL, err) : 0;
    if (rc == 0)
        rc = add_attempts(t, s, err);
    return rc == 0 ? el_oracle_label(s, NULL, &tally, NULL, err) : rc;
}

static void remove_store(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        struct el_buf name;
        el_buf_init(&name);
        if (el_buf_printf(&name, "%s%s", path, ends[i]) == 0)
            unlink(name.data);
        el_buf_release(&name);
    }
}

/* Of all that the store is made of. */
static void digest_of(const struct el_rl_run *t, char out[EL_DIGEST_HEX])
{
    const struct el_rl_recipe *r = &t->recipe;
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, t->start->digest);
    el_prompt_set_digest(t->prompts, &d);
    el_digest_u64(&d, r->seed);
    el_digest_u64(&d, (uint64_t)r->split);
    el_digest_u64(&d, (uint64_t)r->world);
    el_digest_u64(&d, (uint64_t)r->attempts);
    el_digest_f64(&d, r->checked);
    el_digest_f64(&d, r->false_start);
    if (r->unlisted > 0) { /* came later: data made without it keep their digest */
        el_digest_f64(&d, r->unlisted);
        el_digest_f64(&d, r->reused);
    }
    el_digest_f64(&d, r->sampling.temperature);
    el_digest_f64(&d, r->sampling.top_p);
    el_digest_u64(&d, (uint64_t)r->sampling.top_k);
    el_digest_u64(&d, (uint64_t)r->sampling.max_tokens);
    el_digest_hex(&d, out);
}

static int make(struct el_rl_run *t, const char *part, const char *digest, struct el_error *err)
{
    struct el_store *s = NULL;
    remove_store(part);
    int rc = el_store_open(part, EL_STORE_CREATE, &s, err);
    if (rc == 0)
        rc = fill(t, s, err);
    if (rc == 0)
        rc = el_store_settle(s, err);
    el_store_close(s);
    if (rc == 0)
        rc = el_rl_note_made(t->data_path, digest, err);
    if (rc == 0 && rename(part, t->data_path) != 0)
        rc = el_error_set(err, EL_EIO, "%s: cannot rename: %s", part, strerror(errno));
    if (rc < 0)
        remove_store(part);
    return rc;
}

int el_rl_make_data(struct el_rl_run *t, struct el_error *err)
{
    struct el_buf part;
    char digest[EL_DIGEST_HEX];
    digest_of(t, digest);
    int rc = el_rl_made(t->data_path, digest, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    el_buf_init(&part);
    rc = el_buf_printf(&part, "%s.part", t->data_path) < 0
             ? el_error_set(err, EL_ENOMEM, "out of memory for paths")
             : make(t, part.data, digest, err);
    el_buf_release(&part);
    return rc;
}
