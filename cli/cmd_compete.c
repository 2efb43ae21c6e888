#include "cli/cli.h"

#include "cli/choices.h"
#include "cli/model.h"
#include "cli/prompts.h"
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/model/config.h"
#include "core/model/inspect.h"
#include "core/run/local.h"
#include "data/world.h"
#include "refine/compete.h"
#include "refine/report.h"

#include <math.h>
#include <string.h>

const char cmd_compete_help[] = "proofs for many problems, refined round by round, with a report";

static const char details[] =
    "Runs a proof competition: threads write proofs, judge them and refine them until they "
    "believe\n"
    "them. PROBLEMS is a JSON array of {\"id\", \"question\"}, a store (FILE.db or FILE.db#SET), "
    "or\n"
    "world:SPLIT:COUNT[:START] for problems of the small proof world (splits train, valid, test,\n"
    "large). Everything is kept in the store as it comes: after a stop of any kind the same "
    "command\n"
    "goes on where it was.\n\n"
    "Controls: --control shuffle gives every refinement the analyses of another proof; --control\n"
    "resample starts every round afresh. A fresh start costs fewer tokens than a refinement, so "
    "to\n"
    "compare at equal tokens (elenchus eval STORE --run A --against B) give it more rounds.";

/* What was given on the command line; -1 or NaN: not given. check() fills the values that names
 * stand for. */
