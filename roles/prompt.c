/* Prompt sets: four templates, what each must hold, and the values that go into them. */
#include "roles/prompt.h"
#include "core/base/alloc.h"
#include "roles/prompt_template.h"

#include <string.h>

enum { GENERATE, VERIFY, META, REFINE, TEMPLATES };

struct el_prompt_set {
    struct el_prompt_template template[TEMPLATES];
};

#define BIT(FIELD) (1u << EL_FIELD_##FIELD)

static const struct {
    const char *name;
    unsigned needs, may;
} file[TEMPLATES] = {
    [GENERATE] = {"generate.txt", BIT(STATEMENT), 0},
    [VERIFY] = {"verify.txt", BIT(STATEMENT) | BIT(PROOF), BIT(REFERENCE) | BIT(RUBRIC)},
    [META] = {"meta.txt", BIT(STATEMENT) | BIT(PROOF) | BIT(ANALYSIS),
              BIT(REFERENCE) | BIT(RUBRIC)},
    [REFINE] = {"refine.txt", 0,
                BIT(STATEMENT) | BIT(PROOF) | BIT(ANALYSIS) | BIT(INSTRUCTION) | BIT(PROOFS)},
};

static int must_hold(const struct el_prompt_template *t, unsigned needs, struct el_error *err)
{
    for (int f = 0; f < EL_FIELDS; f++)
        if (needs & 1u << f && !(t->requires & 1u << f))
            return el_error_set(err, EL_EFORMAT, "%s: expected the placeholder {%s}", t->path,
                                el_prompt_field_name(f));
    return 0;
}

static int check_refine(const struct el_prompt_template *t, struct el_error *err)
{
    if (!(t->holds & (BIT(STATEMENT) | BIT(INSTRUCTION))))
        return el_error_set(err, EL_EFORMAT,
                            "%s: expected the placeholder {instruction} or {statement}", t->path);
    if (!(t->holds & (BIT(PROOF) | BIT(ANALYSIS) | BIT(PROOFS))))
        return el_error_set(err, EL_EFORMAT,
                            "%s: expected the placeholder {proofs_to_refine}, or {proof} and "
                            "{analysis}",
                            t->path);
    return t->holds & BIT(PROOFS) ? 0 : must_hold(t, BIT(PROOF) | BIT(ANALYSIS), err);
}

static int load_all(struct el_prompt_set *set, const char *dir, struct el_error *err)
{
    for (int i = 0; i < TEMPLATES; i++) {
        int rc = el_prompt_template_load(&set->template[i], dir, file[i].name,
                                         file[i].needs | file[i].may, err);

        if (rc == 0)
            rc = must_hold(&set->template[i], file[i].needs, err);
        if (rc)
            return rc;
    }
    return check_refine(&set->template[REFINE], err);
}

int el_prompt_set_load(const char *dir, struct el_prompt_set **out, struct el_error *err)
{
    struct el_prompt_set *set = el_alloc_array(1, sizeof *set);
    int rc = set ? load_all(set, dir, err)
                 : el_error_set(err, EL_ENOMEM, "prompt set %s: out of memory", dir);

    if (rc)
        el_prompt_set_free(set);
    else
        *out = set;
    return rc;
}

void el_prompt_set_free(struct el_prompt_set *set)
{
    if (!set)
        return;
    for (int i = 0; i < TEMPLATES; i++)
        el_prompt_template_release(&set->template[i]);
    el_free(set);
}

void el_prompt_set_digest(const struct el_prompt_set *set, struct el_digest *d)
{
    for (int i = 0; i < TEMPLATES; i++)
        el_digest_bytes(d, set->template[i].text.data, set->template[i].text.len);
}

int el_prompt_generate(const struct el_prompt_set *set, struct el_slice statement,
                       struct el_buf *out, struct el_error *err)
{
    const struct el_slice values[EL_FIELDS] = {[EL_FIELD_STATEMENT] = statement};

    return el_prompt_template_fill(&set->template[GENERATE], values, out, err);
}

static void put_extras(struct el_slice *values, const struct el_prompt_extras *extras)
{
    if (!extras)
        return;
    values[EL_FIELD_REFERENCE] = extras->reference;
    values[EL_FIELD_RUBRIC] = extras->rubric;
}

int el_prompt_verify(const struct el_prompt_set *set, struct el_slice statement,
                     struct el_slice proof, const struct el_prompt_extras *extras,
                     struct el_buf *out, struct el_error *err)
{
    struct el_slice values[EL_FIELDS] = {
        [EL_FIELD_STATEMENT] = statement, [EL_FIELD_PROOF] = proof};

    put_extras(values, extras);
    return el_prompt_template_fill(&set->template[VERIFY], values, out, err);
}

