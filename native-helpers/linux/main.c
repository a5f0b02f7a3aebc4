/*
 * coppice-launcher: starts process trees for a supervisor, each under a guard of its own, and ends them all when the
 * supervisor is gone. It is spoken to through descriptor 3, in the frames of protocol.md.
 *
 *   coppice-launcher [--check] [--walk=all] [--keeper=THREAD] [--missing] [--version]
 *
 * --check          reads requests and says whether it would take them, and starts nothing
 * --walk=all       looks at every process, also where the kernel lists each one's children
 * --keeper=THREAD  the number of the thread that speaks to it, which gets the processor as soon as it does itself
 * --missing        prints what this kernel refuses of what guards want of it, a line each
 * --version        prints the version of the package that it was built from
 *
 * Exit codes: 0 when the last tree has ended after the supervisor; 125 where it cannot work here; 2 for bad usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "kernel.h"
#include "launcher.h"
#include "slice.h"

enum { CONTROL = 3, CANNOT_WORK = 125, BAD_USAGE = 2 };

static void open_standard_descriptors(void);
static bool proc_is_ours(void);

int main(int argc, char **argv) {
    enum walk walk = walk_that_works();
    bool checks = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0) {
            checks = true;
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("coppice-launcher " COPPICE_VERSION);
            return 0;
        } else if (strcmp(argv[i], "--missing") == 0) {
            kernel_print_missing();
            return 0;
        } else if (strcmp(argv[i], "--walk=all") == 0) {
            walk = WALK_ALL;
        } else if (strncmp(argv[i], "--keeper=", 9) == 0) {
            slice_shorten((pid_t)strtol(argv[i] + 9, NULL, 10));
        } else if (strncmp(argv[i], "--host=", 7) == 0) {
            slice_shorten_alone((pid_t)strtol(argv[i] + 7, NULL, 10));
        } else {
            fprintf(stderr, "coppice-launcher: unknown option %s\n", argv[i]);
            return BAD_USAGE;
        }
    }
    open_standard_descriptors();
    if (checks) return check_requests(CONTROL);
    if (fcntl(CONTROL, F_GETFD) < 0) {
        fprintf(stderr, "coppice-launcher: is started by coppice, with its control on descriptor 3\n");
        return BAD_USAGE;
    }
    if (!proc_is_ours()) {
        fprintf(stderr, "coppice-launcher: /proc is missing, or of another pid namespace\n");
        return CANNOT_WORK;
    }
    syscall(SYS_close_range, CONTROL + 1, ~0U, 0);
    return launcher_serve(CONTROL, walk);
}

/* So that no pipe takes one of these numbers. */
static void open_standard_descriptors(void) {
    for (int file = 0; file < 3; file++) {
        if (fcntl(file, F_GETFD) < 0 && errno == EBADF) open("/dev/null", file == 0 ? O_RDONLY : O_WRONLY);
    }
}

static bool proc_is_ours(void) {
    char text[32] = {0};
    return readlink("/proc/self", text, sizeof text - 1) > 0 && strtol(text, NULL, 10) == getpid();
}
