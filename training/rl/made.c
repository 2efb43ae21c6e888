/* Files that a run makes once and its later starts read. */
#include "training/rl/run.h"

#include "core/base/alloc.h"
#include "core/base/io.h"

#include <string.h>
#include <unistd.h>

static char *note_of(const char *path)
{
    struct el_buf name;
    el_buf_init(&name);
    if (el_buf_printf(&name, "%s.from", path) == 0)
        return el_buf_detach(&name);
    el_buf_release(&name);
    return NULL;
}

static int compare(const char *path, const char *note, const char *digest, struct el_error *err)
{
    struct el_buf found;
    el_buf_init(&found);
    int rc = el_file_read(note, 1000, &found, err);
    if (rc == 0 && (!found.data || strcmp(found.data, digest) != 0))
        rc = el_error_set(err, EL_EREFUSED,
                          "%s: was made by another recipe, seed, prompt set or model; use another "
                          "--out folder, or remove the file",
                          path);
    el_buf_release(&found);
    return rc < 0 ? rc : 1;
}

int el_rl_made(const char *path, const char *digest, struct el_error *err)
{
    char *note = note_of(path);
    int rc = note ? el_path_exists(path) : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    if (rc > 0 && el_path_exists(note))
        rc = compare(path, note, digest, err);
    el_free(note);
    return rc;
}

int el_rl_note_made(const char *path, const char *digest, struct el_error *err)
{
    char *note = note_of(path);
    int rc = note ? el_file_write(note, digest, strlen(digest), err)
                  : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    el_free(note);
    return rc;
}

void el_rl_unmake(const char *path)
{
    char *note = note_of(path);
    unlink(path); /* first: a note alone says nothing */
    if (note)
        unlink(note);
    el_free(note);
}
