#include "cli/cli.h"

#include "cli/choices.h"
#include "cli/label_queue.h"
#include "cli/model.h"
#include "cli/prompts.h"
#include "core/base/io.h"
#include "core/run/local.h"
#include "refine/label.h"
#include "refine/label_grid.h"
#include "refine/label_report.h"
#include "refine/named_run.h"

#include <math.h>
#include <string.h>

const char cmd_label_help[] = "scores for proofs without a person: many analyses, judged in turn";

static const char details[] =
    "Gives every proof of the store that has no label n analyses by the verifier; every analysis\n"
    "that reports issues is judged by m meta-assessments and is valid when more than half of "
    "those\n"
    "that can be read confirm it (a tie is invalid). Of the analyses with the lowest score, k "
    "valid\n"
    "ones make that score the proof's label; where no analysis is valid or\n"
    "undetermined (most of its assessments unreadable) the label is 1; every other\n"
    "proof is queued for a person, or discarded. Labels enter the store as scores, so that they "
    "are\n"
    "part of D_v, where any person's score replaces them. Everything is kept as it comes: after a\n"
    "stop of any kind the same command goes on where it was. Another --n, --m, --k, --lowest or\n"
    "--confirm under the same --run asks for what is missing and decides anew.\n\n"
    "Without --model nothing is asked or decided: the report, the grid (of up to --n and --m) or\n"
    "the explanation comes out of the store alone, and options that would change that are errors.\n"
    "\n"
    "Examples:\n"
    "  elenchus label runs.db --model models/small --proofs-of a\n"
    "  elenchus label runs.db --model models/small --set world-test --n 16 --k 3 --discard\n"
    "  elenchus label runs.db --explain 17\n"
    "  elenchus label runs.db --queued\n"
    "  elenchus world --split test --count 64 --store grid.db\n"
    "  elenchus label grid.db --model models/small --n 16 --m 8 --grid     # on the small world\n"
    "  elenchus label grid.db --n 16 --m 8 --grid --json";

/* What was given on the command line; -1, NaN or NULL: not given. check() fills the values that
 * names and numbers stand for. */
struct flags {
    const char *model, *meta_model, *run, *prompts, *attention, *compute, *config;
    const char *lowest, *explain, *set, *proofs_of, *without;
    int lowest_kind, confirm_halves;
    enum el_attention mode;
    enum el_compute how;
    int n, m, k, retries, top_k, max_tokens, thinking, limit, all, discard, grid, queued;
    int json, batch, context, cpu_threads, resamples, mha_limit;
    double temperature, top_p, confirm;
    struct cli_seed seed;
};

static void set_int(int *to, int value)
{
    if (value >= 0)
        *to = value;
}

static void set_sampling(struct el_sampling *s, const struct flags *f)
{
    if (!isnan(f->temperature))
        s->temperature = f->temperature;
    if (!isnan(f->top_p))
        s->top_p = f->top_p;
    set_int(&s->top_k, f->top_k);
    set_int(&s->max_tokens, f->max_tokens);
}

/* k has a default that nobody typed: the message says so. A grid of what is stored has every k up
 * to n. */
static int set_rule(struct el_label_rule *r, const struct flags *f, struct el_error *err)
{
    set_int(&r->n, f->n);
    set_int(&r->m, f->m);
    set_int(&r->k, f->k);
    set_int(&r->confirm, f->confirm_halves);
    set_int(&r->lowest, f->lowest_kind);
    if (!f->model && r->n >= 1 && r->k > r->n)
        r->k = r->n;
    if (r->n < 1 || r->k <= r->n)
        return 0;
    return el_error_set(err, EL_EINVAL,
                        "--k is %d%s, and --n is %d: k valid ones of a proof's n analyses make "
                        "its label, so expected --k from 1 to %d",
                        r->k, f->k < 0 && !f->config ? " unless given" : "", r->n, r->n);
}

static int read_preset(struct el_label_settings *s, const char *path, struct el_error *err)
{
    cJSON *json = NULL;
    int rc = el_json_load(path, &json, err);
    if (rc == 0)
        rc = el_label_settings_read(s, json, path, err);
    cJSON_Delete(json);
    return rc;
}

