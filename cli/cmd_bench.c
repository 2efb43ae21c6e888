#include "cli/choices.h"
#include "cli/cli.h"
#include "cli/lent_model.h"
#include "cli/model.h"
#include "cli/output.h"

#include "bench/cases.h"
#include "core/base/io.h"
#include "core/model/inspect.h"
#include "core/run/engine.h"

#include <string.h>

const char cmd_bench_help[] = "how fast this machine runs and trains a model, against its ceilings";

static const char details[] =
    "KIND: gemm, attention, decode, prefill, train, or all.\n"
    "Each line: the median of the repeats, FLOPs and bytes of one run, the rates and their share "
    "of\n"
    "what this machine does at most (multiply-adds in registers, reading memory), both measured "
    "in\n"
    "the same run. Bytes count every array that an op reads or writes; caches may serve some, so\n"
    "that their rate can exceed that of memory. One thread is timed by its processor time, more "
    "by\n"
    "the wall clock. Without --model and --config: the shape of the\n"
    "shipped model, then that of configs/models/50m.json, with random weights.\n"
    "attention --context N: what a token costs at 1K, 2K, 4K .. N tokens, dense and with DSA, in\n"
    "decode and in a block of a prompt; by default in the shape of the 671B model, one layer.\n"
    "--peer COMMAND: the square product, decode, prefill and train are measured once more in "
    "turns\n"
    "with another program, and the ratio is printed, too. bench/peers/pytorch is one; it first\n"
    "finds out which of PyTorch's ways is the fastest here, which takes minutes for each figure.\n"
    "Example: elenchus bench prefill --model models/small --peer bench/peers/pytorch";

struct arguments {
    const char *kind, *model, *config, *json, *isa, *attention, *stage, *compute, *peer;
    enum el_attention mode; /* when `attention` is given */
    enum el_compute how;
    const struct el_ops *table;
    int threads, repeats, ops, context, fp8, mha_limit;
    int sequences, prompt, steps, tokens, length, queries; /* 0: not given */
};

struct work {
    const struct arguments *a;
    struct el_bench bench;
    struct cli_lent_model lent;
    struct el_buf line;
};

static void show(void *user, const struct el_bench *b, const struct el_bench_figure *f)
{
    struct work *w = user;
    el_buf_clear(&w->line);
    int rc = el_bench_line(&w->line, b, f, NULL);
    if (rc == 0)
        rc = el_buf_putc(&w->line, '\n');
    if (rc == 0 && w->a->ops && f->ops)
        rc = el_bench_ops_table(&w->line, b, f, NULL);
    if (rc == 0)
        fputs(w->line.data, stdout);
    fflush(stdout);
}

static int wants(const struct arguments *a, const char *kind)
{
    return strcmp(a->kind, kind) == 0 || strcmp(a->kind, "all") == 0;
}

/* As masked MHA: dense attention for the whole prompt, DSA as it was given or up to where that
 * pays. */
static int prefill(struct work *w, const struct el_weights *model, enum el_attention mode,
                   struct el_error *err)
{
    const struct arguments *a = w->a;
    struct el_bench_prefill p = {.attention = mode,
                                 .prompt = a->prompt ? a->prompt : 1000,
                                 .sequences = a->sequences,
                                 .compute = a->how,
                                 .fp8 = a->fp8};
    if (mode == EL_ATTENTION_MHA)
        p.mha_limit = a->mha_limit ? a->mha_limit : EL_MHA_MEASURE;
    int rc = el_bench_prefill(&w->bench, model, &p, err);
    if (rc < 0 || mode != EL_ATTENTION_DENSE)
        return rc;
    p.mha_limit = p.prompt;
    return el_bench_prefill(&w->bench, model, &p, err);
}

static int serve(struct work *w, const struct el_weights *model, struct el_error *err)
{
    const struct arguments *a = w->a;
    int rc = 0;
    for (int m = EL_ATTENTION_DENSE; m <= EL_ATTENTION_MHA && rc == 0; m++) {
        enum el_attention mode = (enum el_attention)m;
        if (a->attention && a->mode != mode)
            continue;
        struct el_bench_decode d = {.attention = mode,
                                    .sequences = a->sequences,
                                    .prompt = a->prompt ? a->prompt : 256,
                                    .steps = a->steps,
                                    .compute = a->how,
                                    .fp8 = a->fp8};
        if (wants(a, "decode") && mode != EL_ATTENTION_MHA)
            rc = el_bench_decode(&w->bench, model, &d, err);
        if (wants(a, "prefill") && rc == 0)
            rc = prefill(w, model, mode, err);
    }
    return rc;
}

