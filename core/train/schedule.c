#include "core/train/schedule.h"

#include <math.h>
#include <string.h>

int el_decay_parse(const char *name, enum el_decay *decay, struct el_error *err)
{
    static const char *const names[] = {"constant", "cosine", "linear"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *decay = (enum el_decay)i;
            return 0;
        }
    return el_error_set(err, EL_EINVAL, "decay '%s': expected constant, cosine or linear", name);
}

double el_schedule_lr(const struct el_schedule *s, int64_t step)
{
    if (step < s->warmup)
        return s->lr * (double)(step + 1) / (double)s->warmup;
    double left = (double)(s->steps - 1 - s->warmup);
    double done = left > 0 ? (double)(step - s->warmup) / left : 1;
    done = done > 1 ? 1 : done;
    switch (s->decay) {
    case EL_DECAY_COSINE:
        return s->final_lr + (s->lr - s->final_lr) * 0.5 * (1 + cos(3.141592653589793 * done));
    case EL_DECAY_LINEAR:
        return s->lr + (s->final_lr - s->lr) * done;
    default:
        return s->lr;
    }
}
