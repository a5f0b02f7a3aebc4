#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "killing.h"
#include "launcher_state.h"
#include "priority.h"
#include "realtime.h"
#include "slice.h"
#include "want.h"

enum {
    READ_SIZE = 64 * 1024,
    /* While a guard has something to answer. */
    GUARD_LOOK_MS = 200,
};

struct rlimit descriptor_limit_at_start;

static bool is_awaited(const struct launcher *launcher, const struct entry *entry);
static int pause_of(const struct launcher *launcher);
static void free_guards(struct launcher *launcher);
static bool set_up(struct launcher *launcher, int control, enum walk walk);
static void read_control(struct launcher *launcher);
static void take_frames(struct launcher *launcher);
static void take_frame(struct launcher *launcher, const struct frame *frame);
static void close_control(struct launcher *launcher);
static void reap(struct launcher *launcher);

int launcher_serve(int control, enum walk walk) {
    struct launcher launcher;
    if (!set_up(&launcher, control, walk)) return 125;
    say_hello(&launcher);
    while (!launcher.is_closing || launcher.count > 0 || launcher.has_orphans) {
        struct epoll_event events[64];
        int count = epoll_wait(launcher.events, events, 64, pause_of(&launcher));
        for (int i = 0; i < count; i++) {
            uint32_t key = (uint32_t)events[i].data.u64;
            if (key == SIGNALS_KEY) {
                struct signalfd_siginfo news[8];
                if (read(launcher.signals, news, sizeof news) > 0) launcher.has_dead = true;
            } else if (key == CONTROL_KEY) {
                if (events[i].events & EPOLLOUT) flush(&launcher);
                if (events[i].events & ~(uint32_t)EPOLLOUT) read_control(&launcher);
            } else {
                read_guard(&launcher, key - FIRST_TREE_KEY);
            }
        }
        if (launcher.has_dead) reap(&launcher);
        if (launcher.has_orphans) end_orphans(&launcher);
        free_guards(&launcher);
    }
    buffer_free(&launcher.out);
    processes_free(&launcher.before);
    free(launcher.trees);
    return 0;
}

static bool is_awaited(const struct launcher *launcher, const struct entry *entry) {
    bool has_to_answer = !entry->is_launched || entry->is_asked || entry->socket < 0 || launcher->is_closing;
    return entry->guard != 0 && has_to_answer;
}

static int pause_of(const struct launcher *launcher) {
    if (launcher->has_dead) return 0;
    if (launcher->has_orphans) return ORPHAN_LOOK_MS;
    for (size_t i = 0; i < launcher->count; i++) {
        if (is_awaited(launcher, &launcher->trees[i])) return GUARD_LOOK_MS;
    }
    return -1;
}

/* A tool that traces its guard holds it, and nothing tells us. */
static void free_guards(struct launcher *launcher) {
    uint64_t now = clock_ms();
    if (now < launcher->look_at) return;
    launcher->look_at = now + GUARD_LOOK_MS;
    for (size_t i = 0; i < launcher->count; i++) {
        const struct entry *entry = &launcher->trees[i];
        if (is_awaited(launcher, entry)) end_tracer_of(entry->guard);
    }
}

static bool set_up(struct launcher *launcher, int control, enum walk walk) {
    *launcher = (struct launcher){.control = control, .walk = walk};
    prctl(PR_SET_NAME, "coppice-launcher");
    slice_shorten(0);
    priority_remember();
    launcher->terminal = terminal_open();
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return false;
    /* Ctrl-C and a tool's signal to its group are not for us; they stay blocked in the guards as well. */
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigaddset(&wanted, GUARD_SIGNAL);
    launcher->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    launcher->events = epoll_create1(EPOLL_CLOEXEC);
    launcher->shared =
        mmap(NULL, sizeof *launcher->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (launcher->signals < 0 || launcher->events < 0 || launcher->shared == MAP_FAILED) return false;
    atomic_init(&launcher->shared->lease, 0);
    atomic_init(&launcher->shared->killed_for_memory, NONE);
    atomic_init(&launcher->shared->felt_at, NONE);
    want_find_count();
    fcntl(control, F_SETFD, FD_CLOEXEC);
    fcntl(control, F_SETFL, O_NONBLOCK);
    getrlimit(RLIMIT_NOFILE, &descriptor_limit_at_start);
    struct rlimit most = {.rlim_cur = descriptor_limit_at_start.rlim_max, .rlim_max = descriptor_limit_at_start.rlim_max};
    setrlimit(RLIMIT_NOFILE, &most);
    return watch(launcher, launcher->signals, SIGNALS_KEY, EPOLLIN, EPOLL_CTL_ADD) &&
           watch(launcher, control, CONTROL_KEY, EPOLLIN, EPOLL_CTL_ADD);
}

static void read_control(struct launcher *launcher) {
    if (launcher->is_closing) return;
    while (buffer_reserve(&launcher->in, READ_SIZE)) {
        size_t room = launcher->in.size - launcher->in.used;
        ssize_t length = read(launcher->control, launcher->in.bytes + launcher->in.used, room);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0 && errno == EAGAIN) return;
        if (length <= 0) break;
        launcher->in.used += (size_t)length;
        take_frames(launcher);
        if ((size_t)length < room) return;
    }
    close_control(launcher);
}

