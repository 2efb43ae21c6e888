#include "cli/choices.h"

#include "cli/cli.h"
#include "core/model/packed.h"
#include "refine/sampling.h"

#include <string.h>

int cli_choose_attention(const char *name, enum el_attention *out)
{
    struct el_error err = {0};
    if (el_attention_parse(name, out, &err) < 0)
        return cli_usage_error("--attention: %s", err.msg);
    return CLI_GO;
}

int cli_choose_compute(const char *name, enum el_compute *out)
{
    struct el_error err = {0};
    if (el_compute_parse(name, out, &err) < 0)
        return cli_usage_error("--compute: %s", err.msg);
    return CLI_GO;
}

int cli_choose_isa(const char *name, const struct el_ops **out)
{
    *out = name ? el_ops_find(name) : el_ops_cpu();
    if (!*out)
        return cli_usage_error("--isa: '%.40s' is none of this machine's op tables: expected ref, "
                               "generic, or avx2 and avx512 where the machine has them",
                               name);
    return CLI_GO;
}

int cli_check_run_name(const char *option, const char *name, size_t room)
{
    struct el_error err = {0};
    if (strlen(name) >= room)
        return cli_usage_error("--%s: longer than %zu bytes", option, room - 1);
    if (el_run_name_check(name, &err) < 0)
        return cli_usage_error("--%s '%s': %s", option, name, err.msg);
    return CLI_GO;
}
