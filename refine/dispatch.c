/* The loop: asking, waiting, grouping commits. refine/dispatch_reply.c takes the replies. */
#include "refine/dispatch.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/progress.h"
#include "refine/dispatch_parts.h"

#include <string.h>
#include <time.h>

static const double max_group_s = 0.1;
enum { max_pause_s = 30 };

int el_dispatch_init(struct el_dispatch *d, const struct el_dispatch_options *o,
                     const struct el_dispatch_owner *owner, struct el_error *err)
{
    memset(d, 0, sizeof *d);
    d->o = *o;
    d->owner = *owner;
    for (int i = 0; i < EL_DISPATCH_KINDS; i++)
        d->side[i].backend = o->backend[i];
    d->n_sides = o->backend[0] == o->backend[1] ? 1 : 2;
    d->again = d->free_flight = -1;
    el_buf_init(&d->prompt);
    for (int i = 0; i < 3; i++)
        el_buf_init(&d->scratch[i]);
    return el_reply_parser_create(&d->parser, err);
}

void el_dispatch_release(struct el_dispatch *d)
{
    for (int i = 0; i < d->n_flights; i++)
        el_free(d->flights[i].inputs);
    el_free(d->flights);
    el_reply_parser_free(d->parser);
    if (d->n_sides) {
        el_buf_release(&d->prompt);
        for (int i = 0; i < 3; i++)
            el_buf_release(&d->scratch[i]);
    }
    memset(d, 0, sizeof *d);
}

static struct el_side *side_of(struct el_dispatch *d, int kind)
{
    return &d->side[d->n_sides == 2 ? kind : 0];
}

/* ------------------------------------------------------------------------------------ flights */

static int grow(struct el_dispatch *d, struct el_error *err)
{
    int cap = d->cap_flights ? 2 * d->cap_flights : 64;
    struct el_flight *grown = el_realloc(d->flights, (size_t)cap * sizeof *grown);
    if (!grown)
        return el_error_set(err, EL_ENOMEM, "out of memory for %d jobs in flight", cap);
    d->flights = grown;
    d->cap_flights = cap;
    return 0;
}

/* A place for a job of this kind: its index. */
static int open_flight(struct el_dispatch *d, int kind, struct el_error *err)
{
    int i = d->free_flight;
    if (i < 0 && d->n_flights == d->cap_flights && grow(d, err) < 0)
        return EL_ENOMEM;
    if (i >= 0)
        d->free_flight = d->flights[i].next;
    else
        i = d->n_flights++;
    memset(&d->flights[i], 0, sizeof d->flights[i]);
    d->flights[i].in_use = 1;
    d->flights[i].kind = kind;
    return i;
}

static void close_flight(struct el_dispatch *d, int flight)
{
    struct el_flight *f = &d->flights[flight];
    el_free(f->inputs);
    f->inputs = NULL;
    f->in_use = 0;
    f->next = d->free_flight;
    d->free_flight = flight;
}

static void ask_again(struct el_dispatch *d, int flight, double due)
{
    struct el_flight *f = &d->flights[flight];
    f->due = due;
    f->next = d->again;
    d->again = flight;
}

/* ------------------------------------------------------------------------------------- asking */

static void make_key(struct el_dispatch *d, struct el_flight *f)
{
    const struct el_sampling *sampling = f->sampling;
    struct el_digest digest;
    el_digest_init(&digest);
    el_digest_u64(&digest, d->o.seed);
    el_digest_str(&digest, side_of(d, f->kind)->backend->digest);
    el_digest_str(&digest, el_role_name(f->role));
    el_digest_str(&digest, f->problem_key);
    el_digest_u64(&digest, (uint64_t)f->row.round);
    el_digest_bytes(&digest, d->prompt.data, d->prompt.len);
    el_digest_f64(&digest, sampling->temperature);
    el_digest_u64(&digest, (uint64_t)sampling->top_k);
    el_digest_f64(&digest, sampling->top_p);
    el_digest_u64(&digest, (uint64_t)sampling->max_tokens);
    el_digest_u64(&digest, (uint64_t)d->o.thinking);
    el_digest_u64(&digest, (uint64_t)f->index);
    el_digest_hex(&digest, f->key);
}

static uint64_t stream_of(const struct el_flight *f)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, f->key);
    el_digest_u64(&d, (uint64_t)el_flight_tries(f));
    return el_digest_key(&d);
}

