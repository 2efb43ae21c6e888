#include "cli/cli.h"
#include "training/run.h"

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
    "      reproduces the shipped model; Ctrl-C saves, the same command goes on\n"
    "  elenchus train configs/train/tiny.json --out runs/tiny\n"
    "      a minute's worth, to see how it looks\n"
    "\n"
    "The finished model is OUT/model; metrics are OUT/metrics.jsonl.";

int cmd_train(int argc, char **argv)
{
    struct cli_progress progress;
    struct el_train_options o = {.root = EL_SOURCE_DIR, .say = say, .user = &progress};
    const struct cli_option options[] = {
        {"out", CLI_STRING, &o.out, "DIR", "folder of the run (required)", 0, 0},
        {"threads", CLI_INT, &o.threads, "N", "threads (default: one per core)", 1, 1024},
        {"isa", CLI_STRING, &o.isa, "NAME", "ref, generic, avx2 or avx512 (default: the fastest)",
         0, 0},
        {"export", CLI_FLAG, &o.export_only, NULL,
         "write OUT/model from the checkpoint as it stands, and stop", 0, 0},
        {"dump-gradients", CLI_STRING, &o.dump_gradients, "FILE",
         "write loss and gradients of the first step as safetensors, and stop", 0, 0},
        {0},
    };
    const struct cli_usage usage = {"train RECIPE", long_help, options, 1, 1};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc != CLI_GO)
        return rc;
    if (!o.out)
        return cli_usage_error("train: --out DIR is required: the run's checkpoint goes there");
    o.recipe = argv[1];
    struct el_error err = {0};
    cli_progress_init(&progress, "training", "steps");
    o.progress = &progress.base;
    int failed = el_train(&o, &err);
    cli_progress_finish(&progress);
    if (failed == EL_EINTR)
        fprintf(stderr, "The same command goes on from there.\n");
    return failed < 0 ? cli_fail(&err) : CLI_DONE;
}
