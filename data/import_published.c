/* The published files: DeepSeek-Math-V2 inputs and outputs, ProofBench, the Open Proof Corpus. */
#include "data/import_parts.h"

#include "core/base/alloc.h"

#include <stdio.h>
#include <string.h>

enum { set_name_max = 128 };

/* {"<key>": text} or nothing, as the extra of a problem. The caller frees it with cJSON_free. */
static int extra_of(const char *key, const char *text, char **out, struct el_error *err)
{
    *out = NULL;
    if (!text)
        return 0;
    cJSON *object = cJSON_CreateObject();
    if (object && cJSON_AddStringToObject(object, key, text))
        *out = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return *out ? 0 : el_error_set(err, EL_ENOMEM, "out of memory");
}

/* "IMO2025-3" -> "IMO2025", "PB-Basic-001" -> "ProofBench-Basic". */
static int set_of(const char *problem_idx, char out[set_name_max], struct el_error *err)
{
    const char *dash = strrchr(problem_idx, '-');
    int proofbench = strncmp(problem_idx, "PB-", 3) == 0;
    const char *from = proofbench ? problem_idx + 3 : problem_idx;
    size_t n = dash && dash > from ? (size_t)(dash - from) : 0;
    if (n == 0 || n > set_name_max - 16)
        return el_error_set(err, EL_EFORMAT,
                            "'%.60s' is no problem name: expected SET-NUMBER as in IMO2025-3",
                            problem_idx);
    snprintf(out, set_name_max, "%s%.*s", proofbench ? "ProofBench-" : "", (int)n, from);
    return 0;
}

static int starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* The maximum of human_rating, by set (or as the options say). */
static int scale_of(const struct el_import *im, const char *set, double *out, struct el_error *err)
{
    static const struct {
        const char *prefix;
        double max;
    } scales[] = {{"CMO", 21}, {"IMO", 7}, {"Putnam", 10}, {"ProofBench", 7}};
    *out = im->opts->scale_max;
    for (size_t i = 0; i < sizeof scales / sizeof *scales && !*out; i++)
        if (starts_with(set, scales[i].prefix))
            *out = scales[i].max;
    return *out ? 0
                : el_error_set(err, EL_EFORMAT,
                               "the scale of human_rating in set '%s' is not known: give it", set);
}

int el_import_deepseek_input(struct el_import *im, const cJSON *record, struct el_error *err)
{
    struct el_problem p = {0};
    int rc = el_import_text_field(record, "question", &p.statement, err);
    if (rc == 0)
        rc = el_import_text_field(record, "problem_idx", &p.external_id, err);
    if (rc == 0)
        rc = el_import_text_field(record, "contest", &p.set, err);
    if (rc == 0)
        rc = el_import_optional_text(record, "answer", &p.answer, err);
    return rc < 0 ? rc : el_import_problem(im, &p, NULL, err);
}

/* ---- outputs */

static int output_problem(struct el_import *im, const cJSON *record, const char *set, int64_t *id,
                          struct el_error *err)
{
    struct el_problem p = {.set = set};
    const char *source = NULL;
    int rc = el_import_text_field(record, "question", &p.statement, err);
    if (rc == 0)
        rc = el_import_text_field(record, "problem_idx", &p.external_id, err);
    const struct {
        const char *key, **out;
    } optional[] = {{"solution", &p.reference},
                    {"grading guidelines", &p.rubric},
                    {"type", &p.category},
                    {"level", &p.level},
                    {"source", &source}};
    for (int i = 0; i < 5 && rc == 0; i++)
        rc = el_import_optional_text(record, optional[i].key, optional[i].out, err);
    char *extra = NULL;
    if (rc == 0)
        rc = extra_of("source", source, &extra, err);
    p.extra = extra;
    if (rc == 0)
        rc = el_import_problem(im, &p, id, err);
    cJSON_free(extra);
    return rc;
}

static int output_scores(struct el_import *im, const cJSON *prediction, const char *set,
                         int64_t proof, const char *origin, struct el_error *err)
{
    double automatic = -1, human = -1, scale = 0;
    int rc = el_json_double_or(prediction, "model_prediction", "average_automatic_rating",
                               &automatic, err);
    if (rc == 0)
        rc = el_json_double_or(prediction, "model_prediction", "human_rating", &human, err);
    int has_automatic =
        cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(prediction, "average_automatic_rating"));
    int has_human = cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(prediction, "human_rating"));
    struct el_score c = {.proof = proof,
                         .rater_kind = EL_RATER_IMPORTED,
                         .rater = "average_automatic_rating",
                         .raw = automatic,
                         .scale_max = 1,
                         .halves = EL_SCORE_NONE,
                         .blind = EL_BLIND_UNKNOWN,
                         .origin = origin};
    if (rc == 0 && has_automatic)
        rc = el_import_score_row(im, &c, err);
    if (rc < 0 || !has_human)
        return rc;
    rc = scale_of(im, set, &scale, err);
    c.rater_kind = EL_RATER_HUMAN;
    c.rater = "";
    c.raw = human;
    c.scale_max = scale;
    return rc < 0 ? rc : el_import_mapped_score(im, &c, err);
}

