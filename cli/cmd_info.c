#include "cli/cli.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/model/estimate.h"

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

static void print_bytes(const char *label, int64_t bytes)
{
    char text[32];
    printf("%-36s %s\n", label, bytes_text(bytes, text));
}

static void print_parameters(const struct el_estimate *e)
{
    printf("%-36s %lld\n", "parameters", (long long)e->parameters);
    printf("%-36s %lld\n", "  of these in the indexers", (long long)e->indexer_parameters);
    printf("%-36s %lld\n", "  of these read for one token", (long long)e->active_parameters);
    if (e->mtp_parameters)
        printf("%-36s %lld\n", "  besides in MTP layers, not loaded", (long long)e->mtp_parameters);
}

static void print_text(const struct el_config *c, const struct el_estimate *e)
{
    printf("%-36s %d layers (%d dense), %d experts, vocabulary %d\n", "model", c->num_hidden_layers,
           c->first_k_dense_replace, c->n_routed_experts, c->vocab_size);
    print_parameters(e);
    print_bytes("weights in memory, F32", e->weight_bytes_f32);
    print_bytes("weights stored, BF16", e->weight_bytes_bf16);
    int64_t floats = e->kv_floats_per_token + e->indexer_floats_per_token;
    print_bytes("cache per token, F32", floats * 4);
    print_bytes("cache per token, BF16", floats * 2);
    printf("%-36s %d tokens x %d sequences\n", "for a context of", e->context, e->batch);
    print_bytes("  cache, F32", e->cache_bytes_f32);
    print_bytes("  cache, BF16", e->cache_bytes_bf16);
    print_bytes("  weights, tables and cache, F32", e->total_bytes);
    printf("%-36s %s (index_topk %d %s context %d)\n", "attention", el_estimate_attention(e),
           c->index_topk, e->dense ? ">=" : "<", e->context);
}

static void print_json(const struct el_config *c, const struct el_estimate *e)
{
    printf("{\"parameters\": %lld, \"indexer_parameters\": %lld, \"active_parameters\": %lld, "
           "\"mtp_parameters\": %lld,\n",
           (long long)e->parameters, (long long)e->indexer_parameters,
           (long long)e->active_parameters, (long long)e->mtp_parameters);
    printf(" \"weight_bytes_f32\": %lld, \"weight_bytes_bf16\": %lld, \"rope_bytes\": %lld,\n",
           (long long)e->weight_bytes_f32, (long long)e->weight_bytes_bf16,
           (long long)e->rope_bytes);
    printf(" \"kv_floats_per_token\": %lld, \"indexer_floats_per_token\": %lld,\n",
           (long long)e->kv_floats_per_token, (long long)e->indexer_floats_per_token);
    printf(
        " \"context\": %d, \"batch\": %d, \"cache_bytes_f32\": %lld, \"cache_bytes_bf16\": %lld, "
        "\"total_bytes\": %lld,\n",
        e->context, e->batch, (long long)e->cache_bytes_f32, (long long)e->cache_bytes_bf16,
        (long long)e->total_bytes);
    printf(" \"attention\": \"%s\", \"index_topk\": %d}\n", e->dense ? "dense" : "mqa",
           c->index_topk);
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
    return CLI_DONE;
}
