#include "launcher_state.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PROTOCOL_VERSION = 1 };

void say_hello(struct launcher *launcher) {
    struct message message;
    message_begin(&message, FRAME_HELLO, 0);
    message_u32(&message, PROTOCOL_VERSION);
    message_u32(&message, (uint32_t)getpid());
    message_u8(&message, launcher->walk == WALK_CHILDREN);
    message_end(&message);
    queue(launcher, message.bytes, message.used);
}

void refuse(struct launcher *launcher, uint32_t tree, const char *why) {
    struct message message;
    message_begin(&message, FRAME_REFUSED, tree);
    message_text(&message, why);
    message_end(&message);
    queue(launcher, message.bytes, message.used);
}

void queue(struct launcher *launcher, const void *bytes, size_t length) {
    if (launcher->is_closing) return;
    bool was_empty = launcher->out.used == 0;
    if (!buffer_append(&launcher->out, bytes, length)) return;
    if (was_empty) flush(launcher);
}

void flush(struct launcher *launcher) {
    if (launcher->is_closing) return;
    while (launcher->out.used > 0) {
        ssize_t sent = send(launcher->control, launcher->out.bytes, launcher->out.used, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) break;
        buffer_drop(&launcher->out, (size_t)sent);
    }
    uint32_t events = launcher->out.used > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN;
    watch(launcher, launcher->control, CONTROL_KEY, events, EPOLL_CTL_MOD);
}

bool watch(struct launcher *launcher, int file, uint32_t key, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data = {.u64 = key}};
    return epoll_ctl(launcher->events, how, file, &event) == 0;
}