int el_import_deepseek_output(struct el_import *im, const cJSON *record, struct el_error *err)
{
    const char *idx = NULL, *model = "DeepSeekMath-V2";
    char set[set_name_max];
    int64_t problem = 0, proof = 0;
    const cJSON *prediction = cJSON_GetObjectItemCaseSensitive(record, "model_prediction");
    if (!cJSON_IsObject(prediction))
        return el_error_set(err, EL_EFORMAT, "field 'model_prediction' must be an object");
    struct el_proof y = {0};
    int rc = el_import_text_field(record, "problem_idx", &idx, err);
    if (rc == 0)
        rc = set_of(idx, set, err);
    if (rc == 0)
        rc = el_import_text_field(prediction, "proof", &y.text, err);
    if (rc == 0)
        rc = el_import_optional_text(record, "model", &model, err);
    if (rc == 0)
        rc = output_problem(im, record, set, &problem, err);
    if (rc < 0)
        return rc;
    y.problem = problem;
    y.author = (struct el_author){EL_AUTHOR_MODEL, model, idx};
    rc = el_import_proof_row(im, &y, &proof, err);
    return rc < 0 ? rc : output_scores(im, prediction, set, proof, idx, err);
}

/* ---- ProofBench */

int el_import_proofbench(struct el_import *im, const cJSON *record, struct el_error *err)
{
    char set[set_name_max];
    struct el_problem p = {.set = set};
    const char *source = NULL;
    int rc = el_import_text_field(record, "Problem ID", &p.external_id, err);
    if (rc == 0)
        rc = set_of(p.external_id, set, err);
    if (rc == 0)
        rc = el_import_text_field(record, "Problem", &p.statement, err);
    const struct {
        const char *key, **out;
    } optional[] = {{"Solution", &p.reference},  {"Grading guidelines", &p.rubric},
                    {"Category", &p.category},   {"Level", &p.level},
                    {"Short Answer", &p.answer}, {"Source", &source}};
    for (int i = 0; i < 6 && rc == 0; i++)
        rc = el_import_optional_text(record, optional[i].key, optional[i].out, err);
    char *extra = NULL;
    if (rc == 0)
        rc = extra_of("source", source, &extra, err);
    p.extra = extra;
    if (rc == 0)
        rc = el_import_problem(im, &p, NULL, err);
    cJSON_free(extra);
    return rc;
}

/* ---- the Open Proof Corpus */

/* ["Algebra", "Geometry"] -> "Algebra, Geometry"; an empty list leaves out empty. */
static int join_categories(const cJSON *record, struct el_buf *out, struct el_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(record, "category"), *item;
    if (list && !cJSON_IsNull(list) && !cJSON_IsArray(list))
        return el_error_set(err, EL_EFORMAT, "field 'category' must be a list of strings");
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return el_error_set(err, EL_EFORMAT, "field 'category' must be a list of strings");
        if (el_buf_printf(out, "%s%s", out->len ? ", " : "", item->valuestring) < 0)
            return el_error_set(err, EL_ENOMEM, "out of memory");
    }
    return 0;
}

static int corpus_problem(struct el_import *im, const cJSON *record, int64_t *id,
                          struct el_error *err)
{
    struct el_problem p = {.set = "open-proof-corpus"};
    const char *competition = NULL;
    char *extra = NULL;
    struct el_buf category;
    el_buf_init(&category);
    int rc = el_import_text_field(record, "problem_id", &p.external_id, err);
    if (rc == 0)
        rc = el_import_text_field(record, "problem", &p.statement, err);
    if (rc == 0)
        rc = el_import_optional_text(record, "human_solution", &p.reference, err);
    if (rc == 0)
        rc = el_import_optional_text(record, "competition", &competition, err);
    if (rc == 0)
        rc = join_categories(record, &category, err);
    if (rc == 0)
        rc = extra_of("competition", competition, &extra, err);
    p.category = category.len ? category.data : NULL;
    p.extra = extra;
    if (rc == 0)
        rc = el_import_problem(im, &p, id, err);
    cJSON_free(extra);
    el_buf_release(&category);
    return rc;
}

