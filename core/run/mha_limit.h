/* The longest prompts for which masked MHA pays, found by trying lengths. */
#ifndef EL_RUN_MHA_LIMIT_H
#define EL_RUN_MHA_LIMIT_H

/* Whether masked MHA pays for a prompt of n tokens. */
typedef int (*el_mha_pays_fn)(void *user, int n);

/* Tries 64, 96, 128, 192, 256, 384 .. and at last `longest` itself, and returns the last length
 * that paid, so that nothing is taken for granted that was not tried; 0 where none paid, or where
 * `longest` is under 64. One length that does not pay is passed over when the next one does, the
 * first one, too: a hiccup of the machine may be to blame, and the two forms cost nearly the same
 * for the shortest prompts. The second one in a row ends the search. */
int el_mha_limit_find(el_mha_pays_fn pays, void *user, int longest);

#endif
