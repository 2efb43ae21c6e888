#include "tests/training/fixture.h"

#include "core/base/io.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[64];

int enter_folder(void **state)
{
    (void)state;
    /* in memory where there is such a place: a run syncs its checkpoints many times */
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/el-training-XXXXXX"
                                                 : "/tmp/el-training-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at_level)
{
    (void)st;
    (void)type;
    (void)at_level;
    return remove(path);
}

int leave_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *at(const char *name)
{
    static char path[64][300];
    static int turn;
    turn = (turn + 1) % 64;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

void write_text(const char *path, const char *text)
{
    must(el_file_write(path, text, strlen(text), &err));
}

struct el_buf read_text(const char *path)
{
    struct el_buf b;
    el_buf_init(&b);
    must(el_file_read(path, 0, &b, &err));
    return b;
}

int same_file(const char *a, const char *b)
{
    struct el_buf x = read_text(a), y = read_text(b);
    int same = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
    el_buf_release(&x);
    el_buf_release(&y);
    return same;
}

static const char recipe_text[] =
    "{\"seed\": 3, \"prompts\": \"" PROMPTS "\","
    " \"model\": {\"architectures\": [\"DeepseekV32ForCausalLM\"],"
    "  \"model_type\": \"deepseek_v32\","
    "  \"hidden_size\": 32, \"intermediate_size\": 48, \"moe_intermediate_size\": 16,"
    "  \"num_hidden_layers\": 2, \"first_k_dense_replace\": 1, \"num_attention_heads\": 2,"
    "  \"q_lora_rank\": 16, \"kv_lora_rank\": 16, \"qk_nope_head_dim\": 8,"
    "  \"qk_rope_head_dim\": 8, \"v_head_dim\": 8, \"n_routed_experts\": 4,"
    "  \"n_shared_experts\": 1, \"num_experts_per_tok\": 2, \"n_group\": 1, \"topk_group\": 1,"
    "  \"topk_method\": \"noaux_tc\", \"scoring_func\": \"sigmoid\", \"norm_topk_prob\": true,"
    "  \"routed_scaling_factor\": 1.0, \"index_n_heads\": 2, \"index_head_dim\": 16,"
    "  \"index_topk\": 16, \"max_position_embeddings\": 512, \"rms_norm_eps\": 1e-6,"
    "  \"rope_theta\": 10000, \"hidden_act\": \"silu\", \"attention_bias\": false,"
    "  \"tie_word_embeddings\": false, \"initializer_range\": 0.05,"
    "  \"torch_dtype\": \"bfloat16\"},"
    " \"batch\": {\"tokens\": 256, \"max_sequence\": 256},"
    " \"mix\": {\"drill_lines\": 4},"
    " \"checkpoint_every\": 2, \"log_every\": 1,"
    " \"stages\": ["
    "  {\"name\": \"sft\", \"train\": \"dense\", \"steps\": 5, \"lr\": 5e-3, \"warmup\": 2,"
    "   \"bias_update_speed\": 1e-3},"
    "  {\"name\": \"try\", \"attempts\": 3, \"samples\": 2, \"refine\": true},"
    "  {\"name\": \"warm\", \"train\": \"warmup\", \"steps\": 3, \"lr\": 2e-3,"
    "   \"decay\": \"constant\"},"
    "  {\"name\": \"sparse\", \"train\": \"sparse\", \"steps\": 3, \"lr\": 1e-3,"
    "   \"attempt_share\": 0.5, \"kl_weight\": 0.5, \"decay\": \"linear\"}]}";

cJSON *tiny_recipe(void)
{
    cJSON *tree = cJSON_Parse(recipe_text);
    assert_non_null(tree);
    return tree;
}

static cJSON *child(cJSON *node, const char *key)
{
    return cJSON_IsArray(node) ? cJSON_GetArrayItem(node, atoi(key))
                               : cJSON_GetObjectItemCaseSensitive(node, key);
}

static void put(cJSON *parent, const char *key, cJSON *value)
{
    if (cJSON_IsArray(parent)) {
        if (value && atoi(key) < cJSON_GetArraySize(parent))
            cJSON_ReplaceItemInArray(parent, atoi(key), value);
        else if (value)
            cJSON_AddItemToArray(parent, value);
        else
            cJSON_DeleteItemFromArray(parent, atoi(key));
        return;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(parent, key);
    if (value)
        cJSON_AddItemToObject(parent, key, value);
}

void set_at(cJSON *tree, const char *place, const char *json)
{
    char key[100];
    const char *dot;
    for (; (dot = strchr(place, '.')); place = dot + 1) {
        snprintf(key, sizeof key, "%.*s", (int)(dot - place), place);
        if (!child(tree, key))
            put(tree, key, cJSON_CreateObject());
        tree = child(tree, key);
    }
    cJSON *value = json ? cJSON_Parse(json) : NULL;
    assert_true(!json || value);
    put(tree, place, value);
}

void write_json(const char *path, const cJSON *tree)
{
    char *text = cJSON_Print(tree);
    write_text(path, text);
    cJSON_free(text);
}

const char *write_recipe(const char *name, ...)
{
    cJSON *tree = tiny_recipe();
    va_list ap;
    va_start(ap, name);
    for (const char *place; (place = va_arg(ap, const char *));)
        set_at(tree, place, va_arg(ap, const char *));
    va_end(ap);
    const char *path = at(name);
    write_json(path, tree);
    cJSON_Delete(tree);
    return path;
}
