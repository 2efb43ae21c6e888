#include "refine/settings.h"

#include "refine/sampling.h"

#include <string.h>

static const char *const feedbacks[] = {"self", "verifier", "both"};
static const char *const controls[] = {"none", "shuffle", "resample"};

static int index_of(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *el_feedback_name(int feedback)
{
    return feedback >= 0 && feedback < EL_FEEDBACKS ? feedbacks[feedback] : "unknown";
}

int el_feedback_from_name(const char *name)
{
    return index_of(feedbacks, EL_FEEDBACKS, name);
}

const char *el_control_name(int control)
{
    return control >= 0 && control < EL_CONTROLS ? controls[control] : "unknown";
}

int el_control_from_name(const char *name)
{
    return index_of(controls, EL_CONTROLS, name);
}

void el_settings_init(struct el_settings *s)
{
    const struct el_sampling sampling = {
        .temperature = 1, .top_k = 0, .top_p = 1, .max_tokens = 1024};
    *s = (struct el_settings){.threads = 32,
                              .rounds = 8,
                              .feedback = EL_FEEDBACK_SELF,
                              .control = EL_CONTROL_NONE,
                              .feedback_analyses = 1,
                              .seed = 1,
                              .generator = sampling,
                              .verifier = sampling,
                              .judge_retries = 3,
                              .analyses = 32};
}

static int check_int(const char *name, int value, int lo, int hi, struct el_error *err)
{
    if (value >= lo && value <= hi)
        return 0;
    return el_error_set(err, EL_EINVAL, "%s is %d, expected %d to %d", name, value, lo, hi);
}

int el_settings_check(const struct el_settings *s, struct el_error *err)
{
    const struct {
        const char *name;
        int value, lo, hi;
    } ints[] = {
        {"threads", s->threads, 1, EL_MAX_THREADS},
        {"rounds", s->rounds, 1, EL_MAX_ROUNDS},
        {"feedback", s->feedback, 0, EL_FEEDBACKS - 1},
        {"control", s->control, 0, EL_CONTROLS - 1},
        {"feedback_analyses", s->feedback_analyses, 1, 64},
        {"judge_retries", s->judge_retries, 0, 100},
        {"index_topk", s->index_topk, 0, 1 << 30},
        {"analyses", s->analyses, 0, EL_MAX_ANALYSES},
    };
    int rc = el_run_name_check(s->name, err);
    for (size_t i = 0; rc == 0 && i < sizeof ints / sizeof *ints; i++)
        rc = check_int(ints[i].name, ints[i].value, ints[i].lo, ints[i].hi, err);
    if (rc == 0)
        rc = el_role_sampling_check("generator", &s->generator, err);
    return rc == 0 ? el_role_sampling_check("verifier", &s->verifier, err) : rc;
}

static int read_choice(const cJSON *json, const char *where, const char *key,
                       int (*from_name)(const char *), int *out, struct el_error *err)
{
    const char *name = NULL;
    int rc = el_json_str_or(json, where, key, &name, err);
    if (rc < 0 || !name)
        return rc;
    *out = from_name(name);
    return *out >= 0 ? 0
                     : el_error_set(err, EL_EFORMAT, "%s: %s: '%s' is unknown", where, key, name);
}

int el_settings_read(struct el_settings *s, const cJSON *json, const char *where,
                     struct el_error *err)
{
    static const char *const keys[] = {"name",           "threads",       "rounds",
                                       "feedback",       "control",       "feedback_analyses",
                                       "seed",           "generator",     "verifier",
                                       "thinking",       "judge_retries", "index_topk",
                                       "analyses",       "analyse_all",   "problems",
                                       "verifier_model", "version",       NULL};
    const struct {
        const char *name;
        int *value;
    } ints[] = {
        {"threads", &s->threads},
        {"rounds", &s->rounds},
        {"feedback_analyses", &s->feedback_analyses},
        {"judge_retries", &s->judge_retries},
        {"index_topk", &s->index_topk},
        {"analyses", &s->analyses},
    };
    int rc = el_json_only(json, where, keys, err);
    for (size_t i = 0; rc == 0 && i < sizeof ints / sizeof *ints; i++)
        rc = el_json_int_or(json, where, ints[i].name, ints[i].value, err);
    if (rc == 0)
        rc = el_run_name_read(json, where, s->name, sizeof s->name, err);
    if (rc == 0)
        rc = read_choice(json, where, "feedback", el_feedback_from_name, &s->feedback, err);
    if (rc == 0)
        rc = read_choice(json, where, "control", el_control_from_name, &s->control, err);
    if (rc == 0)
        rc = el_seed_read(json, where, &s->seed, err);
    if (rc == 0)
        rc = el_json_bool_or(json, where, "thinking", &s->thinking, err);
    if (rc == 0)
        rc = el_json_bool_or(json, where, "analyse_all", &s->analyse_all, err);
    if (rc == 0)
        rc = el_role_sampling_read(&s->generator, json, "generator", err);
    return rc == 0 ? el_role_sampling_read(&s->verifier, json, "verifier", err) : rc;
}

int el_settings_identity(const struct el_settings *s, const char *verifier_model,
                         const char (*problem_keys)[33], int n, struct el_buf *out)
{
    int rc = el_buf_printf(out,
                           "{\"version\":1,\"name\":\"%s\",\"threads\":%d,\"rounds\":%d,"
                           "\"feedback\":\"%s\",\"control\":\"%s\",\"feedback_analyses\":%d,"
                           "\"seed\":\"%llu\",",
                           s->name, s->threads, s->rounds, el_feedback_name(s->feedback),
                           el_control_name(s->control), s->feedback_analyses,
                           (unsigned long long)s->seed);
    if (rc == 0)
        rc = el_role_sampling_put(out, "generator", &s->generator);
    if (rc == 0)
        rc = el_role_sampling_put(out, "verifier", &s->verifier);
    if (rc == 0)
        rc = el_buf_printf(out,
                           "\"thinking\":%s,\"judge_retries\":%d,\"index_topk\":%d,"
                           "\"verifier_model\":",
                           s->thinking ? "true" : "false", s->judge_retries, s->index_topk);
    if (rc == 0)
        rc = el_json_quote(out, verifier_model, strlen(verifier_model));
    if (rc == 0)
        rc = el_buf_puts(out, ",\"problems\":[");
    for (int i = 0; rc == 0 && i < n; i++)
        rc = el_buf_printf(out, "%s\"%s\"", i ? "," : "", problem_keys[i]);
    return rc == 0 ? el_buf_puts(out, "]}") : rc;
}
