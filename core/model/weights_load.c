#include "core/model/weights.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "core/tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/weights_internal.h"

enum { max_shards = 4096 };

struct shard {
    char *file; /* its name within the folder */
    struct el_safetensors st;
    char *used; /* per tensor of st: the layout asked for it */
};

struct checkpoint {
    const char *dir;
    struct shard *shards;
    int n;
    const struct el_st_tensor **found; /* per tensor of the layout */
};

static int out_of_memory(const char *dir, struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "%s: out of memory while loading", dir);
}

static void checkpoint_release(struct checkpoint *k)
{
    for (int i = 0; i < k->n; i++) {
        el_safetensors_release(&k->shards[i].st);
        el_free(k->shards[i].used);
        el_free(k->shards[i].file);
    }
    el_free(k->shards);
    el_free(k->found);
}

static int add_shard(struct checkpoint *k, const char *file, struct el_error *err)
{
    struct shard *more = el_realloc(k->shards, (size_t)(k->n + 1) * sizeof *more);
    if (!more)
        return out_of_memory(k->dir, err);
    k->shards = more;
    struct shard *s = &k->shards[k->n++];
    *s = (struct shard){.file = el_strdup(file)};
    char *path = el_path_join(k->dir, file);
    int rc = s->file && path ? el_safetensors_open(&s->st, path, err) : out_of_memory(k->dir, err);
    el_free(path);
    if (rc < 0)
        return rc;
    s->used = el_alloc_array((size_t)s->st.n, 1);
    return s->used ? 0 : out_of_memory(k->dir, err);
}

/* Index of the shard, opened if it is new. Only plain names: an index must not reach outside its
 * folder. */
static int shard_of(struct checkpoint *k, const char *index, const char *file, struct el_error *err)
{
    if (!*file || strchr(file, '/') || file[0] == '.')
        return el_error_set(err, EL_EFORMAT, "%s: '%.100s' is not the name of a file in its folder",
                            index, file);
    for (int i = k->n - 1; i >= 0; i--)
        if (strcmp(k->shards[i].file, file) == 0)
            return i;
    if (k->n == max_shards)
        return el_error_set(err, EL_ELIMIT, "%s: names more than %d files", index, max_shards);
    int rc = add_shard(k, file, err);
    return rc < 0 ? rc : k->n - 1;
}

static int open_shards(struct checkpoint *k, const char *index, struct el_error *err)
{
    cJSON *tree, *entry;
    int rc = el_json_load(index, &tree, err);
    if (rc < 0)
        return rc;
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(tree, "weight_map");
    if (!cJSON_IsObject(map))
        rc = el_error_set(err, EL_EFORMAT, "%s: missing field 'weight_map' (an object)", index);
    for (entry = map ? map->child : NULL; entry && rc >= 0; entry = entry->next) {
        if (!cJSON_IsString(entry)) {
            rc = el_error_set(err, EL_EFORMAT, "%s: weight_map: '%.120s' must be a string", index,
                              entry->string ? entry->string : "");
            break;
        }
        rc = shard_of(k, index, entry->valuestring, err);
        if (rc >= 0 && !el_safetensors_find(&k->shards[rc].st, entry->string))
            rc = el_error_set(err, EL_EFORMAT, "%s: tensor '%.120s' is not in %.100s", index,
                              entry->string, entry->valuestring);
    }
    cJSON_Delete(tree);
    return rc < 0 ? rc : 0;
}

static int open_files(struct checkpoint *k, struct el_error *err)
{
    char *single = el_path_join(k->dir, "model.safetensors");
    char *index = el_path_join(k->dir, "model.safetensors.index.json");
    int rc;
    if (!single || !index)
        rc = out_of_memory(k->dir, err);
    else if (el_path_exists(single))
        rc = add_shard(k, "model.safetensors", err);
    else if (el_path_exists(index))
        rc = open_shards(k, index, err);
    else
        rc = el_error_set(err, EL_ENOTFOUND,
                          "%s: expected model.safetensors or model.safetensors.index.json there",
                          k->dir);
    el_free(single);
    el_free(index);
    return rc;
}

static int find_tensor(struct checkpoint *k, const struct el_tensor_info *t,
                       const struct el_st_tensor **out, struct el_error *err)
{
    const struct shard *in = NULL;
    for (int i = 0; i < k->n; i++) {
        struct shard *s = &k->shards[i];
        const struct el_st_tensor *hit = el_safetensors_find(&s->st, t->name);
        if (!hit)
            continue;
        if (in)
            return el_error_set(err, EL_EFORMAT, "%s: tensor '%s' is in %.100s and in %.100s",
                                k->dir, t->name, in->file, s->file);
        s->used[hit - s->st.tensors] = 1;
        *out = hit;
        in = s;
    }
    if (!in && t->dims == 2)
        return el_error_set(err, EL_EFORMAT,
                            "%s: tensor '%s' is missing, expected shape [%lld, %lld]", k->dir,
                            t->name, (long long)t->shape[0], (long long)t->shape[1]);
    if (!in)
        return el_error_set(err, EL_EFORMAT, "%s: tensor '%s' is missing, expected shape [%lld]",
                            k->dir, t->name, (long long)t->shape[0]);
    if ((*out)->dtype != EL_F32 && (*out)->dtype != EL_BF16 && (*out)->dtype != EL_F16)
        return el_error_set(
            err, EL_EREFUSED,
            "%s: tensor '%s' is stored as %s, only F32, BF16 and F16 weights can be "
            "loaded; convert the checkpoint to BF16 first",
            in->st.name, t->name, el_dtype_name((*out)->dtype));
    return el_safetensors_check(&in->st, *out, t->dims, t->shape, err);
}

