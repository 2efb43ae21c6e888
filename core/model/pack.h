/* Rows of several sequences packed one after another, on the host, and their copy on the device.
 *
 * Training packs whole sequences: position 0..T-1 each, keys in the pass's own rows. Nothing is
 * padded. Sequences that begin alike (the completions of one prompt) may share the rows of their
 * beginning:
 *
 *   rows   | p p p p a a a | b b | c c c |     family: a sequence "ppppaaa" and its
 *   pos      0 1 2 3 4 5 6   4 5   4 5 6       branches "ppppbb" and "ppppccc"
 *   times    3 3 3 3 1 1 1   1 1   1 1 1
 *
 * A branch has rows for its own tokens only; its keys are the shared rows and its own. What a row
 * computes is what it would compute without sharing, to the last bit, since it depends on its keys
 * alone. Gradients of the shared rows are the sums over the sequences they stand for, added inside
 * attention; a loss of the shared rows themselves (the indexer's) counts `times` often. */
#ifndef EL_MODEL_PACK_H
#define EL_MODEL_PACK_H

#include "core/model/pass.h"

struct el_pack {
    int rows, sequences, families; /* filled so far; a sequence without branches is a family, too */
    int max_rows, max_sequences;   /* room */
    int max_pos;
    int32_t *token, *target, *seq, *pos; /* (max_rows) host; target -1: no loss */
    float *weight;                       /* (max_rows) loss weight of the target */
    float *times;                        /* (max_rows) how many sequences a row belongs to */
    int32_t *start;                      /* (max_sequences) first row of each sequence */
    int32_t *shared;                     /* (max_sequences) positions in the family's first rows */
    int32_t *family;                     /* (max_sequences) first sequence of each family */
    int32_t *tables;                     /* (sequences, max_pos + 1) row of each position, filled
                                            by upload when sequences share; grown as needed */
    size_t tables_room;
    struct el_device *device;
    int32_t *d_token, *d_seq, *d_pos, *d_start, *d_shared, *d_tables; /* device copies */
    float *d_times;
};

int el_pack_init(struct el_pack *p, struct el_device *d, int max_rows, int max_sequences,
                 struct el_error *err);
void el_pack_release(struct el_pack *p);
void el_pack_clear(struct el_pack *p);

/* Appends one sequence of n >= 1 tokens. weight[i] (n) is the loss weight of predicting tokens[i];
 * weight[0] is not used, since nothing predicts the first token; NULL: no loss anywhere.
 * EL_ELIMIT when it does not fit any more (the pack is unchanged), EL_EINVAL for a token outside
 * 0..vocab-1. */
int el_pack_add(struct el_pack *p, const int32_t *tokens, const float *weight, int n, int vocab,
                struct el_error *err);

/* The same for a sequence whose first `shared` tokens (0..n-1 of them) are those of the last
 * sequence that el_pack_add appended: a branch of it, which takes n - shared rows. weight[shared]
 * and what stands before it are not used: a shared row has the targets it was added with. EL_EINVAL
 * when the tokens differ, EL_ENOMEM (the pack is unchanged). shared 0: el_pack_add. */
int el_pack_branch(struct el_pack *p, int shared, const int32_t *tokens, const float *weight, int n,
                   int vocab, struct el_error *err);

/* Copies to the device and fills the pass's rows, tokens and times. */
void el_pack_upload(struct el_pack *p, struct el_pass *pass);

#endif
