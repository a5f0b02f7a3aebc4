/* The root of a tree: the command itself. */
#ifndef COPPICE_ROOT_H
#define COPPICE_ROOT_H

#include <stdint.h>
#include <sys/types.h>

#include "request.h"
#include "terminal.h"

/* Where a launch failed, and the system's reason. */
enum stage { STAGE_FORK = 1, STAGE_STDIO = 2, STAGE_CGROUP = 3, STAGE_DIRECTORY = 4, STAGE_EXEC = 5, STAGE_LEASE = 6 };

struct launch_error {
    uint32_t stage;
    int32_t error;
};

/*
 * Forks the root into `cgroup`, the directory of its leaf, or -1 for none. `stdio` are the descriptors that become its 0, 1 and 2, or -1 for nowhere. `report` is a pipe's read end
 * that reaches its end when the command runs, or gives a struct launch_error. -1 with errno where there is no fork.
 */
pid_t root_launch(const struct request *request, const struct terminal *terminal, int cgroup, const int stdio[3],
                  int *report);

#endif
