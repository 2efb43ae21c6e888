/* What every report of a run counts: what was left out, by role and reason and by the length of the
 * proof, and what the replies cost. */
#ifndef EL_REFINE_TALLY_H
#define EL_REFINE_TALLY_H

#include "core/base/buf.h"
#include "data/store.h"

struct el_json_out;

struct el_tally_drop {
    char role[32], reason[48];
    int64_t count, proof_bytes; /* sum of the proofs' lengths */
};

struct el_tally_usage {
    char role[32];
    int64_t replies, prompt_tokens, completion_tokens;
};

struct el_tally {
    struct el_tally_drop *drops; /* (n_drops) by role and reason */
    int n_drops;
    struct el_tally_usage usage[8];
    int n_usage;
};

/* Reads the run; t is all zero. Release it. */
int el_tally_load(struct el_tally *t, struct el_store *s, int64_t run, struct el_error *err);
void el_tally_release(struct el_tally *t);

/* Lines "left out: ...", and "tokens: ...". */
int el_tally_put_drops(const struct el_tally *t, struct el_buf *out);
int el_tally_put_usage(const struct el_tally *t, struct el_buf *out);
/* The fields left_out and usage. */
void el_tally_json_drops(const struct el_tally *t, struct el_json_out *j);
void el_tally_json_usage(const struct el_tally *t, struct el_json_out *j);

/* Replies of judges, and dropped ones, by the length of the proof. */
enum { EL_LENGTH_CLASSES = 10 };
int el_length_class(size_t bytes);              /* below 256, 512, ... bytes */
size_t el_length_class_bytes(int length_class); /* its upper end; 0: none */

struct el_tally_lengths {
    int64_t asked[EL_LENGTH_CLASSES], dropped[EL_LENGTH_CLASSES];
};
/* A line "analyses dropped by length of the proof: ..."; nothing when none was dropped. */
int el_tally_put_lengths(const struct el_tally_lengths *x, const char *what, struct el_buf *out);
void el_tally_json_lengths(const struct el_tally_lengths *x, const char *key, const char *what,
                           struct el_json_out *j);

#endif
