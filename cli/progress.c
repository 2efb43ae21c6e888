#include "cli/cli.h"
#include "core/base/clock.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { bar_width = 20, least_bar = 4 };
static const double redraw_seconds = 0.1, line_seconds = 5, quiet_loading = 1, shortest_window = 5;

static void put_duration(char *out, size_t n, double seconds)
{
    long long s = seconds < 1e9 ? (long long)(seconds + 0.5) : 1000000000LL;
    if (s >= 3600)
        snprintf(out, n, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, n, "%lld:%02lld", s / 60, s % 60);
}

static void put_number(char *out, size_t n, int64_t value)
{
    static const int64_t million = 1000000;
    if (value < 10 * million)
        snprintf(out, n, "%lld", (long long)value);
    else if (value < 10000 * million)
        snprintf(out, n, "%lldM", (long long)(value / million));
    else
        snprintf(out, n, "%lldG", (long long)(value / (1000 * million)));
}

/* The parts of a line, in its order; what is not known, or finds no room, is empty. */
struct parts {
    char bar[64], count[96], unit[48], share[32], rate[96], eta[48];
};

/* How long the rest will take, by how fast it became less of late: work may become slower, and less
 * in total. `rate`: the speed since the first update, for when nothing became less. */
static double remaining(const struct cli_progress *p, double now, double rate)
{
    double left = (double)(p->total - p->done), fell = (double)p->past.left - left;
    return fell > 0 && now > p->past.at ? left * (now - p->past.at) / fell : left / rate;
}

/* Keeps what was left between a fifth and two fifths of the time ago. */
static void mark(struct cli_progress *p, double now)
{
    const struct cli_mark here = {now, p->total - p->done};
    double window = (now - p->start) / 5;
    if (p->total <= 0)
        return;
    if (p->past.at == 0)
        p->past = p->next = here;
    if (window >= shortest_window && now - p->next.at >= window) {
        p->past = p->next;
        p->next = here;
    }
}

/* The speed since the first update, and the remaining time. */
static void put_rate(const struct cli_progress *p, double now, struct parts *l)
{
    double seconds = now - p->start, done = (double)(p->done - p->start_done);
    char number[32], left[32];
    if (seconds <= 0 || done <= 0)
        return;
    double rate = done / seconds;
    if (rate < 10)
        snprintf(number, sizeof number, "%.2f", rate);
    else
        put_number(number, sizeof number, rate < 1e18 ? (int64_t)(rate + 0.5) : INT64_MAX);
    snprintf(l->rate, sizeof l->rate, "  %s %.40s/s", number, p->unit);
    if (p->total <= p->done)
        return;
    put_duration(left, sizeof left, remaining(p, now, rate));
    snprintf(l->eta, sizeof l->eta, "  ETA %s", left);
}

static void put_bar(const struct cli_progress *p, int width, struct parts *l)
{
    int filled = (int)((double)width * (double)p->done / (double)p->total);
    filled = filled < 0 ? 0 : filled > width ? width : filled;
    snprintf(l->bar, sizeof l->bar, " [%.*s%.*s]", filled, "####################", width - filled,
             "....................");
}

static void put_count(const struct cli_progress *p, struct parts *l)
{
    char done[32], total[32];
    put_number(done, sizeof done, p->done);
    put_number(total, sizeof total, p->total);
    snprintf(l->unit, sizeof l->unit, " %.40s", p->unit);
    if (p->total <= 0) {
        snprintf(l->count, sizeof l->count, " %s", done);
        return;
    }
    snprintf(l->count, sizeof l->count, " %s/%s", done, total);
    snprintf(l->share, sizeof l->share, " (%d%%)",
             (int)(100.0 * (double)p->done / (double)p->total));
}

/* Columns that are left on a terminal behind everything but the note. */
static int room(const struct cli_progress *p, const struct parts *l)
{
    return p->columns - 1 -
           (int)(strlen(p->title) + strlen(l->bar) + strlen(l->count) + strlen(l->unit) +
                 strlen(l->share) + strlen(l->rate) + strlen(l->eta));
}

/* Share and remaining time are what people look for: the bar gives way first, to nothing, then the
 * speed and the unit. */
static void fit(const struct cli_progress *p, struct parts *l)
{
    int width = room(p, l) - (int)strlen(" []");
    if (p->total > 0 && width >= least_bar)
        put_bar(p, width < bar_width ? width : bar_width, l);
    if (room(p, l) < 0 && l->eta[0])
        l->rate[0] = 0;
    if (room(p, l) < 0)
        l->unit[0] = 0;
}

static void draw(struct cli_progress *p, double now)
{
    struct parts l = {0};
    char line[640];
    put_count(p, &l);
    put_rate(p, now, &l);
    if (p->terminal)
        fit(p, &l);
    snprintf(line, sizeof line, "%.100s%s%s%s%s%s%s%s%s", p->title, l.bar, l.count, l.unit, l.share,
             l.rate, l.eta, p->note[0] ? "  " : "", p->note);
    if (p->terminal)
        fprintf(p->out, "\r%.*s\033[K", p->columns - 1, line);
    else
        fprintf(p->out, "%s\n", line);
    fflush(p->out);
    p->last = now;
    p->drawn = p->done;
}

static int is_due(const struct cli_progress *p, double now)
{
    if (p->drawn < 0)
        return now - p->start >= p->quiet;
    return now - p->last >= (p->terminal ? redraw_seconds : line_seconds);
}

static void update(struct el_progress *base, int64_t done, int64_t total, const char *note)
{
    struct cli_progress *p = base->user;
    double now = p->now();
    if (!p->begun) {
        p->begun = 1;
        p->start = now;
        p->start_done = done;
        p->past.at = 0;
    }
    p->done = done;
    p->total = total;
    mark(p, now);
    snprintf(p->note, sizeof p->note, "%s", note ? note : "");
    if (is_due(p, now))
        draw(p, now);
    if (p->ends && total > 0 && done >= total)
        cli_progress_finish(p);
}

static int terminal_columns(FILE *out)
{
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
        return size.ws_col;
    return 80;
}

void cli_progress_init(struct cli_progress *p, const char *title, const char *unit)
{
    *p = (struct cli_progress){.base = {.update = update, .user = p},
                               .title = title,
                               .unit = unit,
                               .out = stderr,
                               .terminal = isatty(STDERR_FILENO),
                               .columns = terminal_columns(stderr),
                               .now = el_clock_seconds,
                               .drawn = -1};
}

void cli_progress_init_loading(struct cli_progress *p)
{
    cli_progress_init(p, "loading", "values");
    p->quiet = quiet_loading;
    p->ends = 1;
}

void cli_progress_finish(struct cli_progress *p)
{
    p->begun = 0;
    if (p->drawn < 0)
        return;
    if (p->terminal || p->drawn != p->done)
        draw(p, p->now());
    if (p->terminal)
        fputc('\n', p->out);
    p->drawn = -1;
}