/* Defaults, then the preset, then the command line. */
static int make_settings(struct el_label_settings *s, const struct flags *f, struct el_error *err)
{
    el_label_settings_init(s);
    int rc = f->config ? read_preset(s, f->config, err) : 0;
    if (rc < 0)
        return rc;
    if (f->run)
        strcpy(s->name, f->run);
    set_int(&s->judge_retries, f->retries);
    if (f->thinking)
        s->thinking = 1;
    if (f->seed.given)
        s->seed = f->seed.value;
    if (f->discard)
        s->otherwise = EL_DECIDED_DISCARDED;
    s->complete = f->grid;
    set_sampling(&s->verifier, f);
    set_sampling(&s->meta_verifier, f);
    rc = set_rule(&s->rule, f, err);
    if (rc < 0)
        return rc;
    rc = el_label_settings_check(s, err);
    return rc < 0 && f->config ? el_error_set(err, EL_EFORMAT, "%s: %s", f->config, err->msg) : rc;
}

/* ------------------------------------------------------------------------------- out of the store
 */

static int print(struct el_buf *out, int rc, struct el_error *err)
{
    if (rc == 0 && fwrite(out->data, 1, out->len, stdout) != out->len)
        rc = el_error_set(err, EL_EIO, "cannot write the report");
    el_buf_release(out);
    return rc;
}

static int print_report(struct el_store *store, const char *name, const struct flags *f,
                        struct el_error *err)
{
    const struct el_label_report_options o = {.resamples = f->resamples};
    struct el_label_report report;
    struct el_buf out;
    el_buf_init(&out);
    int rc = el_label_report_make(&report, store, name, &o, err);
    if (rc < 0)
        return rc;
    rc = f->json ? el_label_report_json(&report, &out) : el_label_report_text(&report, &out);
    if (rc < 0)
        el_error_set(err, rc, "out of memory for the report");
    el_label_report_release(&report);
    return print(&out, rc, err);
}

static int put_grid(struct el_labelling *state, struct el_store *store,
                    const struct el_label_proofs *proofs, const struct el_label_settings *s,
                    const struct flags *f, struct el_buf *out, struct el_error *err)
{
    const struct el_label_grid_options o = {.resamples = f->resamples};
    struct el_label_grid grid;
    int rc = el_label_grid_make(&grid, state, store, proofs, &s->rule, &o, err);
    if (rc < 0)
        return rc;
    rc = f->json ? el_label_grid_json(&grid, out) : el_label_grid_text(&grid, out);
    el_label_grid_release(&grid);
    return rc < 0 ? el_error_set(err, rc, "out of memory for the grid") : 0;
}

static int print_grid(struct el_store *store, const struct el_label_settings *s,
                      const struct flags *f, struct el_error *err)
{
    struct el_label_record record;
    struct el_label_proofs proofs;
    struct el_labelling state = {0};
    struct el_buf out;
    el_buf_init(&out);
    el_label_proofs_init(&proofs);
    int rc = el_label_record_find(store, s->name, &record, err);
    if (rc == 0)
        rc = el_label_proofs_select(&proofs, store, record.id, NULL, 0, err);
    if (rc == 0 && !el_contest_is_world(&proofs.contest))
        rc = el_error_set(err, EL_EREFUSED,
                          "--grid compares with exact truth, which only problems "
                          "of the small proof world have");
    record.settings.rule = s->rule;
    if (rc == 0)
        rc = el_labelling_init(&state, &record.settings, err);
    if (rc == 0)
        rc = el_labelling_load(&state, store, record.id, &proofs, err);
    if (rc == 0)
        rc = put_grid(&state, store, &proofs, s, f, &out, err);
    el_labelling_release(&state);
    el_label_proofs_release(&proofs);
    return print(&out, rc, err);
}

static int print_explanation(struct el_store *store, const struct flags *f, struct el_error *err)
{
    struct el_buf out;
    int64_t proof = 0;
    el_buf_init(&out);
    int rc = el_store_proof_find(store, f->explain, &proof, err);
    if (rc >= 0)
        rc = el_label_explain(store, proof, f->run, f->json, &out, err);
    return print(&out, rc < 0 ? rc : 0, err);
}

/* ----------------------------------------------------------------------------------- the model */

static void print_cost(const struct el_labeller *c)
{
    struct el_label_cost cost;
    el_labeller_cost(c, &cost);
    if (cost.analyses + cost.metas_max == 0) {
        fprintf(stderr, "nothing to do: all %lld replies are stored\n", (long long)cost.stored);
        return;
    }
    fprintf(stderr,
            "%d proofs, %d distinct texts, %d decided; expected cost: %lld analyses, about %lld "
            "and at most %lld meta-assessments, at most %.3g million tokens to write",
            cost.proofs, cost.texts, cost.decided, (long long)cost.analyses, (long long)cost.metas,
            (long long)cost.metas_max, (double)cost.completion_tokens_max / 1e6);
    if (cost.stored)
        fprintf(stderr, "; %lld replies are stored already", (long long)cost.stored);
    if (!isnan(cost.analysis_tokens))
        fprintf(stderr, ", %.0f tokens an analysis", cost.analysis_tokens);
    if (!isnan(cost.meta_tokens))
        fprintf(stderr, ", %.0f a meta-assessment", cost.meta_tokens);
    fputc('\n', stderr);
}

