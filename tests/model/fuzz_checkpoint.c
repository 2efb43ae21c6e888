/* Any folder: config.json up to the first NUL byte, model.safetensors behind it. What cannot be
 * loaded cannot be converted; what can be loaded can be inspected, and an MTP layer that is called
 * complete is one whose values alone can be wrong. */
#include "core/base/io.h"
#include "core/model/convert.h"
#include "core/model/inspect.h"
#include "core/model/mtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char from[] = "/tmp/el-fuzz-XXXXXX", to[40];

static const char *in(const char *folder, const char *name)
{
    static char path[2][80];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void load_mtp(const char *folder, const struct el_weights *w)
{
    struct el_inspection found;
    struct el_weights *mtp;
    if (el_inspect(folder, &found, NULL) < 0)
        abort();
    int rc = el_mtp_load(folder, w, &mtp, NULL, NULL);
    if (rc == 0)
        el_weights_free(mtp);
    else if (found.mtp == EL_MTP_COMPLETE && rc != EL_ENUMERIC)
        abort();
}

static int load(const char *folder)
{
    struct el_weights *w;
    struct el_error err = {0};
    int rc = el_weights_load(folder, el_device_host(), &w, NULL, NULL, &err);
    if (rc < 0 && !err.msg[0])
        abort();
    if (rc == 0) {
        load_mtp(folder, w);
        el_weights_free(w);
    }
    return rc;
}

/* Large models take too long: room for a small one only. */
static int is_small(void)
{
    struct el_config c;
    return el_config_load(in(from, "config.json"), &c, NULL) == 0 && c.num_hidden_layers <= 8 &&
           c.n_routed_experts <= 16 && c.max_position_embeddings <= 4096;
}

static void convert(void)
{
    struct el_convert_options o = {.form = EL_FORM_FP8, .fp8 = {4, 4, 1}};
    struct el_error err = {0};
    int loaded = load(from), rc = el_convert(from, to, &o, NULL, NULL, &err);
    if (rc < 0 && (!err.msg[0] || el_path_exists(to)))
        abort();
    if (rc == 0 && loaded < 0)
        abort();
    if (rc == 0) {
        load(to); /* a scale near the end of the range may give a product beyond it */
        unlink(in(to, "config.json"));
        unlink(in(to, "model.safetensors"));
        if (rmdir(to) < 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *end = memchr(data, 0, n);
    if (!end)
        return 0;
    if (!to[0]) {
        if (!mkdtemp(from))
            abort();
        snprintf(to, sizeof to, "%s.to", from);
    }
    size_t config = (size_t)(end - data);
    if (el_file_write(in(from, "config.json"), data, config, NULL) < 0 ||
        el_file_write(in(from, "model.safetensors"), end + 1, n - config - 1, NULL) < 0)
        abort();
    if (is_small())
        convert();
    return 0;
}
