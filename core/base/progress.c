#include "core/base/progress.h"

volatile sig_atomic_t el_stop_requested;
