#include "cli/export_model.h"

#include "cli/cli.h"
#include "core/model/convert.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a model's folder holds besides the weights. */
static const char *const keep[] = {"tokenizer.json",
                                   "tokenizer_config.json",
                                   "special_tokens_map.json",
                                   "generation_config.json",
                                   "domain.json",
                                   "training.json",
                                   "README.md",
                                   "LICENSE",
                                   NULL};

/* "5GB", "500 MiB", "1000000"; -1 when it is no such size. */
static int64_t parse_size(const char *text)
{
    static const struct {
        const char *name;
        double bytes;
    } units[] = {{"", 1},      {"B", 1},      {"KB", 1e3},     {"MB", 1e6},     {"GB", 1e9},
                 {"TB", 1e12}, {"KiB", 1024}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40},
                 {"K", 1024},  {"M", 0x1p20}, {"G", 0x1p30},   {"T", 0x1p40}};
    char *end;
    if (!isdigit((unsigned char)*text))
        return -1;
    double v = strtod(text, &end);
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(end, units[i].name) == 0) {
            v *= units[i].bytes;
            return v >= 1 && v < 0x1p62 ? (int64_t)v : -1;
        }
    return -1;
}

static int read_options(const struct cli_export_model *how, struct el_convert_options *o)
{
    int form = el_form_from_name(how->dtype ? how->dtype : "bf16");
    if (form < 0)
        return cli_usage_error("export: --dtype '%s': expected f32, bf16 or fp8", how->dtype);
    o->form = (enum el_form)form;
    if (how->scales && o->form != EL_FORM_FP8)
        return cli_usage_error("export: --scales belongs to --dtype fp8");
    if (how->scales && strcmp(how->scales, "ue8m0") != 0 && strcmp(how->scales, "float") != 0)
        return cli_usage_error("export: --scales '%s': expected ue8m0 or float", how->scales);
    o->fp8.ue8m0 = !how->scales || strcmp(how->scales, "ue8m0") == 0;
    if (how->shard_size)
        o->shard_bytes = parse_size(how->shard_size);
    if (o->shard_bytes < 0)
        return cli_usage_error("export: --shard-size '%s': expected a size such as 5GB or 500MiB",
                               how->shard_size);
    return CLI_GO;
}

static void print_report(const char *out, const struct el_convert_report *r)
{
    fprintf(stderr, "%s: %d tensors in %d file%s, %lld bytes\n", out, r->tensors, r->files,
            r->files == 1 ? "" : "s", (long long)r->bytes);
    if (r->taken_over)
        fprintf(stderr, "%d FP8 matrices were taken over as they are\n", r->taken_over);
    if (r->left_out)
        fprintf(stderr, "%d tensors that belong to no part of the model were left out\n",
                r->left_out);
}

int cli_export_model(const struct cli_export_model *how)
{
    struct el_convert_options o = {.fp8 = {128, 128, 1}, .keep = keep};
    struct el_convert_report report;
    struct el_error err = {0};
    struct cli_progress progress;
    int rc = read_options(how, &o);
    if (rc != CLI_GO)
        return rc;
    cli_progress_init(&progress, "exporting", "values");
    rc = el_convert(how->model, how->out, &o, &report, &progress.base, &err);
    cli_progress_finish(&progress);
    if (rc < 0)
        return cli_fail(&err);
    print_report(how->out, &report);
    return CLI_DONE;
}
