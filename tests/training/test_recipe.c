/* Recipes: what is read, what defaults are, and what every refusal names. */
#include "tests/training/fixture.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "roles/prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void everything_is_read(void **state)
{
    (void)state;
    struct el_recipe r;
    const char *path = write_recipe(
        "r.json", "seed", "77", "batch.micro_batches", "3", "adamw.beta2", "0.99",
        "adamw.max_grad_norm", "0", "mix.share.meta", "0.5", "mix.meta_score", "[0,1,2]",
        "stages.1.temperature", "0.5", "mix.false_start", "0.125", "stages.3.max_sequence", "200",
        "stages.2.mix", "{\"false_start\":0.5,\"share\":{\"verify\":3}}", NULL);
    must(el_recipe_load(path, NULL, &r, &err));
    assert_int_equal(r.seed, 77);
    assert_string_equal(r.prompts_dir, PROMPTS);
    assert_string_equal(r.prompt_text[0].data, "Prove: {statement}");
    assert_ptr_equal(r.mix.prompts.generate, r.prompt_text[0].data);
    assert_ptr_equal(r.mix.prompts.refine, r.prompt_text[3].data);
    assert_int_equal(r.batch_tokens, 256);
    assert_int_equal(r.micro_batches, 3);
    assert_true(r.adamw.beta2 == 0.99 && r.adamw.max_grad_norm == 0 && r.adamw.beta1 == 0.9);
    assert_true(r.mix.share[EL_EXAMPLE_META] == 0.5 && r.mix.meta_score[2] == 2);
    assert_int_equal(r.mix.seed, 77);
    assert_int_equal(r.mix.drill_lines, 4);
    assert_int_equal(r.model.hidden_size, 32);
    assert_true(r.model.vocab_size > 200);
    assert_int_equal(r.n_stages, 4);
    const struct el_recipe_stage *s = r.stage;
    assert_string_equal(s[0].name, "sft");
    assert_int_equal(s[0].stage, EL_STAGE_DENSE);
    assert_int_equal(s[0].schedule.warmup, 2);
    assert_int_equal(s[0].schedule.decay, EL_DECAY_COSINE);
    assert_true(s[0].schedule.lr == 5e-3 && s[0].bias_update_speed == 1e-3);
    assert_true(s[1].attempts == 3 && s[1].samples == 2 && s[1].temperature == 0.5 && s[1].refine);
    assert_int_equal(s[2].stage, EL_STAGE_WARMUP);
    assert_int_equal(s[3].stage, EL_STAGE_SPARSE);
    assert_true(s[3].attempt_share == 0.5 && s[3].kl_weight == 0.5);
    /* a stage's mixture is the recipe's but for what it names */
    struct el_world_mix mix = r.mix;
    assert_memory_equal(&s[3].mix, &mix, sizeof mix);
    assert_true(mix.false_start == 0.125);
    assert_true(s[3].max_sequence == 200 && s[2].max_sequence == r.max_sequence);
    mix.false_start = 0.5;
    mix.share[EL_EXAMPLE_VERIFY] = 3;
    assert_memory_equal(&s[2].mix, &mix, sizeof mix);
    assert_int_equal(el_recipe_steps(&r), 11);
    el_recipe_release(&r);
}

static void defaults(void **state)
{
    (void)state;
    struct el_recipe r;
    struct el_world_mix mix;
    const char *path =
        write_recipe("r.json", "seed", NULL, "batch", NULL, "mix", NULL, "adamw", NULL,
                     "checkpoint_every", NULL, "log_every", "null", "stages.1.samples", NULL,
                     "stages.1.refine", NULL, "stages.0.warmup", NULL, NULL);
    must(el_recipe_load(path, NULL, &r, &err));
    el_world_mix_init(&mix, &r.mix.prompts);
    mix.seed = 1;
    assert_int_equal(r.seed, 1);
    assert_int_equal(r.batch_tokens, 8192);
    assert_int_equal(r.max_sequence, 512);
    assert_int_equal(r.micro_batches, 1);
    assert_int_equal(r.checkpoint_every, 100);
    assert_int_equal(r.save_total_limit, 2);
    assert_int_equal(r.log_every, 10);
    assert_true(r.adamw.beta1 == 0.9 && r.adamw.beta2 == 0.95 && r.adamw.eps == 1e-8);
    assert_true(r.adamw.weight_decay == 0.1 && r.adamw.max_grad_norm == 1);
    assert_memory_equal(&r.mix, &mix, sizeof mix);
    assert_true(r.stage[1].samples == 1 && r.stage[1].temperature == 1 && !r.stage[1].refine);
    assert_true(r.stage[0].schedule.warmup == 0 && r.stage[0].schedule.final_lr == 0);
    assert_true(r.stage[0].attempt_share == 0 && r.stage[0].kl_weight == 1);
    el_recipe_release(&r);
}

