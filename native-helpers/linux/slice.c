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
    /* The shortest that the kernel takes, in nanoseconds; 0 is its own default. */
    SHORT_NS = 100000,
    DEFAULT_NS = 0,
};

static void set_slice(pid_t thread, uint64_t nanoseconds) {
    struct attributes attributes = {0};
    if (syscall(SYS_sched_getattr, thread, &attributes, sizeof attributes, 0) < 0) return;
    /* Whoever was given a policy keeps it. */
    if (attributes.policy != SCHED_ORDINARY) return;
    attributes.runtime = nanoseconds;
    syscall(SYS_sched_setattr, thread, &attributes, 0);
}

void slice_shorten(pid_t thread) { set_slice(thread, SHORT_NS); }

void slice_restore(void) { set_slice(0, DEFAULT_NS); }
