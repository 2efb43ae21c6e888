#include "data/world_parts.h"

#include <string.h>

const char *el_world_kind_name(int kind)
{
    static const char *const names[EL_KINDS] = {
        "right",       "wrong step",    "repeated step", "omitted step",    "wrong total",
        "bad witness", "not addressed", "malformed",     "no closing line", "unreadable"};
    return kind >= 0 && kind < EL_KINDS ? names[kind] : NULL;
}

int el_world_is_fatal(enum el_world_kind kind)
{
    if (kind == EL_KIND_RIGHT || kind == EL_KIND_OMITTED)
        return -1;
    return kind != EL_KIND_AGAIN && kind != EL_KIND_UNCLOSED;
}

double el_world_score_of(int fatal, int minor, int omitted)
{
    if (fatal || omitted > 2)
        return 0;
    return minor || omitted ? 0.5 : 1;
}

/* ---- Reading the text into raw lines ---- */

struct raw {
    int headings, n;
    int malformed;
    int abandoned; /* a total declared wrong: a fresh heading must follow */
    struct el_world_step line[EL_WORLD_LINES];
};

struct reading {
    const struct el_world_problem *p;
    struct el_world_report *out;
    struct raw raw[EL_WORLD_CLAIMS];
    int current; /* claim of the section, -1 in front of the first heading */
};

/* A first heading, or one that begins the claim afresh. */
static void read_heading(struct reading *g, int claim, size_t begin, struct el_world_scan *line)
{
    struct raw *raw = &g->raw[claim];
    struct el_world_witness *w = &g->out->claim[claim].witness;
    int afresh = raw->abandoned && g->current == claim;
    g->current = claim;
    if (raw->headings && !afresh) {
        raw->malformed = 1;
        return;
    }
    raw->headings = 1;
    raw->n = raw->abandoned = 0;
    g->out->claim[claim].abandoned += afresh;
    g->out->claim[claim].begin = begin;
    if (!el_world_scan_witness(line, g->p->claim[claim].family, w) || !el_world_scan_stop(line)) {
        w->n = 0;
        raw->malformed = 1;
    }
}

/* What a remark says falsely of the lines in front of it, and where it abandons them how many of
 * these are false. */
static int count_untrue(const struct el_world_claim *c, const struct raw *raw,
                        const struct el_world_remark *remark)
{
    int untrue = remark->right != (remark->total == remark->target);
    if (raw->n && remark->total != raw->line[raw->n - 1].result)
        untrue = 1;
    if (c->family != EL_WORLD_MOD ? remark->target != c->total
                                  : raw->n > 1 && remark->target != raw->line[1].result)
        untrue = 1;
    for (int i = 0; !remark->right && i < raw->n; i++)
        untrue += el_world_eval(&raw->line[i]) != raw->line[i].result;
    return untrue;
}

static void read_step(struct reading *g, struct el_world_scan *line)
{
    struct raw *raw = &g->raw[g->current < 0 ? 0 : g->current];
    struct el_world_scan s = *line;
    struct el_world_remark remark;
    if (g->current >= 0 && !raw->abandoned && el_world_scan_remark(&s, &remark)) {
        raw->abandoned = !remark.right;
        g->out->claim[g->current].untrue += count_untrue(&g->p->claim[g->current], raw, &remark);
    } else if (g->current < 0 || raw->abandoned || raw->n == EL_WORLD_LINES ||
               !el_world_scan_step(line, &raw->line[raw->n]) || !el_world_scan_stop(line))
        raw->malformed = 1;
    else
        raw->n++;
}

static int is_closing(const struct el_world_scan *line)
{
    struct el_world_scan s = *line;
    return el_world_scan_words(&s, "So all claims hold") && el_world_scan_stop(&s);
}

static void read_text(struct reading *g, const char *text, size_t n)
{
    struct el_world_scan all = {text, text + n}, line;
    while (el_world_scan_line(&all, &line)) {
        if (line.p == line.end)
            continue;
        size_t begin = (size_t)(line.p - text), end = (size_t)(line.end - text);
        int k;
        if (g->out->closed) {
            g->raw[g->p->n_claims - 1].malformed = 1;
            return;
        }
        if (is_closing(&line)) {
            g->out->closed = 1;
            continue;
        }
        if (el_world_scan_claim_mark(&line, &k) && k >= 1 && k <= g->p->n_claims) {
            read_heading(g, k - 1, begin, &line);
        } else {
            read_step(g, &line);
        }
        if (g->current >= 0)
            g->out->claim[g->current].end = end;
    }
}

/* ---- Judging one claim ---- */

struct judging {
    const struct el_world_claim *c;
    struct el_world_claim_report *out;
    int r[EL_WORLD_LIST]; /* results of the expected steps before `next` */
    int next, n;
};

static void add_line(struct el_world_claim_report *out, enum el_world_kind kind,
                     const struct el_world_step *s)
{
    out->line[out->n_lines++] = (struct el_world_line){kind, *s};
}

/* Declares the expected steps up to `to` omitted, with their computed results. 0 when one of them
 * cannot be named within the world's numbers. */