/* place, value (NULL: removed), what the message says beside the file */
static const char *const malformed[][3] = {
    {"seed", "\"1\"", "'seed'"},
    {"seed", "1.5", "'seed'"},
    {"prompts", NULL, "'prompts'"},
    {"prompts", "7", "'prompts'"},
    {"sed", "1", "'sed'"},
    {"model", NULL, "'model'"},
    {"start", "\"runs/x/model\"", "'start' and 'model'"},
    {"start", "7", "'start'"},
    {"model", "[1]", "'model'"},
    {"model.hidden_size", "\"x\"", "hidden_size"},
    {"model.hidden_size", "0", "hidden_size"},
    {"model.scoring_func", "\"softmax\"", "scoring_func"},
    {"batch", "[256]", "batch"},
    {"batch", "256", "batch"},
    {"batch.tokens", "\"256\"", "batch: field 'tokens'"},
    {"batch.tokens", "255", "batch: expected 2 <= max_sequence <= tokens"},
    {"batch.max_sequence", "1", "batch: expected 2 <= max_sequence"},
    {"batch.micro_batches", "0", "micro_batches >= 1"},
    {"batch.micro_batches", "1e10", "batch: field 'micro_batches'"},
    {"batch.size", "1", "batch: unknown field 'size'"},
    {"adamw", "[]", "adamw"},
    {"adamw.beta1", "1", "adamw: expected beta1"},
    {"adamw.beta2", "-0.1", "beta2"},
    {"adamw.eps", "0", "eps > 0"},
    {"adamw.eps", "true", "adamw: field 'eps'"},
    {"adamw.weight_decay", "-1", "weight_decay"},
    {"adamw.max_grad_norm", "-1", "max_grad_norm"},
    {"adamw.lr", "1", "adamw: unknown field 'lr'"},
    {"mix", "\"all\"", "mix"},
    {"mix.share", "[1,2,3]", "share"},
    {"mix.share.genrate", "1", "unknown field 'genrate'"},
    {"mix.share.meta", "-1", "mix: share"},
    {"mix.share.drill", "null", ""}, /* null is absent: no error */
    {"mix.verify_score", "[1,2]", "mix: field 'verify_score'"},
    {"mix.verify_score", "{\"a\":1}", "mix: field 'verify_score'"},
    {"mix.meta_score", "[1,2,\"3\"]", "mix: field 'meta_score'"},
    {"mix.meta_score", "[0,0,0]", "mix: meta_score"},
    {"mix.generate_flawed", "1.5", "mix: generate_flawed"},
    {"mix.refine_minor", "\"a\"", "mix: field 'refine_minor'"},
    {"mix.drill_lines", "0", "mix: drill_lines"},
    {"mix.false_start", "-0.1", "mix: false_start"},
    {"mix.checked", "2", "mix: checked"},
    {"mix.retry", "1.1", "mix: retry"},
    {"mix.retry_loss", "-0.1", "mix: retry_loss"},
    {"mix.history", "2", "mix: history"},
    {"mix.refine_retry", "-2", "mix: refine_retry"},
    {"mix.unlisted", "2", "mix: unlisted"},
    {"mix.reused", "-1", "mix: reused"},
    {"mix.look_up", "4", "mix: look_up"},
    {"mix.crowded", "1.5", "mix: crowded"},
    {"mix.drill_list", "-1", "mix: drill_list"},
    {"mix.even_flaws", "1.01", "mix: even_flaws"},
    {"mix.seed", "0", "mix: unknown field 'seed'"},
    {"checkpoint_every", "0", "checkpoint_every"},
    {"save_total_limit", "0", "save_total_limit"},
    {"log_every", "-1", "log_every"},
    {"log_every", "\"often\"", "'log_every'"},
    {"stages", NULL, "'stages'"},
    {"stages", "[]", "'stages'"},
    {"stages", "{}", "'stages'"},
    {"stages", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]", "1 to 16"},
    {"stages.2", "5", "stages[2]"},
    {"stages.2", "[\"warmup\"]", "stages[2]"},
    {"stages.2", "{}", "stages[2]: missing field 'name'"},
    {"stages.2.name", "5", "stages[2]: field 'name'"},
    {"stages.2.name", "\"\"", "stages[2]: field 'name'"},
    {"stages.2.name", "\"../../etc\"", "stages[2]: field 'name'"},
    {"stages.2.name", "\"a\\\"b\"", "stages[2]: field 'name'"},
    {"stages.2.name", "\"0123456789012345678901234567890123456789\"", "stages[2]: field 'name'"},
    {"stages.2.name", "\"sft\"", "stages[2]: stages[0] is named 'sft' too"},
    {"stages.0.train", NULL, "stages[0]: missing field 'train'"},
    {"stages.0.train", "\"denes\"", "stages[0]: stage 'denes'"},
    {"stages.0.steps", NULL, "stages[0]: missing field 'steps'"},
    {"stages.0.steps", "0", "stages[0]: steps"},
    {"stages.0.steps", "2.5", "stages[0]: field 'steps'"},
    {"stages.0.lr", NULL, "stages[0]: missing field 'lr'"},
    {"stages.0.lr", "-1e-3", "lr"},
    {"stages.0.lr", "\"fast\"", "stages[0]: field 'lr'"},
    {"stages.0.final_lr", "-1", "final_lr"},
    {"stages.0.warmup", "-1", "warmup"},
    {"stages.0.decay", "\"step\"", "stages[0]: decay 'step'"},
    {"stages.0.decay", "1", "stages[0]: field 'decay'"},
    {"stages.0.attempt_share", "1.1", "stages[0]: attempt_share"},
    {"stages.0.attempt_share", "-0.1", "stages[0]: attempt_share"},
    {"stages.0.kl_weight", "-1", "stages[0]: kl_weight"},
    {"stages.0.bias_update_speed", "-1", "bias_update_speed"},
    {"stages.0.drill_share", "-1", "stages[0]: drill_share"},
    {"stages.0.drill_share", "1e7", "stages[0]: drill_share"},
    {"stages.0.drill_share", "\"x\"", "stages[0]: field 'drill_share'"},
    {"stages.0.mix", "1", "stages[0]: mix"},
    {"stages.0.mix", "{\"false_start\":1.5}", "stages[0]: mix: false_start"},
    {"stages.0.mix", "{\"steps\":1}", "stages[0]: mix: unknown field 'steps'"},
    {"stages.0.max_sequence", "1", "stages[0]: max_sequence"},
    {"stages.0.max_sequence", "257", "stages[0]: max_sequence"},
    {"mix.refine_checked", "1.5", "mix: refine_checked"},
    {"stages.0.samples", "2", "stages[0]: unknown field 'samples'"},
    {"stages.1.mix", "{}", "stages[1]: unknown field 'mix'"},
    {"stages.1.attempts", "0", "stages[1]: attempts"},
    {"stages.1.attempts", "\"3\"", "stages[1]: field 'attempts'"},
    {"stages.1.samples", "0", "stages[1]: attempts and samples"},
    {"stages.1.temperature", "-1", "stages[1]: temperature"},
    {"stages.1.refine", "1", "stages[1]: field 'refine'"},
    {"stages.1.steps", "5", "stages[1]: unknown field 'steps'"},
    {"stages.1.Attempts", "5", "stages[1]: unknown field 'Attempts'"},
};

