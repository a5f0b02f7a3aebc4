#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "frame.h"
#include "guard.h"
#include "killing.h"
#include "realtime.h"
#include "request.h"
#include "root.h"
#include "slice.h"
#include "terminal.h"

enum {
    PROTOCOL_VERSION = 1,
    READ_SIZE = 64 * 1024,
    MOST_FORWARDED = 16,
    ORPHAN_LOOK_MS = 5,
    LOOK_PAST_DEAD_MS = 200,
    /* While a guard has something to answer. */
    GUARD_LOOK_MS = 200,
    /* After this, what is left of a lost guard's tree is told as surviving. */
    ORPHAN_BOUND_MS = 10000,
    /* A storm's dead come as fast as they are waited for, and the other trees must not wait for its end. */
    MOST_REAPED = 64,
};

/*
 * Guards tell their death by this signal, which makes them children of another kind for wait(2): without __WCLONE it
 * looks past them, and its ECHILD is the proof that no orphan of a lost guard is left.
 */
enum { GUARD_SIGNAL = SIGUSR1 };

/* What epoll gives back; a tree's number is above these. */
enum { CONTROL_KEY = 0, SIGNALS_KEY = 1, FIRST_TREE_KEY = 2 };

struct entry {
    uint32_t tree;
    pid_t guard;
    /* -1 once the guard has closed its end. */
    int socket;
    /* Whether its end was told: then the guard's death is no loss. */
    bool is_done;
    /* Whether it has told its launch: a root can trace its guard before that. */
    bool is_launched;
    /* Whether it was told to end its tree. */
    bool is_asked;
    /* Its guard died first, at this moment; NONE for others. */
    uint64_t lost_at;
};

struct launcher {
    int control;
    int signals;
    int events;
    bool is_closing;
    bool has_orphans;
    /* More may be dead than were waited for so far. */
    bool has_dead;
    bool is_realtime;
    uint32_t killed;
    /* What was killed last, so that nobody is counted twice who takes a moment to die. */
    struct processes before;
    /* Bytes of a frame that is too long, which are still to come. */
    size_t skip;
    uint64_t look_at;
    uint64_t orphan_look_at;
    struct buffer in;
    struct buffer out;
    struct entry *trees;
    size_t count;
    size_t size;
    struct shared *shared;
    enum walk walk;
    /* As it was at the start, for when a guard is lost that had lent it. */
    struct terminal terminal;
};

struct rlimit descriptor_limit_at_start;

static bool set_up(struct launcher *launcher, int control, enum walk walk);
static int pause_of(const struct launcher *launcher);
static void free_guards(struct launcher *launcher);
static void say_hello(struct launcher *launcher);
static void read_control(struct launcher *launcher);
static void take_frames(struct launcher *launcher);
static void take_frame(struct launcher *launcher, const struct frame *frame);
static void start_guard(struct launcher *launcher, const struct frame *frame);
static _Noreturn void become_guard(struct launcher *launcher, int socket, const struct frame *frame);
static void forward(struct launcher *launcher, const struct frame *frame);
static void close_control(struct launcher *launcher);
static void read_guard(struct launcher *launcher, uint32_t tree);
static bool hear_out(struct launcher *launcher, struct entry *entry);
static void reap(struct launcher *launcher);
static void guard_has_died(struct launcher *launcher, pid_t guard);
static void conclude(struct launcher *launcher, struct entry *entry);
static void end_orphans(struct launcher *launcher);
static void kill_orphans(struct launcher *launcher);
static void forget(struct launcher *launcher, struct entry *entry);
static struct entry *find_tree(struct launcher *launcher, uint32_t tree);
static void refuse(struct launcher *launcher, uint32_t tree, const char *why);
static void queue(struct launcher *launcher, const void *bytes, size_t length);
static void flush(struct launcher *launcher);
static bool watch(struct launcher *launcher, int file, uint32_t key, uint32_t events, int how);

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
    fcntl(control, F_SETFD, FD_CLOEXEC);
    fcntl(control, F_SETFL, O_NONBLOCK);
    getrlimit(RLIMIT_NOFILE, &descriptor_limit_at_start);
    struct rlimit most = {.rlim_cur = descriptor_limit_at_start.rlim_max, .rlim_max = descriptor_limit_at_start.rlim_max};
    setrlimit(RLIMIT_NOFILE, &most);
    return watch(launcher, launcher->signals, SIGNALS_KEY, EPOLLIN, EPOLL_CTL_ADD) &&
           watch(launcher, control, CONTROL_KEY, EPOLLIN, EPOLL_CTL_ADD);
}

