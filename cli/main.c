#include "cli/cli.h"
#include "cli/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROW(name) {#name, cmd_##name##_help, cmd_##name},
static const struct command {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} commands[] = {CLI_COMMANDS(ROW){NULL, NULL, NULL}};

static void print_help(FILE *out)
{
    fprintf(out, "usage: elenchus COMMAND [options]\n\n"
                 "Writes, verifies and refines mathematical proofs with a language model.\n\n");
    for (const struct command *c = commands; c->name; c++)
        fprintf(out, "  %-10s %s\n", c->name, c->help);
    fprintf(out, "\nelenchus help COMMAND describes a command, elenchus --version the program.\n");
}

/* Edit distance (Levenshtein) of short words: insert, delete or replace a letter costs 1. */
static int distance(const char *a, const char *b)
{
    int row[64], n = (int)strlen(b);
    if (n >= 64)
        return 64;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 0; a[i]; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 1; j <= n; j++) {
            int replaced = diagonal + (a[i] != b[j - 1]);
            int moved = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replaced < moved ? replaced : moved;
        }
    }
    return row[n];
}

static int unknown_command(const char *name)
{
    const struct command *best = NULL;
    int best_distance = (int)strlen(name) / 2 + 1;
    for (const struct command *c = commands; c->name; c++) {
        int d = distance(name, c->name);
        if (d < best_distance) {
            best_distance = d;
            best = c;
        }
    }
    if (best)
        return cli_usage_error("unknown command '%.40s', did you mean '%s'?", name, best->name);
    return cli_usage_error("unknown command '%.40s' (elenchus --help lists them)", name);
}

static int run_command(int argc, char **argv)
{
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(argv[0], c->name) == 0)
            return c->run(argc, argv);
    return unknown_command(argv[0]);
}

/* elenchus help [COMMAND] */
static int help(int argc, char **argv)
{
    char option[] = "--help";
    char *asked[] = {argc > 1 ? argv[1] : NULL, option, NULL};
    if (argc > 2)
        return cli_usage_error("too many arguments\nusage: elenchus help [COMMAND]");
    if (asked[0])
        return run_command(2, asked);
    print_help(stdout);
    return CLI_DONE;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help(1, argv);
    if (strcmp(argv[1], "help") == 0)
        return help(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0) {
        printf("elenchus %s\n", EL_VERSION);
        return CLI_DONE;
    }
    return run_command(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    cli_catch_signals();
    cli_watch_threads();
    int status = run(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    struct el_error err;
    el_error_set(&err, EL_EIO, "cannot write to the standard output: %s", strerror(errno));
    return status == CLI_DONE ? cli_fail(&err) : status;
}
