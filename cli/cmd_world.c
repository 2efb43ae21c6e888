#include "cli/cli.h"
#include "cli/output.h"
#include "core/base/io.h"
#include "data/oracle.h"
#include "data/world.h"
#include "data/world_store.h"
#include "data/world_tokenizer.h"

#include <string.h>

const char cmd_world_help[] = "print problems, proofs and verdicts of the small proof world";

static const char description[] =
    "Prints problems of the small proof world with a right and a flawed proof, the analyses of\n"
    "both, and a flawed analysis with its meta-analysis. Everything follows from split, index and\n"
    "seed.\n\n"
    "  elenchus world --split test --count 3\n"
    "  elenchus world --split large --export problems.json --count 64\n"
    "  elenchus world --write-tokenizer tokenizer.json\n"
    "  elenchus world --count 64 --store proofs.db            a proof of every score for each\n"
    "  elenchus world --split train --count 64 --store dv.db --scores    with the oracle's "
    "scores:\n"
    "                                                                    a D_v to train on\n"
    "  elenchus world --split train --count 64 --store d.db --scores --analyses 3     and a D_mv\n"
    "  elenchus world --label --store run.db       the oracle's scores for what is there: a D_v\n"
    "                                              and a D_mv of a competition's own texts";

static int save(const char *path, int made, struct el_buf *text)
{
    struct el_error err = {0};
    int rc = made < 0 ? el_error_set(&err, EL_ENOMEM, "out of memory for %s", path)
                      : cli_output_check(path, &err);
    if (rc == 0)
        rc = el_file_write(path, text->data, text->len, &err);
    el_buf_release(text);
    return rc < 0 ? cli_fail(&err) : CLI_DONE;
}

static int write_tokenizer(const char *path)
{
    struct el_buf text;
    el_buf_init(&text);
    int made = el_world_tokenizer_json(&text);
    return save(path, made, &text);
}

static int export_problems(const char *path, int split, uint64_t index, int count)
{
    struct el_buf text;
    el_buf_init(&text);
    int made = el_world_export((enum el_world_split)split, index, (uint64_t)count, &text);
    return save(path, made, &text);
}

/* ---------------------------------------------------------------------------------- a store */

static void print_classes(const char *what, const int64_t n[3], const char *done)
{
    printf("%-8s  %lld %s: 0 %lld, 0.5 %lld, 1 %lld\n", what, (long long)(n[0] + n[1] + n[2]), done,
           (long long)n[0], (long long)n[1], (long long)n[2]);
}

static void print_json(const int64_t proofs[3], const int64_t analyses[3], const char *last,
                       int64_t n)
{
    printf("{\"proofs\": [%lld, %lld, %lld], \"analyses\": [%lld, %lld, %lld], \"%s\": %lld}\n",
           (long long)proofs[0], (long long)proofs[1], (long long)proofs[2], (long long)analyses[0],
           (long long)analyses[1], (long long)analyses[2], last, (long long)n);
}

static int fill_store(const char *path, const struct el_world_store_plan *plan, int json)
{
    struct el_error err = {0};
    struct el_store *store = NULL;
    struct el_world_stored added = {0};
    struct cli_progress progress;
    cli_progress_init(&progress, "writing", "problems");
    int rc = el_store_open(path, EL_STORE_CREATE, &store, &err);
    if (rc == 0)
        rc = el_world_store(store, plan, &added, &progress.base, &err);
    cli_progress_finish(&progress);
    el_store_close(store);
    if (rc < 0)
        return cli_fail(&err);
    if (json) {
        print_json(added.proofs, added.analyses, "scores", added.scores);
    } else {
        print_classes("proofs", added.proofs, "added");
        print_classes("analyses", added.analyses, "added");
        printf("scores    %lld added\n", (long long)added.scores);
    }
    return CLI_DONE;
}

static int label_store(const char *path, const char *set, int json)
{
    struct el_error err = {0};
    struct el_store *store = NULL;
    struct el_oracle_tally t = {0};
    struct cli_progress progress;
    cli_progress_init(&progress, "scoring", "texts");
    int rc = el_store_open(path, 0, &store, &err);
    if (rc == 0)
        rc = el_store_set_check(store, set, &err);
    if (rc == 0)
        rc = el_oracle_label(store, set, &t, &progress.base, &err);
    cli_progress_finish(&progress);
    el_store_close(store);
    if (rc < 0)
        return cli_fail(&err);
    if (json) {
        print_json(t.proofs, t.analyses, "outside", t.outside);
    } else {
        print_classes("proofs", t.proofs, "scored");
        print_classes("analyses", t.analyses, "scored");
        printf("outside   %lld of other problems, left alone\n", (long long)t.outside);
    }
    return CLI_DONE;
}

