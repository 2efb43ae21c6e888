#include "core/base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void hex_of_two(const char *a, size_t na, const char *b, size_t nb, char out[EL_DIGEST_HEX])
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_bytes(&d, a, na);
    el_digest_bytes(&d, b, nb);
    el_digest_hex(&d, out);
}

static void fields_are_framed(void **state)
{
    (void)state;
    char x[EL_DIGEST_HEX], y[EL_DIGEST_HEX];
    hex_of_two("ab", 2, "c", 1, x);
    hex_of_two("a", 1, "bc", 2, y);
    assert_string_not_equal(x, y);
    hex_of_two("", 0, "abc", 3, y);
    assert_string_not_equal(x, y);
    hex_of_two("abc", 3, "", 0, x);
    assert_string_not_equal(x, y);
    hex_of_two("ab", 2, "c", 1, x);
    hex_of_two("ab", 2, "c", 1, y);
    assert_string_equal(x, y);
    assert_int_equal(strspn(x, "0123456789abcdef"), EL_DIGEST_HEX - 1);
}

/* The definition written out: BLAKE2b-128 over the length (8 bytes, little-endian) and the bytes.
 * Expected values from Python: hashlib.blake2b(struct.pack("<Q", n) + data, digest_size=16). */
static void known_answers(void **state)
{
    (void)state;
    char hex[EL_DIGEST_HEX];
    struct el_digest d;
    el_digest_of("abc", 3, hex);
    assert_string_equal(hex, "10366aba46518e2b9d040dde242bbc5a");
    el_digest_of("", 0, hex);
    assert_string_equal(hex, "c804ce198ec337e3dc762bdd1a09aece");
    el_digest_init(&d);
    el_digest_u64(&d, 0x0102030405060708u);
    el_digest_f64(&d, -2.5);
    el_digest_str(&d, "x");
    el_digest_hex(&d, hex);
    assert_string_equal(hex, "b3e74732d0fdbecbbdd8e6b39438c4c4");
    el_digest_init(&d);
    el_digest_bytes(&d, "abc", 3);
    assert_true(el_digest_key(&d) == UINT64_C(0x2b8e5146ba6a3610));
}

static void strings_are_their_bytes(void **state)
{
    (void)state;
    char x[EL_DIGEST_HEX], y[EL_DIGEST_HEX];
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "abc");
    el_digest_hex(&d, x);
    el_digest_of("abc", 3, y);
    assert_string_equal(x, y);
    el_digest_of("abc\0", 4, y);
    assert_string_not_equal(x, y);
}

static void zero_has_one_sign(void **state)
{
    (void)state;
    struct el_digest a, b, c;
    el_digest_init(&a);
    el_digest_init(&b);
    el_digest_init(&c);
    el_digest_f64(&a, 0.0);
    el_digest_f64(&b, -0.0);
    el_digest_f64(&c, 0x1p-1074);
    uint64_t key = el_digest_key(&a);
    assert_true(key == el_digest_key(&b));
    assert_true(key != el_digest_key(&c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_framed),
        cmocka_unit_test(known_answers),
        cmocka_unit_test(strings_are_their_bytes),
        cmocka_unit_test(zero_has_one_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
