/* Threads load pieces of the weights, each the next one that nobody has taken, and whoever is free
 * adds the pieces that are ready to the digest, in their order:
 *
 *     pieces   [ in the digest | ready or being loaded ... | not taken yet ]
 *                              ^ digested                  ^ next
 *
 * The digest is one chain over all values, and slower than loading on two threads or more; so it is
 * under way from the first piece on. */
#include "core/model/weights.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/model/checkpoint.h"
#include "core/model/mtp.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/model/weights_internal.h"

/* Of one thread. */
struct loader {
    struct el_stored_reader reader;
    float *values;  /* EL_WEIGHTS_CHUNK */
    int64_t failed; /* the piece that error is about */
    struct el_error error;
};

struct load {
    struct el_weights *w;
    const struct el_checkpoint *k;
    struct el_progress *progress;
    int64_t *first; /* per tensor: its first piece; one more entry, the number of pieces */
    atomic_bool *ready;
    atomic_llong next, failed; /* failed: the first piece that could not be loaded, so far */
    atomic_flag digesting;
    atomic_llong digested;
    struct el_digest digest; /* with done and tensor: under `digesting` */
    int64_t done;
    int tensor; /* of the piece `digested` */
    struct loader *threads;
    int n_threads;
};

static int64_t pieces(const struct load *s)
{
    return s->first[s->w->layout.n];
}

