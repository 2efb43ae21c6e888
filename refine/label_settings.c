#include "refine/label_settings.h"

#include "refine/sampling.h"

#include <string.h>

void el_label_settings_init(struct el_label_settings *s)
{
    const struct el_sampling sampling = {
        .temperature = 1, .top_k = 0, .top_p = 1, .max_tokens = 1024};
    *s = (struct el_label_settings){.name = "label",
                                    .seed = 1,
                                    .verifier = sampling,
                                    .meta_verifier = sampling,
                                    .judge_retries = 3,
                                    .otherwise = EL_DECIDED_QUEUED};
    el_label_rule_init(&s->rule);
}

int el_label_settings_check(const struct el_label_settings *s, struct el_error *err)
{
    int rc = el_run_name_check(s->name, err);
    if (rc == 0)
        rc = el_label_rule_check(&s->rule, err);
    if (rc == 0)
        rc = el_role_sampling_check("verifier", &s->verifier, err);
    if (rc == 0)
        rc = el_role_sampling_check("meta_verifier", &s->meta_verifier, err);
    if (rc == 0 && (s->judge_retries < 0 || s->judge_retries > 100))
        rc = el_error_set(err, EL_EINVAL, "judge_retries is %d, expected 0 to 100",
                          s->judge_retries);
    return rc;
}

static int read_rule(struct el_label_rule *r, const cJSON *json, const char *where,
                     struct el_error *err)
{
    double confirm = el_score_value(r->confirm);
    const char *lowest = el_lowest_name(r->lowest);
    int rc = el_json_int_or(json, where, "n", &r->n, err);
    if (rc == 0)
        rc = el_json_int_or(json, where, "m", &r->m, err);
    if (rc == 0)
        rc = el_json_int_or(json, where, "k", &r->k, err);
    if (rc == 0)
        rc = el_json_double_or(json, where, "confirm", &confirm, err);
    if (rc == 0)
        rc = el_json_str_or(json, where, "lowest", &lowest, err);
    if (rc < 0)
        return rc;
    r->confirm = el_score_from_value(confirm);
    r->lowest = el_lowest_from_name(lowest);
    if (r->confirm < EL_SCORE_HALF)
        return el_error_set(err, EL_EFORMAT, "%s: confirm: expected 0.5 or 1", where);
    return r->lowest >= 0 ? 0
                          : el_error_set(err, EL_EFORMAT, "%s: lowest: '%s' is not any or valid",
                                         where, lowest);
}

static int read_otherwise(struct el_label_settings *s, const cJSON *json, const char *where,
                          struct el_error *err)
{
    const char *text = s->otherwise == EL_DECIDED_QUEUED ? "queue" : "discard";
    int rc = el_json_str_or(json, where, "otherwise", &text, err);
    if (rc < 0)
        return rc;
    if (strcmp(text, "queue") != 0 && strcmp(text, "discard") != 0)
        return el_error_set(err, EL_EFORMAT, "%s: otherwise: '%s' is not queue or discard", where,
                            text);
    s->otherwise = *text == 'q' ? EL_DECIDED_QUEUED : EL_DECIDED_DISCARDED;
    return 0;
}

int el_label_settings_read(struct el_label_settings *s, const cJSON *json, const char *where,
                           struct el_error *err)
{
    static const char *const keys[] = {
        "name", "seed",    "verifier", "meta_verifier", "thinking",  "judge_retries", "n", "m",
        "k",    "confirm", "lowest",   "meta_model",    "otherwise", "version",       NULL};
    int rc = el_json_only(json, where, keys, err);
    if (rc == 0)
        rc = el_run_name_read(json, where, s->name, sizeof s->name, err);
    if (rc == 0)
        rc = el_seed_read(json, where, &s->seed, err);
    if (rc == 0)
        rc = el_json_bool_or(json, where, "thinking", &s->thinking, err);
    if (rc == 0)
        rc = el_json_int_or(json, where, "judge_retries", &s->judge_retries, err);
    if (rc == 0)
        rc = read_rule(&s->rule, json, where, err);
    if (rc == 0)
        rc = read_otherwise(s, json, where, err);
    if (rc == 0)
        rc = el_role_sampling_read(&s->verifier, json, "verifier", err);
    return rc == 0 ? el_role_sampling_read(&s->meta_verifier, json, "meta_verifier", err) : rc;
}

int el_label_settings_identity(const struct el_label_settings *s, const char *meta_model,
                               struct el_buf *out)
{
    int rc = el_buf_printf(out, "{\"version\":1,\"name\":\"%s\",\"seed\":\"%llu\",", s->name,
                           (unsigned long long)s->seed);
    if (rc == 0)
        rc = el_role_sampling_put(out, "verifier", &s->verifier);
    if (rc == 0)
        rc = el_role_sampling_put(out, "meta_verifier", &s->meta_verifier);
    if (rc == 0)
        rc = el_buf_printf(out, "\"thinking\":%s,\"judge_retries\":%d,\"meta_model\":",
                           s->thinking ? "true" : "false", s->judge_retries);
    if (rc == 0)
        rc = el_json_quote(out, meta_model, strlen(meta_model));
    return rc == 0 ? el_buf_putc(out, '}') : rc;
}
