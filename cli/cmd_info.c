#include "cli/cli.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/model/estimate.h"
#include "core/model/inspect.h"

#include <math.h>
#include <sys/stat.h>

const char cmd_info_help[] =
    "parameters, memory and attention mode of a model, from its config.json";

/* MODEL is a folder with config.json or such a file itself. */
static int load(const char *model, struct el_config *c, struct el_error *err)
{
    struct stat st;
    if (stat(model, &st) < 0 || !S_ISDIR(st.st_mode))
        return el_config_load(model, c, err);
    char *path = el_path_join(model, "config.json");
    int rc = path ? el_config_load(path, c, err)
                  : el_error_set(err, EL_ENOMEM, "%s: out of memory", model);
    el_free(path);
    return rc;
}

/* "37.5 GiB"; small numbers stay exact. */
static const char *bytes_text(int64_t bytes, char out[32])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes;
    int unit = 0;
    while (v >= 1024 && unit < 6) {
        v /= 1024;
        unit++;
    }
    snprintf(out, 32, unit ? "%.2f %s" : "%.0f %s", v, units[unit]);
    return out;
}

static void print_count(const char *label, int64_t n)
{
    int exponent = n >= 1000000000 ? 9 : 6;
    printf("%-36s %lld", label, (long long)n);
    if (n >= 1000000)
        printf(" (%.2fe%d)", (double)n / pow(10, exponent), exponent);
    putchar('\n');
}

/* A row of the table: one size for each form of the numbers. */
static void print_sizes(const char *label, const int64_t bytes[EL_FORMS])
{
    char text[32];
    printf("%-36s", label);
    for (int form = 0; form < EL_FORMS; form++)
        printf(" %12s", bytes_text(bytes[form], text));
    putchar('\n');
}

static void print_exact(const char *label, const int64_t bytes[EL_FORMS])
{
    printf("%-36s", label);
    for (int form = 0; form < EL_FORMS; form++)
        printf(" %6lld bytes", (long long)bytes[form]);
    putchar('\n');
}

static void print_parameters(const struct el_estimate *e)
{
    print_count("parameters", e->parameters);
    print_count("  without the indexers", e->parameters - e->indexer_parameters);
    if (e->mtp_parameters)
        print_count("  with the MTP layers", e->parameters + e->mtp_parameters);
    print_count("  read for one token", e->active_parameters);
}

static void print_text(const struct el_config *c, const struct el_estimate *e)
{
    printf("%-36s %d layers (%d dense), %d experts, vocabulary %d\n", "model", c->num_hidden_layers,
           c->first_k_dense_replace, c->n_routed_experts, c->vocab_size);
    print_parameters(e);
    printf("%-36s %s (index_topk %d %s context %d)\n", "attention", el_estimate_attention(e),
           c->index_topk, e->dense ? ">=" : "<", e->context);
    printf("\n%-36s %12s %12s %12s\n", "memory", "F32", "BF16", "FP8");
    print_sizes("weights", e->weight_bytes);
    if (e->mtp_parameters)
        print_sizes("MTP layers, loaded only to draft", e->mtp_bytes);
    print_exact("cache, a token in a layer", e->kv_bytes);
    print_exact("  and its key of the indexer", e->index_bytes);
    print_exact("cache, a token in all layers", e->token_bytes);
    printf("for %d tokens x %d sequences\n", e->context, e->batch);
    print_sizes("  cache", e->cache_bytes);
    print_sizes("  weights, RoPE tables and cache", e->total_bytes);
    puts("\nBF16 and FP8 are what a checkpoint takes. This engine holds F32: weights are\n"
         "widened when they are loaded, and packed once more where that takes 1 GiB at most;\n"
         "the cache is F32, or FP8 where that is asked for. --compute bf16 keeps a BF16 copy\n"
         "beside the F32 weights.");
}

static void print_json_sizes(const char *name, const int64_t bytes[EL_FORMS])
{
    printf(" \"%s\": {", name);
    for (int form = 0; form < EL_FORMS; form++)
        printf("%s\"%s\": %lld", form ? ", " : "", el_form_name((enum el_form)form),
               (long long)bytes[form]);
    printf("},\n");
}

static void print_json(const struct el_config *c, const struct el_estimate *e)
{
    printf("{\"parameters\": %lld, \"indexer_parameters\": %lld, \"active_parameters\": %lld, "
           "\"mtp_parameters\": %lld,\n",
           (long long)e->parameters, (long long)e->indexer_parameters,
           (long long)e->active_parameters, (long long)e->mtp_parameters);
    print_json_sizes("weight_bytes", e->weight_bytes);
    print_json_sizes("mtp_bytes", e->mtp_bytes);
    print_json_sizes("kv_bytes_per_token_and_layer", e->kv_bytes);
    print_json_sizes("indexer_bytes_per_token_and_layer", e->index_bytes);
    print_json_sizes("cache_bytes_per_token", e->token_bytes);
    print_json_sizes("cache_bytes", e->cache_bytes);
    print_json_sizes("total_bytes", e->total_bytes);
    printf(" \"rope_bytes\": %lld, \"layers\": %d, \"context\": %d, \"batch\": %d,\n",
           (long long)e->rope_bytes, e->layers, e->context, e->batch);
    printf(" \"attention\": \"%s\", \"index_topk\": %d}\n", e->dense ? "dense" : "mqa",
           c->index_topk);
}

/* A folder with weights, by their headers: what is wrong with them, and what else is there. It may
 * still be on its way, so that nothing of this is a failure. */
static void look_inside(const char *model)
{
    struct el_inspection found;
    struct el_error err = {0};
    struct stat st;
    if (stat(model, &st) < 0 || !S_ISDIR(st.st_mode))
        return;
    int rc = el_inspect(model, &found, &err);
    if (rc < 0 && rc != EL_ENOTFOUND)
        fprintf(stderr, "the weights: %s\n", err.msg);
    if (rc == 0 && found.text[0])
        fprintf(stderr, "%s: %s\n", model, found.text);
}

int cmd_info(int argc, char **argv)
{
    int context = 0, batch = 1, json = 0;
    const struct cli_option options[] = {
        {"context", CLI_INT, &context, "N", "tokens in a sequence (default: the model's maximum)",
         1, 1 << 20},
        {"batch", CLI_INT, &batch, "N", "sequences at a time (default 1)", 1, 1 << 20},
        {"json", CLI_FLAG, &json, NULL, "print JSON", 0, 0},
        {0},
    };
    const struct cli_usage usage = {
        "info MODEL",
        "Prints what a model needs before anything is loaded. MODEL is a folder or a config.json.",
        options, 1, 1};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc != CLI_GO)
        return rc;
    struct el_config c;
    struct el_estimate e;
    struct el_error err = {0};
    if (load(argv[1], &c, &err) < 0 ||
        el_estimate_init(&e, &c, context ? context : c.max_position_embeddings, batch, &err) < 0)
        return cli_fail(&err);
    if (json)
        print_json(&c, &e);
    else
        print_text(&c, &e);
    look_inside(argv[1]);
    return CLI_DONE;
}