static int print_samples(int split, uint64_t index, int count, uint64_t seed, int json)
{
    struct el_buf text;
    struct el_error err = {0};
    int rc = 0;
    el_buf_init(&text);
    fputs(json ? "[" : "", stdout);
    for (int i = 0; i < count && rc == 0 && !el_stop_requested; i++) {
        el_buf_clear(&text);
        rc = el_world_print((enum el_world_split)split, index + (uint64_t)i, seed, json, &text,
                            &err);
        if (rc == 0)
            printf("%s%s", i == 0 ? "" : json ? ",\n" : "\n", text.data);
    }
    fputs(json ? "]\n" : "", stdout);
    el_buf_release(&text);
    return rc < 0 ? cli_fail(&err) : CLI_DONE;
}

int cmd_world(int argc, char **argv)
{
    const char *split_name = "test", *tokenizer = NULL, *export = NULL, *store = NULL, *set = NULL;
    uint64_t index = 0, seed = 0;
    int count = 1, json = 0, label = 0;
    struct el_world_store_plan plan = {0};
    const struct cli_option options[] = {
        {"split", CLI_STRING, &split_name, "NAME", "train, valid, test (default) or large", 0, 0},
        {"index", CLI_U64, &index, "N", "the first problem (default 0)", 0, 0},
        {"count", CLI_INT, &count, "N", "how many problems (default 1)", 1, 1000000},
        {"seed", CLI_U64, &seed, "N", "for the witnesses and flaws (default 0)", 0, 0},
        {"json", CLI_FLAG, &json, NULL, "print a JSON array", 0, 0},
        {"export", CLI_STRING, &export, "FILE", "write the problems as a contest's JSON", 0, 0},
        {"store", CLI_STRING, &store, "FILE.db", "add the problems and proofs of every score", 0,
         0},
        {"scores", CLI_FLAG, &plan.scores, NULL, "with --store: the oracle's scores too", 0, 0},
        {"analyses", CLI_INT, &plan.analyses, "N",
         "with --store: analyses of each proof, of every quality (default 0)", 0,
         EL_WORLD_STORE_ANALYSES},
        {"claims", CLI_INT, &plan.claims, "N", "with --store: at most N claims a problem", 1,
         EL_WORLD_CLAIMS},
        {"checked", CLI_REAL, &plan.checked, "SHARE",
         "with --store: of the proofs, remark on their totals (default 0)", 0, 1},
        {"false-starts", CLI_REAL, &plan.false_start, "SHARE",
         "with --store: of the claims of these, begin with attempts that are abandoned (default 0)",
         0, 1},
        {"unlisted", CLI_REAL, &plan.unlisted, "SHARE",
         "with --store: of the flawed lists, have numbers that add up but are not in the list "
         "(default 0)",
         0, 1},
        {"reused", CLI_REAL, &plan.reused, "SHARE",
         "with --store: of these, take an entry of the list twice instead (default 0)", 0, 1},
        {"label", CLI_FLAG, &label, NULL,
         "with --store: add nothing but the oracle's scores of what is there", 0, 0},
        {"set", CLI_STRING, &set, "NAME", "with --label: only this set of problems", 0, 0},
        {"write-tokenizer", CLI_STRING, &tokenizer, "FILE", "write the world's tokenizer.json", 0,
         0},
        {0},
    };
    const struct cli_usage usage = {"world", description, options, 0, 0};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc != CLI_GO)
        return rc;
    int split = el_world_split_from_name(split_name);
    if (split < 0)
        return cli_usage_error("--split: '%.40s' is none of train, valid, test, large", split_name);
    if (!!tokenizer + !!export + !!store > 1)
        return cli_usage_error("--store, --export and --write-tokenizer exclude each other");
    if ((tokenizer || export) && json)
        return cli_usage_error("--json goes with what is printed, or with --store");
    if (!store && (label || plan.scores || plan.analyses || plan.claims || plan.checked > 0 ||
                   plan.unlisted > 0))
        return cli_usage_error("--scores, --analyses, --claims, --checked, --unlisted, --label go "
                               "with --store FILE.db");
    if (plan.false_start > 0 && !(plan.checked > 0))
        return cli_usage_error("--false-starts goes with --checked SHARE");
    if (plan.reused > 0 && !(plan.unlisted > 0))
        return cli_usage_error("--reused goes with --unlisted SHARE");
    if (set && !label)
        return cli_usage_error("--set goes with --label");
    if (tokenizer)
        return write_tokenizer(tokenizer);
    if (export)
        return export_problems(export, split, index, count);
    plan.split = (enum el_world_split)split;
    plan.first = index;
    plan.problems = count;
    plan.seed = seed;
    if (store)
        return label ? label_store(store, set, json) : fill_store(store, &plan, json);
    return print_samples(split, index, count, seed, json);
}
