/* The report of a labelling for people and as JSON. */
#include "refine/label_report.h"

static int put_head(const struct el_label_report *r, struct el_buf *out)
{
    const struct el_label_settings *s = &r->record.settings;
    int rc =
        el_buf_printf(out,
                      "labelling %s: %d problem%s, %lld proofs, seed %llu\nverifier %.16s "
                      "(%s), temperature %g; meta-verifier's temperature %g; %d retries\nrule ",
                      s->name, r->problems, r->problems == 1 ? "" : "s", (long long)r->proofs,
                      (unsigned long long)s->seed, r->record.model, r->record.mode,
                      s->verifier.temperature, s->meta_verifier.temperature, s->judge_retries);
    if (rc == 0)
        rc = el_label_rule_put(&r->rule, out);
    if (rc == 0 && r->other_rules)
        rc = el_buf_printf(out, " (%lld proofs by another rule)", (long long)r->other_rules);
    if (rc == 0)
        rc = el_buf_putc(out, '\n');
    if (rc == 0 && r->undecided)
        rc = el_buf_printf(out, "UNFINISHED: %lld proofs are not decided\n",
                           (long long)r->undecided);
    return rc;
}

static int put_counts(const struct el_label_report *r, struct el_buf *out)
{
    int rc = el_buf_printf(
        out, "\nlabelled %lld (score 0: %lld, 0.5: %lld, 1: %lld), queued %lld, discarded %lld\n",
        (long long)r->outcome[EL_DECIDED_LABELLED], (long long)r->labels[0],
        (long long)r->labels[1], (long long)r->labels[2], (long long)r->outcome[EL_DECIDED_QUEUED],
        (long long)r->outcome[EL_DECIDED_DISCARDED]);
    for (int i = 0; rc == 0 && i < EL_LABEL_REASONS; i++)
        if (r->reasons[i])
            rc = el_buf_printf(out, "  %-22s %lld\n", el_label_reason_name(i),
                               (long long)r->reasons[i]);
    return rc;
}

static int put_rules(struct el_buf *out)
{
    return el_buf_puts(
        out,
        "\nAn analysis that reports issues is valid when more than half of its readable "
        "meta-assessments confirm\nit; a tie is invalid, more than half dropped is undetermined. k "
        "valid ones at the lowest score: that\nscore. None valid and none undetermined: 1. "
        "Otherwise no label, nor when more than half of the\nanalyses were dropped.\n");
}

int el_label_report_text(const struct el_label_report *r, struct el_buf *out)
{
    int rc = put_head(r, out);
    if (rc == 0)
        rc = put_counts(r, out);
    if (rc == 0 && r->exact)
        rc = el_buf_printf(out,
                           "\nAgainst exact truth, n = %d problems, [..]: 95%% bootstrap over "
                           "problems, %d resamples\n",
                           r->problems, r->resamples);
    if (rc == 0 && r->exact)
        rc = el_label_figures_text(&r->figures, out);
    if (rc == 0)
        rc = put_rules(out);
    if (rc == 0)
        rc = el_tally_put_drops(&r->tally, out);
    if (rc == 0)
        rc = el_tally_put_lengths(&r->analyses, "analyses", out);
    if (rc == 0)
        rc = el_tally_put_lengths(&r->metas, "meta-assessments", out);
    return rc == 0 ? el_tally_put_usage(&r->tally, out) : rc;
}

static void put_rule(const struct el_label_rule *r, struct el_json_out *j)
{
    el_json_open(j, "rule", '{');
    el_json_count(j, "n", r->n);
    el_json_count(j, "m", r->m);
    el_json_count(j, "k", r->k);
    el_json_number(j, "confirm", el_score_value(r->confirm));
    el_json_text(j, "lowest", el_lowest_name(r->lowest));
    el_json_close(j, '}');
}

int el_label_report_json(const struct el_label_report *r, struct el_buf *out)
{
    struct el_json_out j = {.buf = out, .first = 1};
    el_json_open(&j, NULL, '{');
    el_json_text(&j, "run", r->record.settings.name);
    el_json_text(&j, "verifier", r->record.model);
    put_rule(&r->rule, &j);
    el_json_count(&j, "by_other_rules", r->other_rules);
    el_json_count(&j, "problems", r->problems);
    el_json_count(&j, "proofs", r->proofs);
    el_json_count(&j, "undecided", r->undecided);
    for (int i = 0; i < 3; i++)
        el_json_count(&j, el_decided_name((enum el_decided)i), r->outcome[i]);
    el_json_open(&j, "labels", '[');
    for (int c = 0; c < 3; c++)
        el_json_count(&j, NULL, r->labels[c]);
    el_json_close(&j, ']');
    el_json_open(&j, "reasons", '{');
    for (int i = 0; i < EL_LABEL_REASONS; i++)
        el_json_count(&j, el_label_reason_name(i), r->reasons[i]);
    el_json_close(&j, '}');
    if (r->exact) {
        el_json_open(&j, "exact", '{');
        el_label_figures_json(&r->figures, &j);
        el_json_close(&j, '}');
    }
    el_tally_json_drops(&r->tally, &j);
    el_tally_json_lengths(&r->analyses, "analyses_by_length", "analyses", &j);
    el_tally_json_lengths(&r->metas, "metas_by_length", "meta_assessments", &j);
    el_tally_json_usage(&r->tally, &j);
    el_json_close(&j, '}');
    return j.failed ? j.failed : el_buf_putc(out, '\n');
}
