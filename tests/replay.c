/* Feeds kept inputs to a fuzz target without libFuzzer, so that every build and every sanitizer
 * meets them: replay FOLDER. Each name is printed before its turn, so that the last one of a failed
 * run is the culprit. */
#include "core/base/alloc.h"
#include "core/base/io.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* From memory of its exact size, as libFuzzer does, so that reading past the end is noticed. */
static int replay(const char *folder, const char *name)
{
    struct el_error err = {0};
    struct el_buf b;
    char *path = el_path_join(folder, name);
    el_buf_init(&b);
    int rc = path ? el_file_read(path, 0, &b, &err) : -1;
    uint8_t *exact = malloc(b.len ? b.len : 1);
    if (rc < 0 || !exact) {
        fprintf(stderr, "%s\n", err.msg[0] ? err.msg : "out of memory");
        rc = -1;
    } else {
        puts(path);
        fflush(stdout);
        if (b.len)
            memcpy(exact, b.data, b.len);
        LLVMFuzzerTestOneInput(exact, b.len);
    }
    free(exact);
    el_buf_release(&b);
    el_free(path);
    return rc;
}

int main(int argc, char **argv)
{
    struct dirent **list = NULL;
    int n = argc == 2 ? scandir(argv[1], &list, NULL, alphasort) : -1, done = 0, bad = 0;
    for (int i = 0; i < n; i++) {
        if (list[i]->d_name[0] != '.') {
            bad += replay(argv[1], list[i]->d_name) < 0;
            done++;
        }
        free(list[i]);
    }
    free(list);
    printf("%d inputs, %d of them unreadable\n", done, bad);
    return done == 0 || bad > 0;
}