/* No reply; asked again later. */
static int outage(struct el_dispatch *d, int flight, const char *why, struct el_error *err)
{
    struct el_flight *f = &d->flights[flight];
    int rc = el_dispatch_row(d, f, err);
    if (rc == 0)
        rc = el_store_job_outage(d->o.store, f->row.id, why, err);
    if (rc < 0)
        return rc;
    int most = d->o.max_outages > 0 ? d->o.max_outages : 8;
    if (++f->outages >= most)
        return el_error_set(err, EL_EIO,
                            "%s: %d times in a row no reply, last: %s. Everything so far is "
                            "stored; run the same command again to go on",
                            side_of(d, f->kind)->backend->name, f->outages, why);
    double pause = (d->o.backoff_ms > 0 ? d->o.backoff_ms : 500) / 1000.0;
    for (int i = 1; i < f->outages && pause < max_pause_s; i++)
        pause *= 2;
    ask_again(d, flight, el_clock_seconds() + (pause < max_pause_s ? pause : max_pause_s));
    return 0;
}

static int refuse(struct el_dispatch *d, int flight, struct el_error *err)
{
    int rc = d->owner.refuse(d->owner.self, &d->flights[flight], err);
    close_flight(d, flight);
    return rc < 0 ? rc : 0;
}

/* Asks the backend. 0; a prompt that does not fit, or a refusal to take the request, is handled. */
static int ask(struct el_dispatch *d, int flight, struct el_error *err)
{
    struct el_flight *f = &d->flights[flight];
    el_buf_clear(&d->prompt);
    int rc = d->owner.describe(d->owner.self, f, &d->prompt, err);
    if (rc < 0)
        return rc;
    make_key(d, f);
    const struct el_message message = {.role = "user", .content = d->prompt.data};
    const struct el_request request = {.messages = &message,
                                       .n_messages = 1,
                                       .thinking = d->o.thinking,
                                       .sampling = *f->sampling,
                                       .key = stream_of(f),
                                       .tag = flight};
    struct el_side *side = side_of(d, f->kind);
    struct el_error why = {0};
    f->asked = el_clock_seconds();
    rc = el_backend_submit(side->backend, &request, &why);
    if (rc >= 0) {
        side->in_flight++;
        return 0;
    }
    if (rc == EL_ELIMIT)
        return refuse(d, flight, err);
    if (rc == EL_EIO || rc == EL_EBUSY)
        return outage(d, flight, why.msg, err);
    return el_error_set(err, rc, "%s: %s", side->backend->name, why.msg);
}

/* Asks again for what is due. Jobs that must wait stay in the list; *soonest is the first due. */
static int ask_due(struct el_dispatch *d, double *soonest, struct el_error *err)
{
    int list = d->again, rc = 0;
    d->again = -1;
    *soonest = 0;
    while (list >= 0) {
        struct el_flight *f = &d->flights[list];
        int next = f->next;
        int room = el_backend_room(side_of(d, f->kind)->backend) > 0;
        if (rc == 0 && room && f->due <= el_clock_seconds()) {
            rc = ask(d, list, err);
        } else {
            if (*soonest == 0 || f->due < *soonest)
                *soonest = f->due;
            f->next = d->again;
            d->again = list;
        }
        list = next;
    }
    return rc;
}

static int fill(struct el_dispatch *d, int kind, struct el_error *err)
{
    struct el_backend *b = side_of(d, kind)->backend;
    int rc = 0;
    while (rc == 0 && el_backend_room(b) > 0 && d->owner.ready(d->owner.self, kind)) {
        int flight = open_flight(d, kind, err);
        if (flight < 0)
            return flight;
        if (!d->owner.take(d->owner.self, &d->flights[flight]))
            return el_error_set(err, EL_EIO, "a job was ready and could not be taken");
        rc = ask(d, flight, err);
    }
    return rc;
}

/* ------------------------------------------------------------------------------------ waiting */

/* A side with something in flight, in turns; NULL: none. */
static struct el_side *busy_side(struct el_dispatch *d)
{
    for (int i = 0; i < d->n_sides; i++) {
        d->turn = (d->turn + 1) % d->n_sides;
        if (d->side[d->turn].in_flight > 0)
            return &d->side[d->turn];
    }
    return NULL;
}

/* Commits the replies that share a transaction. */
static int flush(struct el_dispatch *d, struct el_error *err)
{
    if (d->grouped == 0)
        return 0;
    d->grouped = 0;
    return el_store_commit(d->o.store, err);
}

/* Before a reply is asked for: commits unless it is there already, or likely to come soon. */
static int flush_if_due(struct el_dispatch *d, int ready, struct el_error *err)
{
    int most = d->o.group > 0 ? d->o.group : 64;
    if (d->grouped >= most || (!ready && d->long_wait > max_group_s) ||
        el_clock_seconds() - d->group_begin > max_group_s)
        return flush(d, err);
    return 0;
}

