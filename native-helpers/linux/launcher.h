/* What the launcher and the guards that it forks have in common. */
#ifndef COPPICE_LAUNCHER_H
#define COPPICE_LAUNCHER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>

#include "processes.h"

/* One page that launcher and guards have in common. */
struct shared {
    /* When the supervisor's leases end, in milliseconds of CLOCK_MONOTONIC. */
    _Atomic uint64_t lease;
    /* How many the kernel has killed for want of memory, as the guards have seen it; NONE before the first look. */
    _Atomic uint64_t killed_for_memory;
    /* When one of them saw that there were more, in milliseconds of CLOCK_MONOTONIC; NONE where none has. */
    _Atomic uint64_t felt_at;
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
    CAUSE_MEMORY_OF_ALL = 7,
};

/* The launcher takes as many descriptors as it may; a tool gets the limit that was there before. */
extern struct rlimit descriptor_limit_at_start;

/* Serves until the keeper's end of `control` is closed and the last guard is gone. The exit code. */
int launcher_serve(int control, enum walk walk);

#endif
