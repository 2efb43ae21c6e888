#include "data/dataset.h"

#include "core/base/alloc.h"
#include "data/store_row.h"

#include <stdlib.h>
#include <string.h>

/* One row per opinion (data/schema_4.sql), copies of a text side by side. */
#define OPINIONS                                                                                   \
    "SELECT s.rater_kind, s.halves, p.key, p.set_name, p.statement, y.key, y.text, y.author"
#define FROM_SCORES " FROM opinions AS o JOIN scores AS s ON s.id = o.score "

static const char dv_sql[] =
    OPINIONS ", NULL, NULL, NULL" FROM_SCORES "JOIN proofs AS y ON y.id = s.proof "
             "JOIN problems AS p ON p.id = y.problem "
             "ORDER BY p.key, y.text, y.key";
static const char dmv_sql[] =
    OPINIONS ", a.key, a.text, a.author" FROM_SCORES "JOIN analyses AS a ON a.id = s.analysis "
             "JOIN proofs AS y ON y.id = a.proof "
             "JOIN problems AS p ON p.id = y.problem "
             "ORDER BY p.key, y.text, a.text, y.key, a.key";

enum column {
    COL_RATER_KIND,
    COL_HALVES,
    COL_PROBLEM_KEY,
    COL_SET,
    COL_STATEMENT,
    COL_PROOF_KEY,
    COL_PROOF,
    COL_AUTHOR,
    COL_ANALYSIS_KEY,
    COL_ANALYSIS,
    COL_ANALYSIS_AUTHOR
};

/* The rows of one (X, Y) or (X, Y, V), as they come. */
struct group {
    int open;
    int left_out;                    /* by what all its rows share; -1: not */
    int by_author;                   /* rows by the filter's authors */
    int tally[el_dataset_raters][3]; /* opinions by kind and halves */
    struct el_dataset_item item;
};

struct loader {
    struct el_dataset *d;
    const struct el_dataset_filter *f;
    struct group g;
    char proof_key[EL_DIGEST_HEX], analysis_key[EL_DIGEST_HEX]; /* of the last row that counted */
};

const char *el_dataset_name(enum el_dataset_what what)
{
    return what == EL_DATASET_DV ? "D_v" : "D_mv";
}

/* ------------------------------------------------------------------------------- the filter */

int el_dataset_raters_parse(const char *text, unsigned *bits, struct el_error *err)
{
    unsigned found = 0;
    for (const char *p = text;;) {
        size_t n = strcspn(p, ",");
        int kind = 0;
        while (kind < el_dataset_raters &&
               (strlen(el_rater_kind_name((enum el_rater_kind)kind)) != n ||
                strncmp(el_rater_kind_name((enum el_rater_kind)kind), p, n) != 0))
            kind++;
        if (kind == el_dataset_raters)
            return el_error_set(err, EL_EINVAL,
                                "raters: '%.*s' is none of adjudicated, human, oracle, label",
                                n < 40 ? (int)n : 40, p);
        found |= 1u << kind;
        if (!p[n])
            break;
        p += n + 1;
    }
    *bits = found;
    return 0;
}

static int check_filter(const struct el_dataset_filter *f, enum el_dataset_what what,
                        struct el_error *err)
{
    if (f->raters >> el_dataset_raters)
        return el_error_set(err, EL_EINVAL,
                            "raters: only adjudicated, human, oracle and label give labels");
    if (what == EL_DATASET_DV && (f->analysis_author || f->analysis_min || f->analysis_max))
        return el_error_set(err, EL_EINVAL, "D_v has no analyses to filter by");
    return 0;
}

static int outside(size_t n, size_t min, size_t max)
{
    return n < min || (max && n > max);
}

/* What all rows of a group share. */
static int reason_of(const struct el_dataset_filter *f, const char *set,
                     const struct el_dataset_item *item)
{
    if (f->set && strcmp(f->set, set) != 0)
        return EL_LEFT_OUT_SET;
    if (outside(strlen(item->proof), f->proof_min, f->proof_max))
        return EL_LEFT_OUT_PROOF_LENGTH;
    if (item->analysis && outside(strlen(item->analysis), f->analysis_min, f->analysis_max))
        return EL_LEFT_OUT_ANALYSIS_LENGTH;
    return -1;
}

