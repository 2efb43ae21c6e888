#include "cli/model_note.h"

#include "core/model/inspect.h"

#include <stdio.h>

void cli_model_note(const char *model)
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
