#include "tree.h"

#include <stdlib.h>

#include "channel.h"
#include "tree_state.h"

enum { CANNOT_WORK = 125 };

static void receive(struct tree *tree, const uint8_t *bytes, size_t count);
static void take_frame(struct tree *tree, const struct frame *frame);
static void control_lost(struct tree *tree);
static void hear_job(struct tree *tree, DWORD message);

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
        else tell_refused(tree, 0, "a frame is malformed");
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
        else tell_refused(tree, frame->tree, "there is a tree already");
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
    default: tell_refused(tree, frame->tree, "there is no such frame");
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
