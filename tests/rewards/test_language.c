/* Language consistency: which letters are words, and of which language. */
#include "rewards/language.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void counts(const char *language, const char *text, long target, long words)
{
    const struct el_language *l = el_language_find(language);
    assert_non_null(l);
    struct el_language_count c = el_language_count(l, text, strlen(text));
    if (c.target != target || c.words != words)
        fail_msg("%s \"%s\": %ld of %ld, expected %ld of %ld", language, text, c.target, c.words,
                 target, words);
    double share = el_reward_language_consistency(l, text, strlen(text));
    assert_true(share == (words ? (double)target / (double)words : 1));
}

static void words_by_script(void **state)
{
    (void)state;
    counts("en", "So all claims hold.", 4, 4);
    counts("de", "Also gilt die Behauptung f\xc3\xbcr gerade Zahlen.", 7, 7);
    counts("en", "So \xe6\x98\xbe\xe7\x84\xb6 it holds", 3, 5); /* two Han characters */
    counts("zh", "So \xe6\x98\xbe\xe7\x84\xb6 it holds", 2, 5);
    counts("ja", "\xe3\x81\x93\xe3\x82\x8c\xe6\x98\xbe", 3, 3);
    counts("zh", "\xe3\x81\x93\xe3\x82\x8c\xe6\x98\xbe", 1, 3);
    counts("ru", "\xd0\x9f\xd1\x83\xd1\x81\xd1\x82\xd1\x8c Let", 1, 2);
    counts("ko", "\xec\xa6\x9d\xeb\xaa\x85 \xeb\x81\x9d", 1, 1); /* one syllable is one letter */
    counts("el", "\xce\xb4\xce\xb7\xce\xbb\xce\xb1\xce\xb4\xce\xae", 1, 1);
    counts("he", "\xd7\x9c\xd7\x9b\xd7\x9f", 1, 1);
    counts("ar", "\xd8\xa5\xd8\xb0\xd9\x86", 1, 1);
    counts("hi", "\xe0\xa4\x85\xe0\xa4\xa4\xe0\xa4\x83 done", 1, 2);
}

static void formulas_do_not_count(void **state)
{
    (void)state;
    counts("en", "", 0, 0);
    counts("en", "(1) x=5, y=2.\n16*5=80.\n", 0, 0); /* variables */
    counts("zh", "\xe5\x8f\x96 x=5, sin x, gcd(a,b) mod n", 1, 1);
    counts("zh", "$abc def$ \xe5\x8f\x96 $$ghi jkl$$ \\(mno\\) \\[pqr stu\\]", 1, 1);
    counts("zh", "\\begin{align*}abc\\end{align*}\xe5\x8f\x96\\begin{equation}x\\end{equation}", 1,
           1);
    counts("zh", "\\alpha\\frac \xe5\x8f\x96 \\ref{abc}", 1, 1);
    counts("en", "\\textbf{Proof} of \\begin{proof} it", 3, 3);
    counts("en", "\xce\xb1 and \xce\xb2 are angles", 3, 3); /* Greek letters are variables, too */
    counts("en", "costs 5$ only", 2, 2);                    /* no formula without its end */
    counts("en", "a 5$ fee\n\nand 6$ more", 3, 3);          /* nor over paragraphs */
    counts("en", "x \\( never closed words", 3, 3);
    counts("en", "2 \xc3\x97 3 \xc3\xb7 4", 0, 0); /* signs among the Latin letters */
}

static void malformed_text(void **state)
{
    (void)state;
    counts("en",
           "ab\xff\xfe"
           "cd \xe6\x98",
           2, 2);
    counts("en", "\\", 0, 0);
    counts("en", "$", 0, 0);
    static char many[200001]; /* quick all the same */
    for (int i = 0; i < 100000; i++)
        memcpy(many + 2 * i, "\\(", 2);
    counts("en", many, 0, 0);
}

static void names(void **state)
{
    (void)state;
    assert_null(el_language_find("tlh"));
    assert_null(el_language_find(""));
    assert_non_null(el_language_find("en"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_by_script),
        cmocka_unit_test(formulas_do_not_count),
        cmocka_unit_test(malformed_text),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
