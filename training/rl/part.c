#include "training/rl/part.h"

#include <inttypes.h>
#include <stdio.h>

static void show(struct el_progress *base, int64_t done, int64_t total, const char *note)
{
    const struct el_rl_part *p = (const struct el_rl_part *)(const void *)base;
    const struct el_rl_run *t = p->run;
    char text[sizeof t->note + 80];
    (void)note;
    snprintf(text, sizeof text, "%s%s%.30s: %" PRId64 " of %" PRId64, t->note,
             t->note[0] ? "; " : "", p->what, done, total);
    el_progress_update(t->o->progress, t->state.step, t->recipe.schedule.steps, text);
}

void el_rl_part_init(struct el_rl_part *p, const struct el_rl_run *run, const char *what)
{
    *p = (struct el_rl_part){{show, NULL}, run, what};
}
