#include "tree.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "channel.h"
#include "clock.h"
#include "console.h"
#include "frame.h"
#include "job.h"
#include "processes.h"
#include "request.h"
#include "root.h"
#include "text.h"

enum state { UNBORN, RUNNING, STOPPING, KILLING, OVER };
enum cause { ASKED, ROOT_EXITED, TIMEOUT, LEASE, CONTROL_LOST, PROCESSES, MEMORY };
enum stage { STAGE_EXEC = 5, STAGE_LEASE = 6, STAGE_JOB = 7 };
enum { CANNOT_WORK = 125, MOST_NAMED = 32, MOST_SEEN = 4096 };

/* Milliseconds. Messages of a job "are intended only as notifications and their delivery is not guaranteed"
 * ("JOBOBJECT_ASSOCIATE_COMPLETION_PORT", Microsoft): so it is looked at as well, closely only near its end. */
enum { LOOK_RARELY = 1000, LOOK_CLOSELY = 20, CONSOLE_BOUND = 500 };

struct tree {
    HANDLE control;
    HANDLE report;
    HANDLE supervisor;
    HANDLE port;
    HANDLE job;
    struct buffer received;
    struct request request;
    struct root root;
    uint32_t number;
    uint64_t root_start;
    enum state state;
    enum cause cause;
    bool has_root_exited;
    bool is_root_told;
    bool is_alone;
    bool was_root_killed;
    bool has_survivors_told;
    uint32_t killed;
    uint64_t launched_at;
    uint64_t root_exited_at;
    uint64_t kill_at;
    uint64_t half_at;
    uint64_t survivors_at;
    uint64_t lease;
    struct message lingered;
    uint32_t lingered_count;
};

static void receive(struct tree *tree, const uint8_t *bytes, size_t count);
static void take_frame(struct tree *tree, const struct frame *frame);
static void launch(struct tree *tree, const struct frame *frame);
static void launch_failed(struct tree *tree, enum stage stage, DWORD error);
static void refuse(struct tree *tree, uint32_t number, const char *why);
static void let_go_of_stdio(void);
static void control_lost(struct tree *tree);
static void hear_job(struct tree *tree, DWORD message);
static void begin_stop(struct tree *tree, enum cause cause, uint64_t grace);
static void ask_to_end(struct tree *tree, uint64_t grace);
static void look(struct tree *tree);
static void root_exited(struct tree *tree);
static void kill_all(struct tree *tree);
static void ended(struct tree *tree);
static void tell_survivors(struct tree *tree);
static void message_tree_end(struct tree *tree, struct message *message, enum frame_type type);
static uint32_t name_living(struct tree *tree, struct message *message, bool without_root);
static DWORD until_next(const struct tree *tree);
static void on_time(struct tree *tree);
static void leave_word(struct tree *tree, struct message *message);

int tree_serve(HANDLE control, HANDLE report, HANDLE supervisor, HANDLE asked) {
    struct tree tree = {.control = control, .report = report, .supervisor = supervisor};
    tree.kill_at = tree.half_at = tree.survivors_at = tree.lease = NONE;
    tree.port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (!tree.port || !channel_read(control, tree.port)) return CANNOT_WORK;
    if (supervisor && !channel_watch(supervisor, tree.port, PACKET_SUPERVISOR)) return CANNOT_WORK;
    if (asked && !channel_watch(asked, tree.port, PACKET_SUPERVISOR)) return CANNOT_WORK;
    struct message hello;
    message_begin(&hello, FRAME_HELLO, 0);
    message_u32(&hello, 1);
    message_u32(&hello, GetCurrentProcessId());
    message_u8(&hello, 0);
    channel_write(report, &hello);
    while (tree.state != OVER) {
        DWORD bytes = 0;
        ULONG_PTR key = 0;
        LPOVERLAPPED pointer = NULL;
        if (GetQueuedCompletionStatus(tree.port, &bytes, &key, &pointer, until_next(&tree))) {
            if (key == PACKET_BYTES && bytes > 0) receive(&tree, (uint8_t *)pointer, bytes);
            else if (key == PACKET_BYTES || key == PACKET_SUPERVISOR) control_lost(&tree);
            else if (key == PACKET_JOB) hear_job(&tree, bytes);
            else if (key == PACKET_ROOT) root_exited(&tree);
        }
        if (tree.state != UNBORN && tree.state != OVER) look(&tree);
        if (tree.state != UNBORN && tree.state != OVER) on_time(&tree);
    }
    return 0;
}

static void receive(struct tree *tree, const uint8_t *bytes, size_t count) {
    if (!buffer_append(&tree->received, bytes, count)) control_lost(tree);
    free((void *)bytes);
    for (;;) {
        struct frame frame;
        size_t taken = 0;
        enum frame_result result = frame_first(tree->received.bytes, tree->received.used, &frame, &taken);
        if (result == FRAME_INCOMPLETE) return;
        if (result == FRAME_WHOLE) take_frame(tree, &frame);
        else refuse(tree, 0, "a frame is malformed");
        /* What follows a length that is none is no frame either. */
        if (result == FRAME_TOO_LONG) tree->received.used = 0;
        else buffer_drop(&tree->received, taken);
        if (tree->state == OVER) return;
    }
}

