#include "launcher_state.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

enum { MOST_FORWARDED = 16 };

static bool hear_out(struct launcher *launcher, struct entry *entry);
static void conclude(struct launcher *launcher, struct entry *entry);

void forward(struct launcher *launcher, const struct frame *frame) {
    struct entry *entry = find_tree(launcher, frame->tree);
    if (!entry || entry->socket < 0) return;
    if (frame->length > MOST_FORWARDED) {
        refuse(launcher, frame->tree, "the frame is too long for its type");
        return;
    }
    if (frame->type == FRAME_STOP || frame->type == FRAME_KILL) entry->is_asked = true;
    send(entry->socket, frame->body - FRAME_HEAD - FRAME_LENGTH, FRAME_LENGTH + FRAME_HEAD + frame->length,
         MSG_DONTWAIT | MSG_NOSIGNAL);
}

void read_guard(struct launcher *launcher, uint32_t tree) {
    struct entry *entry = find_tree(launcher, tree);
    if (!entry || entry->socket < 0 || !hear_out(launcher, entry)) return;
    close(entry->socket);
    entry->socket = -1;
    conclude(launcher, entry);
}

/* Passes on what a guard has said. True when it will say no more. */
static bool hear_out(struct launcher *launcher, struct entry *entry) {
    struct message message;
    for (;;) {
        ssize_t length = recv(entry->socket, message.bytes, sizeof message.bytes, MSG_DONTWAIT);
        /* Reset where the guard ended with a frame of ours unread; what it said before is still to be read (unix(7)). */
        if (length < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
        if (length < 0 && errno == EAGAIN) return false;
        if (length <= 0) return true;
        struct frame frame;
        size_t taken;
        if (frame_first(message.bytes, (size_t)length, &frame, &taken) != FRAME_WHOLE) continue;
        /* A tool can make its guard say anything (ptrace(2)), but not of its neighbours. */
        if (frame.tree != entry->tree || taken != (size_t)length) continue;
        if (frame.type == FRAME_LAUNCHED) entry->is_launched = true;
        if (frame.type == FRAME_EMPTY || frame.type == FRAME_LAUNCH_FAILED || frame.type == FRAME_REFUSED)
            entry->is_done = true;
        queue(launcher, message.bytes, (size_t)length);
    }
}

void guard_has_died(struct launcher *launcher, pid_t guard) {
    for (size_t i = 0; i < launcher->count; i++) {
        struct entry *entry = &launcher->trees[i];
        if (entry->guard != guard) continue;
        entry->guard = 0;
        /* Not before its end: a root whose exec hangs has the guard's socket open for as long. */
        if (entry->socket >= 0) {
            hear_out(launcher, entry);
            close(entry->socket);
            entry->socket = -1;
        }
        conclude(launcher, entry);
        return;
    }
}

/* When the guard is dead and its socket closed, by it or by us. */
static void conclude(struct launcher *launcher, struct entry *entry) {
    if (entry->guard != 0 || entry->socket >= 0) return;
    if (entry->is_done) {
        forget(launcher, entry);
        return;
    }
    entry->lost_at = clock_ms();
    launcher->has_orphans = true;
    launcher->orphan_look_at = 0;
}

void forget(struct launcher *launcher, struct entry *entry) {
    if (entry->socket >= 0) close(entry->socket);
    *entry = launcher->trees[--launcher->count];
}

struct entry *find_tree(struct launcher *launcher, uint32_t tree) {
    for (size_t i = 0; i < launcher->count; i++) {
        if (launcher->trees[i].tree == tree) return &launcher->trees[i];
    }
    return NULL;
}
