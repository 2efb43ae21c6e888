/* Final answers by rule: what counts as the same, what does not, what cannot be decided. */
#include "rewards/answer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static int same(const char *a, const char *b)
{
    int forth = el_answer_equal(a, strlen(a), b, strlen(b));
    if (forth != el_answer_equal(b, strlen(b), a, strlen(a)))
        fail_msg("\"%s\" and \"%s\": the order matters", a, b);
    return forth;
}

static void equal_answers(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"2112", "$2112$"},
        {"2112", " 2112. "},
        {"7", "\\(7\\)"},
        {"7", "\\text{7}"},
        {"7", "\\mathrm{ 7 }"},
        {"0.5", "\\frac{1}{2}"},
        {"1/2", "\\dfrac12"},
        {"\\frac{2}{4}", ".5"},
        {"-\\frac{1}{2}", "-0.50"},
        {"+3", "3.0"},
        {"1{,}000", "1000"},
        {"\\frac{\\sqrt{6} - \\sqrt{2}}{2}", "\\dfrac{\\sqrt 6-\\sqrt 2}{2}"},
        {"\\sqrt{5}", "\\sqrt5"},
        {"\\frac{\\pi}{2}", "\\pi/2"},
        {"x^{2}", "x^2"},
        {"n=2", "2"},
        {"$f(x) = \\frac{1}{x}$", "\\frac1x"},
        {"45", "45^\\circ"},
        {"45^{\\circ}", "45\xc2\xb0"},
        {"0, 1, 3", "\\{0,1,3\\}"},
        {"3,1,0", "$0$, $1$ and $3$"},
        {"1, 1/2", "0.5, 1"},
        {"k = 0, 1, 3", "\\{0, 1, 3\\}"},
        {"(7,3)", "\\left(7, 3\\right)"},
        {"$(p,q) = (7,3)$", "(7,3)"},
        {"Alice", "\\text{alice}"},
        {"yes", "Yes."},
        {"a \\leq b", "a\\le b"},
        {"2\\cdot 3", "2 \\times 3"},
        {"\\frac{\\frac{1}{x}}{y}", "\\frac{1/x}{y}"},
        {"$g(x) = 5x$ for all x", "\\,g(x)=5x\\quad\\text{for all }x\\in\\mathbb R\\,"},
        {"k = 0, 1, 3 for all n", "\\{0,\\;1,\\;3\\}"},
        {"x^2, \\forall x", "x^{2}"},
        {"$(a,b,c) =( 3,1,1) ,( 6,2,4)$.", "(a,b,c)=(3,1,1)\\quad\\text{and}\\quad(a,b,c)=(6,2,4)"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!same(pairs[i][0], pairs[i][1]))
            fail_msg("\"%s\" and \"%s\" differ", pairs[i][0], pairs[i][1]);
}

static void different_answers(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"2112", "2113"},
        {"7", "-7"},
        {"7", ""},
        {"", ""},
        {"(7,3)", "(3,7)"},
        {"0,1,3", "0,1"},
        {"0,1", "0,1,3"},
        {"x", "X"},
        {"yes", "no"},
        {"x=2", "y=2"},
        {"1/2", "1/3"},
        {"12", "1/2"},
        {"2^3", "8"},
        {"x^{12}", "x^12"},
        {"0.333", "1/3"},
        {"1/0", "1/00"},
        {"x=y=2", "2"},
        {"\\frac{1}{2", "1/2"},
        {"\\alpha", "\\beta"},
        {"(0,1)", "[0,1]"},
        {"\\{x\\}", "{x}+1"},
        {"{,}", "0"},
        {"=", "2"},
        {"x^2=4", "4"},
        {"x<=4", "4"},
        {"n!=4", "4"},
        {"(x-1)=4", "4"},
        {"x+1=4", "4"},
        {"x/2=4", "4"},
        {"\\sin x=4", "4"},
        {"\\sqrt{x}=4", "4"},
        {"\\=4", "4"},
        {"\\forall", "\\forall x: f(x)=0"},
        {"\\forall n: g(n)=7", "\\forall x: f(x)=0"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (same(pairs[i][0], pairs[i][1]))
            fail_msg("\"%s\" and \"%s\" are the same", pairs[i][0], pairs[i][1]);
}

