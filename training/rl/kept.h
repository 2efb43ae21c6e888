/* What rejection sampling keeps, as files of JSON lines, written whole or not at all:
 *
 *   kept.jsonl       {"batches": n, "drops/judge": ...}, what was dropped (training/rl/drops.h),
 * and a line {"role": NAME, "prompt": tokens, "ids": [...]} for each completion kept.part.jsonl
 * {"batches": n, "counts": [...]} and those lines, while batches are missing */
#ifndef EL_TRAINING_RL_KEPT_H
#define EL_TRAINING_RL_KEPT_H

#include "roles/role.h"
#include "training/rl/judge.h"

/* Counts over the batches sampled so far. */
struct el_rl_kept_tally {
    int batches;
    int64_t sampled[EL_ROLES], kept[EL_ROLES]; /* completions */
    int64_t refused;                           /* prompts */
    struct el_rl_judge_counts judge;
};

/* Writes kept.jsonl. EL_ENOMEM, or what the system says. */
int el_rl_kept_write(const char *path, const struct el_rl_kept_tally *t, const struct el_buf *lines,
                     struct el_error *err);

/* Writes kept.part.jsonl, and reads it back: the tally (all zero before) and the lines, appended.
 * EL_EFORMAT names file and field; more than `batches` batches are of another run. */
int el_rl_kept_save_part(const char *path, const struct el_rl_kept_tally *t,
                         const struct el_buf *lines, struct el_error *err);
int el_rl_kept_load_part(const char *path, int batches, struct el_rl_kept_tally *t,
                         struct el_buf *lines, struct el_error *err);

/* One completion that was kept. */
struct el_rl_example {
    enum el_role role;
    int prompt, n; /* tokens: of the prompt, in all */
    int32_t *ids;
};

struct el_rl_kept {
    char *drops; /* of the sampling, as training/rl/drops.h prints them; NULL: not known */
    struct el_rl_example *item;
    size_t n, room;
};

/* Reads kept.jsonl into k (all zero before); ids lie below `vocab`. EL_EFORMAT names file and line.
 * Release it, also after an error. */
int el_rl_kept_read(struct el_rl_kept *k, const char *path, int vocab, struct el_error *err);
void el_rl_kept_release(struct el_rl_kept *k);

#endif
