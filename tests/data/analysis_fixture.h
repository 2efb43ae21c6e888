/* A flawed proof, and the phrases around its analyses. */
#ifndef EL_TESTS_DATA_ANALYSIS_FIXTURE_H
#define EL_TESTS_DATA_ANALYSIS_FIXTURE_H

static const char statement[] = "Show that (1) 98=16*x+9*y for some x,y; (2) 7 divides "
                                "x*x+4*x+9 for an x; (3) some of 3,8,19,30 add up to 57.";

/* Wrong: 9*2=19, its total 99 of 98; 5+9=14 omitted; claim 3 not addressed; not closed. */
static const char proof[] = "(1) x=5, y=2.\n16*5=80.\n9*2=19.\n80+19=99.\n"
                            "(2) x=1.\n1*1+4*1=5.\n7*2=14.\n";

#define OPEN     "Here is my evaluation of the solution:\n"
#define SCORE(s) "Based on my evaluation, the final overall score should be:\n\\boxed{" s "}"

#endif
