#include "bench/peer.h"

#include "core/base/progress.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void el_bench_peer_init(struct el_bench_peer *p, const char *command)
{
    *p = (struct el_bench_peer){.command = command};
}

/* Told twice: a peer that is at work does not look at its input. */
void el_bench_peer_release(struct el_bench_peer *p)
{
    if (p->pid) {
        close(p->fd);
        kill(p->pid, SIGTERM);
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    p->pid = p->fd = 0;
}

enum { LONGEST_MODEL = 4095 }; /* bytes of a path */

/* The shell becomes the command, and one end of a pair of sockets its input and output. */
static int spawn(struct el_bench_peer *p, char *line, int theirs)
{
    char model[LONGEST_MODEL + 1],
        *argv[] = {(char[]){"sh"}, (char[]){"-c"}, line, (char[]){"sh"}, model, NULL};
    posix_spawn_file_actions_t files;
    pid_t pid;
    snprintf(model, sizeof model, "%s", p->model ? p->model : "");
    int rc = posix_spawn_file_actions_init(&files);
    if (rc != 0)
        return rc;
    rc = posix_spawn_file_actions_adddup2(&files, theirs, STDIN_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&files, theirs, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn(&pid, "/bin/sh", &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (rc == 0)
        p->pid = pid;
    return rc;
}

static int begin(struct el_bench_peer *p, const char *work, struct el_error *err)
{
    char line[1024];
    int ends[2];
    int n = snprintf(line, sizeof line, "exec %s %s%s", p->command, work,
                     p->model ? " --model \"$1\"" : "");
    if (n < 0 || (size_t)n >= sizeof line || strlen(work) >= sizeof p->work)
        return el_error_set(err, EL_EINVAL, "peer '%.60s...': the command is too long", p->command);
    if (p->model && strlen(p->model) > LONGEST_MODEL)
        return el_error_set(err, EL_EINVAL, "peer '%s': a model's path of %zu bytes: at most %d",
                            p->command, strlen(p->model), LONGEST_MODEL);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return el_error_set(err, EL_EIO, "peer '%s': %s", p->command, strerror(errno));
    int rc = spawn(p, line, ends[1]);
    close(ends[1]);
    if (rc == 0) {
        p->fd = ends[0];
        snprintf(p->work, sizeof p->work, "%s", work);
        return 0;
    }
    close(ends[0]);
    return el_error_set(err, EL_EIO, "peer '%s': %s", p->command, strerror(rc));
}

/* A line without its end. */
static int answer(struct el_bench_peer *p, char *out, size_t room, struct el_error *err)
{
    for (size_t n = 0; n < room; n++) {
        ssize_t got = read(p->fd, out + n, 1);
        if (el_stop_requested)
            return el_error_set(err, EL_EINTR, "stopped");
        if (got < 0 && errno == EINTR) {
            n--;
            continue;
        }
        if (got <= 0)
            return el_error_set(err, EL_EIO, "peer '%s %s': ended without an answer", p->command,
                                p->work);
        if (out[n] == '\n') {
            out[n] = 0;
            return 0;
        }
    }
    return el_error_set(err, EL_EFORMAT, "peer '%s': a line longer than %zu bytes", p->command,
                        room - 1);
}

int el_bench_peer_start(struct el_bench_peer *p, const char *work, struct el_error *err)
{
    if (p->pid && strcmp(p->work, work) == 0)
        return 0;
    el_bench_peer_release(p);
    int rc = begin(p, work, err);
    if (rc == 0)
        rc = answer(p, p->name, sizeof p->name, err);
    if (rc < 0)
        el_bench_peer_release(p);
    return rc;
}

int el_bench_peer_run(void *peer, double *seconds, struct el_error *err)
{
    struct el_bench_peer *p = peer;
    char line[64], *end;
    if (send(p->fd, "\n", 1, MSG_NOSIGNAL) != 1)
        return el_error_set(err, EL_EIO, "peer '%s %s' is gone: %s", p->command, p->work,
                            strerror(errno));
    int rc = answer(p, line, sizeof line, err);
    if (rc < 0)
        return rc;
    *seconds = strtod(line, &end);
    if (end == line || *end || !isfinite(*seconds) || *seconds <= 0)
        return el_error_set(err, EL_EFORMAT, "peer '%s %s' answered '%s': expected seconds",
                            p->command, p->work, line);
    return 0;
}

struct side {
    const struct el_bench_job *job;
    double turn[EL_BENCH_MOST_REPEATS];
    int n;
};

/* Alone a run would find the other side's data in the caches. */
static int run_turn(void *user, double *seconds, struct el_error *err)
{
    struct side *s = user;
    struct el_bench_times t;
    int rc = el_bench_repeat(s->job, 1, 3, &t, err);
    if (rc == 0)
        *seconds = s->turn[s->n++] = t.median;
    return rc;
}

int el_bench_race(struct el_bench_peer *p, const char *work, const struct el_bench_job *own,
                  int turns, struct el_bench_times *times, struct el_bench_beside *beside,
                  struct el_error *err)
{
    const struct el_bench_job theirs = {el_bench_peer_run, p};
    struct side sides[2] = {{.job = own}, {.job = &theirs}};
    const struct el_bench_job jobs[] = {{run_turn, &sides[0]}, {run_turn, &sides[1]}};
    struct el_bench_times both[2];
    int rc = el_bench_peer_start(p, work, err);
    if (rc < 0 || !p->name[0])
        return rc;
    rc = el_bench_repeat(jobs, 2, turns, both, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < turns; i++)
        sides[1].turn[i] /= sides[0].turn[i];
    struct el_bench_times ratio = el_bench_times_of(sides[1].turn, turns);
    *times = both[0];
    *beside = (struct el_bench_beside){
        .times = both[1], .ratio = ratio.median, .lowest = ratio.fastest, .highest = ratio.slowest};
    snprintf(beside->name, sizeof beside->name, "%s", p->name);
    return 0;
}
