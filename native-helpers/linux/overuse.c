#include "guard_state.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "want.h"

enum {
    /* A young tree is looked at sooner: in a tenth of a second a storm forks a thousand. */
    FIRST_SAMPLE_MS = 5,
    SAMPLE_MS = 100,
};

static void stop_where_the_kernel_held_a_limit(struct guard *guard);

static void stop_where_the_kernel_held_a_limit(struct guard *guard) {
    if (guard->request.most_processes != NONE && cgroup_pids(&guard->cgroup) == EXCEEDED) stop(guard, CAUSE_PROCESSES, 0);
    if (guard->request.most_memory != NONE && cgroup_memory(&guard->cgroup) == EXCEEDED) stop(guard, CAUSE_MEMORY, 0);
}

/*
 * A root may also have died of a limit of its own tree, which is looked at first; and where nobody of ours killed it, of the
 * want of memory that all share. Its leaf tells that of its processes; elsewhere it was killed in the moment in which the
 * kernel killed somebody.
 */
void stop_where_the_kernel_took_the_root(struct guard *guard) {
    stop_where_the_kernel_held_a_limit(guard);
    bool was_killed = guard->root_exited && WIFSIGNALED(guard->root_status) && WTERMSIG(guard->root_status) == SIGKILL;
    if (guard->state != RUNNING || !was_killed) return;
    bool took;
    if (!cgroup_took_for_memory(&guard->cgroup, &took)) took = want_was_felt(guard->shared, guard->cgroup.directory);
    if (took) stop(guard, CAUSE_MEMORY_OF_ALL, 0);
}

/*
 * Where the kernel holds a limit, whether it had to; else what the tree takes. Memory is what is resident, and shared
 * memory counts once where that is too much. Threads count, as the kernel counts them.
 */
void sample(struct guard *guard) {
    stop_where_the_kernel_held_a_limit(guard);
    if (guard->state != RUNNING) {
        guard->sample_at = NONE;
        return;
    }
    guard->sample_at = clock_ms() + guard->sample_pause;
    guard->sample_pause = earlier(guard->sample_pause * 2, SAMPLE_MS);
    bool counts = guard->request.most_processes != NONE && cgroup_pids(&guard->cgroup) == NOT_HELD;
    bool weighs = guard->request.most_memory != NONE && cgroup_memory(&guard->cgroup) == NOT_HELD;
    if (!counts && !weighs) return;
    struct processes *found = &guard->found;
    if (!descendants_of_us(guard->walk, NULL, 0, found)) return;
    uint64_t threads = 0;
    for (size_t i = 0; i < found->used; i++) threads += found->entries[i].threads;
    if (counts && threads > guard->request.most_processes) {
        stop(guard, CAUSE_PROCESSES, 0);
        return;
    }
    if (!weighs) return;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t resident = 0;
    for (size_t i = 0; i < found->used; i++) resident += found->entries[i].resident_pages * page;
    if (resident <= guard->request.most_memory) return;
    uint64_t proportional = 0;
    for (size_t i = 0; i < found->used; i++) proportional += process_proportional_memory(found->entries[i].pid);
    if (proportional > guard->request.most_memory) stop(guard, CAUSE_MEMORY, 0);
}

void begin_to_sample(struct guard *guard) {
    guard->sample_at = clock_ms();
    guard->sample_pause = FIRST_SAMPLE_MS;
}
