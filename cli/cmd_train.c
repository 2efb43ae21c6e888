#include "cli/choices.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/run_folder.h"
#include "training/rl/iterate.h"
#include "training/run.h"

#include "core/base/alloc.h"
#include "core/base/io.h"

#include <string.h>
#include <sys/stat.h>

const char cmd_train_help[] = "train a model by a recipe; a stopped run goes on where it was";

/* Models are read where no line of steps is open: at the start, or behind what was said. */
struct shown {
    struct cli_progress steps, loading;
};

static void end_line(struct shown *s)
{
    cli_progress_finish(&s->loading);
    cli_progress_finish(&s->steps);
}

static void say(void *user, const char *line)
{
    end_line(user);
    fprintf(stderr, "%s\n", line);
}

static const char long_help[] =
    "Trains a model by a recipe, from nothing or from where it stopped.\n"
    "\n"
    "  elenchus train configs/train/small.json --out runs/small\n"
    "  elenchus train configs/train/search.json --out runs/search\n"
    "  elenchus train configs/train/look-up.json --out runs/look-up\n"
    "  elenchus train configs/train/iterate-exact.json --model runs/look-up/model \\\n"
    "      --out runs/exact\n"
    "      reproduce the shipped model, each from the one before; Ctrl-C saves, the same\n"
    "      command goes on\n"
    "  elenchus train configs/train/tiny.json --out runs/tiny\n"
    "      under a minute, to see how it looks\n"
    "  elenchus train verifier --model models/small --out runs/verifier\n"
    "  elenchus train generator --judge runs/verifier/model --out runs/generator\n"
    "      train a role by GRPO; verifier, meta-verifier and generator stand for the recipes\n"
    "      of these names in configs/train\n"
    "  elenchus train verifier --data scores.db --out runs/human\n"
    "      the same from the annotated scores in a store, as 'elenchus import' brings them;\n"
    "      what is too long for the model is left out and counted\n"
    "  elenchus train rft --out runs/rft\n"
    "      rejection fine-tuning: the best samples of all roles teach one model\n"
    "  elenchus train iterate --out runs/iterate\n"
    "      all phases one after the other, twice; a finished phase is not run again\n"
    "\n"
    "The finished model is OUT/model; metrics are OUT/metrics.jsonl.";

/* What a recipe trains: a model by stages, roles, or roles by a plan of several recipes. */
enum kind { STAGES, ROLES, PLAN };

struct arguments {
    struct el_train_options sft;
    struct el_rl_overrides over;
    const char *record;
    int seed;
    enum kind kind;
};

/* A name without a slash stands for the recipe of that name that comes with the program, unless it
 * is a file here; a folder is none: `train verifier --out verifier` goes on. */
static char *find_recipe(const char *name)
{
    char path[512];
    struct stat st;
    int is_file = stat(name, &st) == 0 && !S_ISDIR(st.st_mode);
    snprintf(path, sizeof path, EL_SOURCE_DIR "/configs/train/%s.json", name);
    return el_strdup(strchr(name, '/') || is_file || !el_path_exists(path) ? name : path);
}

static int read_kind(struct arguments *a, struct el_error *err)
{
    if (!el_path_exists(a->sft.recipe))
        return el_error_set(err, EL_ENOTFOUND,
                            "'%s': no such file, nor a recipe of configs/train; expected "
                            "verifier, meta-verifier, generator, rft, iterate or a recipe's file",
                            a->sft.recipe);
    int roles = el_rl_recipe_is(a->sft.recipe, err);
    int plan = roles < 0 ? roles : el_rl_iterate_is(a->sft.recipe, err);
    if (plan < 0)
        return plan;
    a->kind = plan ? PLAN : roles ? ROLES : STAGES;
    return 0;
}

/* Whether the options are for recipes of this kind. */
static int check_options(const struct arguments *a)
{
    const struct el_train_options *s = &a->sft;
    const struct el_rl_overrides *o = &a->over;
    if (a->kind == STAGES && (o->model || o->judge || o->store || a->record || a->seed >= 0))
        return cli_usage_error(
            "%s: --model, --judge, --data, --store and --seed are for recipes that train roles",
            s->recipe);
    if (a->kind == PLAN && (s->export_only || o->judge || o->store))
        return cli_usage_error(
            "%s: --export, --judge and --data are not for a plan of several recipes", s->recipe);
    if (a->kind != STAGES && s->dump_gradients)
        return cli_usage_error("%s: --dump-gradients is not for a recipe that trains roles",
                               s->recipe);
    return CLI_GO;
}

static int train_roles(const struct arguments *a, struct el_error *err)
{
    const struct el_train_options *s = &a->sft;
    const struct el_rl_options o = {.recipe = s->recipe,
                                    .out = s->out,
                                    .root = s->root,
                                    .isa = s->isa,
                                    .threads = s->threads,
                                    .export_only = s->export_only,
                                    .record = a->record,
                                    .over = a->over,
                                    .progress = s->progress,
                                    .loading = s->loading,
                                    .say = s->say,
                                    .user = s->user};
    return a->kind == PLAN ? el_rl_iterate(&o, err) : el_rl_train(&o, err);
}