static int run(struct el_label_options *o, struct el_error *err)
{
    struct el_labeller *c = NULL;
    struct cli_progress progress;
    char warning[256];
    cli_progress_init(&progress, o->settings->name, "replies");
    o->progress = &progress.base;
    int rc = el_labeller_open(o, &c, warning, err);
    if (rc < 0)
        return rc;
    if (*warning)
        fprintf(stderr, "elenchus: warning: %s\n", warning);
    print_cost(c);
    rc = el_labeller_go(c, err);
    cli_progress_finish(&progress);
    el_labeller_close(c);
    return rc;
}

static int open_backend(const struct flags *f, const char *model, struct el_backend **out,
                        struct el_error *err)
{
    const struct el_local_options local = {.model = model,
                                           .attention = f->mode,
                                           .mha_limit = f->mha_limit,
                                           .compute = f->how,
                                           .batch = f->batch,
                                           .context = f->context,
                                           .threads = f->cpu_threads};
    return cli_model_open(&local, out, err);
}

static int ask(struct el_store *store, const struct flags *f, const struct el_label_settings *s,
               const struct el_label_proofs *proofs, struct el_error *err)
{
    struct el_backend *verifier = NULL, *other = NULL;
    struct el_prompt_set *prompts = NULL;
    int rc = el_contest_check_domain(&proofs->contest, f->model, err);
    if (rc == 0 && f->meta_model)
        rc = el_contest_check_domain(&proofs->contest, f->meta_model, err);
    if (rc == 0)
        rc = cli_prompts_load(f->prompts, f->model, &prompts, err);
    if (rc == 0)
        rc = open_backend(f, f->model, &verifier, err);
    if (rc == 0 && f->meta_model)
        rc = open_backend(f, f->meta_model, &other, err);
    struct el_label_options o = {.store = store,
                                 .settings = s,
                                 .proofs = proofs,
                                 .prompts = prompts,
                                 .verifier = verifier,
                                 .meta_verifier = other ? other : verifier};
    if (rc == 0)
        rc = run(&o, err);
    el_backend_free(verifier);
    el_backend_free(other);
    el_prompt_set_free(prompts);
    return rc;
}

/* The row of the competition that wrote the proofs. */
static int find_writer(struct el_store *store, const char *name, int64_t *id, struct el_error *err)
{
    struct el_named_run r;
    int rc = name ? el_named_run_find(store, EL_RUN_COMPETE, name, &r, err) : 0;
    if (rc < 0 || !name)
        return rc;
    *id = r.id;
    el_named_run_release(&r);
    return 0;
}

/* Everything that --model asks for: 0 when the run is complete. */
static int label(struct el_store *store, const struct flags *f, const struct el_label_settings *s,
                 struct el_error *err)
{
    struct el_proof_filter filter = {.set = f->set, .without = f->without, .unlabelled = !f->all};
    struct el_label_record record = {0};
    struct el_label_proofs proofs;
    struct el_error missing = {0};
    el_label_proofs_init(&proofs);
    int rc = el_store_set_check(store, f->set, err);
    if (rc < 0)
        return el_error_prefix(err, "no proofs to label");
    rc = find_writer(store, f->proofs_of, &filter.run, err);
    int found = rc < 0 ? rc : el_label_record_find(store, s->name, &record, &missing);
    if (found < 0 && found != EL_ENOTFOUND && rc == 0)
        rc = el_error_set(err, found, "%s", missing.msg);
    if (rc == 0)
        rc = el_label_proofs_select(&proofs, store, found == 0 ? record.id : 0, &filter, f->limit,
                                    err);
    if (rc == 0)
        rc = ask(store, f, s, &proofs, err);
    el_label_proofs_release(&proofs);
    return rc;
}

static int work(const char *path, const struct flags *f, const struct el_label_settings *s,
                struct el_error *err)
{
    struct el_store *store = NULL;
    int rc = el_store_open(path, f->model ? 0 : EL_STORE_READONLY, &store, err);
    if (rc == 0 && f->model)
        rc = label(store, f, s, err);
    else if (rc == 0)
        rc = el_store_set_check(store, f->set, err);
    if (rc == 0)
        rc = f->queued    ? cli_label_queue(store, f->set, f->json, err)
             : f->explain ? print_explanation(store, f, err)
             : f->grid    ? print_grid(store, s, f, err)
                          : print_report(store, s->name, f, err);
    el_store_close(store);
    return rc;
}

