/* Long work reports through this, whoever shows it. A NULL pointer means nobody is looking. */
#ifndef EL_BASE_PROGRESS_H
#define EL_BASE_PROGRESS_H

#include <signal.h>
#include <stdint.h>

struct el_progress {
    /* done of total units (total 0: unknown); note: a short text such as "loss 1.23", may be NULL.
     * Called often: the receiver decides how often to draw. */
    void (*update)(struct el_progress *p, int64_t done, int64_t total, const char *note);
    void *user;
};

static inline void el_progress_update(struct el_progress *p, int64_t done, int64_t total,
                                      const char *note)
{
    if (p && p->update)
        p->update(p, done, total, note);
}

/* Set by the program's SIGINT/SIGTERM handler; long work looks at it between steps, saves and
 * returns EL_EINTR. */
extern volatile sig_atomic_t el_stop_requested;

#endif
