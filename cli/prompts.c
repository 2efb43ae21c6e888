#include "cli/prompts.h"

#include "core/base/alloc.h"
#include "core/base/io.h"

int cli_prompts_load(const char *dir, const char *model, struct el_prompt_set **out,
                     struct el_error *err)
{
    if (dir)
        return el_prompt_set_load(dir, out, err);
    char *domain = el_path_join(model, "domain.json");
    if (!domain)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", model);
    int small = el_path_exists(domain);
    el_free(domain);
    return el_prompt_set_load(small ? EL_SOURCE_DIR "/configs/prompts/small"
                                    : EL_SOURCE_DIR "/configs/prompts/full",
                              out, err);
}
