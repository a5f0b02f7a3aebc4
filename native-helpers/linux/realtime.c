#include "realtime.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slice.h"

/* What is forked meanwhile is no part of this (linux/sched.h). */
enum { RESET_ON_FORK = 0x40000000 };

/* Past musl, whose sched_setscheduler refuses: it would have to set every thread, and here is one. */
static bool set_policy(int policy, int priority) {
    struct sched_param parameters = {.sched_priority = priority};
    return syscall(SYS_sched_setscheduler, 0, policy, &parameters) == 0;
}

void realtime_begin(bool *is_realtime) {
    if (!*is_realtime) *is_realtime = set_policy(SCHED_FIFO | RESET_ON_FORK, 1);
}

void realtime_end(bool *is_realtime) {
    if (!*is_realtime) return;
    *is_realtime = false;
    set_policy(SCHED_OTHER, 0);
    slice_shorten(0);
}
