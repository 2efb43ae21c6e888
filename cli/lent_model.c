#include "cli/lent_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cli_lent_model_init(struct cli_lent_model *m, const struct el_weights *w, struct el_error *err)
{
    const char *where = getenv("TMPDIR");
    int n = snprintf(m->folder, sizeof m->folder, "%s/elenchus-model-XXXXXX",
                     where && *where ? where : "/tmp");
    int fits = n > 0 && (size_t)n < sizeof m->folder;
    if (!fits || !mkdtemp(m->folder)) {
        m->folder[0] = 0;
        return el_error_set(err, EL_EIO, "a temporary folder in %.200s: %s",
                            where && *where ? where : "/tmp",
                            fits ? strerror(errno) : "the path is too long");
    }
    int rc = el_weights_save(w, m->folder, err);
    if (rc < 0)
        cli_lent_model_release(m);
    return rc;
}

void cli_lent_model_release(struct cli_lent_model *m)
{
    static const char *const files[] = {"config.json", "model.safetensors"};
    char path[sizeof m->folder + 32];
    if (!m->folder[0])
        return;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", m->folder, files[i]);
        unlink(path);
    }
    rmdir(m->folder);
    m->folder[0] = 0;
}