static int train(struct work *w, struct el_weights *model, struct el_error *err)
{
    static const enum el_stage stages[] = {EL_STAGE_DENSE, EL_STAGE_SPARSE};
    const struct arguments *a = w->a;
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++) {
        struct el_bench_train t = {stages[i], a->tokens, a->length};
        if (!a->stage || strcmp(a->stage, el_stage_name(stages[i])) == 0)
            rc = el_bench_train(&w->bench, model, &t, err);
    }
    return rc;
}

static int ops(struct work *w, const struct el_config *c, struct el_error *err)
{
    struct el_bench_attention shape = el_bench_attention_of(c);
    int rc = 0;
    if (wants(w->a, "gemm"))
        rc = el_bench_gemm_model(&w->bench, c, w->a->how, w->a->tokens, err);
    if (wants(w->a, "gemm") && rc == 0)
        rc = el_bench_gemm_model(&w->bench, c, w->a->how, w->a->sequences, err);
    if (wants(w->a, "attention") && rc == 0)
        rc = el_bench_attention(&w->bench, &shape, err);
    return rc;
}

/* Where the peer finds the weights: `folder`, or, NULL, a copy. */
static int lend(struct work *w, const struct el_weights *model, const char *folder,
                struct el_error *err)
{
    int ops_alone = strcmp(w->a->kind, "gemm") == 0 || strcmp(w->a->kind, "attention") == 0;
    if (!w->a->peer || ops_alone)
        return 0;
    int rc = folder ? 0 : cli_lent_model_init(&w->lent, model, err);
    w->bench.peer.model = folder ? folder : w->lent.folder;
    return rc;
}

/* The next model is another one. */
static void take_back(struct work *w)
{
    el_bench_peer_release(&w->bench.peer);
    w->bench.peer.model = NULL;
    cli_lent_model_release(&w->lent);
}

/* Everything that is wanted of one model: at `folder`, or the shape in `config` with random
 * weights. */
static int one_model(struct work *w, const char *folder, const char *config, struct el_error *err)
{
    struct el_weights *model = NULL;
    struct el_config c;
    int rc = folder ? cli_model_load(folder, &model, err) : el_config_load(config, &c, err);
    if (rc == 0 && !folder)
        rc = el_weights_create(&c, el_device_host(), 1, &model, err);
    if (rc == 0) {
        printf("%s: %.1fM parameters\n", folder ? folder : config,
               (double)model->layout.parameters * 1e-6);
        rc = ops(w, &model->config, err);
    }
    if (rc == 0)
        rc = lend(w, model, folder, err);
    if (rc == 0)
        rc = serve(w, model, err);
    if (rc == 0 && wants(w->a, "train"))
        rc = train(w, model, err);
    take_back(w);
    el_weights_free(model);
    return rc;
}

/* The shape for --context: no weights are needed. */
static int curve_config(const struct arguments *a, struct el_config *c, struct el_error *err)
{
    const char *path = a->config ? a->config : EL_SOURCE_DIR "/configs/models/671b-attention.json";
    struct el_buf file;
    el_buf_init(&file);
    int rc = a->model ? el_buf_printf(&file, "%s/config.json", a->model)
                      : el_buf_printf(&file, "%s", path);
    rc = rc < 0 ? el_error_set(err, rc, "out of memory for a path")
                : el_config_load(file.data, c, err);
    el_buf_release(&file);
    return rc;
}

/* Attention at growing contexts. */
static int curve(struct work *w, struct el_error *err)
{
    enum { FROM = 1024 };
    const struct arguments *a = w->a;
    struct el_config c;
    int rc = curve_config(a, &c, err);
    if (rc < 0)
        return rc;
    struct el_bench_attention shape = el_bench_attention_of(&c);
    struct el_bench_context o = {a->context < FROM ? a->context : FROM, a->context, a->queries};
    return el_bench_context(&w->bench, &shape, &o, err);
}

