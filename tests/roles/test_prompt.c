/* Prompt sets: what loads, what is refused, what is filled in. */
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "roles/role.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const char *const file_name[] = {"generate.txt", "verify.txt", "meta.txt", "refine.txt"};

enum { GENERATE, VERIFY, META, REFINE, FILES };

/* A sound set; tests replace single files. */
static const char *const sound[FILES] = {
    "Prove: {statement}\n",
    "Judge {proof} of {statement}.{?reference} Known: {reference}.{/reference}"
    "{?rubric} Marks: {rubric}.{/rubric}",
    "Check {analysis} of {proof} of {statement}",
    "{instruction}|{proofs_to_refine}",
};

/* A temporary folder with the four files; a NULL text leaves the file out. */
static void write_set(char *dir, const char *const text[FILES])
{
    char path[128];

    strcpy(dir, "/tmp/elenchus-prompts-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, file_name[i]);
        if (text[i])
            assert_int_equal(el_file_write(path, text[i], strlen(text[i]), NULL), 0);
    }
}

static void remove_set(const char *dir)
{
    char path[128];

    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, file_name[i]);
        unlink(path);
    }
    rmdir(dir);
}

static int load(const char *const text[FILES], struct el_prompt_set **set, struct el_error *err)
{
    char dir[64];
    int rc;

    write_set(dir, text);
    rc = el_prompt_set_load(dir, set, err);
    remove_set(dir);
    return rc;
}

/* The sound set with file `which` replaced. */
static int load_with(int which, const char *text, struct el_prompt_set **set, struct el_error *err)
{
    const char *all[FILES];

    memcpy(all, sound, sizeof all);
    all[which] = text;
    return load(all, set, err);
}

#define V(S) el_slice_str(S)

