/* What automatic labelling is run with.
 *
 * The judges' settings are the identity of a run. The rule, what becomes of proofs without a label,
 * and whether everything is examined are not: replies are made on demand, so another rule under the
 * same name asks for what is missing and decides anew. */
#ifndef EL_REFINE_LABEL_SETTINGS_H
#define EL_REFINE_LABEL_SETTINGS_H

#include "core/run/completion.h"
#include "data/store.h"
#include "refine/label_rule.h"

struct el_label_settings {
    char name[64]; /* of the run: printable, no blanks */
    uint64_t seed;
    struct el_sampling verifier, meta_verifier;
    int thinking;      /* replies begin with reasoning that "</think>" closes */
    int judge_retries; /* further attempts after an unreadable reply */
    struct el_label_rule rule;
    enum el_decided otherwise; /* proofs without a label are QUEUED or DISCARDED */
    int complete;              /* examine all analyses that report issues, for a grid of rules */
};

/* The rule's defaults, temperature 1, 3 retries, queued. */
void el_label_settings_init(struct el_label_settings *s);
int el_label_settings_check(const struct el_label_settings *s, struct el_error *err);

/* Takes over the fields of a preset: a JSON object with seed, verifier, meta_verifier (objects
 * {temperature, top_p, top_k, max_tokens}), thinking, judge_retries, n, m, k, confirm, lowest,
 * otherwise ("queue" or "discard"). Absent keys keep their value, unknown ones are EL_EFORMAT.
 * Identity records are read, too. */
int el_label_settings_read(struct el_label_settings *s, const cJSON *json, const char *where,
                           struct el_error *err);

/* Appends the identity as canonical JSON: what the store keeps as the run's config. */
int el_label_settings_identity(const struct el_label_settings *s, const char *meta_model,
                               struct el_buf *out);

#endif
