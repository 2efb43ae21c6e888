/* A completion backend whose replies a test decides, request by request. */
#ifndef EL_TESTS_RL_SCRIPTED_H
#define EL_TESTS_RL_SCRIPTED_H

#include "core/base/alloc.h"
#include "core/run/completion.h"

#include <stdio.h>
#include <string.h>

enum { SCRIPTED_ROOM = 5 };

struct scripted {
    struct el_backend base; /* first */
    /* The reply to a request (static storage), or NULL: the prompt is refused. `again` says how
     * often this prompt came before with another key. */
    const char *(*answer)(void *user, const char *prompt, int again);
    void *user;
    int asked, in_flight, outage;
    struct {
        char *prompt;
        uint64_t key;
        int64_t tag;
        int again, full;
        double temperature;
    } seen[4096];
};

static inline struct scripted *scripted_of(struct el_backend *b)
{
    return (struct scripted *)(void *)b;
}

static inline int scripted_room(struct el_backend *b)
{
    return SCRIPTED_ROOM - scripted_of(b)->in_flight;
}

static inline int scripted_submit(struct el_backend *b, const struct el_request *r,
                                  struct el_error *err)
{
    struct scripted *s = scripted_of(b);
    int again = 0;
    for (int i = 0; i < s->asked; i++) {
        assert_true(s->seen[i].key != r->key); /* every sample has a stream of its own */
        again += strcmp(s->seen[i].prompt, r->messages[0].content) == 0;
    }
    if (!s->answer(s->user, r->messages[0].content, again))
        return el_error_set(err, EL_ELIMIT, "too long");
    s->seen[s->asked].prompt = el_strdup(r->messages[0].content);
    s->seen[s->asked].key = r->key;
    s->seen[s->asked].tag = r->tag;
    s->seen[s->asked].full = r->want_full;
    s->seen[s->asked].temperature = r->sampling.temperature;
    s->seen[s->asked++].again = again;
    s->in_flight++;
    return 0;
}

/* The last request first: nothing may depend on the order. */
static inline int scripted_poll(struct el_backend *b, struct el_completion *out,
                                struct el_error *err)
{
    struct scripted *s = scripted_of(b);
    (void)err;
    if (s->in_flight == 0)
        return 0;
    int i = s->asked - 1;
    while (s->seen[i].tag < 0)
        i--;
    *out = (struct el_completion){.tag = s->seen[i].tag, .completion_tokens = 7};
    s->seen[i].tag = -1;
    s->in_flight--;
    if (s->outage) {
        out->finish = EL_FINISH_ERROR;
        out->error = (struct el_error){EL_EIO, "the server is down"};
        return 1;
    }
    out->text = el_strdup(s->answer(s->user, s->seen[i].prompt, s->seen[i].again));
    out->text_len = strlen(out->text);
    return 1;
}

static inline void scripted_destroy(struct el_backend *b)
{
    (void)b;
}

static inline void scripted_open(struct scripted *s,
                                 const char *(*answer)(void *, const char *, int), void *user)
{
    memset(s, 0, sizeof *s);
    s->base = (struct el_backend){.name = "scripted",
                                  .digest = "d",
                                  .room = scripted_room,
                                  .submit = scripted_submit,
                                  .poll = scripted_poll,
                                  .destroy = scripted_destroy};
    s->answer = answer;
    s->user = user;
}

static inline void scripted_close(struct scripted *s)
{
    for (int i = 0; i < s->asked; i++)
        el_free(s->seen[i].prompt);
}

#endif