/* The judgment as a person would read it: the summary, then one line for each issue. */
static int judgment_text(const cJSON *result, struct el_buf *out, struct el_error *err)
{
    const char *summary = "";
    int rc = el_json_str_or(result, "llm_judgment", "summary", &summary, err);
    if (rc == 0 && el_buf_puts(out, summary) < 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory");
    const cJSON *issue;
    cJSON_ArrayForEach(issue, cJSON_GetObjectItemCaseSensitive(result, "issues"))
    {
        const char *category = "", *location = "", *description = "";
        if (rc == 0)
            rc = el_json_str_or(issue, "issue", "category", &category, err);
        if (rc == 0)
            rc = el_json_str_or(issue, "issue", "location", &location, err);
        if (rc == 0)
            rc = el_json_str_or(issue, "issue", "description", &description, err);
        if (rc == 0 && el_buf_printf(out, "\n\n[%s] %s: %s", category, location, description) < 0)
            rc = el_error_set(err, EL_ENOMEM, "out of memory");
    }
    return rc;
}

static int corpus_analysis(struct el_import *im, const cJSON *judgment, const cJSON *result,
                           int64_t proof, const char *origin, struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    char *extra = cJSON_PrintUnformatted(judgment);
    int rc =
        extra ? judgment_text(result, &text, err) : el_error_set(err, EL_ENOMEM, "out of memory");
    struct el_analysis a = {.proof = proof,
                            .text = text.data,
                            .halves = EL_SCORE_NONE,
                            .author = {EL_AUTHOR_MODEL, "llm_judgment", origin},
                            .extra = extra};
    if (rc == 0)
        rc = el_import_analysis_row(im, &a, NULL, err);
    cJSON_free(extra);
    el_buf_release(&text);
    return rc;
}

static int corpus_judgment(struct el_import *im, const cJSON *record, int64_t proof,
                           const char *origin, struct el_error *err)
{
    const cJSON *judgment = cJSON_GetObjectItemCaseSensitive(record, "llm_judgment");
    if (!judgment || cJSON_IsNull(judgment))
        return 0;
    const cJSON *result = cJSON_GetObjectItemCaseSensitive(judgment, "result");
    const cJSON *issues = cJSON_GetObjectItemCaseSensitive(result, "issues");
    if (!cJSON_IsArray(issues))
        return el_error_set(err, EL_EFORMAT, "llm_judgment: result.issues must be a list");
    struct el_score c = {.proof = proof,
                         .rater_kind = EL_RATER_IMPORTED,
                         .rater = "llm_judgment",
                         .raw = cJSON_GetArraySize(issues) == 0,
                         .scale_max = 1,
                         .halves = EL_SCORE_NONE,
                         .blind = EL_BLIND_UNKNOWN,
                         .origin = origin};
    int rc = corpus_analysis(im, judgment, result, proof, origin, err);
    return rc < 0 ? rc : el_import_score_row(im, &c, err);
}

int el_import_corpus(struct el_import *im, const cJSON *record, struct el_error *err)
{
    const char *label = NULL, *origin = NULL, *model = "";
    int64_t problem = 0, proof = 0;
    struct el_proof y = {0};
    int rc = el_import_text_field(record, "proof_id", &origin, err);
    if (rc == 0)
        rc = el_import_text_field(record, "human_label", &label, err);
    if (rc == 0)
        rc = el_import_text_field(record, "proof", &y.text, err);
    if (rc == 0)
        rc = el_import_optional_text(record, "model", &model, err);
    if (rc < 0)
        return rc;
    int correct = strcmp(label, "correct") == 0;
    if (!correct && strcmp(label, "incorrect") != 0)
        return el_error_set(err, EL_EFORMAT,
                            "human_label is '%.40s': expected correct or incorrect", label);
    rc = corpus_problem(im, record, &problem, err);
    y.problem = problem;
    y.author = (struct el_author){EL_AUTHOR_MODEL, model, origin};
    if (rc == 0)
        rc = el_import_proof_row(im, &y, &proof, err);
    struct el_score c = {.proof = proof,
                         .rater_kind = EL_RATER_HUMAN,
                         .rater = "",
                         .raw = correct,
                         .scale_max = 1,
                         .blind = EL_BLIND_UNKNOWN,
                         .origin = origin};
    if (rc == 0)
        rc = el_import_mapped_score(im, &c, err);
    return rc < 0 ? rc : corpus_judgment(im, record, proof, origin, err);
}
