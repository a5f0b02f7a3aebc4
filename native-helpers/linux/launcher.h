/* What the launcher and the guards that it forks have in common. */
#ifndef COPPICE_LAUNCHER_H
#define COPPICE_LAUNCHER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>

#include "processes.h"

/* One page that the launcher writes and every guard reads. */
struct shared {
    /* When the supervisor's leases end, in milliseconds of CLOCK_MONOTONIC. */
    _Atomic uint64_t lease;
};

/* Why a tree is stopped, where it is not the keeper who says so. */
enum cause {
    CAUSE_ASKED = 0,
    CAUSE_ROOT_EXITED = 1,
    CAUSE_TIMEOUT = 2,
    CAUSE_LEASE = 3,
    CAUSE_CONTROL_LOST = 4,
    CAUSE_PROCESSES = 5,
    CAUSE_MEMORY = 6,
};

/* The launcher takes as many descriptors as it may; a tool gets the limit that was there before. */
extern struct rlimit descriptor_limit_at_start;

/* Serves until the keeper's end of `control` is closed and the last guard is gone. The exit code. */
int launcher_serve(int control, enum walk walk);

#endif