static void verify_equals(const char *template, const char *want)
{
    struct el_prompt_set *set = NULL;
    struct el_error err = {0};
    struct el_buf out;

    el_buf_init(&out);
    if (load_with(VERIFY, template, &set, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(el_prompt_verify(set, V("X"), V("Y"), NULL, &out, &err), 0);
    assert_string_equal(out.data, want);
    el_buf_release(&out);
    el_prompt_set_free(set);
}

static void refused(int which, const char *template, const char *message)
{
    struct el_prompt_set *set = NULL;
    struct el_error err = {0};

    assert_int_equal(load_with(which, template, &set, &err), EL_EFORMAT);
    assert_null(set);
    if (!strstr(err.msg, message) || !strstr(err.msg, file_name[which]))
        fail_msg("'%s' does not name '%s' and %s", err.msg, message, file_name[which]);
}

static void placeholders_and_synonyms(void **state)
{
    (void)state;
    verify_equals("{statement} {proof}", "X Y");
    verify_equals("{question} {solution}", "X Y");
    verify_equals("{ problem }{ proof }", "XY");
    verify_equals("\n\n {problem}{proof} twice {proof}\n\n", "XY twice Y");
}

static void latex_and_escapes_are_text(void **state)
{
    (void)state;
    verify_equals("\\boxed{proof} x_{statement} y^{proof} {statement}{proof}",
                  "\\boxed{proof} x_{statement} y^{proof} XY");
    verify_equals("\\boxed{{...}} {{statement}} {statement} {proof}",
                  "\\boxed{...} {statement} X Y");
    verify_equals("{a, b} {n} {} {1} \\frac{abc}{def} \\sqrt[3]{two} { {statement} } {proof}",
                  "{a, b} {n} {} {1} \\frac{abc}{def} \\sqrt[3]{two} { X } Y");
    verify_equals("{statement} {proof} {never closed", "X Y {never closed");
    verify_equals("} {\n} {statement} {proof} {", "} {\n} X Y {");
}

static void what_is_refused(void **state)
{
    (void)state;
    refused(GENERATE, "Solve it.", "{statement}");
    refused(VERIFY, "Judge {statement}", "{proof}");
    refused(VERIFY, "Judge {proof}", "{statement}");
    refused(META, "{statement} {proof}", "{analysis}");
    refused(REFINE, "{instruction}", "{proofs_to_refine}");
    refused(REFINE, "{proofs_to_refine}", "{instruction}");
    refused(REFINE, "{statement} {proof}", "{analysis}");
    refused(VERIFY, "{statement}\n{proof}\n{problme}", "line 3: unknown placeholder {problme}");
    refused(VERIFY, "{statement} {proof} {{half}", "unknown placeholder {half}");
    refused(GENERATE, "{statement} {proof}", "{proof} has no value");
    refused(VERIFY, "{statement} {proof} {?rubric} x", "never closed");
    refused(VERIFY, "{statement} {proof} {/rubric}", "closes nothing");
    refused(VERIFY, "{statement} {proof} {?rubric}{?reference}{/reference}{/rubric}", "inside");
    refused(VERIFY, "{statement} {proof} {?rubric}{/reference}", "closes nothing");
    refused(VERIFY, "{statement} {proof} {?rubric}{reference}{/rubric}", "inside");
    refused(VERIFY, "{statement} {proof} {?proof}", "reference or rubric");
    refused(GENERATE, "{statement} {?rubric}{/rubric}", "{rubric} has no value");
    /* A required value inside a condition would go missing. */
    refused(VERIFY, "{statement} {?rubric}{proof}{/rubric}", "{proof}");
}

static void a_missing_file_is_named(void **state)
{
    struct el_prompt_set *set = NULL;
    struct el_error err = {0};

    (void)state;
    assert_int_equal(load_with(META, NULL, &set, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "meta.txt"));
    assert_int_equal(el_prompt_set_load("/nonexistent", &set, &err), EL_EIO);
    assert_null(set);
}

static void inserted_text_is_never_scanned(void **state)
{
    struct el_prompt_set *set = NULL;
    struct el_buf out;

    (void)state;
    el_buf_init(&out);
    assert_int_equal(load(sound, &set, NULL), 0);
    assert_int_equal(el_prompt_meta(set, V("{proof}{{x}}"), V("{analysis} {statement}"),
                                    V(" {?rubric} \\boxed{1}\n"), NULL, &out, NULL),
                     0);
    assert_string_equal(out.data,
                        "Check {?rubric} \\boxed{1} of {analysis} {statement} of {proof}{{x}}");
    el_buf_clear(&out);
    assert_int_equal(el_prompt_verify(set, V("X"), el_slice_of("a\0b", 3), NULL, &out, NULL), 0);
    assert_int_equal(out.len, strlen("Judge a.b of X."));
    assert_memory_equal(out.data, "Judge a\0b of X.", out.len);
    el_buf_release(&out);
    el_prompt_set_free(set);
}

static void optional_inputs(void **state)
{
    struct el_prompt_extras extras = {.reference = V("R")};
    struct el_prompt_set *set = NULL;
    struct el_error err = {0};
    struct el_buf out;

    (void)state;
    el_buf_init(&out);
    assert_int_equal(load(sound, &set, NULL), 0);
    assert_int_equal(el_prompt_verify(set, V("X"), V("Y"), &extras, &out, NULL), 0);
    assert_string_equal(out.data, "Judge Y of X. Known: R.");
    extras.rubric = V("7 points");
    el_buf_clear(&out);
    assert_int_equal(el_prompt_verify(set, V("X"), V("Y"), &extras, &out, NULL), 0);
    assert_string_equal(out.data, "Judge Y of X. Known: R. Marks: 7 points.");
    /* No place for it: refused, and out keeps what it had. */
    assert_int_equal(el_prompt_meta(set, V("X"), V("Y"), V("Z"), &extras, &out, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "{reference}"));
    assert_string_equal(out.data, "Judge Y of X. Known: R. Marks: 7 points.");
    el_prompt_set_free(set);
    /* Outside of a condition the value is required. */
    assert_int_equal(load_with(VERIFY, "{statement}{proof}{rubric}", &set, NULL), 0);
    assert_int_equal(el_prompt_verify(set, V("X"), V("Y"), NULL, &out, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "{rubric}"));
    el_buf_release(&out);
    el_prompt_set_free(set);
}

static void refining_in_published_form(void **state)
{
    const struct el_slice analyses[] = {V(" V0\n"), V("V1")};
    const struct el_prompt_candidate c[] = {{V("Y0\n"), analyses, 2}, {V("Y1"), analyses + 1, 1}};
    struct el_prompt_set *set = NULL;
    struct el_buf out;

    (void)state;
    el_buf_init(&out);
    assert_int_equal(load(sound, &set, NULL), 0);
    assert_int_equal(el_prompt_refine(set, V("X"), c, 2, &out, NULL), 0);
    assert_string_equal(out.data, "Prove: X|--- Solution 0 ---\nY0\n\n"
                                  "=== Evaluation 0 of Solution 0 ===\nV0\n\n"
                                  "=== Evaluation 1 of Solution 0 ===\nV1\n\n\n"
                                  "--- Solution 1 ---\nY1\n\n"
                                  "=== Evaluation 0 of Solution 1 ===\nV1");
    assert_int_equal(el_prompt_refine(set, V("X"), c, 0, &out, NULL), EL_EINVAL);
    el_buf_release(&out);
    el_prompt_set_free(set);
}

static void refining_in_short_form(void **state)
{
    const struct el_slice analyses[] = {V("V0"), V("V1")};
    struct el_prompt_candidate c[] = {{V("Y0"), analyses, 1}, {V("Y1"), analyses, 2}};
    struct el_prompt_set *set = NULL;
    struct el_error err = {0};
    struct el_buf out;

    (void)state;
    el_buf_init(&out);
    assert_int_equal(load_with(REFINE, "{statement}/{proof}/{proof analyses}", &set, NULL), 0);
    assert_int_equal(el_prompt_refine(set, V("X"), c, 1, &out, NULL), 0);
    assert_string_equal(out.data, "X/Y0/V0");
    el_buf_clear(&out);
    assert_int_equal(el_prompt_refine(set, V("X"), c + 1, 1, &out, NULL), 0);
    assert_string_equal(out.data, "X/Y1/=== Evaluation 0 ===\nV0\n\n=== Evaluation 1 ===\nV1");
    assert_int_equal(el_prompt_refine(set, V("X"), c, 2, &out, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "refine.txt"));
    el_buf_release(&out);
    el_prompt_set_free(set);
}

/* Files in the style of the published set, in words of our own. */
static void published_placeholder_style_loads(void **state)
{
    static const char *const published[FILES] = {
        "Form:\n\n## Solution\n...\n\nScore:\n\\boxed{{...}} // 0, 0.5 or 1\n\n---\n\n"
        "## Problem\n{question}\n",
        "Score:\n\\boxed{{...}}\n\n## Problem\n{statement}\n\n## Solution\n{proof}\n",
        "Rate \\(0.5\\):\n\\boxed{{...}}\n\n## Problem\n{statement}\n\n## Solution\n{proof}\n\n"
        "## Solution Evaluation\n{rating}\n",
        "{instruction}\n\n## Candidates\n{proofs_to_refine}\n\n## Last\nAs above.\n",
    };
    const struct el_slice analysis = V("V");
    const struct el_prompt_candidate c = {V("Y"), &analysis, 1};
    struct el_prompt_set *set = NULL;
    struct el_buf out;

    (void)state;
    el_buf_init(&out);
    assert_int_equal(load(published, &set, NULL), 0);
    assert_int_equal(el_prompt_meta(set, V("X"), V("Y"), V("V"), NULL, &out, NULL), 0);
    assert_string_equal(out.data, "Rate \\(0.5\\):\n\\boxed{...}\n\n## Problem\nX\n\n## Solution\n"
                                  "Y\n\n## Solution Evaluation\nV");
    el_buf_clear(&out);
    assert_int_equal(el_prompt_refine(set, V("X"), &c, 1, &out, NULL), 0);
    assert_non_null(strstr(out.data, "Score:\n\\boxed{...} // 0, 0.5 or 1\n\n---\n\n## Problem\nX"
                                     "\n\n## Candidates\n--- Solution 0 ---\nY\n\n"));
    el_buf_release(&out);
    el_prompt_set_free(set);
}

static void digest_of(const struct el_prompt_set *set, char hex[EL_DIGEST_HEX])
{
    struct el_digest d;

    el_digest_init(&d);
    el_prompt_set_digest(set, &d);
    el_digest_hex(&d, hex);
}

static void digests_tell_sets_apart(void **state)
{
    char a[EL_DIGEST_HEX], b[EL_DIGEST_HEX], c[EL_DIGEST_HEX];
    struct el_prompt_set *set = NULL;

    (void)state;
    assert_int_equal(load(sound, &set, NULL), 0);
    digest_of(set, a);
    el_prompt_set_free(set);
    assert_int_equal(load_with(GENERATE, "\nProve: {statement}\n\n", &set, NULL), 0);
    digest_of(set, b);
    el_prompt_set_free(set);
    assert_int_equal(load_with(META, "check {analysis} of {proof} of {statement}", &set, NULL), 0);
    digest_of(set, c);
    el_prompt_set_free(set);
    assert_string_equal(a, b); /* only the ends differ, and they are dropped */
    assert_string_not_equal(a, c);
}

static void need(const struct el_buf *b, const char *text)
{
    if (!strstr(b->data, text))
        fail_msg("the prompt lacks '%s'", text);
}

/* The shipped full set tells the models what the parsers ask for. */
static void full_set_states_the_formats(void **state)
{
    const struct el_slice analysis = V("[V]");
    const struct el_prompt_candidate c = {V("[Y]"), &analysis, 1};
    struct el_role_input in = {.statement = V("[X]"),
                               .proof = V("[Y]"),
                               .analysis = analysis,
                               .candidates = &c,
                               .n_candidates = 1};
    struct el_prompt_set *set = NULL;
    struct el_error err = {0};
    struct el_buf out;

    (void)state;
    el_buf_init(&out);
    if (el_prompt_set_load(EL_SOURCE_DIR "/configs/prompts/full", &set, &err))
        fail_msg("%s", err.msg);
    for (int role = 0; role < EL_ROLES; role++) {
        const int meta = role == EL_ROLE_META_VERIFIER, writes = role != EL_ROLE_VERIFIER && !meta;

        el_buf_clear(&out);
        in.extras = (struct el_prompt_extras){0};
        if (!writes)
            in.extras = (struct el_prompt_extras){V("[R]"), V("[M]")};
        assert_int_equal(el_role_prompt(role, set, &in, &out, &err), 0);
        need(&out, "[X]");
        need(&out, meta ? "Here is my analysis of the \"solution evaluation\":"
                        : "Here is my evaluation of the solution:");
        need(&out,
             meta ? "Based on my analysis, I will rate the \"solution evaluation\" as:\n\\boxed{"
                  : "Based on my evaluation, the final overall score should be:\n\\boxed{");
        need(&out, writes ? "\n## Solution\n" : "[R]");
        need(&out, writes ? "\n## Self Evaluation\n" : "[M]");
        need(&out, role == EL_ROLE_GENERATOR ? "[X]" : "[Y]");
        need(&out, meta || role == EL_ROLE_REFINER ? "[V]" : "[X]");
        if (role == EL_ROLE_VERIFIER)
            assert_null(strstr(out.data, "[V]")); /* the verifier never sees Z */
    }
    el_buf_release(&out);
    el_prompt_set_free(set);
}

static void small_set_loads(void **state)
{
    struct el_prompt_set *set = NULL;
    struct el_error err = {0};

    (void)state;
    if (el_prompt_set_load(EL_SOURCE_DIR "/configs/prompts/small", &set, &err))
        fail_msg("%s", err.msg);
    el_prompt_set_free(set);
}

static void missing_inputs_are_named(void **state)
{
    const struct el_role_input in = {.statement = V("X")};
    struct el_prompt_set *set = NULL;
    struct el_error err = {0};
    struct el_buf out;

    (void)state;
    el_buf_init(&out);
    assert_int_equal(load(sound, &set, NULL), 0);
    assert_int_equal(el_role_prompt(EL_ROLE_GENERATOR, set, &in, &out, &err), 0);
    assert_int_equal(el_role_prompt(EL_ROLE_VERIFIER, set, &in, &out, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "verifier: "));
    assert_non_null(strstr(err.msg, "{proof}"));
    assert_int_equal(el_role_prompt(EL_ROLE_REFINER, set, &in, &out, &err), EL_EINVAL);
    assert_int_equal(el_role_prompt(EL_ROLES, set, &in, &out, &err), EL_EINVAL);
    assert_string_equal(out.data, "Prove: X");
    el_buf_release(&out);
    el_prompt_set_free(set);
}

static void memory_faults(void **state)
{
    const struct el_slice analysis = V("V");
    const struct el_prompt_candidate c = {V("Y"), &analysis, 1};
    struct el_prompt_set *set = NULL;
    struct el_error err = {0};
    struct el_buf out;
    char dir[64];
    int rc = EL_ENOMEM;

    (void)state;
    write_set(dir, sound);
    for (long n = 1; rc; n++) {
        el_alloc_fail_after(n);
        rc = el_prompt_set_load(dir, &set, &err);
        el_alloc_fail_after(0);
        assert_true(n < 1000 && (rc == 0 || (rc == EL_ENOMEM && set == NULL)));
    }
    remove_set(dir);
    el_buf_init(&out);
    assert_int_equal(el_buf_puts(&out, "kept"), 0);
    rc = EL_ENOMEM;
    for (long n = 1; rc; n++) {
        el_alloc_fail_after(n);
        rc = el_prompt_refine(set, V("X"), &c, 1, &out, &err);
        el_alloc_fail_after(0);
        assert_true(n < 1000 && (rc == 0 || rc == EL_ENOMEM));
        if (rc)
            assert_string_equal(out.data, "kept");
    }
    assert_memory_equal(out.data, "keptProve: X|", 13);
    el_buf_release(&out);
    el_prompt_set_free(set);
    el_prompt_set_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders_and_synonyms),
        cmocka_unit_test(latex_and_escapes_are_text),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(inserted_text_is_never_scanned),
        cmocka_unit_test(optional_inputs),
        cmocka_unit_test(refining_in_published_form),
        cmocka_unit_test(refining_in_short_form),
        cmocka_unit_test(published_placeholder_style_loads),
        cmocka_unit_test(digests_tell_sets_apart),
        cmocka_unit_test(full_set_states_the_formats),
        cmocka_unit_test(small_set_loads),
        cmocka_unit_test(missing_inputs_are_named),
        cmocka_unit_test(memory_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