static int tensor_of(const struct load *s, int64_t piece)
{
    int low = 0, high = s->w->layout.n;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (s->first[middle] <= piece)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static struct el_weights_piece piece_of(const struct load *s, int tensor, int64_t piece,
                                        float *values)
{
    const struct el_tensor_info *t = &s->w->layout.tensors[tensor];
    int64_t start = (piece - s->first[tensor]) * EL_WEIGHTS_CHUNK, left = t->count - start;
    size_t n = left < EL_WEIGHTS_CHUNK ? (size_t)left : EL_WEIGHTS_CHUNK;
    return (struct el_weights_piece){tensor, t, start, values, n};
}

static float *place_of(const struct load *s, const struct el_weights_piece *p)
{
    return s->w->data + p->info->offset + p->start;
}

static int load_piece(struct load *s, struct loader *me, int64_t piece)
{
    struct el_device *d = s->w->device;
    int tensor = tensor_of(s, piece);
    struct el_weights_piece p = piece_of(s, tensor, piece, me->values);
    if (el_stop_requested)
        return el_error_set(&me->error, EL_EINTR, "%s: loading was stopped", s->k->shards.dir);
    int rc = el_stored_read(&me->reader, &s->k->found[tensor], p.start, p.n, p.values, &me->error);
    if (rc == 0)
        d->copy_in(d, place_of(s, &p), p.values, p.n * sizeof *p.values);
    return rc;
}

static void digest_next(struct load *s, float *values)
{
    int64_t piece = atomic_load(&s->digested);
    while (s->first[s->tensor + 1] <= piece)
        s->tensor++;
    struct el_weights_piece p = piece_of(s, s->tensor, piece, values);
    s->w->device->copy_out(s->w->device, values, place_of(s, &p), p.n * sizeof *values);
    el_weights_digest_piece(&s->digest, &p);
    s->done += (int64_t)p.n;
    el_progress_update(s->progress, s->done, s->w->layout.parameters, s->k->shards.dir);
    atomic_store(&s->digested, piece + 1);
}

static int can_digest(struct load *s)
{
    int64_t piece = atomic_load(&s->digested);
    return piece < pieces(s) && atomic_load(&s->ready[piece]);
}

/* Looks again after every release, so that a piece which became ready meanwhile is not forgotten.
 */
static void digest_ready(struct load *s, float *values)
{
    while (can_digest(s) && !atomic_flag_test_and_set(&s->digesting)) {
        while (can_digest(s))
            digest_next(s, values);
        atomic_flag_clear(&s->digesting);
    }
}

/* Pieces are taken in ascending order, and who has taken one finishes it: all pieces before the
 * first bad one are looked at, whatever the threads do. */
static void load_pieces(struct load *s, struct loader *me)
{
    for (;;) {
        int64_t piece = atomic_fetch_add(&s->next, 1);
        if (piece >= pieces(s) || piece > atomic_load(&s->failed))
            return;
        if (load_piece(s, me, piece) < 0) {
            long long first = atomic_load(&s->failed);
            me->failed = piece;
            while (piece < first && !atomic_compare_exchange_weak(&s->failed, &first, piece))
                ;
            return;
        }
        atomic_store(&s->ready[piece], 1);
        digest_ready(s, me->values);
    }
}

static int run(struct load *s, struct el_error *err)
{
#pragma omp parallel num_threads(s->n_threads)
    load_pieces(s, &s->threads[omp_get_thread_num()]);
    for (int i = 0; i < s->n_threads; i++) {
        const struct loader *t = &s->threads[i];
        if (t->failed == atomic_load(&s->failed))
            return el_error_set(err, t->error.code, "%s", t->error.msg);
    }
    el_digest_hex(&s->digest, s->w->digest);
    return 0;
}

static int make_threads(struct load *s, struct el_error *err)
{
    int64_t most = pieces(s);
    s->n_threads = omp_get_max_threads() < most ? omp_get_max_threads() : (int)most;
    s->threads = el_alloc_array((size_t)s->n_threads, sizeof *s->threads);
    for (int i = 0; s->threads && i < s->n_threads; i++) {
        struct loader *t = &s->threads[i];
        t->failed = -1;
        t->values = el_alloc_array(EL_WEIGHTS_CHUNK, sizeof *t->values);
        int rc = el_stored_reader_init(&t->reader, EL_WEIGHTS_CHUNK, err);
        if (rc < 0)
            return rc;
        if (!t->values)
            return el_error_set(err, EL_ENOMEM, "out of memory for a piece of the weights");
    }
    return s->threads ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for threads that load");
}

static int prepare(struct load *s, struct el_error *err)
{
    const struct el_layout *l = &s->w->layout;
    s->first = el_alloc_array((size_t)l->n + 1, sizeof *s->first);
    if (!s->first)
        return el_error_set(err, EL_ENOMEM, "out of memory for a list of pieces");
    for (int i = 0; i < l->n; i++)
        s->first[i + 1] =
            s->first[i] + (l->tensors[i].count + EL_WEIGHTS_CHUNK - 1) / EL_WEIGHTS_CHUNK;
    s->ready = el_alloc_array((size_t)pieces(s), sizeof *s->ready);
    if (!s->ready)
        return el_error_set(err, EL_ENOMEM, "out of memory for a list of pieces");
    atomic_store(&s->failed, pieces(s));
    int rc = el_weights_digest_begin(&s->digest, s->w, err);
    return rc == 0 ? make_threads(s, err) : rc;
}

static void load_release(struct load *s)
{
    for (int i = 0; s->threads && i < s->n_threads; i++) {
        el_stored_reader_release(&s->threads[i].reader);
        el_free(s->threads[i].values);
    }
    el_free(s->threads);
    el_free(s->ready);
    el_free(s->first);
}

/* Nothing of the weights' size is allocated before every tensor is found: a configuration larger
 * than its checkpoint costs nothing. */
static int load_values(struct el_weights *w, struct el_checkpoint *k, struct el_progress *progress,
                       struct el_error *err)
{
    struct load load = {.w = w, .k = k, .progress = progress, .digesting = ATOMIC_FLAG_INIT};
    int rc = el_weights_allocate(w, err);
    if (rc == 0)
        rc = prepare(&load, err);
    if (rc == 0)
        rc = run(&load, err);
    load_release(&load);
    return rc;
}

/* All 0 where there is no file. */
static struct el_weights_origin look_at(const char *path)
{
    struct stat now;
    if (stat(path, &now) != 0)
        return (struct el_weights_origin){0};
    return (struct el_weights_origin){.device = now.st_dev,
                                      .inode = now.st_ino,
                                      .seconds = now.st_mtim.tv_sec,
                                      .nanoseconds = now.st_mtim.tv_nsec};
}

/* A writer takes config.json away before it replaces the weights, so the weights that were opened
 * belong to the config.json that was read if that is still there. */
static int check_config(const char *path, const struct el_weights_origin *read,
                        struct el_error *err)
{
    struct el_weights_origin now = look_at(path);
    if (now.device == read->device && now.inode == read->inode && now.seconds == read->seconds &&
        now.nanoseconds == read->nanoseconds)
        return 0;
    return el_error_set(err, EL_EBUSY, "%s: changed while the model was opened; somebody saves it",
                        path);
}

static int load_model(struct el_weights *w, const char *dir, const char *config, int *skipped,
                      struct el_progress *progress, struct el_error *err)
{
    struct el_checkpoint k;
    int rc = el_checkpoint_open(&k, dir, &w->config, &w->layout, err);
    if (rc < 0)
        return check_config(config, &w->origin, err) < 0 ? EL_EBUSY : rc;
    rc = check_config(config, &w->origin, err);
    if (rc == 0)
        rc = load_values(w, &k, progress, err);
    if (rc == 0 && skipped)
        *skipped = k.skipped;
    el_checkpoint_release(&k);
    return rc;
}

static int load_folder(const char *dir, const char *config, struct el_device *d,
                       struct el_weights **out, int *skipped, struct el_progress *progress,
                       struct el_error *err)
{
    struct el_config c;
    struct el_weights *w;
    const struct el_weights_origin read = look_at(config); /* before it is read */
    int rc = el_config_load(config, &c, err);
    if (rc == 0)
        rc = el_weights_new(&c, d, &w, err);
    if (rc < 0)
        return rc;
    w->origin = read;
    rc = load_model(w, dir, config, skipped, progress, err);
    if (rc < 0)
        el_weights_free(w);
    else
        *out = w;
    return rc;
}

int el_weights_load(const char *dir, struct el_device *d, struct el_weights **out, int *skipped,
                    struct el_progress *progress, struct el_error *err)
{
    char *config = el_path_join(dir, "config.json");
    int rc = config ? load_folder(dir, config, d, out, skipped, progress, err)
                    : el_error_set(err, EL_ENOMEM, "%s: out of memory while loading", dir);
    el_free(config);
    return rc;
}

/* A model of one layer, of the kind that the announced one is. */
static int new_mtp(const struct el_weights *model, struct el_weights **out, struct el_error *err)
{
    struct el_config c = model->config;
    struct el_layout l;
    int rc = el_layout_init_mtp(&l, &model->config, 0, err);
    if (rc < 0)
        return rc;
    c.first_k_dense_replace = !el_config_layer_is_moe(&c, c.num_hidden_layers);
    c.num_hidden_layers = 1;
    c.num_nextn_predict_layers = 0;
    c.tie_word_embeddings = 0;
    rc = el_weights_new(&c, model->device, out, err);
    if (rc < 0) {
        el_layout_release(&l);
        return rc;
    }
    el_layout_release(&(*out)->layout);
    (*out)->layout = l;
    return 0;
}

/* Values of the folder that the model came from, unless another one was saved there since. */
static int load_layer(struct el_weights *mtp, const char *dir, const struct el_weights *model,
                      struct el_progress *progress, struct el_error *err)
{
    struct el_checkpoint k;
    char *config = el_path_join(dir, "config.json");
    if (!config)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory while loading", dir);
    int rc = el_checkpoint_open_mtp(&k, dir, &model->config, &mtp->layout, err), opened = rc == 0;
    if (model->origin.inode && check_config(config, &model->origin, err) < 0)
        rc = EL_EBUSY;
    if (rc == 0)
        rc = load_values(mtp, &k, progress, err);
    if (opened)
        el_checkpoint_release(&k);
    el_free(config);
    return rc;
}

int el_mtp_load(const char *dir, const struct el_weights *model, struct el_weights **out,
                struct el_progress *progress, struct el_error *err)
{
    struct el_weights *w;
    if (model->config.num_nextn_predict_layers < 1)
        return el_error_set(err, EL_ENOTFOUND,
                            "%s: config.json announces no MTP layer (num_nextn_predict_layers 0)",
                            dir);
    int rc = new_mtp(model, &w, err);
    if (rc < 0)
        return rc;
    rc = load_layer(w, dir, model, progress, err);
    if (rc < 0)
        el_weights_free(w);
    else
        *out = w;
    return rc;
}
