/* What a guard knows of its tree, and what the parts of it ask of each other. */
#ifndef COPPICE_GUARD_STATE_H
#define COPPICE_GUARD_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroup.h"
#include "clock.h"
#include "frame.h"
#include "guard.h"
#include "processes.h"
#include "request.h"
#include "root.h"
#include "terminal.h"

enum state { LAUNCHING, RUNNING, STOPPING, KILLING, EMPTY, FAILED };

struct guard {
    uint32_t tree;
    int control;
    int signals;
    /* Tells whether the root's exec worked; -1 once that is known. */
    int report;
    /* The host's ends of the root's pipes, and this process's copy of the root's end of its stdin. */
    int host_ends[3];
    int stdin_reader;
    struct shared *shared;
    enum walk walk;
    struct request request;
    struct cgroup cgroup;
    /* No child of ours is left, and yet somebody lives in the cgroup. */
    bool waits_for_cgroup;
    struct terminal terminal;
    bool is_suspended;

    enum state state;
    struct launch_error failure;
    pid_t root;
    /* A pidfd, readable from the root's exit on; -1 where the kernel has none, and after that. */
    int root_handle;
    bool root_exited;
    int root_status;
    /* More may be dead than were waited for so far. */
    bool has_dead;
    bool is_realtime;
    /* Since when that has been so without a break; NONE where it is not so. */
    uint64_t has_dead_since;
    /* It is gone, or its lease is over: whoever takes over wants to know how the tree ended. */
    bool keeper_lost;
    bool rest_terminated;
    bool forced;
    uint32_t killed;
    uint32_t lingered;
    struct processes lingering;
    struct processes found;
    struct processes before;

    /* Moments of the monotonic clock, in milliseconds; NONE where they are not to come. */
    uint64_t deadline;
    uint64_t second_step_at;
    uint64_t kill_at;
    uint64_t give_up_at;
    uint64_t look_at;
    uint64_t look_pause;
    uint64_t sample_at;
    uint64_t sample_pause;
    uint64_t step_back_at;
};

static inline uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* guard.c */

/* Its supervisor is gone: nobody is left to open what the host has not opened yet. */
void end_without_keeper(struct guard *guard);
void leave_cgroup(struct guard *guard);

/* reaping.c */

/*
 * Waits for the dead, so many at most: a storm's come as fast as they are waited for, and timers and control have their turn
 * in between. Proves that the tree is empty.
 */
enum { MOST_REAPED = 64 };
void reap(struct guard *guard, int most);
/* The tree's process session steps back. */
void step_back(struct guard *guard);

/* ending.c */

/* The first stop decides; a later one can only make it shorter. */
void stop(struct guard *guard, enum cause cause, uint64_t grace);
void terminate_all(struct guard *guard);
void begin_to_kill(struct guard *guard);
/* One look of many, at `look_at`. */
void kill_tree(struct guard *guard);

/* overuse.c */

void sample(struct guard *guard);
/* Begins to, from now on. */
void begin_to_sample(struct guard *guard);
void stop_where_the_kernel_took_the_root(struct guard *guard);

/* telling.c */

void tell_launched(struct guard *guard);
void tell_failed(struct guard *guard);
void tell_stopping(struct guard *guard, enum cause cause);
/* ROOT_EXITED while others live, EMPTY when nobody does: everything that is known by then. */
void tell_exit(struct guard *guard, enum frame_type type);
void tell_survivors(struct guard *guard);
void tell_refused(struct guard *guard, const char *why);

#endif
