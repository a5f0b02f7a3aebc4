/* How the tree begins: its job, and its root in it. */
#include "channel.h"
#include "clock.h"
#include "console.h"
#include "job.h"
#include "processes.h"
#include "tree_state.h"

static void fail(struct tree *tree, enum stage stage, DWORD error);
static void let_go_of_stdio(void);

void launch(struct tree *tree, const struct frame *frame) {
    /* What the root inherits is this process's own environment. */
    static char *const nothing[] = {NULL};
    const char *why = NULL;
    tree->number = frame->tree;
    if (!request_parse(frame->body, frame->length, nothing, &tree->request, &why)) {
        tell_refused(tree, frame->tree, why);
        tree->state = OVER;
        return;
    }
    const struct request *request = &tree->request;
    if (tree->lease == NONE || (request->lease != NONE && request->lease > tree->lease)) tree->lease = request->lease;
    if (request->lease != NONE && clock_ms() + request->lease_reserve >= tree->lease) {
        fail(tree, STAGE_LEASE, 0);
        return;
    }
    struct job_limits limits = {request->most_processes, request->most_memory, request->most_cpus};
    tree->job = job_open(&limits, tree->port, PACKET_JOB);
    if (!tree->job) {
        fail(tree, STAGE_JOB, GetLastError());
        return;
    }
    if (request->has_terminal && tree->supervisor) console_borrow(GetProcessId(tree->supervisor));
    if (!root_start(request, tree->job, &tree->root) || !root_release(&tree->root)) {
        fail(tree, STAGE_EXEC, GetLastError());
        return;
    }
    let_go_of_stdio();
    tree->root_start = start_of(tree->root.process);
    tree->state = RUNNING;
    tree->launched_at = clock_ms();
    tell_launched(tree);
    if (!channel_watch(tree->root.process, tree->port, PACKET_ROOT)) kill_all(tree);
}

static void fail(struct tree *tree, enum stage stage, DWORD error) {
    tell_launch_failed(tree, stage, error);
    tree->state = OVER;
}

/* Else whoever reads the tree's output would wait for this process. */
static void let_go_of_stdio(void) {
    const DWORD names[3] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    HANDLE closed[3] = {NULL};
    for (int i = 0; i < 3; i++) {
        HANDLE handle = GetStdHandle(names[i]);
        if (!handle || handle == INVALID_HANDLE_VALUE || handle == closed[0] || handle == closed[1]) continue;
        closed[i] = handle;
        CloseHandle(handle);
        SetStdHandle(names[i], NULL);
    }
}
