#include "core/tensor/device.h"

void el_device_free(struct el_device *d)
{
    if (d && d->destroy)
        d->destroy(d);
}
