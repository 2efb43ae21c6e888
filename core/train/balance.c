#include "core/train/balance.h"

#include <string.h>

enum { piece = 64 }; /* biases moved per copy: no allocation for any number of experts */

/* Experts 0..count-1 of `load`, out of n that share `total` rows. */
static void step_piece(float *bias, const int64_t *load, int count, int64_t total, int n,
                       double gamma)
{
    for (int e = 0; e < count; e++) {
        int64_t error = total - load[e] * n; /* n * (mean - load), exact in integers */
        bias[e] += (float)(gamma * ((error > 0) - (error < 0)));
    }
}

static int64_t sum(const int64_t *load, int n)
{
    int64_t total = 0;
    for (int e = 0; e < n; e++)
        total += load[e];
    return total;
}

void el_balance_step(float *bias, const int64_t *load, int n, double gamma)
{
    step_piece(bias, load, n, sum(load, n), n, gamma);
}

static double peak(const int64_t *load, int n)
{
    int64_t total = sum(load, n), most = 0;
    for (int e = 0; e < n; e++)
        most = load[e] > most ? load[e] : most;
    return total ? (double)most * n / (double)total : 0;
}

/* el_balance_step on device memory, a piece of the experts at a time. */
static void move_bias(struct el_device *d, float *bias, const int64_t *load, int n, double gamma)
{
    int64_t total = sum(load, n);
    for (int at = 0; at < n; at += piece) {
        float part[piece];
        int count = n - at < piece ? n - at : piece;
        d->copy_out(d, part, bias + at, (size_t)count * sizeof(float));
        step_piece(part, load + at, count, total, n, gamma);
        d->copy_in(d, bias + at, part, (size_t)count * sizeof(float));
    }
}

double el_balance_update(struct el_weights *w, int64_t *load, double gamma)
{
    const struct el_config *c = &w->config;
    double worst = 0;
    for (int l = c->first_k_dense_replace; l < c->num_hidden_layers; l++) {
        int64_t *of_layer = load + (int64_t)l * c->n_routed_experts;
        double here = peak(of_layer, c->n_routed_experts);
        worst = here > worst ? here : worst;
        if (gamma > 0 && here > 0)
            move_bias(w->device, w->view.layers[l].router_bias, of_layer, c->n_routed_experts,
                      gamma);
        memset(of_layer, 0, (size_t)c->n_routed_experts * sizeof *of_layer);
    }
    return worst;
}
