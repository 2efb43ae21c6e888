#include "cli/arms.h"

#include "cli/cli.h"

#include <string.h>

int cli_arms_add(struct cli_arms *arms, const char *item)
{
    if (arms->n_items == CLI_ARMS)
        return 0;
    arms->item[arms->n_items++] = item;
    return 1;
}

/* argv[i] is "--arm"; returns the index behind what belongs to it, negative after a message. */
static int take_one(int argc, char **argv, int i, struct cli_arms *arms)
{
    struct cli_arm arm = {.first = arms->n_items};
    if (++i < argc && strncmp(argv[i], "--", 2) != 0)
        arm.name = argv[i++];
    for (; arm.name && i < argc && strncmp(argv[i], "--", 2) != 0; i++, arm.n++)
        if (!cli_arms_add(arms, argv[i]))
            return -cli_usage_error("--arm: at most %d runs or models", CLI_ARMS);
    if (arm.n == 0)
        return -cli_usage_error("--arm needs a name and what belongs to it: --arm NAME RUN...");
    arms->arm[arms->n++] = arm;
    return i;
}

int cli_arms_take(int *argc, char **argv, struct cli_arms *arms)
{
    int kept = 1;
    *arms = (struct cli_arms){.n = 0};
    for (int i = 1; i < *argc;) {
        if (strcmp(argv[i], "--arm") != 0) {
            argv[kept++] = argv[i++];
            continue;
        }
        i = take_one(*argc, argv, i, arms);
        if (i < 0)
            return CLI_USAGE;
    }
    *argc = kept;
    argv[kept] = NULL;
    return CLI_GO;
}