static void what_is_malformed_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        const char *const *m = malformed[i];
        struct el_recipe r;
        struct el_error err = {0};
        const char *path = write_recipe("bad.json", m[0], m[1], NULL);
        int rc = el_recipe_load(path, NULL, &r, &err);
        if (!m[2][0]) {
            assert_int_equal(rc, 0);
            el_recipe_release(&r);
            continue;
        }
        if (rc >= 0)
            fail_msg("%s = %s was accepted", m[0], m[1] ? m[1] : "(nothing)");
        assert_int_equal(rc, err.code);
        if (!strstr(err.msg, path) || !strstr(err.msg, m[2]))
            fail_msg("%s = %s: '%s' does not say %s", m[0], m[1] ? m[1] : "(nothing)", err.msg,
                     m[2]);
        assert_null(r.prompts_dir);
    }
}

static void what_is_no_recipe_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "7", "[]", "[1]", "\"x\"", "null", "{}", "{\"seed\":"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct el_recipe r;
        struct el_error err = {0};
        const char *path = at("bad.json");
        write_text(path, texts[i]);
        assert_int_equal(el_recipe_load(path, NULL, &r, &err), EL_EFORMAT);
        assert_non_null(strstr(err.msg, path));
    }
    struct el_recipe r;
    struct el_error err = {0};
    assert_int_equal(el_recipe_load(at("none.json"), NULL, &r, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "none.json"));
}

