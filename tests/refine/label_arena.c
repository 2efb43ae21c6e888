#include "label_arena.h"

#include "core/base/progress.h"
#include "data/world_store.h"
#include "refine/label_report.h"

struct el_label_settings label_settings(void)
{
    struct el_label_settings s;
    el_label_settings_init(&s);
    s.rule.n = 4;
    s.rule.m = 3;
    return s;
}

int label_fill(struct arena *a, int problems)
{
    const struct el_world_store_plan plan = {.split = EL_WORLD_TEST, .problems = problems};
    struct el_world_stored added = {0};
    struct el_store *store = NULL;
    int rc = el_store_open(a->path, EL_STORE_CREATE, &store, &a->err);
    if (rc == 0)
        rc = el_world_store(store, &plan, &added, NULL, &a->err);
    el_store_close(store);
    return rc;
}

static int go(struct arena *a, struct el_store *store, const struct el_label_settings *settings,
              const struct el_label_proofs *proofs, const struct fake_options *fake,
              struct fake_counts *counts)
{
    struct el_backend *b = fake_backend_create(fake);
    if (!b)
        return EL_ENOMEM;
    struct el_labeller *c = NULL;
    char warning[256];
    const struct el_label_options o = {.store = store,
                                       .settings = settings,
                                       .proofs = proofs,
                                       .prompts = a->prompts,
                                       .verifier = b,
                                       .meta_verifier = b,
                                       .backoff_ms = 1,
                                       .group = a->group};
    int rc = el_labeller_open(&o, &c, warning, &a->err);
    if (rc == 0)
        rc = el_labeller_go(c, &a->err);
    el_labeller_close(c);
    if (counts)
        *counts = *fake_backend_counts(b);
    el_backend_free(b);
    return rc;
}

int label_run(struct arena *a, const struct el_label_settings *settings, int limit,
              const struct fake_options *fake, struct fake_counts *counts)
{
    const struct el_proof_filter filter = {.unlabelled = 1};
    struct el_label_record record = {0};
    struct el_label_proofs proofs;
    struct el_store *store = NULL;
    struct el_error missing = {0};
    el_stop_requested = 0;
    el_label_proofs_init(&proofs);
    int rc = el_store_open(a->path, EL_STORE_CREATE, &store, &a->err);
    if (rc == 0) {
        int found = el_label_record_find(store, settings->name, &record, &missing);
        rc = found == EL_ENOTFOUND ? 0 : found;
    }
    if (rc == 0)
        rc = el_label_proofs_select(&proofs, store, record.id, &filter, limit, &a->err);
    if (rc == 0)
        rc = go(a, store, settings, &proofs, fake, counts);
    el_label_proofs_release(&proofs);
    el_store_close(store);
    el_stop_requested = 0;
    return rc;
}

char *label_report(struct arena *a, const char *run)
{
    const struct el_label_report_options o = {.resamples = 200};
    struct el_store *store = NULL;
    struct el_label_report report;
    struct el_buf out;
    el_buf_init(&out);
    int rc = el_store_open(a->path, EL_STORE_READONLY, &store, &a->err);
    if (rc == 0)
        rc = el_label_report_make(&report, store, run, &o, &a->err);
    if (rc == 0) {
        rc = el_label_report_json(&report, &out);
        el_label_report_release(&report);
    }
    el_store_close(store);
    char *text = rc == 0 ? el_buf_detach(&out) : NULL;
    el_buf_release(&out);
    return text;
}

struct explaining {
    struct el_store *store;
    const char *run;
    struct el_buf *out;
};

static int explain(void *user, const struct el_proof *p, struct el_error *err)
{
    struct explaining *x = user;
    return el_label_explain(x->store, p->id, x->run, 1, x->out, err);
}

char *label_explanations(struct arena *a, const char *run)
{
    struct el_store *store = NULL;
    struct el_buf out;
    el_buf_init(&out);
    struct explaining x = {.run = run, .out = &out};
    int rc = el_store_open(a->path, EL_STORE_READONLY, &store, &a->err);
    x.store = store;
    if (rc == 0)
        rc = el_store_proof_each(store, 0, explain, &x, &a->err);
    el_store_close(store);
    char *text = rc == 0 ? el_buf_detach(&out) : NULL;
    el_buf_release(&out);
    return text;
}
