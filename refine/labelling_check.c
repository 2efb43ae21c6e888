/* The invariants of refine/labelling.h. */
#include "refine/labelling.h"

static int missing_analyses(const struct el_labelling *s, const struct el_label_item *x)
{
    int n = 0;
    for (int i = 0; i < s->set.rule.n; i++)
        n += i >= x->cap || x->analyses[i].state == EL_VOTE_NONE;
    return n;
}

/* Of the texts of the item that were asked about. */
static int missing_metas(const struct el_labelling *s, int item)
{
    int n = 0;
    for (int t = 0; t < s->n_texts; t++)
        for (int i = 0; s->texts[t].item == item && i < s->texts[t].wanted; i++)
            n += s->texts[t].metas[i].state == EL_VOTE_NONE;
    return n;
}

static const char *check_texts(const struct el_labelling *s, int item)
{
    const struct el_label_item *x = &s->items[item];
    for (int i = 0; i < x->cap; i++) {
        int issues = x->analyses[i].state == EL_VOTE_DONE && x->analyses[i].halves < EL_SCORE_ONE;
        if ((x->texts[i] >= 0) != issues)
            return "an analysis with issues has a text, another has none";
        if (issues && s->texts[x->texts[i]].sample > i)
            return "a text stands for a later sample";
        if (issues && s->texts[x->texts[i]].item != item)
            return "a text belongs to another item";
    }
    return NULL;
}

static const char *check_item(const struct el_labelling *s, int item)
{
    const struct el_label_item *x = &s->items[item];
    int analyses = missing_analyses(s, x), metas = missing_metas(s, item);
    switch (x->stage) {
    case EL_STAGE_ANALYSES:
        return analyses == x->outstanding && analyses > 0 && metas == 0
                   ? check_texts(s, item)
                   : "stage of analyses: what is missing is outstanding";
    case EL_STAGE_METAS:
        return metas == x->outstanding && metas > 0 && analyses == 0
                   ? check_texts(s, item)
                   : "stage of meta-assessments: what is missing is outstanding";
    case EL_STAGE_DECIDED:
        return x->outstanding == 0 && analyses == 0 && metas == 0 ? check_texts(s, item)
                                                                  : "decided, but not complete";
    default:
        return s->started ? "an item that nobody planned" : NULL;
    }
}

const char *el_labelling_check(const struct el_labelling *s)
{
    int64_t outstanding = 0;
    int decided = 0;
    for (int i = 0; i < s->n_items; i++) {
        const char *wrong = check_item(s, i);
        if (wrong)
            return wrong;
        outstanding += s->items[i].outstanding;
        decided += s->items[i].stage == EL_STAGE_DECIDED;
    }
    if (outstanding != s->outstanding[0] + s->outstanding[1])
        return "the outstanding tasks do not add up";
    return decided == s->decided ? NULL : "the decided items do not add up";
}