static void copy_prompts(const char *to)
{
    static const char *const names[] = {"generate.txt", "verify.txt", "meta.txt", "refine.txt"};
    must(el_dir_make(to, &err));
    for (int i = 0; i < 4; i++) {
        char from[300], path[300];
        snprintf(from, sizeof from, PROMPTS "/%s", names[i]);
        snprintf(path, sizeof path, "%s/%s", to, names[i]);
        struct el_buf b = read_text(from);
        write_text(path, b.data);
        el_buf_release(&b);
    }
}

static void prompts_are_found_or_named(void **state)
{
    (void)state;
    struct el_recipe r;
    struct el_error why = {0};
    const char *path = write_recipe("r.json", "prompts", "\"no/such/prompts\"", NULL);
    assert_int_equal(el_recipe_load(path, NULL, &r, &why), EL_EIO);
    assert_non_null(strstr(why.msg, "no/such/prompts/generate.txt"));
    assert_int_equal(el_recipe_load(path, at("root"), &r, &why), EL_EIO);
    assert_non_null(strstr(why.msg, at("root/no/such/prompts/generate.txt")));
    copy_prompts(at("root/no/such/prompts"));
    must(el_recipe_load(path, at("root"), &r, &err));
    assert_string_equal(r.prompts_dir, "no/such/prompts");
    el_recipe_release(&r);
    assert_int_equal(remove(at("root/no/such/prompts/meta.txt")), 0);
    assert_int_equal(el_recipe_load(path, at("root"), &r, &why), EL_EIO);
    assert_non_null(strstr(why.msg, "meta.txt"));
    write_text(at("root/no/such/prompts/meta.txt"), "{statement}\n{proof}");
    assert_int_equal(el_recipe_load(path, at("root"), &r, &why), EL_EFORMAT);
    assert_non_null(strstr(why.msg, "meta.txt: {analysis} is missing"));
    write_text(at("root/no/such/prompts/meta.txt"),
               "{statement}\n{proof}\n{analysis}{?rubric}{rubric}{/rubric}");
    assert_int_equal(el_recipe_load(path, at("root"), &r, &why), EL_EFORMAT);
    assert_non_null(strstr(why.msg, "meta.txt: has {?rubric}"));
}

/* Whatever the roles know as a placeholder and the small world does not put in. */
static void what_cannot_be_filled_is_refused(void **state)
{
    (void)state;
    struct el_recipe r;
    char quoted[300], text[200], says[80];
    snprintf(quoted, sizeof quoted, "\"%s\"", at("filled"));
    copy_prompts(at("filled"));
    const char *path = write_recipe("filled.json", "prompts", quoted, NULL);
    must(el_recipe_load(path, NULL, &r, &err));
    el_recipe_release(&r);
    for (int i = 0; el_prompt_placeholder(i); i++) {
        const char *name = el_prompt_placeholder(i);
        struct el_error why = {0};
        if (strcmp(name, "statement") == 0)
            continue;
        snprintf(text, sizeof text, "Prove: {statement} {%s}", name);
        snprintf(says, sizeof says, "generate.txt: has {%s}", name);
        write_text(at("filled/generate.txt"), text);
        assert_int_equal(el_recipe_load(path, NULL, &r, &why), EL_EFORMAT);
        assert_non_null(strstr(why.msg, says));
    }
    /* as the roles read it: conditions, on what is filled, too, and blanks around a name */
    static const char *const forms[] = {"{?rubric}",  "{?statement}",  "{/statement}",
                                        "{ rubric }", "{ statement }", "{? proof }"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct el_error why = {0};
        snprintf(text, sizeof text, "Prove {x} or {}: {statement} %s", forms[i]);
        snprintf(says, sizeof says, "generate.txt: has %s, which", forms[i]);
        write_text(at("filled/generate.txt"), text);
        assert_int_equal(el_recipe_load(path, NULL, &r, &why), EL_EFORMAT);
        assert_non_null(strstr(why.msg, says));
    }
    write_text(at("filled/generate.txt"), "Prove {x}, {}, {? } and { \n}: {statement}");
    must(el_recipe_load(path, NULL, &r, &err));
    el_recipe_release(&r);
}