static void take_frame(struct tree *tree, const struct frame *frame) {
    struct reader reader = reader_of(frame->body, frame->length);
    bool is_ours = tree->state != UNBORN && frame->tree == tree->number;
    switch (frame->type) {
    case FRAME_LAUNCH:
        if (tree->state == UNBORN) launch(tree, frame);
        else refuse(tree, frame->tree, "there is a tree already");
        return;
    case FRAME_LEASE: {
        uint64_t lease = read_u64(&reader);
        if (!reader.bad && (tree->lease == NONE || lease > tree->lease)) tree->lease = lease;
        return;
    }
    case FRAME_STOP: {
        read_u8(&reader);
        uint64_t grace = read_u64(&reader);
        if (is_ours && !reader.bad) begin_stop(tree, ASKED, grace == NONE ? tree->request.grace : grace);
        return;
    }
    case FRAME_KILL:
        if (is_ours) kill_all(tree);
        return;
    case FRAME_LOOK:
        if (is_ours) tell_survivors(tree);
        return;
    case FRAME_OPENED: return;
    default: refuse(tree, frame->tree, "there is no such frame");
    }
}

static void launch(struct tree *tree, const struct frame *frame) {
    /* What the root inherits is this process's own environment. */
    static char *const nothing[] = {NULL};
    const char *why = NULL;
    tree->number = frame->tree;
    if (!request_parse(frame->body, frame->length, nothing, &tree->request, &why)) {
        refuse(tree, frame->tree, why);
        tree->state = OVER;
        return;
    }
    const struct request *request = &tree->request;
    if (tree->lease == NONE || (request->lease != NONE && request->lease > tree->lease)) tree->lease = request->lease;
    if (request->lease != NONE && clock_ms() + request->lease_reserve >= tree->lease) {
        launch_failed(tree, STAGE_LEASE, 0);
        return;
    }
    struct job_limits limits = {request->most_processes, request->most_memory, request->most_cpus};
    tree->job = job_open(&limits, tree->port, PACKET_JOB);
    if (!tree->job) {
        launch_failed(tree, STAGE_JOB, GetLastError());
        return;
    }
    if (request->has_terminal && tree->supervisor) console_borrow(GetProcessId(tree->supervisor));
    if (!root_start(request, tree->job, &tree->root) || !root_release(&tree->root)) {
        launch_failed(tree, STAGE_EXEC, GetLastError());
        return;
    }
    let_go_of_stdio();
    tree->root_start = start_of(tree->root.process);
    tree->state = RUNNING;
    tree->launched_at = clock_ms();
    struct message message;
    message_begin(&message, FRAME_LAUNCHED, tree->number);
    message_u32(&message, GetCurrentProcessId());
    message_u32(&message, tree->root.pid);
    message_u64(&message, tree->root_start);
    for (int i = 0; i < 3; i++) {
        message_u32(&message, 0);
        message_u64(&message, 0);
    }
    channel_write(tree->report, &message);
    if (!channel_watch(tree->root.process, tree->port, PACKET_ROOT)) kill_all(tree);
}

static void launch_failed(struct tree *tree, enum stage stage, DWORD error) {
    struct message message;
    message_begin(&message, FRAME_LAUNCH_FAILED, tree->number);
    message_u32(&message, stage);
    message_u32(&message, error);
    channel_write(tree->report, &message);
    tree->state = OVER;
}

