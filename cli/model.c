#include "cli/model.h"

#include "cli/cli.h"
#include "core/model/inspect.h"

_Static_assert(EL_LOCAL_CONTEXT == 4096, "CLI_CONTEXT_HELP names it");

/* Folders that cannot be loaded are left to whoever loads them. */
static void print_note(const char *model)
{
    struct el_inspection found;
    if (el_inspect(model, &found, NULL) < 0)
        return;
    if (found.text[0])
        fprintf(stderr, "%s: %s\n", model, found.text);
    if (found.skipped > found.mtp_tensors)
        fprintf(stderr, "%s: %d tensors rotary_emb.inv_freq are computed, not read\n", model,
                found.skipped - found.mtp_tensors);
}

int cli_model_load(const char *dir, struct el_weights **out, struct el_error *err)
{
    struct cli_progress loading;
    print_note(dir);
    cli_progress_init_loading(&loading);
    int rc = el_weights_load(dir, el_device_host(), out, NULL, &loading.base, err);
    cli_progress_finish(&loading);
    return rc;
}

int cli_model_open(const struct el_local_options *o, struct el_backend **out, struct el_error *err)
{
    struct cli_progress loading;
    struct el_local_options watched = *o;
    print_note(o->model);
    cli_progress_init_loading(&loading);
    watched.loading = &loading.base;
    int rc = el_local_open(&watched, out, err);
    cli_progress_finish(&loading);
    return rc;
}
