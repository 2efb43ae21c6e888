#include "refine/label_rule.h"

#include "refine/settings.h"

#include <string.h>

static const char *const lowests[] = {"any", "valid"};
static const char *const verdicts[] = {"not examined", "valid", "invalid", "undetermined"};
static const char *const reasons[] = {"confirmed",     "no_legitimate_issue",
                                      "too_few_valid", "valid_at_higher_score",
                                      "undetermined",  "unparsed"};

static int index_of(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *el_lowest_name(int lowest)
{
    return lowest >= 0 && lowest < EL_LOWESTS ? lowests[lowest] : "unknown";
}

int el_lowest_from_name(const char *name)
{
    return index_of(lowests, EL_LOWESTS, name);
}

const char *el_verdict_name(int verdict)
{
    return verdict >= 0 && verdict < 4 ? verdicts[verdict] : "unknown";
}

const char *el_label_reason_name(int reason)
{
    return reason >= 0 && reason < EL_LABEL_REASONS ? reasons[reason] : "unknown";
}

int el_label_reason_from_name(const char *name)
{
    return index_of(reasons, EL_LABEL_REASONS, name);
}

/* ------------------------------------------------------------------------------------ the rule */

void el_label_rule_init(struct el_label_rule *r)
{
    *r = (struct el_label_rule){
        .n = 8, .m = 8, .k = 2, .confirm = EL_SCORE_ONE, .lowest = EL_LOWEST_ANY};
}

int el_label_rule_check(const struct el_label_rule *r, struct el_error *err)
{
    const struct {
        const char *name;
        int value, lo, hi;
    } ints[] = {
        {"n", r->n, 1, EL_MAX_ANALYSES},
        {"m", r->m, 1, EL_MAX_ANALYSES},
        {"k", r->k, 1, r->n},
        {"confirm", r->confirm, EL_SCORE_HALF, EL_SCORE_ONE},
        {"lowest", r->lowest, 0, EL_LOWESTS - 1},
    };
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        if (ints[i].value < ints[i].lo || ints[i].value > ints[i].hi)
            return el_error_set(err, EL_EINVAL, "%s is %d, expected %d to %d", ints[i].name,
                                ints[i].value, ints[i].lo, ints[i].hi);
    return 0;
}

int el_label_rule_put(const struct el_label_rule *r, struct el_buf *out)
{
    return el_buf_printf(out, "{\"n\":%d,\"m\":%d,\"k\":%d,\"confirm\":%s,\"lowest\":\"%s\"}", r->n,
                         r->m, r->k, el_score_text(r->confirm), el_lowest_name(r->lowest));
}

static int read_fields(struct el_label_rule *r, const cJSON *json, struct el_error *err)
{
    static const char where[] = "the rule";
    double confirm = 0;
    const char *lowest = NULL;
    int rc = el_json_int(json, where, "n", &r->n, err);
    if (rc == 0)
        rc = el_json_int(json, where, "m", &r->m, err);
    if (rc == 0)
        rc = el_json_int(json, where, "k", &r->k, err);
    if (rc == 0)
        rc = el_json_double(json, where, "confirm", &confirm, err);
    if (rc == 0)
        rc = el_json_str(json, where, "lowest", &lowest, err);
    if (rc < 0)
        return rc;
    r->confirm = el_score_from_value(confirm);
    r->lowest = el_lowest_from_name(lowest);
    return el_label_rule_check(r, err);
}

int el_label_rule_read(struct el_label_rule *r, const char *json, struct el_error *err)
{
    cJSON *tree = NULL;
    int rc = el_json_parse("the rule", json, strlen(json), &tree, err);
    if (rc == 0)
        rc = read_fields(r, tree, err);
    cJSON_Delete(tree);
    return rc;
}

/* -------------------------------------------------------------------------------- the verdict */

void el_label_verdict(const struct el_label_rule *r, const signed char *halves,
                      struct el_meta_count *out)
{
    *out = (struct el_meta_count){0};
    for (int i = 0; i < r->m; i++) {
        out->dropped += !el_score_is_legal(halves[i]);
        out->confirm += halves[i] >= r->confirm;
    }
    int parsed = r->m - out->dropped;
    out->deny = parsed - out->confirm;
    if (parsed == 0 || 2 * out->dropped > r->m)
        out->verdict = EL_VERDICT_UNDETERMINED;
    else
        out->verdict = 2 * out->confirm > parsed ? EL_VERDICT_VALID : EL_VERDICT_INVALID;
}

/* ------------------------------------------------------------------------------- the decision */

/* The analyses with one score. */
struct level {
    int all, valid, unknown, undetermined;
};

static struct level count_level(const struct el_label_rule *r, const struct el_label_view *a,
                                int halves)
{
    struct level l = {0};
    for (int i = 0; i < r->n; i++) {
        if (a[i].halves != halves)
            continue;
        l.all++;
        l.valid += a[i].verdict == EL_VERDICT_VALID;
        l.unknown += a[i].verdict == EL_VERDICT_NONE;
        l.undetermined += a[i].verdict == EL_VERDICT_UNDETERMINED;
    }
    return l;
}

/* The first `most` analyses with this score that were not examined. */
static int examine_next(const struct el_label_rule *r, const struct el_label_view *a, int halves,
                        int most, unsigned char *examine)
{
    for (int i = 0; i < r->n; i++)
        if (a[i].halves == halves && a[i].verdict == EL_VERDICT_NONE && most-- > 0)
            examine[i] = 1;
    return 0;
}

static int conclude(struct el_label_result *out, int halves, enum el_label_reason reason)
{
    out->halves = halves;
    out->reason = reason;
    return 1;
}

static void note(struct el_label_result *out, int halves, const struct level *l)
{
    out->lowest = halves;
    out->at_lowest = l->all;
    out->valid = l->valid;
}

/* One score: 1 decided, 0 to be examined, -1 no analysis with this score is valid. */
static int look_at_level(const struct el_label_rule *r, const struct el_label_view *a, int halves,
                         struct el_label_result *out, unsigned char *examine)
{
    struct level l = count_level(r, a, halves);
    out->undetermined += l.undetermined;
    if (l.all == 0)
        return -1;
    int counts = r->lowest == EL_LOWEST_VALID || out->lowest == EL_SCORE_NONE;
    if (out->lowest == EL_SCORE_NONE || (counts && l.valid + l.unknown > 0))
        note(out, halves, &l);
    int needed = counts ? r->k : 1;
    if (l.valid >= needed)
        return counts ? conclude(out, halves, EL_LABEL_CONFIRMED)
                      : conclude(out, EL_SCORE_NONE, EL_LABEL_HIGHER);
    if (l.valid + l.unknown >= needed)
        return examine_next(r, a, halves, needed - l.valid, examine);
    if (l.valid > 0)
        return conclude(out, EL_SCORE_NONE, EL_LABEL_TOO_FEW);
    return l.unknown > 0 ? examine_next(r, a, halves, l.unknown, examine) : -1;
}

int el_label_decide(const struct el_label_rule *r, const struct el_label_view *a,
                    struct el_label_result *out, unsigned char *examine)
{
    *out = (struct el_label_result){.halves = EL_SCORE_NONE, .lowest = EL_SCORE_NONE};
    memset(examine, 0, (size_t)r->n);
    for (int i = 0; i < r->n; i++)
        out->parsed += el_score_is_legal(a[i].halves);
    if (2 * out->parsed < r->n)
        return conclude(out, EL_SCORE_NONE, EL_LABEL_UNPARSED);
    for (int halves = EL_SCORE_ZERO; halves < EL_SCORE_ONE; halves++) {
        int rc = look_at_level(r, a, halves, out, examine);
        if (rc >= 0)
            return rc;
    }
    return out->undetermined > 0 ? conclude(out, EL_SCORE_NONE, EL_LABEL_UNDETERMINED)
                                 : conclude(out, EL_SCORE_ONE, EL_LABEL_NO_ISSUE);
}

int el_label_because(const struct el_label_rule *r, const struct el_label_result *x,
                     struct el_buf *out)
{
    const char *score = el_score_text(x->lowest);
    switch (x->reason) {
    case EL_LABEL_CONFIRMED:
        return el_buf_printf(out,
                             "%d of the %d analyses with the lowest score, %s, are valid; %d "
                             "are enough",
                             x->valid, x->at_lowest, score, r->k);
    case EL_LABEL_NO_ISSUE:
        return x->lowest == EL_SCORE_NONE
                   ? el_buf_printf(out, "none of the %d analyses reports an issue", x->parsed)
                   : el_buf_printf(out, "no analysis that reports an issue is valid");
    case EL_LABEL_TOO_FEW:
        return el_buf_printf(out,
                             "%d of the %d analyses with the lowest score, %s, are valid; %d "
                             "are needed",
                             x->valid, x->at_lowest, score, r->k);
    case EL_LABEL_HIGHER:
        return el_buf_printf(out,
                             "no analysis with the lowest score, %s, is valid, but one with a "
                             "higher score is",
                             score);
    case EL_LABEL_UNDETERMINED:
        return el_buf_printf(out,
                             "no analysis that reports an issue is valid, but of %d it could "
                             "not be determined",
                             x->undetermined);
    case EL_LABEL_UNPARSED:
        return el_buf_printf(out, "only %d of %d analyses could be read", x->parsed, r->n);
    default:
        return el_buf_puts(out, "unknown");
    }
}
