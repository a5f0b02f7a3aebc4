/* What the keeper is told of the tree, and who lives in it. */
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "job.h"
#include "processes.h"
#include "text.h"
#include "tree_state.h"

enum { MOST_NAMED = 32, MOST_SEEN = 4096 };

static void tree_end(struct tree *tree, struct message *message, enum frame_type type);
static void leave_word(struct tree *tree, struct message *message);

void tell_refused(struct tree *tree, uint32_t number, const char *why) {
    struct message message;
    message_begin(&message, FRAME_REFUSED, number);
    message_text(&message, why);
    channel_write(tree->report, &message);
}

void tell_launch_failed(struct tree *tree, enum stage stage, DWORD error) {
    struct message message;
    message_begin(&message, FRAME_LAUNCH_FAILED, tree->number);
    message_u32(&message, stage);
    message_u32(&message, error);
    channel_write(tree->report, &message);
}

void tell_launched(struct tree *tree) {
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
}

void tell_stopping(struct tree *tree) {
    struct message message;
    message_begin(&message, FRAME_STOPPING, tree->number);
    message_u8(&message, (uint8_t)tree->cause);
    channel_write(tree->report, &message);
}

void tell_root_exited(struct tree *tree) {
    struct message message;
    tree_end(tree, &message, FRAME_ROOT_EXITED);
    channel_write(tree->report, &message);
}

void tell_survivors(struct tree *tree) {
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

void tell_empty(struct tree *tree) {
    struct message message;
    tree_end(tree, &message, FRAME_EMPTY);
    channel_write(tree->report, &message);
    bool is_for_others = tree->is_alone || tree->cause == LEASE || tree->cause == CONTROL_LOST;
    if (tree->request.last_word && is_for_others) leave_word(tree, &message);
}

/* The status is the exit code; the second flag says that it is ours: the root was killed. */
static void tree_end(struct tree *tree, struct message *message, enum frame_type type) {
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

/* A console's host is the system's, and not counted. */
uint32_t name_living(struct tree *tree, struct message *message, bool without_root) {
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