static int by_author(const struct el_dataset_filter *f, struct el_sql *q)
{
    return (!f->author || strcmp(f->author, el_sql_col_string(q, COL_AUTHOR)) == 0) &&
           (!f->analysis_author ||
            strcmp(f->analysis_author, el_sql_col_string(q, COL_ANALYSIS_AUTHOR)) == 0);
}

/* ------------------------------------------------------------------------------- the labels */

/* The most trusted kind with an opinion (the enum goes from most to least trusted); -1: none. */
static int deciding_kind(const struct group *g)
{
    for (int kind = 0; kind < el_dataset_raters; kind++)
        if (g->tally[kind][0] + g->tally[kind][1] + g->tally[kind][2])
            return kind;
    return -1;
}

/* The lower median: of n opinions in ascending order number (n - 1) / 2, counted from 0. */
static void decide(struct group *g, int kind)
{
    const int *tally = g->tally[kind];
    struct el_dataset_item *item = &g->item;
    item->rater_kind = (enum el_rater_kind)kind;
    item->opinions = tally[0] + tally[1] + tally[2];
    int place = (item->opinions - 1) / 2;
    item->halves = place < tally[0] ? 0 : place < tally[0] + tally[1] ? 1 : 2;
}

static int append(struct el_dataset *d, struct group *g, struct el_error *err)
{
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 64;
        struct el_dataset_item *item = el_realloc(d->item, cap * sizeof *item);
        if (!item)
            return el_error_set(err, EL_ENOMEM, "out of memory for %zu items of %s", cap,
                                el_dataset_name(d->what));
        d->item = item;
        d->cap = cap;
    }
    const struct el_dataset_item *item = &g->item;
    d->item[d->n++] = *item;
    d->by_class[item->halves]++;
    d->by_rater[item->rater_kind]++;
    d->merged += (size_t)item->copies - 1;
    d->disputed += g->tally[item->rater_kind][item->halves] < item->opinions;
    g->item.memory = NULL; /* it is the dataset's now */
    return 0;
}

static int finish(struct loader *l, struct el_error *err)
{
    struct group *g = &l->g;
    if (!g->open)
        return 0;
    int kind = deciding_kind(g), rc = 0;
    int reason = g->left_out >= 0    ? g->left_out
                 : g->by_author == 0 ? EL_LEFT_OUT_AUTHOR
                 : kind < 0          ? EL_LEFT_OUT_RATER
                                     : -1;
    if (reason < 0) {
        decide(g, kind);
        rc = l->f->fits ? l->f->fits(l->f->fits_user, &g->item, err) : 1;
        reason = rc ? -1 : EL_LEFT_OUT_TOO_LONG;
    }
    l->d->labelled++;
    if (reason >= 0)
        l->d->left_out[reason]++;
    else if (rc > 0)
        rc = append(l->d, g, err);
    el_free(g->item.memory);
    memset(g, 0, sizeof *g);
    return rc;
}

/* --------------------------------------------------------------------------------- the rows */

static int same_pair(const struct group *g, struct el_sql *q)
{
    const struct el_dataset_item *item = &g->item;
    return g->open && strcmp(item->problem_key, el_sql_col_string(q, COL_PROBLEM_KEY)) == 0 &&
           strcmp(item->proof, el_sql_col_string(q, COL_PROOF)) == 0 &&
           (!item->analysis || strcmp(item->analysis, el_sql_col_string(q, COL_ANALYSIS)) == 0);
}

static int start(struct loader *l, struct el_sql *q, struct el_error *err)
{
    struct el_dataset_item *item = &l->g.item;
    item->statement = el_sql_col_string(q, COL_STATEMENT);
    item->proof = el_sql_col_string(q, COL_PROOF);
    item->analysis = l->d->what == EL_DATASET_DMV ? el_sql_col_string(q, COL_ANALYSIS) : NULL;
    el_row_key(q, COL_PROBLEM_KEY, item->problem_key);
    const char **const fields[] = {&item->statement, &item->proof, &item->analysis};
    int rc = el_row_own(fields, 3, &item->memory, err);
    if (rc < 0)
        return rc;
    l->g.open = 1;
    l->g.left_out = reason_of(l->f, el_sql_col_string(q, COL_SET), item);
    return 0;
}