static void take_frames(struct launcher *launcher) {
    size_t at = 0;
    for (;;) {
        size_t left = launcher->in.used - at;
        size_t skipped = launcher->skip < left ? launcher->skip : left;
        launcher->skip -= skipped;
        at += skipped;
        struct frame frame;
        size_t taken = 0;
        enum frame_result result = frame_first(launcher->in.bytes + at, left - skipped, &frame, &taken);
        if (result == FRAME_INCOMPLETE) break;
        if (result == FRAME_WHOLE) take_frame(launcher, &frame);
        else refuse(launcher, frame.tree, result == FRAME_TOO_LONG ? "the frame is too long" : "the frame has no proper head");
        if (result == FRAME_TOO_LONG) launcher->skip = frame.length;
        at += taken;
    }
    buffer_drop(&launcher->in, at);
}

static void take_frame(struct launcher *launcher, const struct frame *frame) {
    struct reader reader = reader_of(frame->body, frame->length);
    switch (frame->type) {
    case FRAME_LAUNCH: start_guard(launcher, frame); break;
    case FRAME_OPENED:
    case FRAME_LOOK:
    case FRAME_STOP:
    case FRAME_KILL: forward(launcher, frame); break;
    case FRAME_LEASE: {
        uint64_t lease = read_u64(&reader);
        if (reader.bad) refuse(launcher, frame->tree, "the lease has a wrong length");
        else if (lease > atomic_load(&launcher->shared->lease)) atomic_store(&launcher->shared->lease, lease);
        break;
    }
    default: refuse(launcher, frame->tree, "there is no such frame");
    }
}

/* The keeper is gone, or has closed: every tree ends, and then we do. */
static void close_control(struct launcher *launcher) {
    launcher->is_closing = true;
    /* Whoever reads the supervisor's output is not to wait for its trees: nothing is launched any more. */
    for (int file = 0; file < 3; file++) close(file);
    close(launcher->control);
    launcher->control = -1;
    buffer_free(&launcher->in);
    for (size_t i = 0; i < launcher->count; i++) {
        struct message message;
        message_begin(&message, FRAME_STOP, launcher->trees[i].tree);
        message_u8(&message, CAUSE_CONTROL_LOST);
        message_u64(&message, NONE);
        message_end(&message);
        if (launcher->trees[i].socket >= 0)
            send(launcher->trees[i].socket, message.bytes, message.used, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void reap(struct launcher *launcher) {
    int left = MOST_REAPED;
    while (left-- > 0) {
        int status;
        pid_t guard = waitpid(-1, &status, WNOHANG | WUNTRACED | __WCLONE);
        if (guard < 0 && errno == EINTR) continue;
        if (guard <= 0) break;
        /* A tool may have stopped its guard, which then could not end it. */
        if (WIFSTOPPED(status)) kill(guard, SIGCONT);
        else guard_has_died(launcher, guard);
    }
    while (left-- > 0) {
        pid_t orphan = waitpid(-1, NULL, WNOHANG);
        if (orphan < 0 && errno == EINTR) continue;
        if (orphan == 0) launcher->has_orphans = true;
        if (orphan <= 0) break;
    }
    launcher->has_dead = left < 0;
    if (launcher->has_dead) realtime_begin(&launcher->is_realtime);
    else realtime_end(&launcher->is_realtime);
}
