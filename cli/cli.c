#include "cli/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cli_colour(FILE *stream)
{
    const char *off = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(stream)) && !(off && *off) && !(term && strcmp(term, "dumb") == 0);
}

static void print_message(const char *text)
{
    int colour = cli_colour(stderr);
    fflush(stdout);
    fprintf(stderr, "%selenchus:%s %s\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "", text);
}

int cli_fail(const struct el_error *err)
{
    print_message(err->msg);
    return CLI_FAILED;
}

int cli_usage_error(const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    print_message(text);
    return CLI_USAGE;
}

static void on_signal(int number)
{
    static const char notice[] = "\nStopping after the current step; once more to quit at once.\n";
    (void)number;
    if (el_stop_requested)
        _exit(130);
    el_stop_requested = 1;
    ssize_t ignored = write(STDERR_FILENO, notice, sizeof notice - 1);
    (void)ignored;
}

void cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}
