#include "cli/label_queue.h"

#include "refine/json_out.h"

#include <stdio.h>

struct listing {
    struct el_store *store;
    struct el_buf text;
    struct el_json_out json;
    int as_json, n;
};

static int put(struct listing *l, const struct el_decision *d, const struct el_proof *proof,
               const struct el_problem *problem)
{
    if (!l->as_json)
        return el_buf_printf(&l->text, "%lld  %.12s  %s/%s  %s, by %s\n", (long long)d->proof,
                             proof->key, problem->set, problem->external_id, d->reason, d->rater);
    el_json_open(&l->json, NULL, '{');
    el_json_count(&l->json, "proof", d->proof);
    el_json_text(&l->json, "proof_key", proof->key);
    el_json_text(&l->json, "set", problem->set);
    el_json_text(&l->json, "problem", problem->external_id);
    el_json_text(&l->json, "reason", d->reason);
    el_json_text(&l->json, "rater", d->rater);
    el_json_close(&l->json, '}');
    return l->json.failed;
}

static int list(void *user, const struct el_decision *d, struct el_error *err)
{
    struct listing *l = user;
    struct el_proof proof;
    struct el_problem problem;
    int rc = el_store_proof_get(l->store, d->proof, &proof, err);
    if (rc < 0)
        return rc;
    rc = el_store_problem_get(l->store, proof.problem, &problem, err);
    if (rc == 0) {
        if (put(l, d, &proof, &problem) < 0)
            rc = el_error_set(err, EL_ENOMEM, "out of memory for the queue");
        el_problem_release(&problem);
    }
    el_proof_release(&proof);
    l->n++;
    return rc;
}

int cli_label_queue(struct el_store *s, const char *set, int json, struct el_error *err)
{
    struct listing l = {.store = s, .as_json = json};
    el_buf_init(&l.text);
    l.json = (struct el_json_out){.buf = &l.text, .first = 1};
    if (json)
        el_json_open(&l.json, NULL, '[');
    int rc = el_store_queue_each(s, set, list, &l, err);
    if (json)
        el_json_close(&l.json, ']');
    if (rc == 0 && (l.json.failed || (json && el_buf_putc(&l.text, '\n') < 0)))
        rc = el_error_set(err, EL_ENOMEM, "out of memory for the queue");
    if (rc == 0 && l.text.len && fwrite(l.text.data, 1, l.text.len, stdout) != l.text.len)
        rc = el_error_set(err, EL_EIO, "cannot write the queue");
    if (rc == 0 && l.n == 0)
        fputs("no proof waits for a person\n", stderr);
    el_buf_release(&l.text);
    return rc;
}