static int command(const char *path, const struct flags *f)
{
    struct el_label_settings s;
    struct el_error err = {0};
    int rc = make_settings(&s, f, &err);
    if (rc == EL_EINVAL) /* options that are legal, but not together */
        return cli_usage_error("%s", err.msg);
    if (rc == 0)
        rc = work(path, f, &s, &err);
    return rc < 0 ? cli_fail(&err) : CLI_DONE;
}

/* What is printed, and whether it is asked for before: what an option may have an effect on. */
enum { ASK = 1, REPORT = 2, GRID = 4, EXPLAIN = 8, QUEUED = 16 };

static int doing(const struct flags *f)
{
    return f->model ? ASK : f->grid ? GRID : f->explain ? EXPLAIN : f->queued ? QUEUED : REPORT;
}

static int no_effect(const char *option, int serves, int doing)
{
    const char *what = doing == REPORT   ? "the report of what is stored"
                       : doing == GRID   ? "--grid without --model"
                       : doing == QUEUED ? "--queued"
                                         : "--explain";
    if (serves & REPORT)
        return cli_usage_error("--%s has no effect on %s", option, what);
    return cli_usage_error("--%s has no effect on %s: it goes with --model%s", option, what,
                           serves & GRID     ? " or --grid"
                           : serves & QUEUED ? " or --queued"
                                             : "");
}

/* Without --model nothing is asked or decided: what would change that is a slip. */
static int check_effect(const struct flags *f)
{
    const struct {
        const char *option;
        int given, serves;
    } rows[] = {{"run", !!f->run, ASK | REPORT | GRID | EXPLAIN},
                {"config", !!f->config, ASK | REPORT | GRID},
                {"n", f->n >= 0, ASK | GRID},
                {"m", f->m >= 0, ASK | GRID},
                {"k", f->k >= 0, ASK},
                {"lowest", !!f->lowest, ASK},
                {"confirm", !isnan(f->confirm), ASK},
                {"discard", f->discard, ASK},
                {"set", !!f->set, ASK | QUEUED},
                {"proofs-of", !!f->proofs_of, ASK},
                {"without", !!f->without, ASK},
                {"all", f->all, ASK},
                {"limit", f->limit, ASK},
                {"retries", f->retries >= 0, ASK},
                {"temperature", !isnan(f->temperature), ASK},
                {"top-p", !isnan(f->top_p), ASK},
                {"top-k", f->top_k >= 0, ASK},
                {"max-tokens", f->max_tokens >= 0, ASK},
                {"seed", f->seed.given, ASK},
                {"prompts", !!f->prompts, ASK},
                {"thinking", f->thinking, ASK},
                {"attention", !!f->attention, ASK},
                {"compute", !!f->compute, ASK},
                {"batch", f->batch, ASK},
                {"context", f->context, ASK},
                {"cpu-threads", f->cpu_threads, ASK},
                {"resamples", f->resamples, ASK | REPORT | GRID}};
    int now = doing(f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].given && !(rows[i].serves & now))
            return no_effect(rows[i].option, rows[i].serves, now);
    return CLI_GO;
}

static int check(struct flags *f)
{
    if (!!f->explain + f->queued + (f->model || f->grid) > 1)
        return cli_usage_error("--explain, --queued, and --model or --grid exclude each other");
    if (f->meta_model && !f->model)
        return cli_usage_error("--meta-model goes with --model");
    int rc = check_effect(f);
    if (rc != CLI_GO)
        return rc;
    f->lowest_kind = f->lowest ? el_lowest_from_name(f->lowest) : -1;
    if (f->lowest && f->lowest_kind < 0)
        return cli_usage_error("--lowest: '%s' is not any or valid", f->lowest);
    f->confirm_halves = isnan(f->confirm) ? -1 : el_score_from_value(f->confirm);
    if (!isnan(f->confirm) && f->confirm_halves < EL_SCORE_HALF)
        return cli_usage_error("--confirm: expected 0.5 or 1");
    rc = f->run ? cli_check_run_name("run", f->run, sizeof((struct el_label_settings *)NULL)->name)
                : CLI_GO;
    if (rc == CLI_GO)
        rc = cli_choose_attention(f->attention ? f->attention : "mqa", &f->mode, &f->mha_limit);
    return rc == CLI_GO ? cli_choose_compute(f->compute ? f->compute : "fp32", &f->how) : rc;
}

