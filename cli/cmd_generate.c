#include "cli/cli.h"

#include "cli/choices.h"
#include "cli/model.h"
#include "cli/prompts.h"
#include "core/base/alloc.h"
#include "core/base/digest.h"
#include "core/base/json.h"
#include "core/run/local.h"
#include "refine/contest.h"

#include <string.h>
#include <unistd.h>

const char cmd_generate_help[] = "completions of a prompt, or proofs of a problem";

static const char details[] =
    "Samples completions in the chat format of DeepSeek-V3.2. --prompt is a user's message as it "
    "stands;\n"
    "--problem is a problem, put into the generator's prompt; with neither, a message is read "
    "from\n"
    "standard input. One completion is printed while it is made, several one after the other.\n"
    "The same seed gives the same completions, whatever N is; but --attention mha measures at "
    "each\n"
    "start up to which length a prompt is attended so, and that decides about the last bits of "
    "what\n"
    "follows. The mode that is named at the end holds the length: --attention mha:LENGTH fixes "
    "it.\n"
    "\n"
    "--mtp drafts tokens with the MTP layer of the checkpoint: the same completions in fewer "
    "passes;\n"
    "how many drafts were right is said at the end. No prefixes are shared then.";

struct arguments {
    const char *model, *prompt, *problem, *prompts, *attention, *compute;
    enum el_attention mode;
    enum el_compute how;
    struct el_sampling sampling;
    uint64_t seed;
    const char *mtp_hidden;
    int n, thinking, json, threads, context, mtp, fp8, mha_limit;
};

/* What is to be done, and what has come. */
struct work {
    const struct arguments *a;
    struct el_backend *backend;
    struct el_buf prompt;
    struct el_completion *done; /* (n) in the order of samples */
    int submitted, received;
};

static int problem_prompt(struct work *w, struct el_error *err)
{
    struct el_prompt_set *set = NULL;
    int rc = el_statement_check_domain(w->a->problem, "--problem", w->a->model, err);
    if (rc == 0)
        rc = cli_prompts_load(w->a->prompts, w->a->model, &set, err);
    if (rc == 0)
        rc = el_prompt_generate(set, el_slice_str(w->a->problem), &w->prompt, err);
    el_prompt_set_free(set);
    return rc;
}

static int is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == 0;
}

static int read_stdin(struct el_buf *out, struct el_error *err)
{
    char piece[4096];
    size_t n;
    if (isatty(STDIN_FILENO))
        fprintf(stderr, "reading the prompt from the terminal; Ctrl-D ends it\n");
    while ((n = fread(piece, 1, sizeof piece, stdin)) > 0)
        if (el_buf_add(out, piece, n) < 0)
            return el_error_set(err, EL_ENOMEM, "out of memory for the prompt");
    if (ferror(stdin))
        return el_error_set(err, EL_EIO, "standard input cannot be read");
    if (is_blank(out->data))
        return el_error_set(err, EL_EINVAL, "the prompt from standard input is empty");
    return 0;
}

/* A prompt of one's own is for who knows what the model was trained on: it is not refused. */
static void warn_free_prompt(const struct arguments *a)
{
    if (el_contest_model_is_of_world(a->model, NULL) == 1)
        fprintf(stderr,
                "elenchus: warning: %s knows the small proof world alone; what it says to other "
                "prompts than its own means nothing (--problem makes one)\n",
                a->model);
}

static int make_prompt(struct work *w, struct el_error *err)
{
    if (w->a->problem)
        return problem_prompt(w, err);
    warn_free_prompt(w->a);
    if (!w->a->prompt)
        return read_stdin(&w->prompt, err);
    if (el_buf_puts(&w->prompt, w->a->prompt) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for the prompt");
    return 0;
}

static uint64_t key_of(const struct work *w, int sample)
{
    const struct arguments *a = w->a;
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "generate");
    el_digest_u64(&d, a->seed);
    el_digest_str(&d, w->backend->digest);
    el_digest_bytes(&d, w->prompt.data, w->prompt.len);
    el_digest_f64(&d, a->sampling.temperature);
    el_digest_u64(&d, (uint64_t)a->sampling.top_k);
    el_digest_f64(&d, a->sampling.top_p);
    el_digest_u64(&d, (uint64_t)a->sampling.max_tokens);
    el_digest_u64(&d, (uint64_t)a->thinking);
    el_digest_u64(&d, (uint64_t)sample);
    return el_digest_key(&d);
}