static void say_hello(struct launcher *launcher) {
    struct message message;
    message_begin(&message, FRAME_HELLO, 0);
    message_u32(&message, PROTOCOL_VERSION);
    message_u32(&message, (uint32_t)getpid());
    message_u8(&message, launcher->walk == WALK_CHILDREN);
    message_end(&message);
    queue(launcher, message.bytes, message.used);
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

static void start_guard(struct launcher *launcher, const struct frame *frame) {
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

/* For a tree that has ended meanwhile it is no news. */
static void forward(struct launcher *launcher, const struct frame *frame) {
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

static void read_guard(struct launcher *launcher, uint32_t tree) {
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

static void guard_has_died(struct launcher *launcher, pid_t guard) {
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

/* What lost guards left fell to us, and to nobody else: every child that is no guard. */
static void end_orphans(struct launcher *launcher) {
    if (clock_ms() >= launcher->orphan_look_at) kill_orphans(launcher);
    pid_t orphan;
    int left = MOST_REAPED;
    do orphan = waitpid(-1, NULL, WNOHANG);
    while ((orphan > 0 && left-- > 0) || (orphan < 0 && errno == EINTR));
    bool is_empty = orphan < 0;
    launcher->has_orphans = !is_empty;
    uint64_t now = clock_ms();
    for (size_t i = launcher->count; i-- > 0;) {
        struct entry *entry = &launcher->trees[i];
        if (entry->lost_at == NONE || (!is_empty && now < clock_after(entry->lost_at, ORPHAN_BOUND_MS))) continue;
        struct message message;
        message_begin(&message, FRAME_GUARD_LOST, entry->tree);
        terminal_give_back(&launcher->terminal);
        message_u8(&message, is_empty);
        message_u32(&message, launcher->killed);
        message_end(&message);
        queue(launcher, message.bytes, message.used);
        forget(launcher, entry);
    }
    if (!is_empty) return;
    launcher->killed = 0;
    launcher->orphan_look_at = 0;
    processes_free(&launcher->before);
}

static void kill_orphans(struct launcher *launcher) {
    pid_t *guards = calloc(launcher->count + 1, sizeof *guards);
    if (!guards) return;
    struct processes found = {0};
    for (size_t i = 0; i < launcher->count; i++) guards[i] = launcher->trees[i].guard;
    if (launcher->has_dead) stop_newest_children(guards, launcher->count);
    kill_descendants(launcher->walk, guards, launcher->count, &found);
    free(guards);
    for (size_t i = 0; i < found.used; i++) {
        if (!contains(&launcher->before, &found.entries[i])) launcher->killed++;
    }
    processes_free(&launcher->before);
    launcher->before = found;
    /* As in the guard: where nobody was found, the dead are waited for first. */
    bool only_dead = found.used == 0 && launcher->has_dead;
    launcher->orphan_look_at = clock_ms() + (only_dead ? LOOK_PAST_DEAD_MS : ORPHAN_LOOK_MS);
}

static void forget(struct launcher *launcher, struct entry *entry) {
    if (entry->socket >= 0) close(entry->socket);
    *entry = launcher->trees[--launcher->count];
}

static struct entry *find_tree(struct launcher *launcher, uint32_t tree) {
    for (size_t i = 0; i < launcher->count; i++) {
        if (launcher->trees[i].tree == tree) return &launcher->trees[i];
    }
    return NULL;
}

static void refuse(struct launcher *launcher, uint32_t tree, const char *why) {
    struct message message;
    message_begin(&message, FRAME_REFUSED, tree);
    message_text(&message, why);
    message_end(&message);
    queue(launcher, message.bytes, message.used);
}

/* A keeper that does not read has it kept: there are a few frames for each tree, and no more. */
static void queue(struct launcher *launcher, const void *bytes, size_t length) {
    if (launcher->is_closing) return;
    bool was_empty = launcher->out.used == 0;
    if (!buffer_append(&launcher->out, bytes, length)) return;
    if (was_empty) flush(launcher);
}

static void flush(struct launcher *launcher) {
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

/* False where the user has used up fs.epoll.max_user_watches, or the kernel its memory. */
static bool watch(struct launcher *launcher, int file, uint32_t key, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data = {.u64 = key}};
    return epoll_ctl(launcher->events, how, file, &event) == 0;
}