/* Rows come with their keys ascending, so the first that counts has the lowest. */
static void count_copy(struct loader *l, struct el_sql *q)
{
    struct el_dataset_item *item = &l->g.item;
    char proof[EL_DIGEST_HEX], analysis[EL_DIGEST_HEX];
    el_row_key(q, COL_PROOF_KEY, proof);
    el_row_key(q, COL_ANALYSIS_KEY, analysis);
    if (item->copies == 0) {
        memcpy(item->proof_key, proof, sizeof proof);
        memcpy(item->analysis_key, analysis, sizeof analysis);
    }
    item->copies += item->copies == 0 || strcmp(l->proof_key, proof) != 0 ||
                    strcmp(l->analysis_key, analysis) != 0;
    memcpy(l->proof_key, proof, sizeof proof);
    memcpy(l->analysis_key, analysis, sizeof analysis);
}

static int take_row(struct loader *l, struct el_sql *q, struct el_error *err)
{
    int rc = 0;
    if (!same_pair(&l->g, q)) {
        rc = finish(l, err);
        if (rc == 0)
            rc = start(l, q, err);
    }
    if (rc < 0 || !by_author(l->f, q))
        return rc;
    l->g.by_author++;
    int kind = el_rater_kind_from_name(el_sql_col_string(q, COL_RATER_KIND));
    int halves = el_sql_col_optional(q, COL_HALVES);
    if (kind < 0 || kind >= el_dataset_raters || halves < 0 || halves > 2)
        return el_error_set(err, EL_EFORMAT, "%s: a label of %d halves by '%s'", q->s->path, halves,
                            el_sql_col_string(q, COL_RATER_KIND));
    if (l->f->raters && !(l->f->raters >> kind & 1))
        return 0;
    count_copy(l, q);
    l->g.tally[kind][halves]++;
    return 0;
}

static int read_all(struct loader *l, struct el_store *s, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, l->d->what == EL_DATASET_DV ? dv_sql : dmv_sql, err);
    if (rc < 0)
        return rc;
    while ((rc = el_sql_step(&q, err)) == 1) {
        rc = take_row(l, &q, err);
        if (rc < 0)
            break;
    }
    el_sql_close(&q);
    if (rc == 0)
        rc = finish(l, err);
    el_free(l->g.item.memory);
    return rc;
}

static int by_keys(const void *a, const void *b)
{
    const struct el_dataset_item *x = a, *y = b;
    int order = strcmp(x->problem_key, y->problem_key);
    if (order == 0)
        order = strcmp(x->proof_key, y->proof_key);
    return order ? order : strcmp(x->analysis_key, y->analysis_key);
}

/* ----------------------------------------------------------------------------------- words */

static const char *const reasons[EL_LEFT_OUT_REASONS] = {"by the set of the problem",
                                                         "by length of the proof",
                                                         "by length of the analysis",
                                                         "by author",
                                                         "by rater kind",
                                                         "as too long for the model"};

/* "40 by length of the proof, 3 by author" */
static int put_left_out(const struct el_dataset *d, struct el_buf *out)
{
    const char *between = "";
    int rc = 0;
    for (int i = 0; i < EL_LEFT_OUT_REASONS && rc == 0; i++) {
        if (d->left_out[i] == 0)
            continue;
        rc = el_buf_printf(out, "%s%zu %s", between, d->left_out[i], reasons[i]);
        between = ", ";
    }
    return rc;
}

int el_dataset_describe(const struct el_dataset *d, struct el_buf *out)
{
    int rc = el_buf_printf(out, "%s: %zu items (score 0: %zu, 0.5: %zu, 1: %zu; by",
                           el_dataset_name(d->what), d->n, d->by_class[0], d->by_class[1],
                           d->by_class[2]);
    const char *between = " ";
    for (int kind = 0; kind < el_dataset_raters && rc == 0; kind++) {
        if (d->by_rater[kind] == 0)
            continue;
        rc = el_buf_printf(out, "%s%s %zu", between, el_rater_kind_name((enum el_rater_kind)kind),
                           d->by_rater[kind]);
        between = ", ";
    }
    if (rc == 0)
        rc = el_buf_putc(out, ')');
    if (rc == 0 && d->merged)
        rc = el_buf_printf(out, ", %zu copies merged", d->merged);
    if (rc == 0 && d->disputed)
        rc = el_buf_printf(out, ", %zu disputed", d->disputed);
    if (rc == 0 && d->labelled > d->n)
        rc = el_buf_puts(out, "; left out: ");
    return rc == 0 ? put_left_out(d, out) : rc;
}

