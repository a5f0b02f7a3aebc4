#include "guard_state.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "priority.h"
#include "realtime.h"

enum {
    /* Who is not done with its dead for so long has others to wait for all the time; where it kills, each moment has more born. */
    BEHIND_MS = 50,
    BEHIND_IN_KILL_MS = 5,
    /* So long until others of this machine may have set the priorities that they may set in a second. */
    STEP_BACK_MS = 100,
};

static void keep_up(struct guard *guard);
static void root_has_exited(struct guard *guard);

void reap(struct guard *guard, int most) {
    /* The exit of a root that could not become its command is no exit: the report comes first. */
    if (guard->report >= 0 || guard->state == EMPTY) return;
    bool had_exited = guard->root_exited;
    guard->has_dead = true;
    int reaped = 0;
    for (; reaped < most; reaped++) {
        int status;
        int stops = guard->terminal.file >= 0 ? WUNTRACED : 0;
        pid_t pid = wait4(-1, &status, WNOHANG | __WALL | stops, NULL);
        if (pid < 0 && errno == EINTR) continue;
        if (pid > 0 && WIFSTOPPED(status)) {
            if (pid == guard->root && guard->state == RUNNING) {
                guard->is_suspended = true;
                terminal_suspend(&guard->terminal, guard->root);
            }
            continue;
        }
        if (pid == guard->root && pid > 0) {
            guard->root_exited = true;
            guard->root_status = status;
            terminal_give_back(&guard->terminal);
        }
        if (pid < 0) {
            /* ECHILD. Whatever lost its parent came to us, so nobody is left, but for who came into the cgroup. */
            guard->waits_for_cgroup = cgroup_is_populated(&guard->cgroup);
            guard->has_dead = false;
            if (guard->waits_for_cgroup) break;
            if (!had_exited) stop_where_the_kernel_took_the_root(guard);
            guard->state = EMPTY;
            tell_exit(guard, FRAME_EMPTY);
            leave_cgroup(guard);
            return;
        }
        if (pid == 0) {
            guard->has_dead = false;
            break;
        }
    }
    keep_up(guard);
    if (guard->root_exited && !had_exited) root_has_exited(guard);
}

/*
 * Whoever keeps up needs nothing: a tree steps back behind its guard. But processes that left for sessions of their own
 * have each as much of the processor as we have. To go before them holds everybody else up too, so it is for as long as needed alone.
 */
static void keep_up(struct guard *guard) {
    if (!guard->has_dead) {
        guard->has_dead_since = NONE;
        realtime_end(&guard->is_realtime);
        return;
    }
    uint64_t now = clock_ms();
    if (guard->has_dead_since == NONE) guard->has_dead_since = now;
    uint64_t bound = guard->state == KILLING ? BEHIND_IN_KILL_MS : BEHIND_MS;
    if (now - guard->has_dead_since >= bound) realtime_begin(&guard->is_realtime);
}

/* As an ordinary user's, it may have to wait for those of others; not all at the same time again. */
void step_back(struct guard *guard) {
    /* Once it has been waited for, its number may be a stranger's. */
    bool is_done = guard->root_exited || priority_of_session(guard->root, guard->request.nice);
    guard->step_back_at = is_done ? NONE : clock_ms() + STEP_BACK_MS + (uint64_t)getpid() % STEP_BACK_MS;
}

static void root_has_exited(struct guard *guard) {
    stop_where_the_kernel_took_the_root(guard);
    descendants_of_us(guard->walk, NULL, 0, &guard->lingering);
    guard->lingered = (uint32_t)guard->lingering.used;
    tell_exit(guard, FRAME_ROOT_EXITED);
    /* What lingers is not late: the time was the root's. */
    if (guard->request.lingers) guard->deadline = NONE;
    if (guard->second_step_at != NONE) terminate_all(guard);
    if (guard->state == RUNNING && !guard->request.lingers) stop(guard, CAUSE_ROOT_EXITED, guard->request.grace);
}
