#include "cli/cli.h"

#include "cli/export_model.h"
#include "cli/output.h"
#include "core/base/io.h"
#include "data/export.h"

#include <errno.h>
#include <string.h>

const char cmd_export_help[] = "rows of a store as JSON, JSONL or CSV; models in other formats";

static const char long_help[] =
    "Writes rows of a store in a form that 'elenchus import' reads back. A file is replaced in "
    "one\n"
    "step when everything is written; before that it is untouched.\n"
    "\n"
    "Tables: problems, proofs, analyses, scores, dv (labelled proofs), dmv (labelled analyses).\n"
    "\n"
    "With --model: a model's folder as F32, BF16 or FP8 (e4m3 with one scale for 128 x 128 "
    "values),\n"
    "in one file or several with an index. MTP layers go along. The new folder appears when it is\n"
    "complete; what is FP8 in the wanted format already is taken over bit by bit.\n"
    "\n"
    "Examples:\n"
    "  elenchus export --store ratings.db --what dv --out dv.jsonl\n"
    "  elenchus export --store ratings.db --what scores --set IMO2025 --format csv\n"
    "  elenchus export --model DIR --out NEW --dtype fp8 --shard-size 5GB";

struct job {
    struct el_store *store;
    enum el_export_what what;
    enum el_export_format format;
    const char *set;
};

static int write_stdout(void *user, const void *bytes, size_t n, struct el_error *err)
{
    (void)user;
    return fwrite(bytes, 1, n, stdout) == n
               ? 0
               : el_error_set(err, EL_EIO, "standard output: %s", strerror(errno));
}

static int write_file(void *user, const void *bytes, size_t n, struct el_error *err)
{
    return el_atomic_write(user, bytes, n, err);
}

static int64_t to_file(const struct job *j, const char *path, struct el_error *err)
{
    struct el_atomic_file f;
    int rc = el_atomic_open(&f, path, err);
    if (rc < 0)
        return rc;
    int64_t n = el_export(j->store, j->what, j->format, j->set, write_file, &f, err);
    if (n < 0) {
        el_atomic_discard(&f);
        return n;
    }
    rc = el_atomic_commit(&f, err);
    return rc < 0 ? rc : n;
}

static int64_t export_one(struct job *j, const char *path, const char *out, struct el_error *err)
{
    int rc = cli_output_check(out, err);
    if (rc == 0)
        rc = el_store_open(path, EL_STORE_READONLY, &j->store, err);
    if (rc == 0)
        rc = el_store_set_check(j->store, j->set, err);
    if (rc < 0) {
        el_store_close(j->store);
        return rc;
    }
    int64_t n = out ? to_file(j, out, err)
                    : el_export(j->store, j->what, j->format, j->set, write_stdout, NULL, err);
    el_store_close(j->store);
    if (out && n >= 0)
        fprintf(stderr, "%s: %lld records\n", out, (long long)n);
    return n;
}

int cmd_export(int argc, char **argv)
{
    const char *store = NULL, *what = NULL, *format = "jsonl", *out = NULL;
    struct cli_export_model m = {0};
    struct job j = {0};
    const struct cli_option options[] = {
        {"store", CLI_STRING, &store, "FILE.db", "the store (this or --model)", 0, 0},
        {"what", CLI_STRING, &what, "TABLE", "what to write (required with --store)", 0, 0},
        {"format", CLI_STRING, &format, "NAME", "jsonl (default), json or csv", 0, 0},
        {"set", CLI_STRING, &j.set, "NAME", "only this set of problems", 0, 0},
        {"out", CLI_STRING, &out, "PATH",
         "where to (default: standard output); with --model a new folder (required)", 0, 0},
        {"model", CLI_STRING, &m.model, "DIR", "a model's folder", 0, 0},
        {"dtype", CLI_STRING, &m.dtype, "NAME", "f32, bf16 (default) or fp8", 0, 0},
        {"scales", CLI_STRING, &m.scales, "KIND", "of FP8: ue8m0 (powers of two, default) or float",
         0, 0},
        {"shard-size", CLI_STRING, &m.shard_size, "SIZE",
         "most bytes of a file, such as 5GB or 500MiB; a tensor is never split (default: one file)",
         0, 0},
        {0},
    };
    const struct cli_usage usage = {"export --store FILE.db --what TABLE | --model DIR --out NEW",
                                    long_help, options, 0, 0};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc != CLI_GO)
        return rc;
    if (m.model && (store || what))
        return cli_usage_error("export: --model and --store do not go together");
    m.out = out;
    if (m.model && !out)
        return cli_usage_error("export: --model needs --out, the name of a new folder");
    if (m.model)
        return cli_export_model(&m);
    if (m.dtype || m.scales || m.shard_size)
        return cli_usage_error("export: --dtype, --scales and --shard-size belong to --model");
    if (!store || !what)
        return cli_usage_error("export: --store FILE.db and --what TABLE, or --model DIR");
    int table = el_export_what_from_name(what), form = el_export_format_from_name(format);
    if (table < 0)
        return cli_usage_error(
            "export: --what: '%s' is none of problems, proofs, analyses, scores, dv, "
            "dmv",
            what);
    if (form < 0)
        return cli_usage_error("export: --format: '%s' is none of jsonl, json, csv", format);
    j.what = (enum el_export_what)table;
    j.format = (enum el_export_format)form;
    struct el_error err = {0};
    return export_one(&j, store, out, &err) < 0 ? cli_fail(&err) : CLI_DONE;
}