/* A model folder is looked for here, then in the folder of the program. */
static int check_folder(const char *option, const char *name, const char *root,
                        struct el_error *err)
{
    int rc = 0;
    if (!name || strcmp(name, "start") == 0 || strcmp(name, "oracle") == 0)
        return 0;
    char *path = el_path_find(name, root);
    if (!path)
        return el_error_set(err, EL_ENOMEM, "out of memory");
    if (!el_path_exists(path))
        rc = el_error_set(err, EL_ENOTFOUND, "%s '%s': no such folder%s%s", option, name,
                          name[0] == '/' ? "" : ", nor ", name[0] == '/' ? "" : path);
    el_free(path);
    return rc;
}

/* A file that is written late, unless it is new where the training makes a folder. */
static int check_output(const char *path, const char *out, struct el_error *err)
{
    int checked = path && (el_path_exists(path) || !cli_run_folder_holds(out, path));
    return checked ? cli_output_check(path, err) : 0;
}

/* What was typed and is not there, before anything is made. */
static int check_files(const struct arguments *a, struct el_error *err)
{
    const struct el_rl_overrides *o = &a->over;
    int rc = a->sft.export_only ? cli_run_folder_has_state(a->sft.out, err)
                                : cli_run_folder_check(a->sft.out, err);
    if (rc == 0)
        rc = check_folder("--model", o->model, a->sft.root, err);
    if (rc == 0)
        rc = check_folder("--judge", o->judge, a->sft.root, err);
    if (rc == 0 && o->store && !el_path_exists(o->store))
        rc = el_error_set(err, EL_ENOTFOUND, "--data '%s': no such store", o->store);
    if (rc == 0 && a->record && !cli_is_store(a->record)) /* a store is added to */
        rc = check_output(a->record, a->sft.out, err);
    return rc == 0 ? check_output(a->sft.dump_gradients, a->sft.out, err) : rc;
}

static int run(struct arguments *a, struct shown *shown, struct el_error *err)
{
    int new = !el_path_exists(a->sft.out);
    cli_progress_init(&shown->steps, "training", "steps");
    cli_progress_init_loading(&shown->loading);
    int rc = a->kind == STAGES ? el_train(&a->sft, err) : train_roles(a, err);
    end_line(shown);
    if (rc < 0 && new)
        cli_run_folder_drop(a->sft.out);
    return rc;
}

/* With the recipe's name resolved. */
static int train(struct arguments *a)
{
    struct el_error err = {0};
    if (read_kind(a, &err) < 0)
        return cli_fail(&err);
    int rc = check_options(a);
    if (rc != CLI_GO)
        return rc;
    int failed = check_files(a, &err);
    if (failed == 0)
        failed = run(a, a->sft.user, &err);
    if (failed == EL_EINTR)
        fprintf(stderr, "The same command goes on from there.\n");
    return failed < 0 ? cli_fail(&err) : CLI_DONE;
}

int cmd_train(int argc, char **argv)
{
    struct shown shown;
    struct arguments a = {.sft = {.root = EL_SOURCE_DIR,
                                  .progress = &shown.steps.base,
                                  .loading = &shown.loading.base,
                                  .say = say,
                                  .user = &shown},
                          .seed = -1};
    const struct cli_option options[] = {
        {"out", CLI_STRING, &a.sft.out, "DIR", "folder of the run (required)", 0, 0},
        {"model", CLI_STRING, &a.over.model, "DIR", "the start of a role's training", 0, 0},
        {"judge", CLI_STRING, &a.over.judge, "DIR",
         "its judge: a model folder, 'start', or 'oracle' (exact truth of the small world)", 0, 0},
        {"data", CLI_STRING, &a.over.store, "FILE", "its data: a store with scores", 0, 0},
        {"store", CLI_STRING, &a.record, "FILE", "keep its run and metrics in this store, too", 0,
         0},
        {"seed", CLI_INT, &a.seed, "N", "its seed (default: the recipe's)", 0, 1 << 30},
        {"threads", CLI_INT, &a.sft.threads, "N",
         "threads (default: OMP_NUM_THREADS, or one per core)", 1, 1024},
        {"isa", CLI_STRING, &a.sft.isa, "NAME",
         "ref, generic, avx2 or avx512 (default: the fastest)", 0, 0},
        {"export", CLI_FLAG, &a.sft.export_only, NULL,
         "write OUT/model from the checkpoint as it stands, and stop", 0, 0},
        {"dump-gradients", CLI_STRING, &a.sft.dump_gradients, "FILE",
         "write loss and gradients of the first step as safetensors, and stop", 0, 0},
        {0},
    };
    const struct cli_usage usage = {"train RECIPE", long_help, options, 1, 1};
    const struct el_ops *table; /* only whether there is one: the training looks it up again */
    int rc = cli_parse(&argc, argv, &usage);
    if (rc == CLI_GO)
        rc = cli_choose_isa(a.sft.isa, &table);
    if (rc != CLI_GO)
        return rc;
    if (!a.sft.out)
        return cli_usage_error("train: --out DIR is required: the run's checkpoint goes there");
    char *recipe = find_recipe(argv[1]);
    if (!recipe)
        return cli_fail(&(struct el_error){.code = EL_ENOMEM, .msg = "out of memory"});
    a.sft.recipe = recipe;
    a.over.seed = a.seed;
    rc = train(&a);
    el_free(recipe);
    return rc;
}
