#include "cli/choices.h"
#include "cli/cli.h"
#include "cli/eval_roles.h"
#include "cli/eval_training.h"
#include "cli/output.h"
#include "cli/phase_folders.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "data/ratings.h"
#include "refine/compare.h"
#include "refine/json_out.h"
#include "refine/report.h"

#include <errno.h>
#include <math.h>
#include <string.h>

const char cmd_eval_help[] = "the numbers of a run, of imported ratings or of a training";

struct flags {
    const char *run, *against, *html, *roles;
    int ratings, training, apart, json, resamples;
    uint64_t seed;
};

static int print(const struct el_buf *out, struct el_error *err)
{
    return fwrite(out->data, 1, out->len, stdout) == out->len
               ? 0
               : el_error_set(err, EL_EIO, "cannot write to the standard output: %s",
                              strerror(errno));
}

/* ------------------------------------------------------------------------------------ a run */

static int write_html(const struct el_report *r, const struct el_compare *c, struct el_store *s,
                      const char *path, struct el_error *err)
{
    struct el_buf page;
    el_buf_init(&page);
    int rc = el_report_html(r, c, s, 0, &page, err);
    if (rc == 0)
        rc = el_file_write(path, page.data, page.len, err);
    el_buf_release(&page);
    return rc;
}

/* The report, or (c not NULL) its comparison with another one. */
static int show(const struct el_report *r, const struct el_compare *c, struct el_store *s,
                const struct flags *f, struct el_error *err)
{
    struct el_buf out;
    el_buf_init(&out);
    int rc = c ? (f->json ? el_compare_json(c, &out) : el_compare_text(c, &out))
               : (f->json ? el_report_json(r, &out) : el_report_text(r, &out));
    if (rc < 0)
        el_error_set(err, rc, "out of memory for the %s", c ? "comparison" : "report");
    if (rc == 0 && f->html)
        rc = write_html(r, c, s, f->html, err);
    if (rc == 0)
        rc = print(&out, err);
    el_buf_release(&out);
    return rc;
}

static int compare(const struct el_report *a, struct el_store *s, const struct flags *f,
                   const struct el_report_options *o, struct el_error *err)
{
    struct el_report b;
    struct el_compare c;
    int rc = el_report_make(&b, s, f->against, o, err);
    if (rc < 0)
        return rc;
    rc = el_compare_make(&c, a, &b, err);
    if (rc == 0) {
        rc = show(a, &c, s, f, err);
        el_compare_release(&c);
    }
    el_report_release(&b);
    return rc;
}

static int eval_run(struct el_store *s, const struct flags *f, struct el_error *err)
{
    const struct el_report_options o = {.resamples = f->resamples, .seed = f->seed};
    struct el_report r;
    int rc = cli_output_check(f->html, err);
    if (rc == 0)
        rc = el_report_make(&r, s, f->run, &o, err);
    if (rc < 0)
        return rc;
    rc = f->against ? compare(&r, s, f, &o, err) : show(&r, NULL, s, f, err);
    el_report_release(&r);
    return rc;
}

/* -------------------------------------------------------------------------------- ratings */

static void print_ratings(const struct el_ratings *r)
{
    printf("human ratings by set\n");
    for (int i = 0; i < r->n_sets; i++) {
        const struct el_ratings_set *x = &r->sets[i];
        printf("  %-24s %g/%g  %.1f%% [%.1f,%.1f]  n = %d problems, %d proofs\n", x->name,
               x->points, x->max, 100 * x->points / x->max, 100 * x->share.lo, 100 * x->share.hi,
               x->problems, x->proofs);
    }
    for (int i = 0; i < r->n_raters; i++) {
        const struct el_ratings_rater *x = &r->raters[i];
        printf("automatic rater %s, n = %d problems, %d proofs\n", x->name, x->problems, x->proofs);
        printf("  precision of full marks  %d/%d = %.3f [%.3f,%.3f]\n", x->accepted_full,
               x->accepted, x->precision, x->precision_interval.lo, x->precision_interval.hi);
        printf("  agreement on full marks  %.3f [%.3f,%.3f]\n", x->agreement,
               x->agreement_interval.lo, x->agreement_interval.hi);
        printf("  Pearson correlation      %.3f [%.3f,%.3f]\n", x->pearson, x->pearson_interval.lo,
               x->pearson_interval.hi);
    }
    printf("[..]: 95%% bootstrap over problems, %d resamples\n", r->resamples);
}

static void put_with_interval(struct el_json_out *j, const char *key, double value,
                              const struct el_interval *in)
{
    const struct el_figure figure = {value, in->lo, in->hi};
    el_json_figure(j, key, &figure);
}