int cmd_label(int argc, char **argv)
{
    struct flags f = {.n = -1,
                      .m = -1,
                      .k = -1,
                      .retries = -1,
                      .top_k = -1,
                      .max_tokens = -1,
                      .temperature = NAN,
                      .top_p = NAN,
                      .confirm = NAN};
    const struct cli_option options[] = {
        {"model", CLI_STRING, &f.model, "DIR", "the verifier's folder; without: ask nothing", 0, 0},
        {"meta-model", CLI_STRING, &f.meta_model, "DIR", "the meta-verifier's, if it is another", 0,
         0},
        {"run", CLI_STRING, &f.run, "NAME", "name of the run (default label)", 0, 0},
        {"config", CLI_STRING, &f.config, "FILE", "a preset; options given here override it", 0, 0},
        {"n", CLI_INT, &f.n, "N", "analyses of a proof (default 8)", 1, EL_MAX_ANALYSES},
        {"m", CLI_INT, &f.m, "M", "meta-assessments of an analysis (default 8)", 1,
         EL_MAX_ANALYSES},
        {"k", CLI_INT, &f.k, "K", "valid analyses that make a label (default 2)", 1,
         EL_MAX_ANALYSES},
        {"lowest", CLI_STRING, &f.lowest, "KIND",
         "the lowest score of any analysis (default), or of valid ones", 0, 0},
        {"confirm", CLI_REAL, &f.confirm, "S",
         "a meta-assessment confirms with 1 (default), or with 0.5 too", 0.5, 1},
        {"discard", CLI_FLAG, &f.discard, NULL, "discard proofs without a label, do not queue them",
         0, 0},
        {"set", CLI_STRING, &f.set, "NAME", "proofs of this set of problems alone", 0, 0},
        {"proofs-of", CLI_STRING, &f.proofs_of, "NAME", "proofs that this competition wrote", 0, 0},
        {"without", CLI_STRING, &f.without, "RATER", "proofs without a score by this rater", 0, 0},
        {"all", CLI_FLAG, &f.all, NULL, "proofs that have a label already, too", 0, 0},
        {"limit", CLI_INT, &f.limit, "N", "at most N proofs", 1, 1 << 30},
        {"explain", CLI_STRING, &f.explain, "PROOF",
         "why a proof (its number, or its key's beginning) was decided as it was", 0, 0},
        {"grid", CLI_FLAG, &f.grid, NULL,
         "small world: a grid of rules up to this n and m against exact truth", 0, 0},
        {"queued", CLI_FLAG, &f.queued, NULL, "list the proofs that wait for a person", 0, 0},
        {"retries", CLI_INT, &f.retries, "N",
         "of a reply that cannot be read, then it is dropped (default 3)", 0, 100},
        {"temperature", CLI_REAL, &f.temperature, "X", "0: greedy (default 1)", 0, 100},
        {"top-p", CLI_REAL, &f.top_p, "P", "1: off (default)", 1e-6, 1},
        {"top-k", CLI_INT, &f.top_k, "K", "0: off (default)", 0, 1 << 30},
        {"max-tokens", CLI_INT, &f.max_tokens, "N", "of one reply (default 1024)", 1, 1 << 24},
        {"seed", CLI_SEED, &f.seed, "N", "seed of all randomness (default 1)", 0, 0},
        {"prompts", CLI_STRING, &f.prompts, "DIR", "folder of a prompt set", 0, 0},
        {"thinking", CLI_FLAG, &f.thinking, NULL, "the model reasons before </think>", 0, 0},
        {"attention", CLI_STRING, &f.attention, "MODE", CLI_ATTENTION_HELP, 0, 0},
        {"compute", CLI_STRING, &f.compute, "TYPE",
         "of products with weights: fp32 (default) or bf16", 0, 0},
        {"batch", CLI_INT, &f.batch, "N", "sequences decoded together (default 64)", 1, 65536},
        {"context", CLI_INT, &f.context, "N", CLI_CONTEXT_HELP, 2, 1 << 24},
        {"cpu-threads", CLI_INT, &f.cpu_threads, "N",
         "of the processor (default: OMP_NUM_THREADS, or one per core)", 1, 1024},
        {"resamples", CLI_INT, &f.resamples, "N", "of the bootstrap (default 10000)", 1, 10000000},
        {"json", CLI_FLAG, &f.json, NULL, "print JSON", 0, 0},
        {0},
    };
    const struct cli_usage usage = {"label STORE.db [--model DIR]", details, options, 1, 1};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc == CLI_GO)
        rc = check(&f);
    return rc == CLI_GO ? command(argv[1], &f) : rc;
}