static int omit_up_to(struct judging *j, int to)
{
    for (; j->next < to; j->next++) {
        struct el_world_step e;
        el_world_expected(j->c, &j->out->witness, j->next, j->r, &e);
        if (e.result > EL_WORLD_MAX)
            return 0;
        j->r[j->next] = e.result;
        add_line(j->out, EL_KIND_OMITTED, &e);
    }
    return 1;
}

/* The first expected step from `next` on that s fills: by its left side, or by shape alone. -1:
 * none. */
static int find_place(const struct judging *j, const struct el_world_step *s, int by_shape)
{
    int r[EL_WORLD_LIST];
    memcpy(r, j->r, sizeof r);
    for (int i = j->next; i < j->n; i++) {
        struct el_world_step e;
        el_world_expected(j->c, &j->out->witness, i, r, &e);
        if (by_shape ? e.shape == s->shape : el_world_matches(j->c, i, &e, s))
            return i;
        r[i] = e.result;
    }
    return -1;
}

static int is_repetition(const struct el_world_claim_report *out, const struct el_world_step *s)
{
    for (int i = 0; i < out->n_lines; i++)
        if (out->line[i].kind != EL_KIND_OMITTED && el_world_same_step(&out->line[i].step, s))
            return 1;
    return 0;
}

static int judge_line(struct judging *j, const struct el_world_step *s)
{
    int place = find_place(j, s, 0);
    enum el_world_kind kind = el_world_eval(s) == s->result ? EL_KIND_RIGHT : EL_KIND_WRONG;
    if (place < 0) {
        kind = is_repetition(j->out, s) ? EL_KIND_AGAIN : EL_KIND_WRONG;
        place = kind == EL_KIND_AGAIN ? -1 : find_place(j, s, 1);
    }
    if (place >= 0) {
        if (!omit_up_to(j, place))
            return 0;
        j->r[j->next++] = s->result;
    }
    add_line(j->out, kind, s);
    return 1;
}

static void judge_claim(const struct el_world_claim *c, const struct raw *raw,
                        struct el_world_claim_report *out)
{
    out->state = EL_KIND_RIGHT;
    if (c->family == EL_WORLD_SUB) {
        out->n_list = c->n;
        memcpy(out->list, c->v, (size_t)c->n * sizeof *c->v);
        el_world_look_up(c, &out->witness, out->listed);
    }
    out->withdrawn = raw->abandoned;
    if (raw->malformed || raw->abandoned)
        out->state = EL_KIND_MALFORMED;
    else if (!raw->headings)
        out->state = EL_KIND_UNADDRESSED;
    else if (!el_world_witness_fits(c, &out->witness))
        out->state = EL_KIND_BAD_WITNESS;
    if (out->state != EL_KIND_RIGHT)
        return;
    struct judging j = {.c = c, .out = out, .n = el_world_steps(c, &out->witness)};
    int fine = 1;
    for (int i = 0; i < raw->n && fine; i++)
        fine = judge_line(&j, &raw->line[i]);
    if (!fine || !omit_up_to(&j, j.n)) {
        out->state = EL_KIND_MALFORMED;
        out->n_lines = 0;
        return;
    }
    el_world_totals(c, &out->witness, j.r, &out->total, &out->target);
}

/* ---- Defects and score ---- */

static void add_defect(struct el_world_report *out, int claim, int line, enum el_world_kind kind)
{
    out->defect[out->n_defects++] = (struct el_world_defect){claim, line, kind};
}

static void collect(struct el_world_report *out)
{
    for (int i = 0; i < out->n_claims; i++) {
        const struct el_world_claim_report *c = &out->claim[i];
        if (c->state != EL_KIND_RIGHT) {
            add_defect(out, i, -1, c->state);
            continue;
        }
        for (int k = 0; k < c->n_lines; k++)
            if (c->line[k].kind != EL_KIND_RIGHT)
                add_defect(out, i, k, c->line[k].kind);
        if (c->total != c->target)
            add_defect(out, i, -1, EL_KIND_TOTAL);
    }
    if (!out->closed)
        add_defect(out, -1, -1, EL_KIND_UNCLOSED);
}

void el_world_judge_proof(const struct el_world_problem *p, const char *text, size_t n,
                          struct el_world_report *out)
{
    memset(out, 0, sizeof *out);
    out->n_claims = p->n_claims;
    out->look_up = 2;
    struct reading g = {.p = p, .out = out, .current = -1};
    read_text(&g, text, n);
    for (int i = 0; i < p->n_claims; i++)
        judge_claim(&p->claim[i], &g.raw[i], &out->claim[i]);
    collect(out);
    int fatal = 0, minor = 0, omitted = 0;
    for (int i = 0; i < out->n_defects; i++) {
        int is_fatal = el_world_is_fatal(out->defect[i].kind);
        fatal += is_fatal == 1;
        minor += is_fatal == 0;
        omitted += is_fatal < 0;
    }
    out->score = el_world_score_of(fatal, minor, omitted);
}

int el_world_claim_is_right(const struct el_world_report *r, int i)
{
    for (int k = 0; k < r->n_defects; k++)
        if (r->defect[k].claim == i)
            return 0;
    return 1;
}

int el_world_answer_holds(const struct el_world_problem *p, const struct el_world_report *r)
{
    for (int i = 0; i < r->n_claims; i++)
        if (r->claim[i].withdrawn || !el_world_witness_holds(&p->claim[i], &r->claim[i].witness))
            return 0;
    return 1;
}
