#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void print_option(const struct cli_option *o)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", o->name, o->metavar ? " " : "",
             o->metavar ? o->metavar : "");
    printf("  %-24s %s\n", left, o->help);
}

static void print_help(const struct cli_usage *u)
{
    printf("usage: elenchus %s [options]\n\n%s\n\n", u->synopsis, u->help);
    for (const struct cli_option *o = u->options; o->name; o++)
        print_option(o);
    printf("  %-24s %s\n", "-h, --help", "print this text");
}

static int out_of_range(const struct cli_option *o, const char *text, const char *what)
{
    if (o->min == 0 && o->max == 0)
        return cli_usage_error("--%s: '%s' is not %s", o->name, text, what);
    return cli_usage_error("--%s: '%s' is not %s from %.10g to %.10g", o->name, text, what, o->min,
                           o->max);
}

static int in_range(const struct cli_option *o, double v)
{
    return (o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max);
}

static int set_int(const struct cli_option *o, const char *text)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (end == text || *end || errno || v < INT_MIN || v > INT_MAX || !in_range(o, (double)v))
        return out_of_range(o, text, "an integer");
    *(int *)o->value = (int)v;
    return CLI_GO;
}

static int set_u64(const struct cli_option *o, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (end == text || *end || errno || strchr(text, '-'))
        return cli_usage_error("--%s: '%s' is not an integer from 0 to 2^64-1", o->name, text);
    *(uint64_t *)o->value = v;
    return CLI_GO;
}

static int set_seed(const struct cli_option *o, const char *text)
{
    struct cli_seed *seed = o->value;
    struct cli_option number = *o;
    number.value = &seed->value;
    int rc = set_u64(&number, text);
    seed->given |= rc == CLI_GO;
    return rc;
}

static int set_real(const struct cli_option *o, const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !isfinite(v) || !in_range(o, v))
        return out_of_range(o, text, "a number");
    *(double *)o->value = v;
    return CLI_GO;
}

static int set_option(const struct cli_option *o, const char *text)
{
    switch (o->kind) {
    case CLI_FLAG:
        *(int *)o->value = 1;
        return CLI_GO;
    case CLI_INT:
        return set_int(o, text);
    case CLI_U64:
        return set_u64(o, text);
    case CLI_SEED:
        return set_seed(o, text);
    case CLI_REAL:
        return set_real(o, text);
    case CLI_STRING:
        *(const char **)o->value = text;
        return CLI_GO;
    }
    return CLI_USAGE;
}

static const struct cli_option *find_option(const struct cli_option *o, const char *name, size_t n)
{
    while (o->name && (strlen(o->name) != n || strncmp(o->name, name, n) != 0))
        o++;
    return o->name ? o : NULL;
}

/* "--name" of an option, or "--name=VALUE". */
static int is_option(const char *word, const struct cli_option *o)
{
    return strncmp(word, "--", 2) == 0 && find_option(o, word + 2, strcspn(word + 2, "="));
}

/* argv[*i] begins with "--". */
static int take_option(int argc, char **argv, int *i, const struct cli_usage *u)
{
    const char *name = argv[*i] + 2, *value = strchr(name, '=');
    size_t n = value ? (size_t)(value - name) : strlen(name);
    const struct cli_option *o = find_option(u->options, name, n);
    if (!o)
        return cli_usage_error("unknown option '%s' (elenchus %s --help lists them)", argv[*i],
                               argv[0]);
    if (o->kind == CLI_FLAG && value)
        return cli_usage_error("--%s takes no value", o->name);
    if (o->kind == CLI_FLAG)
        return set_option(o, NULL);
    if (!value && *i + 1 == argc)
        return cli_usage_error("--%s needs a value (%s)", o->name, o->metavar);
    if (!value && is_option(argv[*i + 1], u->options))
        return cli_usage_error(
            "--%s needs a value (%s), and '%s' follows; a value that begins so is "
            "given as --%s=VALUE",
            o->name, o->metavar, argv[*i + 1], o->name);
    return set_option(o, value ? value + 1 : argv[++*i]);
}

static int check_count(int n, const char *name, const struct cli_usage *u)
{
    if (n >= u->min_args && (u->max_args < 0 || n <= u->max_args))
        return CLI_GO;
    return cli_usage_error("too %s arguments\nusage: elenchus %s [options] (elenchus %s --help)",
                           n < u->min_args ? "few" : "many", u->synopsis, name);
}

static int is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int cli_parse(int *argc, char **argv, const struct cli_usage *u)
{
    int kept = 1, options = 1;
    for (int i = 1; i < *argc; i++) {
        int rc = CLI_GO;
        if (options && is_help(argv[i])) {
            print_help(u);
            return CLI_DONE;
        }
        if (options && strcmp(argv[i], "--") == 0)
            options = 0;
        else if (options && strncmp(argv[i], "--", 2) == 0)
            rc = take_option(*argc, argv, &i, u);
        else if (options && argv[i][0] == '-' && argv[i][1])
            rc = cli_usage_error("unknown option '%s' (elenchus %s --help lists them)", argv[i],
                                 argv[0]);
        else
            argv[kept++] = argv[i];
        if (rc != CLI_GO)
            return rc;
    }
    *argc = kept;
    argv[kept] = NULL;
    return check_count(kept - 1, argv[0], u);
}
