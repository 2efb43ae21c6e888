/* --arm NAME WHAT...: several runs or models under one name. */
#ifndef EL_CLI_ARMS_H
#define EL_CLI_ARMS_H

enum { CLI_ARMS = 60 };

struct cli_arm {
    const char *name;
    int first, n; /* into item */
};

struct cli_arms {
    struct cli_arm arm[CLI_ARMS];
    int n;
    const char *item[CLI_ARMS]; /* what stands behind the names, in order */
    int n_items;
};

/* Takes every "--arm NAME WHAT..." out of the command line: what belongs to it ends at the next
 * argument that begins with "--". CLI_GO, or CLI_USAGE after its message. Call it before cli_parse,
 * whose table shows the option in --help. */
int cli_arms_take(int *argc, char **argv, struct cli_arms *arms);

/* Appends one item without a name; 0 when there is no room. */
int cli_arms_add(struct cli_arms *arms, const char *item);

#endif
