#include "slice.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct sched_attr of linux/sched/types.h in its first size, which every kernel since 3.14 takes. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
};

enum {
    SCHED_ORDINARY = 0,
    RESET_ON_FORK = 1,
    /* The shortest that the kernel takes, in nanoseconds; 0 is its own default. */
    SHORT_NS = 100000,
    DEFAULT_NS = 0,
};

static void set_slice(pid_t thread, uint64_t nanoseconds, uint64_t flags) {
    struct attributes attributes = {0};
    if (syscall(SYS_sched_getattr, thread, &attributes, sizeof attributes, 0) < 0) return;
    /* Whoever was given a policy keeps it. */
    if (attributes.policy != SCHED_ORDINARY) return;
    /* A reset takes a better nice value away as well, which its children would have had. */
    if (flags == RESET_ON_FORK && attributes.nice < 0) return;
    attributes.flags |= flags;
    attributes.runtime = nanoseconds;
    syscall(SYS_sched_setattr, thread, &attributes, 0);
}

void slice_shorten(pid_t thread) { set_slice(thread, SHORT_NS, 0); }

void slice_shorten_alone(pid_t thread) { set_slice(thread, SHORT_NS, RESET_ON_FORK); }

void slice_restore(void) { set_slice(0, DEFAULT_NS, 0); }
