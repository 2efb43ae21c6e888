#include "cli/cli.h"

#include "core/base/io.h"
#include "data/export.h"

#include <errno.h>
#include <string.h>

const char cmd_export_help[] = "rows of a store as JSON, JSONL or CSV";

static const char long_help[] =
    "Writes rows of a store in a form that 'elenchus import' reads back. A file is replaced in "
    "one\n"
    "step when everything is written; before that it is untouched.\n"
    "\n"
    "Tables: problems, proofs, analyses, scores, dv (labelled proofs), dmv (labelled analyses).\n"
    "\n"
    "Examples:\n"
    "  elenchus export --store ratings.db --what dv --out dv.jsonl\n"
    "  elenchus export --store ratings.db --what scores --set IMO2025 --format csv";

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
    int rc = el_store_open(path, EL_STORE_READONLY, &j->store, err);
    if (rc < 0)
        return rc;
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
    struct job j = {0};
    const struct cli_option options[] = {
        {"store", CLI_STRING, &store, "FILE.db", "the store (required)", 0, 0},
        {"what", CLI_STRING, &what, "TABLE", "what to write (required)", 0, 0},
        {"format", CLI_STRING, &format, "NAME", "jsonl (default), json or csv", 0, 0},
        {"set", CLI_STRING, &j.set, "NAME", "only this set of problems", 0, 0},
        {"out", CLI_STRING, &out, "FILE", "where to (default: standard output)", 0, 0},
        {0},
    };
    const struct cli_usage usage = {"export --store FILE.db --what TABLE", long_help, options, 0,
                                    0};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc != CLI_GO)
        return rc;
    if (!store || !what)
        return cli_usage_error("export: --store FILE.db and --what TABLE are required");
    int table = el_export_what_from_name(what), form = el_export_format_from_name(format);
    if (table < 0)
        return cli_usage_error("export: unknown table '%s'", what);
    if (form < 0)
        return cli_usage_error("export: unknown format '%s'", format);
    j.what = (enum el_export_what)table;
    j.format = (enum el_export_format)form;
    struct el_error err = {0};
    return export_one(&j, store, out, &err) < 0 ? cli_fail(&err) : CLI_DONE;
}
