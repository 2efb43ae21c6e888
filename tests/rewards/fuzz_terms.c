/* The rules that read what a model wrote: the text is cut into a proof and a stored text at its
 * first NUL byte. */
#include "rewards/answer.h"
#include "rewards/language.h"
#include "rewards/rubric.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = memchr(data, 0, size);
    size_t n = cut ? (size_t)(cut - data) : size, rest = cut ? size - n - 1 : 0;
    char *proof = malloc(n + 1), *stored = malloc(rest + 1);
    expect(proof && stored);
    memcpy(proof, data, n);
    memcpy(stored, cut ? (const char *)cut + 1 : "", rest);
    stored[rest] = 0;
    double answer = el_reward_final_answer(proof, n, stored);
    expect(isnan(answer) || answer == 0 || answer == 1);
    expect(el_answer_equal(proof, n, stored, strlen(stored)) ==
           el_answer_equal(stored, strlen(stored), proof, n));
    double share = el_reward_language_consistency(el_language_find("ja"), proof, n);
    expect(share >= 0 && share <= 1);
    struct el_rubric *rubric = NULL;
    struct el_rubric_points points = {0};
    const struct el_rubric_text part[EL_RUBRIC_PARTS] = {{proof, n}, {proof, n}, {proof, n}};
    if (el_rubric_read(stored, &rubric, NULL) == 0 && rubric)
        expect(el_rubric_check(rubric, part, &points, NULL) == 0);
    expect(points.earned >= 0 && points.earned <= points.of);
    el_rubric_free(rubric);
    free(proof);
    free(stored);
    return 0;
}