/* Tensors of a checkpoint that the engine leaves out on purpose. */
static int is_skipped(const struct el_config *c, const char *name)
{
    static const char layers[] = "model.layers.", inv_freq[] = "rotary_emb.inv_freq";
    size_t n = strlen(name), tail = sizeof inv_freq - 1;
    if (n >= tail && strcmp(name + n - tail, inv_freq) == 0)
        return 1;
    if (strncmp(name, layers, sizeof layers - 1) != 0)
        return 0;
    char *end;
    long layer = strtol(name + sizeof layers - 1, &end, 10);
    return *end == '.' && layer >= c->num_hidden_layers &&
           layer < (long)c->num_hidden_layers + c->num_nextn_predict_layers;
}

static int check_unknown(const struct checkpoint *k, const struct el_config *c, int *skipped,
                         struct el_error *err)
{
    *skipped = 0;
    for (int i = 0; i < k->n; i++) {
        const struct el_safetensors *st = &k->shards[i].st;
        for (int j = 0; j < st->n; j++) {
            if (k->shards[i].used[j])
                continue;
            if (!is_skipped(c, st->tensors[j].name))
                return el_error_set(err, EL_EFORMAT,
                                    "%s: tensor '%.120s' does not belong to the model that "
                                    "config.json describes",
                                    st->name, st->tensors[j].name);
            ++*skipped;
        }
    }
    return 0;
}

/* Finds and checks every tensor before any memory is taken, so that a configuration larger than
 * its checkpoint costs nothing. */
static int match(struct checkpoint *k, const struct el_weights *w, int *skipped,
                 struct el_error *err)
{
    const struct el_layout *l = &w->layout;
    k->found = el_alloc_array((size_t)l->n, sizeof *k->found);
    if (!k->found)
        return out_of_memory(k->dir, err);
    for (int i = 0; i < l->n; i++) {
        int rc = find_tensor(k, &l->tensors[i], &k->found[i], err);
        if (rc < 0)
            return rc;
    }
    return check_unknown(k, &w->config, skipped, err);
}

struct load {
    const struct checkpoint *k;
    struct el_progress *progress;
    int64_t done, total;
};

static int load_piece(void *user, const struct el_weights_piece *p, struct el_error *err)
{
    struct load *s = user;
    const struct el_st_tensor *t = s->k->found[p->tensor];
    if (el_stop_requested)
        return el_error_set(err, EL_EINTR, "%s: loading was stopped", s->k->dir);
    const char *from = (const char *)t->data + (size_t)p->start * el_dtype_size(t->dtype);
    el_dtype_widen(t->dtype, from, p->n, p->values);
    s->done += (int64_t)p->n;
    el_progress_update(s->progress, s->done, s->total, "loading");
    return el_weights_check_finite(s->k->dir, p, err);
}

static int load_values(struct checkpoint *k, struct el_weights *w, int *skipped,
                       struct el_progress *progress, struct el_error *err)
{
    struct load load = {.k = k, .progress = progress, .total = w->layout.parameters};
    int rc = open_files(k, err);
    if (rc == 0)
        rc = match(k, w, skipped, err);
    if (rc == 0)
        rc = el_weights_allocate(w, err);
    if (rc == 0)
        rc = el_weights_each(w, 1, load_piece, &load, err);
    return rc == 0 ? el_weights_digest(w, err) : rc;
}

static int load_config(const char *dir, struct el_config *c, struct el_error *err)
{
    char *path = el_path_join(dir, "config.json");
    int rc = path ? el_config_load(path, c, err) : out_of_memory(dir, err);
    el_free(path);
    return rc;
}

int el_weights_load(const char *dir, struct el_device *d, struct el_weights **out, int *skipped,
                    struct el_progress *progress, struct el_error *err)
{
    struct el_config c;
    struct el_weights *w;
    struct checkpoint k = {.dir = dir};
    int left_out = 0, rc = load_config(dir, &c, err);
    if (rc == 0)
        rc = el_weights_new(&c, d, &w, err);
    if (rc < 0)
        return rc;
    rc = load_values(&k, w, &left_out, progress, err);
    checkpoint_release(&k);
    if (rc < 0) {
        el_weights_free(w);
        return rc;
    }
    if (skipped)
        *skipped = left_out;
    *out = w;
    return 0;
}
