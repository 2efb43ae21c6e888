#include "cli/choices.h"
#include "cli/cli.h"
#include "cli/model.h"
#include "cli/output.h"

#include "core/base/io.h"
#include "core/run/logits.h"

#include <string.h>

const char cmd_logits_help[] = "write a model's logits for given tokens to a safetensors file";

struct arguments {
    const char *model, *tokens, *out, *attention, *compute, *isa;
    const struct el_ops *ops;
    int trace, greedy, threads, fp8;
};

static int work(const struct arguments *a, const struct el_logits_options *o, struct el_error *err)
{
    struct el_weights *w = NULL;
    struct el_token_batch tokens = {0};
    struct el_stream s;
    struct cli_progress progress;
    int rc = cli_output_check(a->out, err);
    if (rc == 0 && strcmp(a->out, a->tokens) == 0)
        rc = el_error_set(err, EL_EREFUSED, "%s: --out would write over --tokens", a->out);
    if (rc == 0 && !el_path_exists(a->tokens)) /* loading the model may take long */
        rc = el_error_set(err, EL_ENOTFOUND, "%s: no such file", a->tokens);
    if (rc < 0)
        return rc;
    rc = cli_model_load(a->model, &w, err);
    if (rc == 0)
        rc = el_token_file_load(a->tokens, w->config.vocab_size, &tokens, err);
    if (rc == 0) {
        el_stream_init(&s, el_device_host(), a->ops, a->threads);
        cli_progress_init(&progress, "logits", "tokens");
        rc = el_logits_write(w, &s, &tokens, o, a->out, &progress.base, err);
        cli_progress_finish(&progress);
        el_stream_release(&s);
    }
    el_token_batch_release(&tokens);
    el_weights_free(w);
    return rc;
}

static int check(struct arguments *a, struct el_logits_options *o)
{
    if (!a->model || !a->tokens || !a->out)
        return cli_usage_error("--model, --tokens and --out are needed");
    o->trace = a->trace;
    o->greedy = a->greedy;
    o->fp8 = a->fp8;
    int rc = cli_choose_attention(a->attention, &o->attention, NULL);
    if (rc == CLI_GO)
        rc = cli_choose_compute(a->compute, &o->compute);
    return rc == CLI_GO ? cli_choose_isa(a->isa, &a->ops) : rc;
}

int cmd_logits(int argc, char **argv)
{
    struct arguments a = {.attention = "mqa", .compute = "fp32"};
    const struct cli_option options[] = {
        {"model", CLI_STRING, &a.model, "DIR", "Hugging Face folder", 0, 0},
        {"tokens", CLI_STRING, &a.tokens, "FILE",
         "token ids [B,T]: JSON, or safetensors with a tensor `tokens`", 0, 0},
        {"attention", CLI_STRING, &a.attention, "MODE",
         "dense (every key), mqa (DSA: the selected keys; default) or mha (the same, masked MHA)",
         0, 0},
        {"out", CLI_STRING, &a.out, "FILE", "the safetensors file to write", 0, 0},
        {"trace", CLI_FLAG, &a.trace, NULL, "add selected.L and routed.L of every layer L", 0, 0},
        {"greedy", CLI_INT, &a.greedy, "N",
         "add N greedy steps: generated [B,N], generated_logits [B,N,V]", 0, 1 << 20},
        {"compute", CLI_STRING, &a.compute, "TYPE",
         "of products with weights: fp32 (default) or bf16", 0, 0},
        {"index-fp8", CLI_FLAG, &a.fp8, NULL, "indexer and latents rounded to FP8, cache packed", 0,
         0},
        {"threads", CLI_INT, &a.threads, "N", "default: OMP_NUM_THREADS, or one per core", 0, 1024},
        {"isa", CLI_STRING, &a.isa, "NAME", "op table: ref, generic, avx2 or avx512", 0, 0},
        {0},
    };
    const struct cli_usage usage = {
        "logits --model DIR --tokens FILE --out FILE",
        "Writes `logits` [B,T,V] (F32) for tokens [B,T]. generated_logits are what each generated\n"
        "token was taken from, computed step by step from the cache.",
        options, 0, 0};
    struct el_logits_options o = {0};
    struct el_error err = {0};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc == CLI_GO)
        rc = check(&a, &o);
    if (rc != CLI_GO)
        return rc;
    return work(&a, &o, &err) < 0 ? cli_fail(&err) : CLI_DONE;
}