/* Every answer equals itself, unless it is empty, or too long. */
static void reflexive(void **state)
{
    (void)state;
    char deep[400] = "", lengthy[2000];
    for (int i = 0; i < 60; i++)
        strcat(deep, "{\\frac");
    assert_true(same(deep, deep));
    memset(lengthy, '1', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = 0;
    assert_false(same(lengthy, lengthy));
    assert_true(same("99999999999999999999999999", "99999999999999999999999999"));
    assert_false(same("99999999999999999999999999", "99999999999999999999999998"));
}

static const char *box_of(const char *text)
{
    static char out[200];
    size_t at, len;
    if (!el_answer_boxed(text, strlen(text), &at, &len))
        return NULL;
    snprintf(out, sizeof out, "%.*s", (int)len, text + at);
    return out;
}

static void last_closed_box(void **state)
{
    (void)state;
    assert_string_equal(box_of("so \\boxed{3} and \\boxed{4}."), "4");
    assert_string_equal(box_of("\\boxed {\\frac{1}{2}}"), "\\frac{1}{2}");
    assert_string_equal(box_of("\\boxed{\\{1\\}}"), "\\{1\\}");
    assert_string_equal(box_of("\\boxed{3} and \\boxed{4"), "3");
    assert_string_equal(box_of("\\boxed{}"), "");
    assert_null(box_of("boxed{3}"));
    assert_null(box_of("\\boxed"));
    assert_null(box_of(""));
    assert_null(box_of("\\boxed 3"));
}

static void checkable(void **state)
{
    (void)state;
    assert_true(el_answer_checkable("$(a,b,c) = (0,0,0)$"));
    assert_true(el_answer_checkable("all integers"));
    assert_true(el_answer_checkable("$f(x)=0$ and $f(x)=x\\text{ for every integer value}$"));
    assert_false(el_answer_checkable(NULL));
    assert_false(el_answer_checkable(" "));
    assert_false(el_answer_checkable("$$"));
    assert_true(el_answer_checkable("The determinant equals $10^{n(n-1)/2}$."));
    assert_true(el_answer_checkable("In the end it turns out that the claim holds with $c=-1$"));
    assert_false(el_answer_checkable("There is no such natural number $n$."));
    assert_false(el_answer_checkable("The one who has a winning strategy is $A$ or $B$."));
    assert_false(el_answer_checkable("The answer is $n=1$. When $n=1$, it is a solution."));
}

static double earns(const char *proof, const char *stored)
{
    return el_reward_final_answer(proof, strlen(proof), stored);
}

static void reward(void **state)
{
    (void)state;
    assert_true(earns("Hence \\boxed{2112}.", "2112") == 1);
    assert_true(earns("Hence \\boxed{2111}.", "2112") == 0);
    assert_true(earns("Hence 2112.", "2112") == 0); /* not in a box */
    assert_true(earns("", "2112") == 0);
    assert_true(
        earns("\\boxed{\\,10^{\\,n(n-1)/2}\\,}", "The determinant equals $10^{n(n-1)/2}$.") == 1);
    assert_true(earns("\\boxed{c=-\\dfrac12}", "The claim holds with $c=-\\frac{1}{2}$.") == 1);
    assert_true(earns("\\boxed{c=\\dfrac12}", "The claim holds with $c=-\\frac{1}{2}$.") == 0);
    assert_true(isnan(earns("\\boxed{1}", NULL)));
    assert_true(isnan(earns("\\boxed{1}", "We will show that there is no other value of this.")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_answers), cmocka_unit_test(different_answers),
        cmocka_unit_test(reflexive),     cmocka_unit_test(last_closed_box),
        cmocka_unit_test(checkable),     cmocka_unit_test(reward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