static int measure(struct work *w, struct el_error *err)
{
    const struct arguments *a = w->a;
    struct el_bench_machine *m = &w->bench.machine;
    int rc = el_bench_machine_init(m, w->bench.s->ops, m->threads, err);
    if (rc < 0)
        return rc;
    printf("%s, %s, %d threads, load %.1f; at most %.1f GFLOP/s and %.1f GB/s\n", m->cpu, m->isa,
           m->threads, m->load, m->flop_rate * 1e-9, m->byte_rate * 1e-9);
    if (a->context)
        return curve(w, err);
    if (a->how == EL_COMPUTE_BF16)
        printf("BF16 products by %s: at most %.1f GFLOP/s\n", m->bf16, m->bf16_rate * 1e-9);
    if (wants(a, "gemm"))
        rc = el_bench_gemm_square(&w->bench, a->how, 2048, err);
    if (rc < 0)
        return rc;
    if (a->model || a->config)
        return one_model(w, a->model, a->config, err);
    rc = one_model(w, NULL, EL_SOURCE_DIR "/models/small/config.json", err);
    return rc < 0 ? rc : one_model(w, NULL, EL_SOURCE_DIR "/configs/models/50m.json", err);
}

static int write_json(struct work *w, struct el_error *err)
{
    el_buf_clear(&w->line);
    int rc = el_bench_json(&w->line, &w->bench, EL_VERSION, err);
    return rc < 0 ? rc : el_file_write(w->a->json, w->line.data, w->line.len, err);
}

/* What would stop the measurements, or lose them, is found before the first one. */
static int check_files(const struct arguments *a, struct el_error *err)
{
    struct el_inspection found;
    struct el_config config;
    int rc = cli_output_check(a->json, err);
    if (rc < 0)
        return rc;
    if (a->context)
        return curve_config(a, &config, err);
    if (a->config)
        return el_config_load(a->config, &config, err);
    return a->model ? el_inspect(a->model, &found, err) : 0;
}

static int work(const struct arguments *a, struct el_error *err)
{
    struct el_stream s;
    struct work w = {.a = a};
    int rc = check_files(a, err);
    if (rc < 0)
        return rc;
    el_stream_init(&s, el_device_host(), a->table, a->threads);
    el_bench_init(&w.bench, &s, a->repeats);
    el_buf_init(&w.line);
    w.bench.show = show;
    w.bench.user = &w;
    w.bench.slice = 0.05;
    el_bench_peer_init(&w.bench.peer, a->peer);
    rc = measure(&w, err);
    if (rc == 0 && a->json)
        rc = write_json(&w, err);
    el_buf_release(&w.line);
    el_bench_release(&w.bench);
    el_stream_release(&s);
    return rc;
}

/* An option that has no effect on what is measured is a slip. */
static int check_kind(const struct arguments *a)
{
    const struct {
        const char *option;
        int given;
        const char *kinds;
    } rows[] = {{"ops", a->ops, "decode, prefill, train and all"},
                {"attention", !!a->attention, "decode, prefill and all"},
                {"index-fp8", a->fp8, "decode and prefill"},
                {"stage", !!a->stage, "train and all"},
                {"sequences", a->sequences, "gemm, decode, prefill and all"},
                {"prompt", a->prompt, "decode, prefill and all"},
                {"steps", a->steps, "decode and all"},
                {"tokens", a->tokens, "gemm, train and all"},
                {"length", a->length, "train and all"},
                {"context", a->context, "attention"},
                {"queries", a->queries, "attention"},
                {"peer", !!a->peer, "gemm, decode, prefill, train and all"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].given && !strstr(rows[i].kinds, a->kind))
            return cli_usage_error("--%s belongs to %s, and has no effect on %s", rows[i].option,
                                   rows[i].kinds, a->kind);
    if (a->queries && !a->context)
        return cli_usage_error("--queries goes with --context N");
    return CLI_GO;
}

