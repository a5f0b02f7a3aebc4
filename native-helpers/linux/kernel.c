#include "kernel.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "processes.h"

static bool has_pidfd(void);
static bool has_close_range(void);

void kernel_print_missing(void) {
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) puts("subreaper");
    if (!has_pidfd()) puts("pidfd");
    if (!has_close_range()) puts("close_range");
    if (walk_that_works() != WALK_CHILDREN) puts("children");
}

/* A signal of 0 to ourselves. */
static bool has_pidfd(void) {
    int handle = (int)syscall(SYS_pidfd_open, getpid(), 0);
    bool has = handle >= 0 && syscall(SYS_pidfd_send_signal, handle, 0, NULL, 0) == 0;
    if (handle >= 0) close(handle);
    return has;
}

/* Of a number that no descriptor has. */
static bool has_close_range(void) { return syscall(SYS_close_range, ~0U, ~0U, 0) == 0; }
