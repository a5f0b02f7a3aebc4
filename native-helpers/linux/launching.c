#include "launcher_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "guard.h"
#include "root.h"

static const char *make_room(struct launcher *launcher, uint32_t tree);
static _Noreturn void become_guard(struct launcher *launcher, int socket, const struct frame *frame);

void start_guard(struct launcher *launcher, const struct frame *frame) {
    const char *why = make_room(launcher, frame->tree);
    if (why) {
        refuse(launcher, frame->tree, why);
        return;
    }
    int ends[2] = {-1, -1};
    pid_t guard = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0 &&
        watch(launcher, ends[0], frame->tree + FIRST_TREE_KEY, EPOLLIN, EPOLL_CTL_ADD)) {
        guard = (pid_t)syscall(SYS_clone, (unsigned long)GUARD_SIGNAL, NULL, NULL, NULL, NULL);
        if (guard == 0) {
            close(ends[0]);
            become_guard(launcher, ends[1], frame);
        }
    }
    if (guard < 0) {
        struct message message;
        message_begin(&message, FRAME_LAUNCH_FAILED, frame->tree);
        message_u32(&message, STAGE_FORK);
        message_u32(&message, (uint32_t)errno);
        message_end(&message);
        queue(launcher, message.bytes, message.used);
        if (ends[0] >= 0) close(ends[0]);
        if (ends[1] >= 0) close(ends[1]);
        return;
    }
    close(ends[1]);
    launcher->trees[launcher->count++] =
        (struct entry){.tree = frame->tree, .guard = guard, .socket = ends[0], .lost_at = NONE};
}

/* Why no tree can have this number, or NULL, and then there is room for its entry. */
static const char *make_room(struct launcher *launcher, uint32_t tree) {
    if (tree > UINT32_MAX - FIRST_TREE_KEY) return "the tree's number is too great";
    if (find_tree(launcher, tree)) return "the tree's number is in use";
    if (launcher->count < launcher->size) return NULL;
    size_t size = launcher->size ? launcher->size * 2 : 16;
    struct entry *trees = realloc(launcher->trees, size * sizeof *trees);
    if (!trees) return "no memory for another tree";
    launcher->trees = trees;
    launcher->size = size;
    return NULL;
}

/* The sockets of other guards above all: while a copy is open somewhere, nobody sees that the launcher is gone. */
static _Noreturn void become_guard(struct launcher *launcher, int socket, const struct frame *frame) {
    enum { GUARD_CONTROL = 3 };
    int files[] = {launcher->control, launcher->signals, launcher->events};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (files[i] != socket) close(files[i]);
    }
    if (socket != GUARD_CONTROL) {
        dup3(socket, GUARD_CONTROL, O_CLOEXEC);
        close(socket);
    }
    if (syscall(SYS_close_range, GUARD_CONTROL + 1, ~0U, 0) < 0) {
        /* Before Linux 5.9 */
        for (size_t i = 0; i < launcher->count; i++) {
            if (launcher->trees[i].socket > GUARD_CONTROL) close(launcher->trees[i].socket);
        }
    }
    struct guard_task task = {
        .tree = frame->tree,
        .control = GUARD_CONTROL,
        .body = frame->body,
        .length = frame->length,
        .shared = launcher->shared,
        .walk = launcher->walk,
    };
    guard_main(&task);
}