static int put_ratings(const struct el_ratings *r, struct el_buf *out)
{
    struct el_json_out j = {.buf = out, .first = 1};
    el_json_open(&j, NULL, '{');
    el_json_open(&j, "sets", '[');
    for (int i = 0; i < r->n_sets; i++) {
        const struct el_ratings_set *x = &r->sets[i];
        el_json_open(&j, NULL, '{');
        el_json_text(&j, "set", x->name);
        el_json_count(&j, "problems", x->problems);
        el_json_count(&j, "proofs", x->proofs);
        el_json_number(&j, "points", x->points);
        el_json_number(&j, "max", x->max);
        put_with_interval(&j, "share", x->points / x->max, &x->share);
        el_json_close(&j, '}');
    }
    el_json_close(&j, ']');
    el_json_open(&j, "raters", '[');
    for (int i = 0; i < r->n_raters; i++) {
        const struct el_ratings_rater *x = &r->raters[i];
        el_json_open(&j, NULL, '{');
        el_json_text(&j, "rater", x->name);
        el_json_count(&j, "problems", x->problems);
        el_json_count(&j, "proofs", x->proofs);
        el_json_count(&j, "accepted", x->accepted);
        el_json_count(&j, "accepted_full", x->accepted_full);
        put_with_interval(&j, "precision", x->precision, &x->precision_interval);
        put_with_interval(&j, "agreement", x->agreement, &x->agreement_interval);
        put_with_interval(&j, "pearson", x->pearson, &x->pearson_interval);
        el_json_close(&j, '}');
    }
    el_json_close(&j, ']');
    el_json_close(&j, '}');
    return j.failed ? j.failed : el_buf_putc(out, '\n');
}

static int eval_ratings(struct el_store *s, const struct flags *f, struct el_error *err)
{
    struct el_ratings r;
    struct el_buf out;
    int rc = el_ratings_compute(s, f->resamples ? f->resamples : 10000, f->seed, &r, err);
    if (rc < 0)
        return rc;
    el_buf_init(&out);
    if (!f->json)
        print_ratings(&r);
    else if ((rc = put_ratings(&r, &out)) < 0)
        el_error_set(err, rc, "out of memory for the ratings");
    else
        rc = print(&out, err);
    el_buf_release(&out);
    el_ratings_release(&r);
    return rc;
}

static const char long_help[] =
    "Prints Pass@1 and Best@k for every number of rounds out of one run, with the rules and\n"
    "bootstrap intervals beside the numbers; on the small proof world also against exact truth.\n"
    "\n"
    "With --roles, how well models judge the scored proofs and analyses of a store; of several,\n"
    "the mean with an interval over them.\n"
    "\n"
    "With --training, what the folders of trainings hold in metrics.jsonl, over each other when\n"
    "there are several. Those whose recipes differ in the seed alone are one arm: their mean\n"
    "with an interval, and curves with a band. The folder of an iteration stands for those of its\n"
    "phases.\n"
    "\n"
    "  elenchus eval --training runs/a1 runs/a2 runs/a3 runs/b --html arms.html\n"
    "  elenchus eval --training --arm with runs/a1 runs/a2 --arm without runs/b1 runs/b2\n"
    "  elenchus eval test.db --arm with runs/a?/model --arm without runs/b?/model";

/* --roles MODEL, the arguments behind the store, and arms. */
static int eval_roles(struct el_store *s, struct cli_eval_roles *roles, const char *model,
                      char **more, int n, struct el_error *err)
{
    int fits = !model || cli_arms_add(&roles->models, model);
    for (int i = 0; i < n && fits; i++)
        fits = cli_arms_add(&roles->models, more[i]);
    return fits ? cli_eval_roles(s, roles, err)
                : el_error_set(err, EL_EINVAL, "more than %d models", CLI_ARMS);
}

/* A training's folder, or those of an iteration's phases; 0 when there is no room. */
static int add_training(struct cli_arms *runs, const char *dir, const struct cli_phase_folders *f)
{
    int fits = f->n > 0 || cli_arms_add(runs, dir);
    for (int i = 0; i < f->n && fits; i++)
        fits = cli_arms_add(runs, f->path[i]);
    return fits;
}

static int eval_training(const struct flags *f, const struct cli_arms *arms, char **dirs, int n)
{
    struct cli_eval_training o = {
        .runs = *arms, .html = f->html, .json = f->json, .apart = f->apart};
    struct cli_phase_folders *phases = el_alloc_array((size_t)n + 1, sizeof *phases);
    struct el_error err = {0};
    int rc = phases ? 0 : el_error_set(&err, EL_ENOMEM, "out of memory"), found = 0, fits = 1;
    for (; rc == 0 && fits && found < n; found++) {
        rc = cli_phase_folders_find(&phases[found], dirs[found], &err);
        if (rc == 0)
            fits = add_training(&o.runs, dirs[found], &phases[found]);
    }
    if (rc < 0)
        rc = cli_fail(&err);
    else if (!fits)
        rc = cli_usage_error("more than %d trainings", CLI_ARMS);
    else if (o.runs.n_items == 0)
        rc = cli_usage_error("eval --training needs folders of trainings");
    else
        rc = cli_eval_training(&o);
    for (int i = 0; i < found; i++)
        cli_phase_folders_release(&phases[i]);
    el_free(phases);
    return rc;
}

