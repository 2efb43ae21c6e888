/* Added tokens and their flags. The rules are those of the `tokenizers` library; test_golden.c
 * holds its ids. */
#include "core/text/added.h"
#include "core/text/charclass.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

enum { word = 1, left = 2, right = 4, control = 8 };

static void add(struct el_added_set *set, const char *content, int flags)
{
    set->tokens[set->n] = (struct el_added_token){
        .content = {content, strlen(content)},
        .id = (int32_t)set->n,
        .single_word = flags & word,
        .lstrip = flags & left,
        .rstrip = flags & right,
        .control = flags & control,
    };
    set->n++;
}

static void make(struct el_added_set *set)
{
    assert_int_equal(el_added_init(set, 10), 0);
    add(set, "w", word);
    add(set, "L", left);
    add(set, "R", right);
    add(set, "B", left | right);
    add(set, "<c>", control | right);
    add(set, "c", 0);
    add(set, "aw", 0);
    add(set, "\t", right);
    add(set, "wx", 0);
    add(set, "\v", left);
    el_added_index(set);
}

/* What is found, as the text between brackets: a match with what it takes. Text inside two
 * matches is written twice. */
static void expect(int plain, const char *text, const char *want)
{
    struct el_added_set set;
    struct el_added_scan s = {.plain = plain};
    size_t n = strlen(text), done = 0;
    char got[200], *p = got;
    make(&set);
    while (el_added_next(&set, &s, text, n)) {
        if (done < s.start)
            p = mempcpy(p, text + done, s.start - done);
        *p++ = '[';
        if (s.start < s.stop)
            p = mempcpy(p, text + s.start, s.stop - s.start);
        *p++ = ']';
        done = s.stop;
    }
    memcpy(p, text + done, n - done);
    p[n - done] = 0;
    assert_string_equal(got, want);
    el_added_release(&set);
}

static void longest_and_leftmost(void **state)
{
    (void)state;
    expect(0, "", "");
    expect(0, "xcx", "x[c]x");
    expect(0, "cc", "[c][c]");
    expect(0, "awx", "[aw]x");
    expect(0, " wx", " [wx]");
}

static void single_words(void **state)
{
    (void)state;
    expect(0, "w", "[w]");
    expect(0, "w w-w", "[w] [w]-[w]");
    expect(0, "1w w1 _w w_ ww", "1w w1 _w w_ ww");
    expect(0, "éw w中 w\u0301 w\u200d", "éw w中 w\u0301 w\u200d");
    expect(0, "Ⓐw wⅣ", "Ⓐw wⅣ"); /* alphabetic, though a symbol and a number */
    expect(0, "½w w² €w w…", "½[w] [w]² €[w] [w]…");
    expect(0, "\xC3w\xA9 \xFFw", "\xC3[w]\xA9 \xFF[w]"); /* broken bytes are no word */
}

static void white_space_is_taken(void **state)
{
    (void)state;
    expect(0, "a  L  b", "a[  L]  b");
    expect(0, "a  R  b", "a  [R  ]b");
    expect(0, " \n\u3000B\u2028\u00A0x", "[ \n\u3000B\u2028\u00A0]x");
    expect(0, "\u200bB\u180e", "\u200b[B]\u180e"); /* no white space */
    expect(0, "L", "[L]");
    expect(0, "  L", "[  L]");
    expect(0, "R  ", "[R  ]");
    expect(0, "\x80 L", "\x80[ L]");
    expect(0, "\xE3\x80 L", "\xE3\x80[ L]");
}

/* What one match has taken, the next does not take again from the left. */
static void white_space_between_two(void **state)
{
    (void)state;
    expect(0, "R  L", "[R  ][L]");
    expect(0, "L  R", "[L]  [R]");
    expect(0, "B B B", "[B ][B ][B]");
    expect(0, "R \t x", "[R \t ][\t ]x"); /* a token inside what was taken */
    expect(0, "R \v", "[R \v]");          /* nothing of it is left */
    expect(0, "R \v x", "[R \v ]x");
    expect(0, "x \v\v x", "x[ \v][\v] x");
}

static void control_tokens(void **state)
{
    (void)state;
    expect(0, "<c> c", "[<c> ][c]");
    expect(1, "<c> c", "<c> [c]"); /* passed over, and hides the one inside */
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Every tab matches and takes all tabs behind it: each is looked through once. */
static void runs_of_white_space_are_quick(void **state)
{
    (void)state;
    size_t n = 1 << 20, found = 0;
    char *text = test_malloc(n);
    struct el_added_set set;
    struct el_added_scan s = {0};
    memset(text, '\t', n);
    make(&set);
    double start = seconds();
    while (el_added_next(&set, &s, text, n)) {
        assert_int_equal(s.start, found);
        assert_int_equal(s.stop, n);
        found++;
    }
    assert_true(seconds() - start < 20);
    assert_int_equal(found, n);
    el_added_release(&set);
    test_free(text);
}

static void ends_of_the_text(void **state)
{
    (void)state;
    assert_int_equal(el_word_before("é", 0), 0);
    assert_int_equal(el_word_before("é", 1), 0);
    assert_int_equal(el_word_before("é", 2), 2);
    assert_int_equal(el_word_after("é", 2, 0), 2);
    assert_int_equal(el_word_after("é", 1, 0), 0);
    assert_int_equal(el_word_after("é", 2, 2), 0);
    assert_int_equal(el_space_before("\u3000", 3), 3);
    assert_int_equal(el_space_after("\u3000", 3, 0), 3);
    assert_int_equal(el_space_after("\0", 1, 0), 0);
    assert_int_equal(el_word_after("\U0001F170", 4, 0), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_and_leftmost), cmocka_unit_test(single_words),
        cmocka_unit_test(white_space_is_taken), cmocka_unit_test(white_space_between_two),
        cmocka_unit_test(control_tokens),       cmocka_unit_test(runs_of_white_space_are_quick),
        cmocka_unit_test(ends_of_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
