#include "training/rl/ask.h"

static int submit(struct el_backend *b, struct el_rl_ask *a, int tag, struct el_error *err)
{
    struct el_error why = {0};
    struct el_message m = {"user", a->prompt};
    struct el_request q = {.messages = &m,
                           .n_messages = 1,
                           .sampling = a->sampling,
                           .key = a->key,
                           .want_full = a->full,
                           .want_trace = a->trace,
                           .tag = tag};
    int rc = el_backend_submit(b, &q, &why);
    if (rc == EL_ELIMIT) {
        a->out = (struct el_completion){.tag = tag, .finish = EL_FINISH_REFUSED};
        return 0;
    }
    return rc < 0 ? el_error_set(err, rc, "%s", why.msg) : 1;
}

int el_rl_ask_all(struct el_backend *b, struct el_rl_ask *ask, int n, struct el_progress *progress,
                  struct el_error *err)
{
    int sent = 0, in_flight = 0, done = 0;
    while (done < n) {
        while (sent < n && el_backend_room(b) > 0) {
            int rc = submit(b, &ask[sent], sent, err);
            if (rc < 0)
                return rc;
            sent++;
            in_flight += rc;
            done += rc == 0;
        }
        if (in_flight == 0)
            continue;
        struct el_completion c = {0};
        int rc = el_backend_poll(b, &c, err);
        if (rc < 0)
            return rc;
        if (rc == 0)
            return el_error_set(err, EL_EIO, "the backend %s lost %d requests", b->name, in_flight);
        ask[c.tag].out = c;
        in_flight--;
        done++;
        if (c.finish == EL_FINISH_ERROR)
            return el_error_set(err, c.error.code ? c.error.code : EL_EIO, "%s", c.error.msg);
        if (progress)
            el_progress_update(progress, done, n, NULL);
    }
    return 0;
}