int el_prompt_meta(const struct el_prompt_set *set, struct el_slice statement,
                   struct el_slice proof, struct el_slice analysis,
                   const struct el_prompt_extras *extras, struct el_buf *out, struct el_error *err)
{
    struct el_slice values[EL_FIELDS] = {
        [EL_FIELD_STATEMENT] = statement, [EL_FIELD_PROOF] = proof, [EL_FIELD_ANALYSIS] = analysis};

    put_extras(values, extras);
    return el_prompt_template_fill(&set->template[META], values, out, err);
}

static int add_view(struct el_buf *b, struct el_slice v)
{
    v = el_slice_trim(v);
    return el_buf_add(b, v.data, v.len);
}

/* Every candidate with its analyses under divider lines, as prompt.h shows. */
static int write_candidates(const struct el_prompt_candidate *c, size_t n, struct el_buf *b)
{
    int bad = 0;

    for (size_t i = 0; i < n; i++) {
        bad |= el_buf_printf(b, "%s--- Solution %zu ---\n", i ? "\n\n\n" : "", i);
        bad |= add_view(b, c[i].proof);
        for (size_t j = 0; j < c[i].n_analyses; j++) {
            bad |= el_buf_printf(b, "\n\n=== Evaluation %zu of Solution %zu ===\n", j, i);
            bad |= add_view(b, c[i].analyses[j]);
        }
    }
    return bad ? EL_ENOMEM : 0;
}

static int write_analyses(const struct el_prompt_candidate *c, struct el_buf *b)
{
    int bad = 0;

    for (size_t j = 0; j < c->n_analyses; j++) {
        if (c->n_analyses > 1)
            bad |= el_buf_printf(b, "%s=== Evaluation %zu ===\n", j ? "\n\n" : "", j);
        bad |= add_view(b, c->analyses[j]);
    }
    return bad ? EL_ENOMEM : 0;
}

static int check_candidates(const struct el_prompt_template *t, struct el_slice statement,
                            const struct el_prompt_candidate *c, size_t n, struct el_error *err)
{
    if (!statement.data)
        return el_error_set(err, EL_EINVAL, "%s: no value was given for {statement}", t->path);
    if (n == 0)
        return el_error_set(err, EL_EINVAL, "%s: expected at least one proof to refine", t->path);
    if (n > 1 && t->holds & (BIT(PROOF) | BIT(ANALYSIS)))
        return el_error_set(err, EL_EINVAL,
                            "%s: {proof} and {analysis} take one proof, %zu were given (several "
                            "need {proofs_to_refine})",
                            t->path, n);
    for (size_t i = 0; i < n; i++)
        if (!c[i].proof.data)
            return el_error_set(err, EL_EINVAL, "%s: no proof was given for candidate %zu", t->path,
                                i);
    return 0;
}

static struct el_slice view_of_buf(const struct el_buf *b)
{
    return el_slice_of(b->data, b->len);
}

int el_prompt_refine(const struct el_prompt_set *set, struct el_slice statement,
                     const struct el_prompt_candidate *candidates, size_t n, struct el_buf *out,
                     struct el_error *err)
{
    const struct el_prompt_template *t = &set->template[REFINE];
    struct el_slice values[EL_FIELDS] = {0};
    struct el_buf made[3]; /* instruction, proofs, analyses */
    int rc = check_candidates(t, statement, candidates, n, err);

    if (rc)
        return rc;
    for (int i = 0; i < 3; i++)
        el_buf_init(&made[i]);
    if (t->holds & BIT(INSTRUCTION))
        rc = el_prompt_generate(set, statement, &made[0], err);
    if (rc == 0 &&
        (write_candidates(candidates, n, &made[1]) || write_analyses(candidates, &made[2])))
        rc = el_error_set(err, EL_ENOMEM, "%s: out of memory", t->path);
    const struct el_slice all[EL_FIELDS] = {
        [EL_FIELD_STATEMENT] = statement,
        [EL_FIELD_PROOF] = candidates[0].proof,
        [EL_FIELD_ANALYSIS] = view_of_buf(&made[2]),
        [EL_FIELD_INSTRUCTION] = view_of_buf(&made[0]),
        [EL_FIELD_PROOFS] = view_of_buf(&made[1]),
    };
    /* The template chooses among the forms; give only what it has a place for. */
    for (int f = 0; f < EL_FIELDS; f++)
        if (t->holds & 1u << f)
            values[f] = all[f];
    if (rc == 0)
        rc = el_prompt_template_fill(t, values, out, err);
    for (int i = 0; i < 3; i++)
        el_buf_release(&made[i]);
    return rc;
}
