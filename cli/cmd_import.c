#include "cli/cli.h"
#include "cli/output.h"

#include "data/import.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

const char cmd_import_help[] = "problems, proofs and ratings from files into a store";

static const char long_help[] =
    "Reads problems, proofs and ratings into a store, which is made when it does not exist.\n"
    "Importing a file twice adds nothing. A malformed record stops the import, and nothing of its\n"
    "file is kept, unless --keep-going is given; where that takes no record at all, it fails.\n"
    "\n"
    "Formats: deepseek-inputs, deepseek-outputs, proofbench, open-proof-corpus, and elenchus "
    "(what\n"
    "'elenchus export' writes). A rating becomes 0, 0.5 or 1 by a mapping: proofbench-7 for marks\n"
    "out of 7, correct-incorrect for labels, share-of-full for the rest, or the file you name.\n"
    "\n"
    "Records of the format elenchus, as JSON, JSONL or CSV; [what may be left out]. A field that\n"
    "has no place is malformed. key and raters, which export adds, are not read.\n"
    "  record: problem   statement [set external_id answer reference rubric category level "
    "extra];\n"
    "                    also a line without the field record\n"
    "  record: proof     problem_key text [author_kind author origin extra]\n"
    "  record: analysis  proof_key text [is_self score failure author_kind author origin extra]\n"
    "  record: score     proof_key or analysis_key [score rater_kind rater raw scale_max mapping\n"
    "                    blind origin extra]\n"
    "  record: dv        a proof with its problem and score: fields of a problem, proof score\n"
    "                    [author_kind author origin rater_kind rater raw scale_max mapping blind\n"
    "                    score_origin]\n"
    "  record: dmv       an analysis likewise: fields of dv, analysis [analysis_score is_self\n"
    "                    failure analysis_author_kind analysis_author analysis_origin]; score is\n"
    "                    what the analysis is worth, analysis_score what it gives the proof\n"
    "\n"
    "Examples:\n"
    "  elenchus import IMO2025.jsonl Putnam2024.jsonl --store ratings.db\n"
    "  elenchus import proofbench_v2.csv --store p.db\n"
    "  elenchus import my.jsonl --store p.db --mapping configs/mappings/share-of-full.json\n"
    "\n"
    "A line of the format elenchus:\n"
    "  {\"record\": \"dv\", \"statement\": \"1+1=2\", \"proof\": \"Clear.\", \"score\": 0.5}";

static void print_malformed(void *user, const char *message)
{
    (void)user;
    fprintf(stderr, "elenchus import: passed over: %s\n", message);
}

static void print_report(const struct el_import_report *r, int files, int json)
{
    const char *form =
        json ? "{\"files\": %d, \"records\": %lld, \"malformed\": %lld, \"added\": {\"problems\": "
               "%lld, \"proofs\": %lld, \"analyses\": %lld, \"scores\": %lld}, \"existing\": %lld, "
               "\"conflicts\": %lld}\n"
             : "files      %d\nrecords    %lld\nmalformed  %lld (passed over)\n"
               "problems   %lld added\nproofs     %lld added\nanalyses   %lld added\n"
               "scores     %lld added\nexisting   %lld rows were there already\n"
               "conflicts  %lld fields differ from the stored ones, which were kept\n";
    printf(form, files, (long long)r->records, (long long)r->malformed, (long long)r->problems,
           (long long)r->proofs, (long long)r->analyses, (long long)r->scores,
           (long long)r->existing, (long long)r->conflicts);
}

/* Before a store is made for nothing. */
static int check_files(int n, char **files, struct el_error *err)
{
    for (int i = 0; i < n; i++) {
        if (access(files[i], R_OK) < 0)
            return el_error_set(err, EL_EIO, "%s: cannot open: %s", files[i], strerror(errno));
        if (cli_is_store(files[i]))
            return el_error_set(err, EL_EFORMAT,
                                "%s: is a store; 'elenchus export --store %s --what TABLE' writes "
                                "what import reads",
                                files[i], files[i]);
    }
    return 0;
}

static int import_files(struct el_store *s, const struct el_import_options *options, int n,
                        char **files, struct el_import_report *r, int *done, struct el_error *err)
{
    int rc = 0;
    for (*done = 0; *done < n && rc == 0; *done += rc == 0)
        rc = el_import_file(s, files[*done], options, r, err);
    if (rc < 0 || r->records > 0 || r->malformed == 0)
        return rc;
    *done = 0;
    return el_error_set(err, EL_EFORMAT, "no record was taken: all %lld are malformed",
                        (long long)r->malformed);
}

static int import_all(const char *store, const struct el_import_options *options, int n,
                      char **files, int json, struct el_error *err)
{
    struct el_store *s;
    struct el_import_report report = {0};
    int done, rc = check_files(n, files, err);
    if (rc == 0)
        rc = el_store_open(store, EL_STORE_CREATE, &s, err);
    if (rc < 0)
        return rc;
    rc = import_files(s, options, n, files, &report, &done, err);
    if (rc < 0)
        el_store_close_unused(s);
    else
        el_store_close(s);
    if (rc == 0 || done > 0)
        print_report(&report, done, json);
    return rc;
}

int cmd_import(int argc, char **argv)
{
    const char *store = NULL, *format = "auto", *mapping_path = NULL;
    struct el_import_options o = {.malformed = print_malformed};
    struct el_mapping mapping;
    struct el_error err = {0};
    int json = 0;
    const struct cli_option options[] = {
        {"store", CLI_STRING, &store, "FILE.db", "the store (required)", 0, 0},
        {"format", CLI_STRING, &format, "NAME", "force a format (default: from the content)", 0, 0},
        {"set", CLI_STRING, &o.set, "NAME", "file the problems under this set", 0, 0},
        {"mapping", CLI_STRING, &mapping_path, "FILE", "see configs/mappings", 0, 0},
        {"scale-max", CLI_REAL, &o.scale_max, "N", "maximum of human_rating in an unknown set",
         1e-9, 1e9},
        {"keep-going", CLI_FLAG, &o.keep_going, NULL, "name, count and pass over malformed records",
         0, 0},
        {"json", CLI_FLAG, &json, NULL, "print JSON", 0, 0},
        {0},
    };
    const struct cli_usage usage = {"import FILES... --store FILE.db", long_help, options, 1, -1};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc != CLI_GO)
        return rc;
    int known = el_import_format_from_name(format);
    if (known < 0)
        return cli_usage_error("import: unknown format '%s'", format);
    if (!store)
        return cli_usage_error("import: --store FILE.db is required");
    o.format = (enum el_import_format)known;
    if (mapping_path && el_mapping_load(mapping_path, &mapping, &err) < 0)
        return cli_fail(&err);
    o.mapping = mapping_path ? &mapping : NULL;
    return import_all(store, &o, argc - 1, argv + 1, json, &err) < 0 ? cli_fail(&err) : CLI_DONE;
}
