#include "cli/cli.h"
#include "training/rl/iterate.h"
#include "training/run.h"

#include "core/base/alloc.h"
#include "core/base/io.h"

#include <string.h>

const char cmd_train_help[] = "train a model by a recipe; a stopped run goes on where it was";

static void say(void *user, const char *line)
{
    cli_progress_finish(user);
    fprintf(stderr, "%s\n", line);
}

static const char long_help[] =
    "Trains a model by a recipe, from nothing or from where it stopped.\n"
    "\n"
    "  elenchus train configs/train/small.json --out runs/small\n"
    "  elenchus train configs/train/search.json --out runs/search\n"
    "      reproduce the shipped model, the second from the first; Ctrl-C saves, the same\n"
    "      command goes on\n"
    "  elenchus train configs/train/tiny.json --out runs/tiny\n"
    "      a minute's worth, to see how it looks\n"
    "  elenchus train verifier --model models/small --out runs/verifier\n"
    "  elenchus train generator --judge runs/verifier/model --out runs/generator\n"
    "      train a role by GRPO; verifier, meta-verifier and generator stand for the recipes\n"
    "      of these names in configs/train\n"
    "  elenchus train verifier --data scores.db --out runs/human\n"
    "      the same from the annotated scores in a store\n"
    "  elenchus train rft --out runs/rft\n"
    "      rejection fine-tuning: the best samples of all roles teach one model\n"
    "  elenchus train iterate --out runs/iterate\n"
    "      all phases one after the other, twice; a finished phase is not run again\n"
    "\n"
    "The finished model is OUT/model; metrics are OUT/metrics.jsonl.";

struct arguments {
    struct el_train_options sft;
    struct el_rl_overrides over;
    const char *record;
    int seed;
};

/* A name without a slash stands for the recipe of that name that comes with the program. */
static char *find_recipe(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, EL_SOURCE_DIR "/configs/train/%s.json", name);
    return strchr(name, '/') || el_path_exists(name) || !el_path_exists(path) ? el_strdup(name)
                                                                              : el_strdup(path);
}

/* iterate: a plan of several recipes. */
static int train_roles(const struct arguments *a, int iterate, struct el_error *err)
{
    const struct el_train_options *s = &a->sft;
    if (iterate && (s->export_only || a->over.judge || a->over.store))
        return el_error_set(err, EL_EINVAL,
                            "--export, --judge and --data: not for a plan of several recipes");
    if (s->dump_gradients)
        return el_error_set(err, EL_EINVAL, "--dump-gradients: not for a recipe that trains roles");
    const struct el_rl_options o = {.recipe = s->recipe,
                                    .out = s->out,
                                    .root = s->root,
                                    .isa = s->isa,
                                    .threads = s->threads,
                                    .export_only = s->export_only,
                                    .record = a->record,
                                    .over = a->over,
                                    .progress = s->progress,
                                    .say = s->say,
                                    .user = s->user};
    return iterate ? el_rl_iterate(&o, err) : el_rl_train(&o, err);
}

static int train(const struct arguments *a, struct el_error *err)
{
    int roles = el_rl_recipe_is(a->sft.recipe, err);
    int plan = roles < 0 ? roles : el_rl_iterate_is(a->sft.recipe, err);
    if (plan < 0)
        return plan;
    if (roles || plan)
        return train_roles(a, plan, err);
    if (a->over.model || a->over.judge || a->over.store || a->record || a->over.seed >= 0)
        return el_error_set(
            err, EL_EINVAL,
            "%s: --model, --judge, --data, --store and --seed are for recipes that train "
            "roles",
            a->sft.recipe);
    return el_train(&a->sft, err);
}

int cmd_train(int argc, char **argv)
{
    struct cli_progress progress;
    struct arguments a = {.sft = {.root = EL_SOURCE_DIR, .say = say, .user = &progress},
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
        {"threads", CLI_INT, &a.sft.threads, "N", "threads (default: one per core)", 1, 1024},
        {"isa", CLI_STRING, &a.sft.isa, "NAME",
         "ref, generic, avx2 or avx512 (default: the fastest)", 0, 0},
        {"export", CLI_FLAG, &a.sft.export_only, NULL,
         "write OUT/model from the checkpoint as it stands, and stop", 0, 0},
        {"dump-gradients", CLI_STRING, &a.sft.dump_gradients, "FILE",
         "write loss and gradients of the first step as safetensors, and stop", 0, 0},
        {0},
    };
    const struct cli_usage usage = {"train RECIPE", long_help, options, 1, 1};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc != CLI_GO)
        return rc;
    if (!a.sft.out)
        return cli_usage_error("train: --out DIR is required: the run's checkpoint goes there");
    struct el_error err = {0};
    char *recipe = find_recipe(argv[1]);
    a.sft.recipe = recipe;
    a.over.seed = a.seed;
    cli_progress_init(&progress, "training", "steps");
    a.sft.progress = &progress.base;
    int failed = recipe ? train(&a, &err) : el_error_set(&err, EL_ENOMEM, "out of memory");
    cli_progress_finish(&progress);
    el_free(recipe);
    if (failed == EL_EINTR)
        fprintf(stderr, "The same command goes on from there.\n");
    return failed < 0 ? cli_fail(&err) : CLI_DONE;
}
