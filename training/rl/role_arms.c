#include "training/rl/role_arms.h"

#include "core/base/json.h"
#include "refine/metrics.h"

#include <math.h>
#include <string.h>

enum { COLUMNS = EL_ROLE_METRICS + 2, MODELS = 64 };

/* Everything that a report holds, in the order in which it prints it; *name "verifier/format", ...
 */
static double value_at(const struct el_role_report *r, int column, const char **name)
{
    int k = column;
    if (k > EL_ROLE_V_ACCURACY && --k == EL_ROLE_V_ACCURACY) {
        *name = "verifier/balanced_accuracy";
        return r->verifier_balanced.value;
    }
    if (k > EL_ROLE_M_ACCURACY && --k == EL_ROLE_M_ACCURACY) {
        *name = "meta_verifier/balanced_accuracy";
        return r->meta_balanced.value;
    }
    *name = el_role_metric_name(k);
    return r->metric[k].value;
}

/* The values that are numbers. */
static int gather(const struct el_role_arm *a, int column, double *x, const char **name)
{
    int n = 0;
    for (int i = 0; i < a->n && i < MODELS; i++) {
        double v = value_at(&a->report[i], column, name);
        if (!isnan(v))
            x[n++] = v;
    }
    return n;
}

static int put_line(const struct el_role_arm *a, int column, struct el_buf *out)
{
    double x[MODELS], mean, lo, hi;
    const char *name = "";
    int n = gather(a, column, x, &name);
    if (n == 0)
        return 0;
    el_mean_interval(x, n, &mean, &lo, &hi);
    int rc = el_buf_printf(out, "  %-31s %.3f", name, mean);
    if (rc == 0)
        rc = n > 1 ? el_buf_printf(out, "  [%.3f, %.3f] ", lo, hi)
                   : el_buf_puts(out, "                  ");
    for (int i = 0; i < n && rc == 0; i++)
        rc = el_buf_printf(out, " %.3f", x[i]);
    return rc == 0 ? el_buf_putc(out, '\n') : rc;
}

static int put_left_out(const struct el_role_arm *a, int i, struct el_buf *out)
{
    const struct el_role_report *r = &a->report[i];
    if (r->too_long[EL_DATASET_DV] + r->too_long[EL_DATASET_DMV] == 0)
        return 0;
    int rc = el_buf_printf(out, "%s:\n", a->model[i]);
    return rc == 0 ? el_role_report_left_out(r, out) : rc;
}

static int put_arm(const struct el_role_arm *a, struct el_buf *out)
{
    int rc = el_buf_printf(out, "\n%s: %d model%s", a->name, a->n, a->n == 1 ? "" : "s");
    for (int i = 0; i < a->n && rc == 0; i++)
        rc = el_buf_printf(out, "%s%s", i ? ", " : ": ", a->model[i]);
    if (rc == 0)
        rc = el_buf_putc(out, '\n');
    for (int i = 0; i < a->n && rc == 0; i++)
        rc = put_left_out(a, i, out);
    for (int k = 0; k < COLUMNS && rc == 0; k++)
        rc = put_line(a, k, out);
    return rc;
}

int el_role_arms_text(const struct el_role_arm *arm, int n, struct el_buf *out)
{
    int rc = el_buf_puts(out, "Each model: ");
    if (rc == 0)
        rc = el_role_report_asked(&arm->report[0], out);
    if (rc == 0)
        rc = el_buf_puts(out, ". Mean over the models of an arm,\n[95% interval over them, "
                              "Student's t], each model. A reply without a legal score is wrong "
                              "and of quality 0.\n");
    for (int i = 0; i < n && rc == 0; i++)
        rc = put_arm(&arm[i], out);
    return rc;
}

/* ------------------------------------------------------------------------------------ JSON */

static int put_number(double value, struct el_buf *out)
{
    return isnan(value) ? el_buf_puts(out, "null") : el_buf_printf(out, "%.6g", value);
}

static int put_means(const struct el_role_arm *a, struct el_buf *out)
{
    int rc = 0;
    for (int k = 0; k < COLUMNS && rc == 0; k++) {
        double x[MODELS], mean, lo, hi;
        const char *name = "";
        int n = gather(a, k, x, &name);
        if (n == 0)
            continue;
        el_mean_interval(x, n, &mean, &lo, &hi);
        rc = el_buf_printf(out, ",\"%s\":{\"value\":%.6g,\"lo\":", name, mean);
        if (rc == 0)
            rc = put_number(lo, out);
        if (rc == 0)
            rc = el_buf_puts(out, ",\"hi\":");
        if (rc == 0)
            rc = put_number(hi, out);
        if (rc == 0)
            rc = el_buf_putc(out, '}');
    }
    return rc;
}

static int put_model(const struct el_role_arm *a, int i, struct el_buf *out)
{
    int rc = el_buf_puts(out, i ? ",{\"model\":" : "{\"model\":");
    if (rc == 0)
        rc = el_json_quote(out, a->model[i], strlen(a->model[i]));
    if (rc == 0)
        rc = el_buf_puts(out, ",\"report\":");
    if (rc == 0)
        rc = el_role_report_json(&a->report[i], out);
    return rc == 0 ? el_buf_putc(out, '}') : rc;
}

int el_role_arms_json(const struct el_role_arm *arm, int n, struct el_buf *out)
{
    int rc = el_buf_puts(out, "{\"arms\":[");
    for (int i = 0; i < n && rc == 0; i++) {
        rc = el_buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        if (rc == 0)
            rc = el_json_quote(out, arm[i].name, strlen(arm[i].name));
        if (rc == 0)
            rc = put_means(&arm[i], out);
        if (rc == 0)
            rc = el_buf_puts(out, ",\"models\":[");
        for (int k = 0; k < arm[i].n && rc == 0; k++)
            rc = put_model(&arm[i], k, out);
        if (rc == 0)
            rc = el_buf_puts(out, "]}");
    }
    return rc == 0 ? el_buf_puts(out, "]}\n") : rc;
}