static int submit(struct work *w, struct el_error *err)
{
    const struct el_message message = {.role = "user", .content = w->prompt.data};
    const struct el_request r = {.messages = &message,
                                 .n_messages = 1,
                                 .thinking = w->a->thinking,
                                 .sampling = w->a->sampling,
                                 .key = key_of(w, w->submitted),
                                 .tag = w->submitted};
    int rc = el_backend_submit(w->backend, &r, err);
    w->submitted += rc == 0;
    return rc;
}

static int receive(struct work *w, struct el_error *err)
{
    struct el_completion c;
    int rc = el_backend_poll(w->backend, &c, err);
    if (rc <= 0)
        return rc < 0 ? rc : el_error_set(err, EL_EIO, "the backend lost a request");
    w->done[c.tag] = c;
    w->received++;
    if (c.finish == EL_FINISH_ERROR)
        return el_error_set(err, c.error.code, "completion %d: %s", (int)c.tag + 1, c.error.msg);
    return 0;
}

static int complete(struct work *w, struct el_progress *progress, struct el_error *err)
{
    int n = w->a->n, rc = 0;
    while (w->received < n && rc == 0) {
        while (rc == 0 && w->submitted < n && el_backend_room(w->backend) > 0)
            rc = submit(w, err);
        if (rc == 0)
            rc = receive(w, err);
        if (rc == 0)
            el_progress_update(progress, w->received, n, NULL);
    }
    return rc;
}

static void stream_text(void *user, int64_t tag, const char *text, size_t n)
{
    (void)user;
    (void)tag;
    fwrite(text, 1, n, stdout);
    fflush(stdout);
}

static const char *finish_name(enum el_finish finish)
{
    return finish == EL_FINISH_STOP ? "stop" : "length";
}

static int put_drafts(const struct work *w, struct el_buf *out)
{
    const struct el_engine_stats *s = el_local_stats(w->backend);
    return el_buf_printf(out, ", \"drafted\": %lld, \"accepted\": %lld, \"passes\": %lld",
                         (long long)s->drafted, (long long)s->accepted, (long long)s->passes);
}

static void print_drafts(const struct work *w)
{
    const struct el_engine_stats *s = el_local_stats(w->backend);
    double share = s->drafted ? 100.0 * (double)s->accepted / (double)s->drafted : 0;
    fprintf(stderr, "MTP: %lld of %lld drafts accepted (%.1f%%), %lld passes\n",
            (long long)s->accepted, (long long)s->drafted, share, (long long)s->passes);
}

static int print_json(const struct work *w, struct el_error *err)
{
    struct el_buf out;
    el_buf_init(&out);
    int rc = el_buf_printf(&out, "{\"model_digest\": \"%s\", \"mode\": \"%s\", \"completions\": [",
                           w->backend->digest, w->backend->mode);
    for (int i = 0; i < w->a->n && rc == 0; i++) {
        const struct el_completion *c = &w->done[i];
        rc = el_buf_printf(&out,
                           "%s\n{\"finish\": \"%s\", \"prompt_tokens\": %d, \"cached_tokens\": %d, "
                           "\"completion_tokens\": %d, \"logp\": %.9g, \"text\": ",
                           i ? "," : "", finish_name(c->finish), c->prompt_tokens, c->cached_tokens,
                           c->completion_tokens, c->logp);
        if (rc == 0)
            rc = el_json_quote(&out, c->text, c->text_len);
        if (rc == 0)
            rc = el_buf_putc(&out, '}');
    }
    if (rc == 0)
        rc = el_buf_puts(&out, "\n]");
    if (rc == 0 && w->a->mtp)
        rc = put_drafts(w, &out);
    if (rc == 0)
        rc = el_buf_puts(&out, "}\n");
    if (rc == 0)
        fwrite(out.data, 1, out.len, stdout);
    else
        el_error_set(err, rc, "out of memory for the output");
    el_buf_release(&out);
    return rc;
}

