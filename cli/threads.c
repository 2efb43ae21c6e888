#include "cli/cli.h"

#include <stdlib.h>
#include <unistd.h>

void cli_tune_threads(char **argv)
{
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
        return;
    if (setenv("GOMP_SPINCOUNT", "2000", 1) == 0)
        execv("/proc/self/exe", argv); /* returns only when it fails: then spin as before */
}
