/* What the conversion of checkpoints is made of. Private to core/model. */
#ifndef EL_MODEL_CONVERT_PARTS_H
#define EL_MODEL_CONVERT_PARTS_H

#include "core/base/buf.h"
#include "core/model/checkpoint.h"
#include "core/model/convert.h"

/* What every file says about itself: {"format": "pt"}. */
extern const struct el_st_meta el_convert_meta;

/* A tensor to be written, and where its values come from. */
struct el_convert_item {
    struct el_stored from;
    enum el_dtype type;
    int take_over;     /* codes and scales stay as they are */
    char *scales_name; /* FP8 only, else NULL */
    int64_t count;     /* values */
    int64_t bytes;     /* with its scales */
    int file;
};

struct el_convert_plan {
    struct el_config config; /* of the source */
    struct el_layout layout;
    struct el_checkpoint k;
    struct el_convert_item *items; /* ascending by file */
    int n, n_files;
    int64_t values;
    struct el_convert_report report; /* everything in it is known before anything is written */
};

/* Opens folder `from` and decides about every tensor; no value is read but the scales of FP8
 * matrices. After a failure nothing is to be released. */
int el_convert_plan_init(struct el_convert_plan *p, const char *from,
                         const struct el_convert_options *o, struct el_error *err);
void el_convert_plan_release(struct el_convert_plan *p);

/* The tensors of an item as they stand in a file: itself and, if FP8, its scales. Returns 1 or 2.
 */
int el_convert_describe(const struct el_convert_item *item, const struct el_fp8_format *f,
                        struct el_st_tensor out[2]);

/* One thread's buffers. */
struct el_convert_slot {
    struct el_stored_reader reader;
    float *values;
    unsigned char *out;
    size_t bytes; /* filled in out */
    int rc;
    struct el_error error;
};

struct el_converter {
    const struct el_convert_options *o;
    struct el_convert_slot *slots;
    int n_slots;
    float *scales; /* of the item being converted */
    struct el_progress *progress;
    int64_t done, total; /* values */
};

int el_converter_init(struct el_converter *v, const struct el_convert_plan *p,
                      const struct el_convert_options *o, struct el_error *err);
void el_converter_release(struct el_converter *v);
/* Converts an item and adds its data, and its scales, to w. */
int el_converter_run(struct el_converter *v, const struct el_convert_item *item,
                     struct el_st_writer *w, struct el_error *err);

/* The text of config.json at `path`, changed to say how the tensors are stored now; appended to
 * out.
 */
int el_convert_config(const char *path, const struct el_convert_options *o, struct el_buf *out,
                      struct el_error *err);

#endif