static void print_text(const struct work *w)
{
    for (int i = 0; i < w->a->n; i++) {
        const struct el_completion *c = &w->done[i];
        if (w->a->n > 1) {
            printf("%s--- %d of %d: %d tokens, log-probability %.2f, ended by %s ---\n",
                   i ? "\n" : "", i + 1, w->a->n, c->completion_tokens, c->logp,
                   finish_name(c->finish));
            fwrite(c->text, 1, c->text_len, stdout);
        }
        if (c->text_len == 0 || c->text[c->text_len - 1] != '\n')
            putchar('\n');
    }
    fflush(stdout); /* in front of the lines below, where both go to one place */
    if (w->a->n == 1)
        fprintf(stderr, "%d tokens, log-probability %.2f, ended by %s\n",
                w->done->completion_tokens, w->done->logp, finish_name(w->done->finish));
    fprintf(stderr, "model %.16s (%s)\n", w->backend->digest, w->backend->mode);
}

/* Where --max-tokens is larger than what the context leaves, it is not what ended them. */
static void say_context(const struct work *w)
{
    int cut = 0;
    for (int i = 0; i < w->a->n; i++)
        cut += w->done[i].finish == EL_FINISH_LENGTH &&
               w->done[i].completion_tokens < w->a->sampling.max_tokens;
    if (cut)
        fprintf(stderr,
                "elenchus: warning: %d of %d completions ended with the context of %d tokens, "
                "before --max-tokens %d (see --context)\n",
                cut, w->a->n, w->backend->context_limit, w->a->sampling.max_tokens);
}

static int run(struct work *w, struct el_error *err)
{
    int streams = w->a->n == 1 && !w->a->json;
    struct el_local_options o = {.model = w->a->model,
                                 .attention = w->a->mode,
                                 .mha_limit = w->a->mha_limit,
                                 .compute = w->a->how,
                                 .batch = w->a->n < 64 ? w->a->n : 64,
                                 .context = w->a->context,
                                 .threads = w->a->threads,
                                 .mtp = w->a->mtp,
                                 .mtp_before_norm =
                                     w->a->mtp_hidden && strcmp(w->a->mtp_hidden, "pre") == 0,
                                 .fp8 = w->a->fp8,
                                 .on_text = streams ? stream_text : NULL};
    struct cli_progress progress;
    int rc = make_prompt(w, err);
    if (rc == 0)
        rc = cli_model_open(&o, &w->backend, err);
    if (rc < 0)
        return rc;
    cli_progress_init(&progress, "generate", "completions");
    rc = complete(w, streams ? NULL : &progress.base, err);
    cli_progress_finish(&progress);
    if (rc < 0)
        return rc;
    if (w->a->json)
        rc = print_json(w, err);
    else
        print_text(w);
    if (rc == 0)
        say_context(w);
    if (rc == 0 && w->a->mtp && !w->a->json)
        print_drafts(w);
    return rc;
}

static int generate(const struct arguments *a, struct el_error *err)
{
    struct work w = {.a = a};
    el_buf_init(&w.prompt);
    w.done = el_alloc_array((size_t)a->n, sizeof *w.done);
    int rc = w.done ? run(&w, err) : el_error_set(err, EL_ENOMEM, "out of memory");
    for (int i = 0; w.done && i < a->n; i++)
        el_completion_release(&w.done[i]);
    el_free(w.done);
    el_backend_free(w.backend);
    el_buf_release(&w.prompt);
    return rc;
}