static void refuse(struct tree *tree, uint32_t number, const char *why) {
    struct message message;
    message_begin(&message, FRAME_REFUSED, number);
    message_text(&message, why);
    channel_write(tree->report, &message);
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

static void control_lost(struct tree *tree) {
    tree->is_alone = true;
    if (tree->state == UNBORN) tree->state = OVER;
    else begin_stop(tree, CONTROL_LOST, tree->request.grace);
}

static void hear_job(struct tree *tree, DWORD message) {
    if (message == JOB_OBJECT_MSG_ACTIVE_PROCESS_LIMIT) begin_stop(tree, PROCESSES, tree->request.grace);
    if (message == JOB_OBJECT_MSG_JOB_MEMORY_LIMIT) begin_stop(tree, MEMORY, tree->request.grace);
}

/* Only ever shortens: the first cause stays. */
static void begin_stop(struct tree *tree, enum cause cause, uint64_t grace) {
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
    if (cause != ASKED) {
        struct message message;
        message_begin(&message, FRAME_STOPPING, tree->number);
        message_u8(&message, (uint8_t)cause);
        channel_write(tree->report, &message);
    }
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

static void look(struct tree *tree) {
    if (!tree->has_root_exited && WaitForSingleObject(tree->root.process, 0) == WAIT_OBJECT_0) root_exited(tree);
    uint32_t active = job_active(tree->job);
    if (tree->has_root_exited && active == 0) {
        ended(tree);
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
    struct message message;
    message_tree_end(tree, &message, FRAME_ROOT_EXITED);
    channel_write(tree->report, &message);
    if (!tree->request.lingers && tree->state == RUNNING) begin_stop(tree, ROOT_EXITED, tree->request.grace);
}

static void root_exited(struct tree *tree) {
    if (tree->has_root_exited) return;
    tree->has_root_exited = true;
    tree->root_exited_at = clock_ms();
    if (tree->half_at != NONE) tree->half_at = 0;
}

/* Again and again, until nobody is left. */
static void kill_all(struct tree *tree) {
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

static void ended(struct tree *tree) {
    struct message message;
    message_tree_end(tree, &message, FRAME_EMPTY);
    channel_write(tree->report, &message);
    bool is_for_others = tree->is_alone || tree->cause == LEASE || tree->cause == CONTROL_LOST;
    if (tree->request.last_word && is_for_others) leave_word(tree, &message);
    tree->state = OVER;
}

static void tell_survivors(struct tree *tree) {
    struct message named;
    message_begin(&named, FRAME_SURVIVORS, 0);
    uint32_t count = name_living(tree, &named, false);
    struct message message;
    message_begin(&message, FRAME_SURVIVORS, tree->number);
    message_u32(&message, tree->killed);
    message_u32(&message, count);
    for (size_t i = FRAME_LENGTH + FRAME_HEAD; i < named.used; i++) message_u8(&message, named.bytes[i]);
    channel_write(tree->report, &message);
}

/* The status is the exit code; the second flag says that it is ours: the root was killed. */
static void message_tree_end(struct tree *tree, struct message *message, enum frame_type type) {
    DWORD code = 0;
    bool is_known = tree->has_root_exited && GetExitCodeProcess(tree->root.process, &code);
    tree->was_root_killed = is_known && code == JOB_KILLED;
    struct job_usage usage = job_usage(tree->job);
    message_begin(message, type, tree->number);
    message_u32(message, code);
    message_u8(message, is_known);
    message_u8(message, tree->was_root_killed);
    message_u32(message, tree->killed);
    message_u64(message, usage.cpu_us);
    message_u64(message, usage.largest_memory);
    message_u32(message, tree->lingered_count);
    if (tree->is_root_told) {
        for (size_t i = FRAME_LENGTH + FRAME_HEAD; i < tree->lingered.used; i++) {
            message_u8(message, tree->lingered.bytes[i]);
        }
    } else {
        message_u32(message, 0);
    }
}

/* Appends the count of those that are named, and them; returns how many there are. A console's host is the system's. */
static uint32_t name_living(struct tree *tree, struct message *message, bool without_root) {
    static DWORD pids[MOST_SEEN];
    static struct { DWORD pid; uint64_t start; char name[PROCESS_NAME]; } named[MOST_NAMED];
    size_t count = 0;
    uint32_t living = 0;
    uint32_t kept = 0;
    if (!job_processes(tree->job, pids, MOST_SEEN, &count)) count = 0;
    for (size_t i = 0; i < count; i++) {
        if (without_root && pids[i] == tree->root.pid) continue;
        DWORD access = PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE;
        HANDLE process = OpenProcess(access, FALSE, pids[i]);
        if (process && WaitForSingleObject(process, 0) != WAIT_TIMEOUT) {
            CloseHandle(process);
            continue;
        }
        char name[PROCESS_NAME] = "";
        if (process) name_of(process, name);
        bool is_host = _stricmp(name, "conhost.exe") == 0 && pids[i] != tree->root.pid;
        if (!is_host) {
            living++;
            if (kept < MOST_NAMED) {
                named[kept].pid = pids[i];
                named[kept].start = process ? start_of(process) : 0;
                memcpy(named[kept].name, name, sizeof name);
                kept++;
            }
        }
        if (process) CloseHandle(process);
    }
    /* A name is at most so long that all of them fit. */
    message_u32(message, kept);
    for (uint32_t i = 0; i < kept; i++) {
        named[i].name[80] = '\0';
        message_u32(message, named[i].pid);
        message_u64(message, named[i].start);
        message_text(message, named[i].name);
    }
    return living;
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

static DWORD until_next(const struct tree *tree) {
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

static void on_time(struct tree *tree) {
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

/* A new file alone, whole in one write: whoever reads it takes a frame that is not whole for one that is being written. */
static void leave_word(struct tree *tree, struct message *message) {
    wchar_t *path = wide_of(tree->request.last_word);
    if (!path) return;
    HANDLE file = CreateFileW(path, GENERIC_WRITE, FILE_SHARE_READ, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    free(path);
    if (file == INVALID_HANDLE_VALUE) return;
    channel_write(file, message);
    CloseHandle(file);
}
