#include "cli/choices.h"

#include "cli/cli.h"
#include "core/model/packed.h"
#include "refine/sampling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int choose_limit(const char *name, const char *length, int *out)
{
    enum { MOST = 1 << 24 }; /* as of --context */
    char *end;
    errno = 0;
    long v = strtol(length, &end, 10);
    if (*length < '0' || *length > '9' || *end || errno || v < 1 || v > MOST)
        return cli_usage_error("--attention: '%.40s': expected mha:LENGTH, a LENGTH of 1 to %d "
                               "tokens",
                               name, MOST);
    *out = (int)v;
    return CLI_GO;
}

int cli_choose_attention(const char *name, enum el_attention *out, int *mha_limit)
{
    static const char masked[] = "mha:";
    struct el_error err = {0};
    if (mha_limit && strncmp(name, masked, sizeof masked - 1) == 0) {
        *out = EL_ATTENTION_MHA;
        return choose_limit(name, name + sizeof masked - 1, mha_limit);
    }
    if (mha_limit)
        *mha_limit = 0;
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
