#include "cli/eval_training.h"

#include "cli/cli.h"
#include "cli/output.h"
#include "core/base/io.h"
#include "refine/training_arms.h"
#include "refine/training_report.h"

/* Malformed lines do not stop anybody: a training that runs, or was killed, leaves half a line. */
static void warn(const struct el_training_runs *runs)
{
    for (int i = 0; i < runs->n; i++) {
        const struct el_training_log *log = &runs->run[i];
        for (int k = 0; k < log->n_malformed && k < EL_TRAINING_NAMED; k++)
            fprintf(stderr, "%s: line %d is left out: %s\n", log->path, log->malformed[k].line,
                    log->malformed[k].why);
        if (log->n_malformed > EL_TRAINING_NAMED)
            fprintf(stderr, "%s: and %d more\n", log->path, log->n_malformed - EL_TRAINING_NAMED);
    }
}

static int write_page(const struct el_training_runs *runs, const char *path, struct el_error *err)
{
    struct el_buf page;
    el_buf_init(&page);
    int rc = el_training_html(runs, &page, err);
    if (rc == 0)
        rc = el_file_write(path, page.data, page.len, err);
    el_buf_release(&page);
    return rc;
}

static int load(const struct cli_eval_training *o, struct el_training_runs *runs,
                struct el_error *err)
{
    struct el_training_named named[CLI_ARMS];
    for (int i = 0; i < o->runs.n; i++)
        named[i] =
            (struct el_training_named){o->runs.arm[i].name, o->runs.arm[i].first, o->runs.arm[i].n};
    int rc = el_training_runs_load(runs, o->runs.item, o->runs.n_items, err);
    if (rc < 0)
        return rc;
    warn(runs);
    rc = el_training_arms_make(runs, named, o->runs.n, o->apart, err);
    if (rc < 0)
        el_training_runs_release(runs);
    return rc;
}

int cli_eval_training(const struct cli_eval_training *o)
{
    struct el_error err = {0};
    struct el_training_runs runs;
    struct el_buf out;
    int rc = cli_output_check(o->html, &err);
    if (rc == 0)
        rc = load(o, &runs, &err);
    if (rc < 0)
        return cli_fail(&err);
    el_buf_init(&out);
    rc = o->json ? el_training_json(&runs, &out, &err) : el_training_text(&runs, &out, &err);
    if (rc == 0 && o->html)
        rc = write_page(&runs, o->html, &err);
    if (rc == 0)
        fwrite(out.data, 1, out.len, stdout);
    el_buf_release(&out);
    el_training_runs_release(&runs);
    return rc < 0 ? cli_fail(&err) : CLI_DONE;
}