static int check(struct arguments *a)
{
    if (!a->model)
        return cli_usage_error("generate needs --model");
    if (a->prompt && a->problem)
        return cli_usage_error("--prompt and --problem exclude each other");
    if ((a->prompt && is_blank(a->prompt)) || (a->problem && is_blank(a->problem)))
        return cli_usage_error("%s is empty", a->prompt ? "--prompt" : "--problem");
    if (a->prompts && !a->problem)
        return cli_usage_error("--prompts goes with --problem: a prompt of your own is in no set");
    if (a->mtp_hidden && !a->mtp)
        return cli_usage_error("--mtp-hidden goes with --mtp");
    if (a->mtp_hidden && strcmp(a->mtp_hidden, "pre") != 0 && strcmp(a->mtp_hidden, "post") != 0)
        return cli_usage_error("--mtp-hidden '%s': expected pre or post", a->mtp_hidden);
    int rc = cli_choose_attention(a->attention, &a->mode, &a->mha_limit);
    if (rc == CLI_GO && a->mtp && a->mode == EL_ATTENTION_MHA)
        return cli_usage_error("--mtp and --attention mha exclude each other");
    return rc == CLI_GO ? cli_choose_compute(a->compute, &a->how) : rc;
}

int cmd_generate(int argc, char **argv)
{
    struct arguments a = {.attention = "mqa",
                          .compute = "fp32",
                          .sampling = {.temperature = 1, .top_p = 1, .max_tokens = 1024},
                          .seed = 1,
                          .n = 1};
    const struct cli_option options[] = {
        {"model", CLI_STRING, &a.model, "DIR", "the model's folder (required)", 0, 0},
        {"prompt", CLI_STRING, &a.prompt, "TEXT", "a user's message", 0, 0},
        {"problem", CLI_STRING, &a.problem, "TEXT", "a problem to prove", 0, 0},
        {"prompts", CLI_STRING, &a.prompts, "DIR", "folder of a prompt set, for --problem", 0, 0},
        {"temperature", CLI_REAL, &a.sampling.temperature, "X", "0: greedy (default 1)", 0, 100},
        {"top-p", CLI_REAL, &a.sampling.top_p, "P", "1: off (default)", 1e-6, 1},
        {"top-k", CLI_INT, &a.sampling.top_k, "K", "0: off (default)", 0, 1 << 30},
        {"max-tokens", CLI_INT, &a.sampling.max_tokens, "N", "of one completion (default 1024)", 1,
         1 << 24},
        {"seed", CLI_U64, &a.seed, "N", "seed of all randomness (default 1)", 0, 0},
        {"n", CLI_INT, &a.n, "N", "how many completions (default 1)", 1, 1 << 20},
        {"thinking", CLI_FLAG, &a.thinking, NULL, "the model reasons before </think>", 0, 0},
        {"attention", CLI_STRING, &a.attention, "MODE", CLI_ATTENTION_HELP, 0, 0},
        {"compute", CLI_STRING, &a.compute, "TYPE",
         "of products with weights: fp32 (default) or bf16", 0, 0},
        {"index-fp8", CLI_FLAG, &a.fp8, NULL, "indexer and latents rounded to FP8, cache packed", 0,
         0},
        {"context", CLI_INT, &a.context, "N", CLI_CONTEXT_HELP, 2, 1 << 24},
        {"threads", CLI_INT, &a.threads, "N", "default: OMP_NUM_THREADS, or one per core", 0, 1024},
        {"mtp", CLI_FLAG, &a.mtp, NULL, "draft tokens with the model's MTP layer", 0, 0},
        {"mtp-hidden", CLI_STRING, &a.mtp_hidden, "WHICH",
         "its input: hidden states post (default) or pre the last norm", 0, 0},
        {"json", CLI_FLAG, &a.json, NULL, "print JSON", 0, 0},
        {0},
    };
    const struct cli_usage usage = {"generate --model DIR [--prompt TEXT | --problem TEXT]",
                                    details, options, 0, 0};
    struct el_error err = {0};
    int rc = cli_parse(&argc, argv, &usage);
    if (rc == CLI_GO)
        rc = check(&a);
    if (rc != CLI_GO)
        return rc;
    return generate(&a, &err) < 0 ? cli_fail(&err) : CLI_DONE;
}