static int eval_store(struct flags *f, struct cli_eval_roles *roles, char **argv, int argc)
{
    struct el_error err = {0};
    struct el_store *s = NULL;
    int rc = el_store_open(argv[1], EL_STORE_READONLY, &s, &err);
    if (rc == 0)
        rc = f->roles || roles->models.n ? eval_roles(s, roles, f->roles, argv + 2, argc - 2, &err)
             : f->ratings                ? eval_ratings(s, f, &err)
                                         : eval_run(s, f, &err);
    el_store_close(s);
    return rc < 0 ? cli_fail(&err) : CLI_DONE;
}

static int check_names(const struct flags *f)
{
    size_t room = sizeof((struct el_settings *)NULL)->name;
    int rc = f->run ? cli_check_run_name("run", f->run, room) : CLI_GO;
    return rc == CLI_GO && f->against ? cli_check_run_name("against", f->against, room) : rc;
}

int cmd_eval(int argc, char **argv)
{
    struct flags f = {0};
    struct cli_eval_roles roles = {.temperature = 1, .top_p = 1};
    const char *arm = NULL; /* taken before: its row is for --help */
    const struct cli_option options[] = {
        {"run", CLI_STRING, &f.run, "NAME", "the run to evaluate", 0, 0},
        {"against", CLI_STRING, &f.against, "NAME",
         "compare with this run: equal rounds and equal tokens", 0, 0},
        {"html", CLI_STRING, &f.html, "FILE",
         "also write a page with curves, histories and the comparison", 0, 0},
        {"roles", CLI_STRING, &f.roles, "MODEL...",
         "how well these models judge the store's scored proofs and analyses", 0, 0},
        {"samples", CLI_INT, &roles.samples, "N", "--roles: replies to each (default 1)", 1, 1024},
        {"limit", CLI_INT, &roles.limit, "N",
         "--roles: proofs, and analyses, at most (default all)", 1, 1 << 30},
        {"author", CLI_STRING, &roles.author, "NAME", "--roles: proofs of this author alone", 0, 0},
        {"temperature", CLI_REAL, &roles.temperature, "X",
         "--roles: of the replies, 0: greedy (default 1)", 0, 100},
        {"top-p", CLI_REAL, &roles.top_p, "P", "--roles: of the replies, 1: off (default)", 1e-6,
         1},
        {"prompts", CLI_STRING, &roles.prompts, "DIR", "--roles: prompt set", 0, 0},
        {"threads", CLI_INT, &roles.threads, "N",
         "--roles: threads (default: OMP_NUM_THREADS, or one per core)", 1, 1024},
        {"ratings", CLI_FLAG, &f.ratings, NULL, "totals of the imported human ratings", 0, 0},
        {"training", CLI_FLAG, &f.training, NULL,
         "the metrics of trainings: first, last, best, mean of the last tenth; curves with --html",
         0, 0},
        {"arm", CLI_STRING, &arm, "NAME WHAT...",
         "these trainings (or models, with a store) together, under this name; may be repeated", 0,
         0},
        {"apart", CLI_FLAG, &f.apart, NULL,
         "--training: trainings with different seeds stay apart, unless in an --arm", 0, 0},
        {"resamples", CLI_INT, &f.resamples, "N", "of the bootstrap (default 10000)", 1, 10000000},
        {"seed", CLI_U64, &f.seed, "N", "of the bootstrap (default 0)", 0, 0},
        {"json", CLI_FLAG, &f.json, NULL, "print JSON", 0, 0},
        {0},
    };
    const struct cli_usage usage = {
        "eval (STORE.db (--run NAME [--against NAME] | --ratings | --roles MODEL...) | --training "
        "DIR...)",
        long_help, options, 0, -1};
    int rc = cli_arms_take(&argc, argv, &roles.models);
    if (rc == CLI_GO)
        rc = cli_parse(&argc, argv, &usage);
    if (rc != CLI_GO)
        return rc;
    int by_arm = roles.models.n && !f.training && !f.roles;
    int asked = !!f.run + !!f.roles + f.ratings + f.training + by_arm;
    if (asked != 1)
        return cli_usage_error(
            "eval takes %s of --run NAME, --ratings, --roles MODEL, --training, --arm NAME WHAT...",
            asked ? "only one" : "one");
    roles.resamples = f.resamples;
    roles.seed = f.seed;
    roles.json = f.json;
    if (f.against && !f.run)
        return cli_usage_error("--against goes with --run");
    rc = check_names(&f);
    if (rc != CLI_GO)
        return rc;
    if (f.html && !f.run && !f.training)
        return cli_usage_error("--html goes with --run or --training");
    if (f.training)
        return eval_training(&f, &roles.models, argv + 1, argc - 1);
    if (argc < 2 || (argc > 2 && !f.roles && !by_arm))
        return cli_usage_error("eval takes one store");
    return eval_store(&f, &roles, argv, argc);
}
