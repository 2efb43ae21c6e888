#include "training/rl/drops.h"

#include <stdio.h>

static int put(struct el_buf *out, const char *name, double value)
{
    return el_buf_printf(out, ",\"%s\":%.6g", name, value);
}

static int put_mean(struct el_buf *out, const char *name, int64_t sum, int64_t n)
{
    return n ? put(out, name, (double)sum / (double)n) : 0;
}

static int put_rates(const struct el_tally_lengths *x, struct el_buf *out)
{
    int rc = 0;
    for (int i = 0; i < EL_LENGTH_CLASSES && rc == 0; i++) {
        char name[64];
        size_t end = el_length_class_bytes(i);
        snprintf(name, sizeof name, "drops/judge_rate/%s_%zu", end ? "below" : "from",
                 end ? end : el_length_class_bytes(i - 1));
        rc = put_mean(out, name, x->dropped[i], x->asked[i]);
    }
    return rc;
}

int el_rl_drops_json(const struct el_rl_judge_counts *judge, int64_t refused, struct el_buf *out)
{
    int rc = put(out, "drops/judge", (double)judge->lost);
    if (rc == 0)
        rc = put_rates(&judge->lengths, out);
    if (rc == 0)
        rc = put_mean(out, "drops/judge_proof_bytes", judge->lost_bytes, judge->lost);
    if (rc == 0)
        rc = put(out, "drops/prompt", (double)refused);
    if (rc == 0)
        rc = put(out, "judge/asked", (double)judge->asked);
    if (rc == 0)
        rc = put(out, "judge/unreadable", (double)judge->unreadable);
    if (rc == 0)
        rc = put_mean(out, "judge/proof_bytes", judge->judged_bytes, judge->judged);
    return rc;
}