static int settle(struct el_dispatch *d, int flight, const struct el_completion *reply,
                  struct el_error *err)
{
    struct el_flight *f = &d->flights[flight];
    if (reply->finish == EL_FINISH_ERROR)
        return outage(d, flight, reply->error.msg, err);
    if (reply->finish == EL_FINISH_REFUSED)
        return refuse(d, flight, err);
    f->outages = 0;
    int rc = el_dispatch_receive(d, f, reply, err);
    if (rc == 1)
        ask_again(d, flight, 0);
    else
        close_flight(d, flight);
    return rc < 0 ? rc : 0;
}

/* Stores one reply in the open transaction, or opens one. */
static int receive(struct el_dispatch *d, int flight, const struct el_completion *reply,
                   struct el_error *err)
{
    if (d->grouped == 0) {
        int rc = el_store_begin(d->o.store, err);
        if (rc < 0)
            return rc;
        d->group_begin = el_clock_seconds();
    }
    d->grouped++;
    return settle(d, flight, reply, err);
}

/* Takes one reply. */
static int poll_side(struct el_dispatch *d, struct el_side *side, struct el_error *err)
{
    struct el_completion reply = {0};
    int ready = side->backend->ready && side->backend->ready(side->backend);
    int rc = flush_if_due(d, ready, err);
    if (rc < 0)
        return rc;
    double begin = el_clock_seconds();
    rc = el_backend_poll(side->backend, &reply, err);
    if (!ready) { /* what was at hand says nothing of the next wait */
        double wait = el_clock_seconds() - begin, faded = d->long_wait / 2;
        d->long_wait = wait > faded ? wait : faded;
    }
    if (rc < 0)
        return rc;
    if (rc == 0)
        return el_error_set(err, EL_EIO, "%s: %d requests were taken and never answered",
                            side->backend->name, side->in_flight);
    side->in_flight--;
    if (reply.tag < 0 || reply.tag >= d->n_flights || !d->flights[reply.tag].in_use)
        rc = el_error_set(err, EL_EIO, "%s: an answer to a request that was never made",
                          side->backend->name);
    else
        rc = receive(d, (int)reply.tag, &reply, err);
    el_completion_release(&reply);
    return rc;
}

/* Naps until something is due, at most a tenth of a second, so that a stop is seen. */
static void nap(double until)
{
    double left = until - el_clock_seconds();
    if (left <= 0)
        return;
    struct timespec t = {.tv_nsec = (long)(1e9 * (left < 0.1 ? left : 0.1))};
    nanosleep(&t, NULL);
}

/* The kind of the first task that is ready, -1: none. */
static int first_ready(struct el_dispatch *d)
{
    for (int kind = 0; kind < EL_DISPATCH_KINDS; kind++)
        if (d->owner.ready(d->owner.self, kind))
            return kind;
    return -1;
}

static int step(struct el_dispatch *d, int *busy, struct el_error *err)
{
    double soonest;
    int rc = ask_due(d, &soonest, err);
    for (int kind = 0; rc == 0 && kind < EL_DISPATCH_KINDS; kind++)
        rc = fill(d, kind, err);
    if (rc < 0)
        return rc;
    struct el_side *side = busy_side(d);
    int ready = first_ready(d);
    *busy = side || d->again >= 0 || ready >= 0;
    if (side)
        return poll_side(d, side, err);
    rc = flush(d, err);
    if (rc == 0 && soonest > 0)
        nap(soonest);
    else if (rc == 0 && ready >= 0 && el_backend_room(side_of(d, ready)->backend) <= 0)
        return el_error_set(err, EL_EIO, "%s: has no room for a single request",
                            side_of(d, ready)->backend->name);
    return rc;
}

/* At the end, which came by rc: that the last replies are lost must not go unsaid. */
static int flush_last(struct el_dispatch *d, int rc, struct el_error *err)
{
    struct el_error why = {0}, first = err ? *err : why;
    int lost = d->grouped, flushed = flush(d, &why);
    if (flushed == 0)
        return rc;
    if (rc < 0 && rc != EL_EINTR)
        return el_error_set(err, rc, "%s (and the last %d replies are not stored: %s)", first.msg,
                            lost, why.msg);
    return el_error_set(err, flushed, "the last %d replies are not stored: %s", lost, why.msg);
}

int el_dispatch_go(struct el_dispatch *d, struct el_error *err)
{
    int busy = 1, rc = 0;
    while (rc == 0 && busy && !el_stop_requested) {
        rc = step(d, &busy, err);
        d->owner.show(d->owner.self);
    }
    rc = flush_last(d, rc, err);
    return rc < 0 ? rc : busy ? EL_EINTR : 0;
}