static void fill_defaults(struct arguments *a)
{
    struct {
        int *value, normal;
    } rows[] = {{&a->sequences, 64},
                {&a->steps, 32},
                {&a->tokens, 4096},
                {&a->length, 512},
                {&a->queries, 64}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (*rows[i].value == 0)
            *rows[i].value = rows[i].normal;
}

static int check(struct arguments *a)
{
    static const char *const kinds[] = {"gemm", "attention", "decode", "prefill", "train", "all"};
    size_t i = 0, n = sizeof kinds / sizeof *kinds;
    while (i < n && strcmp(a->kind, kinds[i]) != 0)
        i++;
    if (i == n)
        return cli_usage_error("unknown kind '%.40s': expected gemm, attention, decode, prefill, "
                               "train or all",
                               a->kind);
    if (a->model && a->config)
        return cli_usage_error("--model and --config exclude each other");
    int rc = check_kind(a);
    if (rc != CLI_GO)
        return rc;
    rc = a->attention ? cli_choose_attention(a->attention, &a->mode, &a->mha_limit) : CLI_GO;
    if (rc == CLI_GO)
        rc = cli_choose_compute(a->compute, &a->how);
    if (rc == CLI_GO)
        rc = cli_choose_isa(a->isa, &a->table);
    if (rc != CLI_GO)
        return rc;
    if (a->attention && a->mode == EL_ATTENTION_MHA && strcmp(a->kind, "decode") == 0)
        return cli_usage_error("--attention mha: what is decoded is attended in the absorbed form, "
                               "mqa");
    if (a->how == EL_COMPUTE_BF16 && (wants(a, "train") || strcmp(a->kind, "attention") == 0))
        return cli_usage_error("--compute bf16 belongs to gemm, decode and prefill: training and "
                               "attention compute in fp32");
    if (a->stage && strcmp(a->stage, "dense") != 0 && strcmp(a->stage, "sparse") != 0)
        return cli_usage_error("--stage '%.40s': expected dense or sparse", a->stage);
    return CLI_GO;
}

int cmd_bench(int argc, char **argv)
{
    struct arguments a = {.compute = "fp32", .repeats = 5};
    const struct cli_option options[] = {
        {"model", CLI_STRING, &a.model, "DIR", "Hugging Face folder", 0, 0},
        {"config", CLI_STRING, &a.config, "FILE", "config.json: that shape, random weights", 0, 0},
        {"json", CLI_STRING, &a.json, "FILE", "write the results there too", 0, 0},
        {"threads", CLI_INT, &a.threads, "N", "default: OMP_NUM_THREADS, or one per core", 0, 1024},
        {"repeat", CLI_INT, &a.repeats, "N", "repeats of each measurement (default 5)", 1,
         EL_BENCH_MOST_REPEATS},
        {"ops", CLI_FLAG, &a.ops, NULL,
         "decode, prefill, train: where the time of a pass goes, by op", 0, 0},
        {"isa", CLI_STRING, &a.isa, "NAME", "op table: ref, generic, avx2 or avx512", 0, 0},
        {"attention", CLI_STRING, &a.attention, "MODE",
         "decode, prefill: dense, mqa or (prefill) mha alone, mha:LENGTH for prompts of up to "
         "LENGTH tokens (default: all)",
         0, 0},
        {"compute", CLI_STRING, &a.compute, "TYPE", "gemm, decode, prefill: fp32 (default) or bf16",
         0, 0},
        {"index-fp8", CLI_FLAG, &a.fp8, NULL,
         "decode, prefill: indexer and latents rounded to FP8, cache packed", 0, 0},
        {"stage", CLI_STRING, &a.stage, "NAME", "train: dense or sparse alone (default: both)", 0,
         0},
        {"sequences", CLI_INT, &a.sequences, "N",
         "decode, prefill: together, or of one prompt (default 64); rows of gemm", 1, 4096},
        {"prompt", CLI_INT, &a.prompt, "N",
         "decode, prefill: tokens of a prompt (default 256, 1000)", 1, 1 << 20},
        {"steps", CLI_INT, &a.steps, "N", "decode: passes that are timed (default 32)", 1, 1 << 16},
        {"tokens", CLI_INT, &a.tokens, "N", "train: of a step (default 4096); rows of gemm", 2,
         1 << 20},
        {"length", CLI_INT, &a.length, "N", "train: of a sequence (default 512)", 2, 1 << 20},
        {"context", CLI_INT, &a.context, "N", "attention: costs at contexts of up to N tokens", 64,
         1 << 24},
        {"peer", CLI_STRING, &a.peer, "COMMAND",
         "but attention: measure this program, too, in turns", 0, 0},
        {"queries", CLI_INT, &a.queries, "N", "attention --context: of a block (default 64)", 1,
         1024},
        {0},
    };
    const struct cli_usage usage = {"bench KIND", details, options, 1, 1};
    struct el_error err = {0};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc != CLI_GO)
        return rc;
    a.kind = argv[1];
    rc = check(&a);
    if (rc != CLI_GO)
        return rc;
    fill_defaults(&a);
    return work(&a, &err) < 0 ? cli_fail(&err) : CLI_DONE;
}