static void a_start_is_found_like_prompts(void **state)
{
    (void)state;
    struct el_recipe r;
    const char *path = write_recipe("r.json", "model", NULL, "start", "\"a/model\"", NULL);
    must(el_recipe_load(path, NULL, &r, &err));
    assert_string_equal(r.start, "a/model");
    el_recipe_release(&r);
    must(el_recipe_load(path, at("root"), &r, &err));
    assert_string_equal(r.start, at("root/a/model"));
    el_recipe_release(&r);
    must(el_recipe_load(write_recipe("r.json", NULL), at("root"), &r, &err));
    assert_null(r.start);
    el_recipe_release(&r);
}

static void digest_of(const char *path, char out[EL_DIGEST_HEX])
{
    struct el_recipe r;
    must(el_recipe_load(path, NULL, &r, &err));
    strcpy(out, r.digest);
    el_recipe_release(&r);
}

static void the_digest_sees_recipe_and_prompts(void **state)
{
    (void)state;
    static const char *const files[] = {"generate.txt", "verify.txt", "meta.txt", "refine.txt"};
    char first[EL_DIGEST_HEX], other[EL_DIGEST_HEX], quoted[300];
    copy_prompts(at("p"));
    snprintf(quoted, sizeof quoted, "\"%s\"", at("p"));
    digest_of(write_recipe("a.json", "prompts", quoted, NULL), first);
    digest_of(write_recipe("b.json", "prompts", quoted, NULL), other);
    assert_string_equal(first, other); /* not of the file's name */
    digest_of(write_recipe("b.json", "prompts", quoted, "seed", "4", NULL), other);
    assert_string_not_equal(first, other);
    digest_of(write_recipe("b.json", "prompts", quoted, "stages.3.lr", "2e-3", NULL), other);
    assert_string_not_equal(first, other);
    for (int i = 0; i < 4; i++) {
        char name[40];
        snprintf(name, sizeof name, "p/%s", files[i]);
        struct el_buf b = read_text(at(name));
        el_buf_puts(&b, " now");
        write_text(at(name), b.data);
        el_buf_release(&b);
        digest_of(at("a.json"), other);
        assert_string_not_equal(first, other);
        strcpy(first, other);
    }
}

/* What the tokenizer decides cannot be set by the recipe. */
static void the_tokenizer_decides(void **state)
{
    (void)state;
    struct el_recipe r, plain;
    must(el_recipe_load(write_recipe("a.json", NULL), NULL, &plain, &err));
    must(el_recipe_load(
        write_recipe("b.json", "model.vocab_size", "5", "model.eos_token_id", "3", NULL), NULL, &r,
        &err));
    assert_int_equal(r.model.vocab_size, plain.model.vocab_size);
    assert_int_equal(r.model.eos_token_id, plain.model.eos_token_id);
    el_recipe_release(&r);
    el_recipe_release(&plain);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const char *path = write_recipe("r.json", NULL), *root = at("root");
    int rc = -1;
    for (int n = 1; rc < 0; n++) {
        struct el_recipe r;
        struct el_error err = {0};
        assert_true(n < 1000);
        el_alloc_fail_after(n);
        rc = el_recipe_load(path, root, &r, &err);
        el_alloc_fail_after(0);
        if (rc < 0) {
            if (rc != EL_ENOMEM || !err.msg[0])
                fail_msg("allocation %d: %d, '%s'", n, rc, err.msg);
        } else {
            assert_true(n > 10);
            el_recipe_release(&r);
        }
    }
}

static void the_shipped_recipes_load(void **state)
{
    (void)state;
    struct el_recipe r;
    static const char *const names[] = {"small", "search", "tiny"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[300];
        snprintf(file, sizeof file, EL_SOURCE_DIR "/configs/train/%s.json", names[i]);
        must(el_recipe_load(file, EL_SOURCE_DIR, &r, &err));
        assert_true(el_recipe_steps(&r) > 0);
        el_recipe_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(defaults),
        cmocka_unit_test(what_is_malformed_is_named),
        cmocka_unit_test(what_is_no_recipe_is_refused),
        cmocka_unit_test(prompts_are_found_or_named),
        cmocka_unit_test(what_cannot_be_filled_is_refused),
        cmocka_unit_test(a_start_is_found_like_prompts),
        cmocka_unit_test(the_digest_sees_recipe_and_prompts),
        cmocka_unit_test(the_tokenizer_decides),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_shipped_recipes_load),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