struct flags {
    const char *model, *run, *store, *prompts, *config, *feedback, *control, *attention, *compute;
    int feedback_kind, control_kind;
    enum el_attention mode;
    enum el_compute how;
    int threads, rounds, analyses, analyse_all, feedback_analyses, top_k, max_tokens, thinking;
    int json, batch, context, cpu_threads, mha_limit;
    double temperature, top_p;
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

static int read_preset(struct el_settings *s, const char *name, struct el_error *err)
{
    struct el_buf path;
    cJSON *json = NULL;
    el_buf_init(&path);
    int typed = el_path_exists(name);
    int rc = typed ? el_buf_puts(&path, name)
                   : el_buf_printf(&path, EL_SOURCE_DIR "/configs/compete/%s.json", name);
    if (rc < 0)
        el_error_set(err, rc, "out of memory");
    else if (!typed && !el_path_exists(path.data))
        rc =
            el_error_set(err, EL_ENOTFOUND, "--config '%s': no such file, nor %s", name, path.data);
    if (rc == 0)
        rc = el_json_load(path.data, &json, err);
    if (rc == 0)
        rc = el_settings_read(s, json, path.data, err);
    cJSON_Delete(json);
    el_buf_release(&path);
    return rc;
}

/* Defaults, then the preset, then the command line. */
static int make_settings(struct el_settings *s, const struct flags *f, struct el_error *err)
{
    el_settings_init(s);
    int rc = f->config ? read_preset(s, f->config, err) : 0;
    if (rc < 0)
        return rc;
    strcpy(s->name, f->run);
    set_int(&s->feedback, f->feedback_kind);
    set_int(&s->control, f->control_kind);
    set_int(&s->threads, f->threads);
    set_int(&s->rounds, f->rounds);
    set_int(&s->analyses, f->analyses);
    set_int(&s->feedback_analyses, f->feedback_analyses);
    if (f->analyse_all)
        s->analyse_all = 1;
    if (f->thinking)
        s->thinking = 1;
    if (f->seed.given)
        s->seed = f->seed.value;
    set_sampling(&s->generator, f);
    set_sampling(&s->verifier, f);
    rc = el_settings_check(s, err);
    return rc < 0 && f->config ? el_error_prefix(err, "%s", f->config) : rc;
}

/* What sparse attention reads: recorded with the run, for the report. */
static int read_topk(struct el_settings *s, const struct flags *f, struct el_error *err)
{
    struct el_config config;
    char *path = el_path_join(f->model, "config.json");
    int rc = path ? el_config_load(path, &config, err)
                  : el_error_set(err, EL_ENOMEM, "%s: out of memory", f->model);
    el_free(path);
    if (rc < 0)
        return rc;
    s->index_topk = f->mode != EL_ATTENTION_DENSE ? config.index_topk : 0;
    return 0;
}

static void print_cost(const struct el_compete *c)
{
    struct el_compete_cost cost;
    el_compete_cost(c, &cost);
    if (cost.attempts_max + cost.analyses_max == 0) {
        fprintf(stderr, "nothing to do: all %lld replies are stored\n", (long long)cost.stored);
        return;
    }
    fprintf(stderr,
            "expected cost: %lld to %lld proofs, at most %lld analyses, at most %.3g million "
            "tokens to write",
            (long long)cost.attempts_min, (long long)cost.attempts_max,
            (long long)cost.analyses_max, (double)cost.completion_tokens_max / 1e6);
    if (cost.stored)
        fprintf(stderr, "; %lld replies are stored already, %.0f tokens a proof",
                (long long)cost.stored, cost.tokens_per_attempt);
    fputc('\n', stderr);
}

/* Problems and run come into the store together or not at all: another run of that name leaves no
 * problems behind. */
static int open_run(struct el_compete_options *o, const char *source, struct el_contest *contest,
                    struct el_compete **c, char *warning, struct el_error *err)
{
    int rc = el_store_begin(o->store, err);
    if (rc < 0)
        return rc;
    o->contest = contest;
    rc = el_contest_read(contest, source, o->store, err);
    if (rc == 0)
        rc = el_compete_open(o, c, warning, err);
    if (rc < 0) {
        el_store_rollback(o->store);
        return rc;
    }
    rc = el_store_commit(o->store, err);
    if (rc < 0)
        el_compete_close(*c);
    return rc;
}

static int run(struct el_compete_options *o, const char *source, struct el_contest *contest,
               struct el_error *err)
{
    struct el_compete *c = NULL;
    struct cli_progress progress;
    char warning[256];
    cli_progress_init(&progress, o->settings->name, "replies");
    o->progress = &progress.base;
    int rc = open_run(o, source, contest, &c, warning, err);
    if (rc < 0)
        return rc;
    if (*warning)
        fprintf(stderr, "elenchus: warning: %s\n", warning);
    print_cost(c);
    rc = el_compete_go(c, err);
    cli_progress_finish(&progress);
    if (rc == 0)
        rc = el_compete_check_asked(c, err);
    el_compete_close(c);
    return rc;
}

static int print_report(struct el_store *store, const char *name, int json, struct el_error *err)
{
    struct el_report report;
    struct el_buf out;
    el_buf_init(&out);
    int rc = el_report_make(&report, store, name, NULL, err);
    if (rc == 0) {
        rc = json ? el_report_json(&report, &out) : el_report_text(&report, &out);
        if (rc < 0)
            el_error_set(err, rc, "out of memory for the report");
        el_report_release(&report);
    }
    if (rc == 0)
        fwrite(out.data, 1, out.len, stdout);
    el_buf_release(&out);
    return rc;
}

/* The model, the problems with the run, the report. */
static int compete(const struct flags *f, struct el_settings *s, const char *source,
                   const struct el_prompt_set *prompts, struct el_store *store,
                   struct el_error *err)
{
    const struct el_local_options local = {.model = f->model,
                                           .attention = f->mode,
                                           .mha_limit = f->mha_limit,
                                           .compute = f->how,
                                           .batch = f->batch,
                                           .context = f->context,
                                           .threads = f->cpu_threads};
    struct el_backend *backend = NULL;
    struct el_contest contest;
    el_contest_init(&contest);
    int rc = cli_model_open(&local, &backend, err);
    struct el_compete_options o = {.store = store,
                                   .settings = s,
                                   .prompts = prompts,
                                   .generator = backend,
                                   .verifier = backend};
    if (rc == 0)
        rc = run(&o, source, &contest, err);
    el_backend_free(backend);
    el_contest_release(&contest);
    return rc < 0 ? rc : print_report(store, s->name, f->json, err);
}

/* Nothing is written, and no model is loaded, for problems that cannot be read or that the model
 * does not take: who has mistyped a name finds nothing left behind. */
static int rehearse(const char *source, const struct flags *f, struct el_error *err)
{
    struct el_inspection found;
    struct el_store *store = NULL;
    struct el_contest contest;
    el_contest_init(&contest);
    int rc = el_inspect(f->model, &found, err);
    if (rc == 0)
        rc = el_store_open(":memory:", EL_STORE_CREATE, &store, err);
    if (rc == 0)
        rc = el_contest_read(&contest, source, store, err);
    if (rc == 0)
        rc = el_contest_check_domain(&contest, f->model, err);
    el_contest_release(&contest);
    el_store_close(store);
    return rc;
}

static int command(const char *source, const struct flags *f, struct el_error *err)
{
    struct el_settings settings;
    struct el_store *store = NULL;
    struct el_prompt_set *prompts = NULL;
    int rc = make_settings(&settings, f, err);
    if (rc == 0)
        rc = read_topk(&settings, f, err);
    if (rc == 0)
        rc = cli_prompts_load(f->prompts, f->model, &prompts, err);
    if (rc == 0)
        rc = rehearse(source, f, err);
    if (rc == 0)
        rc = el_store_open(f->store, EL_STORE_CREATE, &store, err);
    if (rc == 0)
        rc = compete(f, &settings, source, prompts, store, err);
    el_prompt_set_free(prompts);
    el_store_close(store);
    return rc;
}

/* Says which part of world:SPLIT:COUNT[:START] el_contest_check_source has refused. */
static int wrong_source(const char *source)
{
    char split[16] = "";
    sscanf(source, "world:%15[^:]", split);
    if (el_world_split_from_name(split) < 0)
        return cli_usage_error("PROBLEMS '%s': SPLIT '%s' is none of train, valid, test, large; "
                               "expected world:SPLIT:COUNT[:START]",
                               source, split);
    return cli_usage_error("PROBLEMS '%s': COUNT must be a number from 1 to 10000000, and START, "
                           "if it is given, a number; expected world:SPLIT:COUNT[:START]",
                           source);
}

static int check(struct flags *f, const char *source)
{
    if (!f->model || !f->run || !f->store)
        return cli_usage_error("compete needs --model, --run and --store");
    f->feedback_kind = f->feedback ? el_feedback_from_name(f->feedback) : -1;
    if (f->feedback && f->feedback_kind < 0)
        return cli_usage_error("--feedback: '%s' is not self, verifier or both", f->feedback);
    f->control_kind = f->control ? el_control_from_name(f->control) : -1;
    if (f->control && f->control_kind < 0)
        return cli_usage_error("--control: '%s' is not none, shuffle or resample", f->control);
    if (el_contest_check_source(source, NULL) < 0)
        return wrong_source(source);
    int rc = cli_check_run_name("run", f->run, sizeof((struct el_settings *)NULL)->name);
    if (rc == CLI_GO)
        rc = cli_choose_attention(f->attention, &f->mode, &f->mha_limit);
    return rc == CLI_GO ? cli_choose_compute(f->compute, &f->how) : rc;
}

int cmd_compete(int argc, char **argv)
{
    struct flags f = {.threads = -1,
                      .rounds = -1,
                      .analyses = -1,
                      .feedback_analyses = -1,
                      .top_k = -1,
                      .max_tokens = -1,
                      .temperature = NAN,
                      .top_p = NAN,
                      .attention = "mqa",
                      .compute = "fp32"};
    const struct cli_option options[] = {
        {"model", CLI_STRING, &f.model, "DIR", "the model's folder (required)", 0, 0},
        {"run", CLI_STRING, &f.run, "NAME", "name of the run (required)", 0, 0},
        {"store", CLI_STRING, &f.store, "FILE.db", "where everything is kept (required)", 0, 0},
        {"config", CLI_STRING, &f.config, "FILE", "a preset; options given here override it", 0, 0},
        {"threads", CLI_INT, &f.threads, "N", "threads per problem (default 32)", 1,
         EL_MAX_THREADS},
        {"rounds", CLI_INT, &f.rounds, "T", "attempts per thread at most (default 8)", 1,
         EL_MAX_ROUNDS},
        {"feedback", CLI_STRING, &f.feedback, "KIND",
         "what a refinement sees: self, verifier or both (default self)", 0, 0},
        {"feedback-analyses", CLI_INT, &f.feedback_analyses, "N",
         "the verifier's analyses that a refinement sees (default 1)", 1, 64},
        {"analyses", CLI_INT, &f.analyses, "N",
         "analyses that vote on each final proof, 0: none (default 32)", 0, EL_MAX_ANALYSES},
        {"analyse-all", CLI_FLAG, &f.analyse_all, NULL,
         "analyse the proofs of every round, for curves by votes", 0, 0},
        {"control", CLI_STRING, &f.control, "KIND", "none, shuffle or resample", 0, 0},
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
        {"json", CLI_FLAG, &f.json, NULL, "print the report as JSON", 0, 0},
        {0},
    };
    const struct cli_usage usage = {"compete PROBLEMS --model DIR --run NAME --store FILE.db",
                                    details, options, 1, 1};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc == CLI_GO)
        rc = check(&f, argv[1]);
    if (rc != CLI_GO)
        return rc;
    struct el_error err = {0};
    return command(argv[1], &f, &err) < 0 ? cli_fail(&err) : CLI_DONE;
}
