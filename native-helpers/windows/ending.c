/* How the tree ends: asked, and with its grace over killed until nobody is left. */
#include "clock.h"
#include "console.h"
#include "job.h"
#include "tree_state.h"

/* Milliseconds. Messages of a job "are intended only as notifications and their delivery is not guaranteed"
 * ("JOBOBJECT_ASSOCIATE_COMPLETION_PORT", Microsoft): so it is looked at as well, closely only near its end. */
enum { LOOK_RARELY = 1000, LOOK_CLOSELY = 20, CONSOLE_BOUND = 500 };

static void ask_to_end(struct tree *tree, uint64_t grace);

void begin_stop(struct tree *tree, enum cause cause, uint64_t grace) {
    if (tree->state == UNBORN || tree->state >= KILLING) return;
    uint64_t kill_at = clock_after(clock_ms(), grace);
    if (tree->state == STOPPING) {
        if (kill_at < tree->kill_at) tree->kill_at = kill_at;
        if (grace == 0) kill_all(tree);
        return;
    }
    tree->state = STOPPING;
    tree->cause = cause;
    tree->kill_at = kill_at;
    if (cause != ASKED) tell_stopping(tree);
    if (grace == 0) kill_all(tree);
    else ask_to_end(tree, grace);
}

static DWORD group_of(const struct tree *tree) { return tree->request.has_terminal ? 0 : tree->root.pid; }

static void ask_to_end(struct tree *tree, uint64_t grace) {
    const struct request *request = &tree->request;
    bool is_in_two_steps = (request->root_first || request->stop_by_stdin) && !tree->has_root_exited;
    if (is_in_two_steps) tree->half_at = clock_after(clock_ms(), grace / 2);
    if (is_in_two_steps && request->stop_by_stdin) return;
    console_ask(tree->job, group_of(tree), !is_in_two_steps);
}

void look(struct tree *tree) {
    if (!tree->has_root_exited && WaitForSingleObject(tree->root.process, 0) == WAIT_OBJECT_0) root_exited(tree);
    uint32_t active = job_active(tree->job);
    if (tree->has_root_exited && active == 0) {
        tell_empty(tree);
        tree->state = OVER;
        return;
    }
    if (!tree->has_root_exited || tree->is_root_told || active == UINT32_MAX) return;
    /* It may be counted for a moment still, and so may a console's host, which ends with its last process. */
    struct message others = {0};
    message_begin(&others, FRAME_ROOT_EXITED, 0);
    uint32_t count = name_living(tree, &others, true);
    if (count == 0 && clock_ms() < tree->root_exited_at + CONSOLE_BOUND) return;
    tree->is_root_told = true;
    tree->lingered = others;
    tree->lingered_count = count;
    tell_root_exited(tree);
    if (!tree->request.lingers && tree->state == RUNNING) begin_stop(tree, ROOT_EXITED, tree->request.grace);
}

void root_exited(struct tree *tree) {
    if (tree->has_root_exited) return;
    tree->has_root_exited = true;
    tree->root_exited_at = clock_ms();
    if (tree->half_at != NONE) tree->half_at = 0;
}

/* Again and again, until nobody is left. */
void kill_all(struct tree *tree) {
    if (tree->state == UNBORN || tree->state == OVER) return;
    if (tree->state != KILLING) {
        tree->state = KILLING;
        tree->survivors_at = clock_after(clock_ms(), tree->request.kill_bound);
        struct message ignored;
        message_begin(&ignored, FRAME_SURVIVORS, 0);
        tree->killed += name_living(tree, &ignored, false);
    }
    TerminateJobObject(tree->job, JOB_KILLED);
}

static uint64_t lease_ends(const struct tree *tree) {
    if (tree->lease == NONE || tree->request.lease == NONE || tree->state != RUNNING) return NONE;
    return tree->lease > tree->request.lease_reserve ? tree->lease - tree->request.lease_reserve : 0;
}

/* Of a tree whose root has exited and that may linger, the time bound is its run's affair. */
static uint64_t timeout_ends(const struct tree *tree) {
    if (tree->state != RUNNING || tree->has_root_exited) return NONE;
    return clock_after(tree->launched_at, tree->request.timeout);
}

DWORD until_next(const struct tree *tree) {
    if (tree->state == UNBORN) return INFINITE;
    bool is_close = tree->state == KILLING || (tree->has_root_exited && !tree->is_root_told);
    uint64_t next = clock_ms() + (is_close ? LOOK_CLOSELY : LOOK_RARELY);
    uint64_t moments[] = {tree->kill_at, tree->half_at, tree->survivors_at, lease_ends(tree), timeout_ends(tree)};
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        if (moments[i] < next) next = moments[i];
    }
    uint64_t now = clock_ms();
    return next <= now ? 0 : (DWORD)(next - now);
}

void on_time(struct tree *tree) {
    uint64_t now = clock_ms();
    uint64_t reserve = tree->request.lease_reserve;
    if (now >= timeout_ends(tree)) begin_stop(tree, TIMEOUT, tree->request.grace);
    if (now >= lease_ends(tree)) {
        begin_stop(tree, LEASE, tree->request.grace < reserve / 2 ? tree->request.grace : reserve / 2);
    }
    if (tree->state == STOPPING && now >= tree->half_at) {
        tree->half_at = NONE;
        console_ask(tree->job, group_of(tree), true);
    }
    if (tree->state == STOPPING && now >= tree->kill_at) kill_all(tree);
    if (tree->state != KILLING) return;
    tree->kill_at = tree->half_at = NONE;
    TerminateJobObject(tree->job, JOB_KILLED);
    if (now >= tree->survivors_at) {
        tree->survivors_at = NONE;
        tell_survivors(tree);
    }
}
