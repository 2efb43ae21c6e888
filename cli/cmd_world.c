#include "cli/cli.h"
#include "core/base/io.h"
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
    "  elenchus world --count 64 --store dv.db --scores       with the oracle's scores: a D_v";

static int save(const char *path, int made, struct el_buf *text)
{
    struct el_error err = {0};
    int rc = made < 0 ? el_error_set(&err, EL_ENOMEM, "out of memory for %s", path)
                      : el_file_write(path, text->data, text->len, &err);
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

static int fill_store(const char *path, int split, uint64_t index, int count, uint64_t seed,
                      int scores)
{
    struct el_error err = {0};
    struct el_store *store = NULL;
    int rc = el_store_open(path, EL_STORE_CREATE, &store, &err);
    int64_t added = rc < 0 ? rc
                           : el_world_store(store, (enum el_world_split)split, index, count, seed,
                                            scores, &err);
    el_store_close(store);
    if (added < 0)
        return cli_fail(&err);
    fprintf(stderr, "%s: %lld proofs added for %d problems\n", path, (long long)added, count);
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
    const char *split_name = "test", *tokenizer = NULL, *export = NULL, *store = NULL;
    uint64_t index = 0, seed = 0;
    int count = 1, json = 0, scores = 0;
    const struct cli_option options[] = {
        {"split", CLI_STRING, &split_name, "NAME", "train, valid, test (default) or large", 0, 0},
        {"index", CLI_U64, &index, "N", "the first problem (default 0)", 0, 0},
        {"count", CLI_INT, &count, "N", "how many problems (default 1)", 1, 1000000},
        {"seed", CLI_U64, &seed, "N", "for the witnesses and flaws (default 0)", 0, 0},
        {"json", CLI_FLAG, &json, NULL, "print a JSON array", 0, 0},
        {"export", CLI_STRING, &export, "FILE", "write the problems as a contest's JSON", 0, 0},
        {"store", CLI_STRING, &store, "FILE.db", "add the problems and proofs of every score", 0,
         0},
        {"scores", CLI_FLAG, &scores, NULL, "with --store: the oracle's scores too", 0, 0},
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
    if (tokenizer)
        return write_tokenizer(tokenizer);
    if (export)
        return export_problems(export, split, index, count);
    if (scores && !store)
        return cli_usage_error("--scores goes with --store FILE.db");
    if (store)
        return fill_store(store, split, index, count, seed, scores);
    return print_samples(split, index, count, seed, json);
}
