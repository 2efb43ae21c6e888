/* Inside the driver: asking, and taking replies. Not for other rooms. */
#ifndef EL_REFINE_COMPETE_PARTS_H
#define EL_REFINE_COMPETE_PARTS_H

#include "refine/compete.h"
#include "refine/competition.h"
#include "roles/role.h"

/* A job between being taken from the queue and being settled. */
struct el_flight {
    struct el_task task;
    enum el_role role;
    int problem, number, round; /* number: of the thread in its problem */
    int sample;                 /* of the job's row: analyses left out, or the analysis' number */
    int64_t job;                /* 0: no row yet */
    int64_t proof;              /* the proof that is refined or verified, 0: none */
    int attempt;                /* replies of this job that are stored */
    int outages;                /* in a row */
    double due;                 /* when to ask again; 0: at once */
    double asked;               /* when it was submitted */
    int in_use, next;           /* of a list */
    char key[EL_DIGEST_HEX];
    char *inputs; /* JSON with the keys of the analyses given, or NULL */
};

struct el_side {
    struct el_backend *backend;
    int in_flight;
};

struct el_compete {
    struct el_compete_options o;
    struct el_competition state;
    struct el_reply_parser *parser;
    int64_t run;
    struct el_side side[2]; /* generator, verifier; n_sides 1: both are the same */
    int n_sides, turn;
    struct el_flight *flights;
    int n_flights, cap_flights, free_flight;
    int again;                     /* list of flights that wait to be asked again, -1: none */
    int grouped;                   /* replies in the open transaction; 0: none is open */
    double group_begin, last_wait; /* when it was opened; how long the last poll took */
    struct el_buf prompt, scratch[3];
};

double el_compete_now(void); /* seconds on a clock that never jumps */

struct el_side *el_compete_side(struct el_compete *c, enum el_task_kind kind);

/* A place for a job; its index, or EL_ENOMEM. */
int el_flight_open(struct el_compete *c, struct el_error *err);
void el_flight_close(struct el_compete *c, int flight);

/* Asks the backend. 0; a prompt that does not fit, or a refusal to take the request, is handled. */
int el_compete_ask(struct el_compete *c, int flight, struct el_error *err);
/* Stores what came, moves the state on, and closes the flight or lists it for another attempt. */
int el_compete_receive(struct el_compete *c, int flight, const struct el_completion *reply,
                       struct el_error *err);
/* The prompt does not fit. */
int el_compete_over_context(struct el_compete *c, int flight, struct el_error *err);
/* No reply; asked again later. */
int el_compete_outage(struct el_compete *c, int flight, const char *why, struct el_error *err);
/* Makes sure that the job has a row. */
int el_compete_job(struct el_compete *c, struct el_flight *f, struct el_error *err);

#endif
