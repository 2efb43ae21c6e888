/* The frame that all subcommands share.
 *
 * A command is one file, cli/cmd_<name>.c (the build finds it; nothing else needs editing), with
 *
 *     const char cmd_world_help[] = "print problems, proofs and verdicts of the small world";
 *     int cmd_world(int argc, char **argv);      argv[0] is "world", argv[argc] is NULL
 *
 * and looks like this:
 *
 *     int cmd_world(int argc, char **argv)
 *     {
 *         int n = 1, json = 0;
 *         const struct cli_option options[] = {
 *             {"count", CLI_INT, &n, "N", "how many problems (default 1)", 1, 1000},
 *             {"json", CLI_FLAG, &json, NULL, "print JSON", 0, 0},
 *             {0},
 *         };
 *         const struct cli_usage usage = {"world [SPLIT]", cmd_world_help, options, 0, 1};
 *         int rc = cli_parse(&argc, argv, &usage);
 *         if (rc != CLI_GO)
 *             return rc;                     --help was asked for, or the usage was wrong
 *         ... argv[1..argc) are the arguments that are no options ...
 *         struct el_error err = {0};
 *         struct cli_progress progress;
 *         cli_progress_init(&progress, "world", "problems");
 *         int failed = work(..., &progress.base, &err);
 *         cli_progress_finish(&progress);
 *         return failed < 0 ? cli_fail(&err) : CLI_DONE;
 *     }
 *
 * Results go to stdout, everything else to stderr. SIGINT and SIGTERM set el_stop_requested
 * (core/base/progress.h): long work looks at it, saves and returns EL_EINTR. main() itself reports
 * a stdout that could not be written. */
#ifndef EL_CLI_CLI_H
#define EL_CLI_CLI_H

#include "core/base/error.h"
#include "core/base/progress.h"

#include <stdint.h>
#include <stdio.h>

#include "cli_commands.h" /* made by cmake/cli.cmake: CLI_COMMANDS(X), X(name) for each command */

#define CLI_DECLARE(name)                                                                          \
    int cmd_##name(int argc, char **argv);                                                         \
    extern const char cmd_##name##_help[];
CLI_COMMANDS(CLI_DECLARE)

enum cli_exit {
    CLI_GO = -1, /* of cli_parse alone: go on */
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
};

/* Prints the message on stderr and returns CLI_FAILED. */
int cli_fail(const struct el_error *err);
/* The same for a wrong command line; returns CLI_USAGE. */
int cli_usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Whether to colour what goes to this stream: only a terminal, and not with NO_COLOR set. */
int cli_colour(FILE *stream);

/* Called once, by main. A second signal exits at once with status 130. */
void cli_catch_signals(void);

enum cli_kind {
    CLI_FLAG,   /* int, set to 1; takes no value */
    CLI_INT,    /* int */
    CLI_U64,    /* uint64_t, for seeds; min and max are not looked at */
    CLI_SEED,   /* struct cli_seed: the same, and whether it was given */
    CLI_REAL,   /* double */
    CLI_STRING, /* const char *, points into argv */
};

struct cli_seed {
    uint64_t value;
    int given;
};

struct cli_option {
    const char *name; /* without the two dashes; NULL ends the table */
    enum cli_kind kind;
    void *value;         /* holds the default; left alone when the option is not given */
    const char *metavar; /* what stands for the value in --help */
    const char *help;
    double min, max; /* INT and REAL: inclusive range, not looked at when both are 0 */
};

struct cli_usage {
    const char *synopsis; /* "info MODEL": options are added by --help */
    const char *help;     /* a sentence or several lines, without a newline at the end */
    const struct cli_option *options;
    int min_args, max_args; /* arguments that are no options; max -1: any number */
};

/* Accepts --name value, --name=value and options after arguments; "--" ends the options and "-" is
 * an argument. Moves the arguments to argv[1..*argc). --help and -h print to stdout. */
int cli_parse(int *argc, char **argv, const struct cli_usage *usage);

/* A struct el_progress that people can watch, on stderr: on a terminal one line that is redrawn,
 * elsewhere plain lines, at most one every 5 seconds besides the first and the last. Numbers of
 * more than seven digits are shown in millions (M) or billions (G). Where the terminal is narrow
 * the note is cut, the bar is shortened and left out, then the speed, then the unit. */
struct cli_progress {
    struct el_progress base;  /* give &p.base to the library */
    const char *title, *unit; /* "loading", "tokens" */
    FILE *out;
    int terminal, columns;
    double quiet; /* seconds from the first update on in which nothing is drawn: what is done by
                     then is never shown */
    int ends;     /* finishes by itself where `done` reaches `total`; the next update begins anew */
    double (*now)(void); /* seconds; tests put their own clock here */
    int begun;           /* an update came */
    double start, last;  /* when the first update came, when it was drawn last */
    int64_t start_done;  /* work found done already, which says nothing about the speed */
    int64_t done, total;
    struct cli_mark {
        double at;
        int64_t left;
    } past, next;  /* what was left a while ago: says how fast it becomes less now */
    int64_t drawn; /* `done` of the line drawn last, -1: none yet */
    char note[80];
};
void cli_progress_init(struct cli_progress *p, const char *title, const char *unit);
/* For weights that are read, of one model after the other: each has a line that ends by itself, if
 * it takes longer than a second. */
void cli_progress_init_loading(struct cli_progress *p);
/* Draws the last state and ends the line. Call it before printing anything else. */
void cli_progress_finish(struct cli_progress *p);

#endif