static int put_length(const char *what, size_t min, size_t max, struct el_buf *out)
{
    int rc = 0;
    if (min)
        rc = el_buf_printf(out, ", %s from %zu bytes", what, min);
    if (max && rc == 0)
        rc = el_buf_printf(out, ", %s up to %zu bytes", what, max);
    return rc;
}

/* "; wanted: set 'IMO2025', proof up to 2000 bytes, raters human" */
static int put_wanted(const struct el_dataset_filter *f, struct el_buf *out)
{
    size_t begin = out->len;
    int rc = f->set ? el_buf_printf(out, ", set '%.100s'", f->set) : 0;
    if (rc == 0)
        rc = put_length("proof", f->proof_min, f->proof_max, out);
    if (rc == 0)
        rc = put_length("analysis", f->analysis_min, f->analysis_max, out);
    if (f->author && rc == 0)
        rc = el_buf_printf(out, ", author '%.60s'", f->author);
    if (f->analysis_author && rc == 0)
        rc = el_buf_printf(out, ", author of the analysis '%.60s'", f->analysis_author);
    if (f->raters && rc == 0)
        rc = el_buf_puts(out, ", raters");
    for (int kind = 0; kind < el_dataset_raters && rc == 0; kind++)
        if (f->raters >> kind & 1)
            rc = el_buf_printf(out, " %s", el_rater_kind_name((enum el_rater_kind)kind));
    if (f->fits && rc == 0)
        rc = el_buf_puts(out, ", what fits the model");
    if (rc == 0 && out->len > begin)
        out->data[begin] = ':';
    return rc;
}

static int nothing(const struct el_dataset *d, const struct el_dataset_filter *f,
                   const struct el_store *s, struct el_error *err)
{
    const char *name = el_dataset_name(d->what);
    if (d->labelled == 0)
        return el_error_set(err, EL_ENOTFOUND,
                            "%s: %s is empty: no %s has a score by adjudicated, human, oracle or "
                            "label",
                            el_store_path(s), name,
                            d->what == EL_DATASET_DV ? "proof" : "analysis");
    struct el_buf left, wanted;
    el_buf_init(&left);
    el_buf_init(&wanted);
    int rc = put_left_out(d, &left);
    if (rc == 0)
        rc = put_wanted(f, &wanted);
    rc = rc < 0 ? el_error_set(err, rc, "%s: out of memory", el_store_path(s))
                : el_error_set(err, EL_ENOTFOUND,
                               "%s: %s is empty: of %zu labelled, %s are left out; wanted%s",
                               el_store_path(s), name, d->labelled, left.data, wanted.data);
    el_buf_release(&left);
    el_buf_release(&wanted);
    return rc;
}

/* ------------------------------------------------------------------------------- the whole */

int el_dataset_load(struct el_dataset *d, struct el_store *s, enum el_dataset_what what,
                    const struct el_dataset_filter *f, struct el_error *err)
{
    static const struct el_dataset_filter all;
    struct loader l = {.d = d, .f = f ? f : &all};
    memset(d, 0, sizeof *d);
    d->what = what;
    int rc = check_filter(l.f, what, err);
    if (rc == 0)
        rc = read_all(&l, s, err);
    if (rc == 0 && d->n == 0)
        rc = nothing(d, l.f, s, err);
    if (rc < 0) {
        el_dataset_release(d);
        return rc;
    }
    qsort(d->item, d->n, sizeof *d->item, by_keys);
    return 0;
}

void el_dataset_release(struct el_dataset *d)
{
    for (size_t i = 0; i < d->n; i++)
        el_free(d->item[i].memory);
    el_free(d->item);
    memset(d, 0, sizeof *d);
}

void el_dataset_digest(const struct el_dataset *d, char out[EL_DIGEST_HEX])
{
    struct el_digest g;
    el_digest_init(&g);
    el_digest_str(&g, el_dataset_name(d->what));
    el_digest_u64(&g, d->n);
    for (size_t i = 0; i < d->n; i++) {
        const struct el_dataset_item *item = &d->item[i];
        el_digest_str(&g, item->problem_key);
        el_digest_str(&g, item->proof_key);
        el_digest_str(&g, item->analysis_key);
        el_digest_str(&g, item->statement);
        el_digest_str(&g, item->proof);
        el_row_digest_text(&g, item->analysis);
        el_digest_u64(&g, (uint64_t)item->halves);
        el_digest_str(&g, el_rater_kind_name(item->rater_kind));
    }
    el_digest_hex(&g, out);
}
