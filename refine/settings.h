/* What a competition is run with.
 *
 * Everything here but `analyses` and `analyse_all` decides what the threads write, and so belongs
 * to the identity of the run. The analyses that grade the proofs are made on demand: a later call
 * with more of them adds what is missing. */
#ifndef EL_REFINE_SETTINGS_H
#define EL_REFINE_SETTINGS_H

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/run/completion.h"

#include <stdint.h>

enum el_feedback {
    EL_FEEDBACK_SELF,     /* the generator's own analysis: the paper's sequential mode */
    EL_FEEDBACK_VERIFIER, /* analyses by the verifier */
    EL_FEEDBACK_BOTH,     /* its own first, then the verifier's */
    EL_FEEDBACKS
};
enum el_control {
    EL_CONTROL_NONE,
    EL_CONTROL_SHUFFLE,  /* refine with the analyses of another proof (refine/donor.c) */
    EL_CONTROL_RESAMPLE, /* every round starts afresh; nothing is refined */
    EL_CONTROLS
};
/* "self" ..., "none" ...; back: -1 when unknown. Static storage. */
const char *el_feedback_name(int feedback);
int el_feedback_from_name(const char *name);
const char *el_control_name(int control);
int el_control_from_name(const char *name);

enum { EL_MAX_THREADS = 4096, EL_MAX_ROUNDS = 1024, EL_MAX_ANALYSES = 1024 };

struct el_settings {
    char name[64];         /* of the run: printable, no blanks */
    int threads, rounds;   /* per problem; attempts per thread at most */
    int feedback, control; /* enum el_feedback, enum el_control */
    int feedback_analyses; /* the verifier's analyses that one refinement sees */
    uint64_t seed;
    struct el_sampling generator, verifier;
    int thinking;      /* replies begin with reasoning that "</think>" closes */
    int judge_retries; /* further attempts after an unreadable analysis */
    int index_topk;    /* keys that sparse attention reads, 0: all (for the report) */
    int analyses;      /* per proof that is graded, 0: none */
    int analyse_all;   /* grade the proofs of every round, not only the last */
};

/* The defaults: 32 threads, 8 rounds, self feedback, 32 analyses, temperature 1. */
void el_settings_init(struct el_settings *s);
/* EL_EINVAL naming the field and its range. */
int el_settings_check(const struct el_settings *s, struct el_error *err);

/* Takes over the fields of a preset: a JSON object whose keys are the fields' names, `generator`
 * and `verifier` objects {temperature, top_p, top_k, max_tokens}. Absent keys keep their value,
 * unknown ones are EL_EFORMAT. Identity records (below) are read, too: their further keys
 * problems, verifier_model are skipped. */
int el_settings_read(struct el_settings *s, const cJSON *json, const char *where,
                     struct el_error *err);

/* Appends the identity as canonical JSON (fixed order of keys, numbers that read back exactly):
 * what the store keeps as the run's config. problem_keys (n) name the problems in their order. */
int el_settings_identity(const struct el_settings *s, const char *verifier_model,
                         const char (*problem_keys)[33], int n, struct el_buf *out);

#endif
