#include "refine/tally.h"

#include "core/base/alloc.h"
#include "refine/json_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int el_length_class(size_t bytes)
{
    int c = 0;
    while (c + 1 < EL_LENGTH_CLASSES && bytes >= el_length_class_bytes(c))
        c++;
    return c;
}

size_t el_length_class_bytes(int length_class)
{
    return length_class + 1 < EL_LENGTH_CLASSES ? (size_t)256 << length_class : 0;
}

static int count_drop(void *user, const struct el_drop *d, struct el_error *err)
{
    struct el_tally *t = user;
    int i = 0;
    while (i < t->n_drops &&
           (strcmp(t->drops[i].role, d->role) != 0 || strcmp(t->drops[i].reason, d->reason) != 0))
        i++;
    if (i == t->n_drops) {
        struct el_tally_drop *grown = el_realloc(t->drops, (size_t)(i + 1) * sizeof *grown);
        if (!grown)
            return el_error_set(err, EL_ENOMEM, "out of memory for what was left out");
        t->drops = grown;
        memset(&grown[i], 0, sizeof grown[i]);
        snprintf(grown[i].role, sizeof grown[i].role, "%s", d->role);
        snprintf(grown[i].reason, sizeof grown[i].reason, "%s", d->reason);
        t->n_drops++;
    }
    t->drops[i].count++;
    t->drops[i].proof_bytes += d->proof_bytes;
    return 0;
}

static int by_role_and_reason(const void *a, const void *b)
{
    const struct el_tally_drop *x = a, *y = b;
    int c = strcmp(x->role, y->role);
    return c ? c : strcmp(x->reason, y->reason);
}

static int count_usage(void *user, const struct el_usage *u, struct el_error *err)
{
    (void)err;
    struct el_tally *t = user;
    if (t->n_usage == (int)(sizeof t->usage / sizeof *t->usage))
        return 0;
    struct el_tally_usage *to = &t->usage[t->n_usage++];
    snprintf(to->role, sizeof to->role, "%s", u->role);
    to->replies = u->replies;
    to->prompt_tokens = u->prompt_tokens;
    to->completion_tokens = u->completion_tokens;
    return 0;
}

int el_tally_load(struct el_tally *t, struct el_store *s, int64_t run, struct el_error *err)
{
    int rc = el_store_drop_each(s, run, count_drop, t, err);
    if (rc == 0)
        rc = el_store_usage_each(s, run, count_usage, t, err);
    if (rc == 0 && t->n_drops > 1)
        qsort(t->drops, (size_t)t->n_drops, sizeof *t->drops, by_role_and_reason);
    return rc;
}

void el_tally_release(struct el_tally *t)
{
    el_free(t->drops);
    memset(t, 0, sizeof *t);
}

/* --------------------------------------------------------------------------------------- text */

int el_tally_put_drops(const struct el_tally *t, struct el_buf *out)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < t->n_drops; i++)
        rc = el_buf_printf(out, "left out: %s %s %lld (proofs of %lld bytes on average)\n",
                           t->drops[i].role, t->drops[i].reason, (long long)t->drops[i].count,
                           (long long)(t->drops[i].proof_bytes / t->drops[i].count));
    return rc;
}

int el_tally_put_usage(const struct el_tally *t, struct el_buf *out)
{
    int rc = el_buf_puts(out, "tokens:");
    for (int i = 0; rc == 0 && i < t->n_usage; i++)
        rc = el_buf_printf(out, "%s %s %lld replies, %lld read, %lld written", i ? ";" : "",
                           t->usage[i].role, (long long)t->usage[i].replies,
                           (long long)t->usage[i].prompt_tokens,
                           (long long)t->usage[i].completion_tokens);
    return rc == 0 ? el_buf_putc(out, '\n') : rc;
}

int el_tally_put_lengths(const struct el_tally_lengths *x, const char *what, struct el_buf *out)
{
    int64_t dropped = 0;
    for (int i = 0; i < EL_LENGTH_CLASSES; i++)
        dropped += x->dropped[i];
    if (dropped == 0)
        return 0;
    int rc = el_buf_printf(out, "%s dropped by length of the proof:", what);
    for (int i = 0; rc == 0 && i < EL_LENGTH_CLASSES; i++) {
        if (x->asked[i] == 0)
            continue;
        size_t end = el_length_class_bytes(i);
        rc = el_buf_printf(out, "  %s%zu bytes %lld of %lld", end ? "below " : "from ",
                           end ? end : el_length_class_bytes(i - 1), (long long)x->dropped[i],
                           (long long)x->asked[i]);
    }
    return rc == 0 ? el_buf_putc(out, '\n') : rc;
}

/* --------------------------------------------------------------------------------------- JSON */

void el_tally_json_drops(const struct el_tally *t, struct el_json_out *j)
{
    el_json_open(j, "left_out", '[');
    for (int i = 0; i < t->n_drops; i++) {
        el_json_open(j, NULL, '{');
        el_json_text(j, "role", t->drops[i].role);
        el_json_text(j, "reason", t->drops[i].reason);
        el_json_count(j, "count", t->drops[i].count);
        el_json_count(j, "proof_bytes", t->drops[i].proof_bytes);
        el_json_close(j, '}');
    }
    el_json_close(j, ']');
}

void el_tally_json_usage(const struct el_tally *t, struct el_json_out *j)
{
    el_json_open(j, "usage", '[');
    for (int i = 0; i < t->n_usage; i++) {
        el_json_open(j, NULL, '{');
        el_json_text(j, "role", t->usage[i].role);
        el_json_count(j, "replies", t->usage[i].replies);
        el_json_count(j, "prompt_tokens", t->usage[i].prompt_tokens);
        el_json_count(j, "completion_tokens", t->usage[i].completion_tokens);
        el_json_close(j, '}');
    }
    el_json_close(j, ']');
}

void el_tally_json_lengths(const struct el_tally_lengths *x, const char *key, const char *what,
                           struct el_json_out *j)
{
    el_json_open(j, key, '[');
    for (int i = 0; i < EL_LENGTH_CLASSES; i++) {
        if (x->asked[i] == 0)
            continue;
        el_json_open(j, NULL, '{');
        el_json_count(j, "below_bytes", (int64_t)el_length_class_bytes(i));
        el_json_count(j, what, x->asked[i]);
        el_json_count(j, "dropped", x->dropped[i]);
        el_json_close(j, '}');
    }
    el_json_close(j, ']');
}
