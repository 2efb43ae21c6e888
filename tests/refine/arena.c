#include "arena.h"

#include "core/base/alloc.h"
#include "core/base/progress.h"
#include "refine/report.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int arena_make(void **state)
{
    struct arena *a = calloc(1, sizeof *a);
    if (!a)
        return -1;
    strcpy(a->dir, "/tmp/el-refine-XXXXXX");
    if (!mkdtemp(a->dir))
        return -1;
    snprintf(a->path, sizeof a->path, "%s/s.db", a->dir);
    *state = a;
    return el_prompt_set_load(EL_SOURCE_DIR "/configs/prompts/small", &a->prompts, &a->err);
}

void arena_remove_store(struct arena *a)
{
    DIR *d = opendir(a->dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", a->dir, e->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
}

int arena_drop(void **state)
{
    struct arena *a = *state;
    el_prompt_set_free(a->prompts);
    arena_remove_store(a);
    rmdir(a->dir);
    free(a);
    return 0;
}

struct el_settings arena_settings(void)
{
    struct el_settings s;
    el_settings_init(&s);
    strcpy(s.name, "run");
    s.threads = 4;
    s.rounds = 3;
    s.analyses = 2;
    return s;
}

static int go(struct arena *a, struct el_store *store, const struct el_contest *contest,
              const struct el_settings *settings, const struct fake_options *fake,
              struct fake_counts *counts)
{
    struct el_backend *b = fake_backend_create(fake);
    if (!b)
        return EL_ENOMEM;
    struct el_compete *c = NULL;
    char warning[256];
    const struct el_compete_options o = {.store = store,
                                         .settings = settings,
                                         .contest = contest,
                                         .prompts = a->prompts,
                                         .generator = b,
                                         .verifier = b,
                                         .backoff_ms = 1,
                                         .group = a->group};
    int rc = el_compete_open(&o, &c, warning, &a->err);
    if (rc == 0)
        rc = el_compete_go(c, &a->err);
    el_compete_close(c);
    if (counts)
        *counts = *fake_backend_counts(b);
    el_backend_free(b);
    return rc;
}

int arena_run(struct arena *a, const char *source, const struct el_settings *settings,
              const struct fake_options *fake, struct fake_counts *counts)
{
    struct el_store *store = NULL;
    struct el_contest contest;
    el_contest_init(&contest);
    el_stop_requested = 0;
    int rc = el_store_open(a->path, EL_STORE_CREATE, &store, &a->err);
    if (rc == 0)
        rc = el_contest_read(&contest, source, store, &a->err);
    if (rc == 0)
        rc = go(a, store, &contest, settings, fake, counts);
    el_contest_release(&contest);
    el_store_close(store);
    el_stop_requested = 0;
    return rc;
}

char *arena_report(struct arena *a, const char *run)
{
    struct el_store *store = NULL;
    struct el_report report;
    struct el_buf out;
    el_buf_init(&out);
    int rc = el_store_open(a->path, EL_STORE_READONLY, &store, &a->err);
    if (rc == 0)
        rc = el_report_make(&report, store, run, NULL, &a->err);
    if (rc == 0) {
        rc = el_report_json(&report, &out);
        el_report_release(&report);
    }
    el_store_close(store);
    char *text = rc == 0 ? el_buf_detach(&out) : NULL;
    el_buf_release(&out);
    return text;
}
