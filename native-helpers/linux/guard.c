#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard_state.h"
#include "want.h"

static void set_up(struct guard *guard, const struct guard_task *task);
static void launch(struct guard *guard);
static bool open_pipes(struct guard *guard, int stdio[3]);
static void close_pipes(struct guard *guard);
static bool is_over(const struct guard *guard);
static void act_on_time(struct guard *guard);
static uint64_t next_moment(const struct guard *guard);
static uint64_t lease_moment(const struct guard *guard);
static void wait_for_news(struct guard *guard);
static void look_at_root(struct guard *guard);
static void read_control(struct guard *guard);
static void read_report(struct guard *guard);

_Noreturn void guard_main(const struct guard_task *task) {
    struct guard guard;
    set_up(&guard, task);
    const char *why = NULL;
    extern char **environ;
    if (!request_parse(task->body, task->length, environ, &guard.request, &why)) {
        tell_refused(&guard, why);
        _exit(0);
    }
    launch(&guard);
    while (!is_over(&guard)) {
        act_on_time(&guard);
        if (!is_over(&guard)) wait_for_news(&guard);
    }
    leave_cgroup(&guard);
    _exit(0);
}

static void set_up(struct guard *guard, const struct guard_task *task) {
    *guard = (struct guard){
        .tree = task->tree,
        .control = task->control,
        .signals = -1,
        .report = -1,
        .host_ends = {-1, -1, -1},
        .stdin_reader = -1,
        .root_handle = -1,
        .cgroup = NO_CGROUP,
        .terminal = {.file = -1},
        .shared = task->shared,
        .walk = task->walk,
        .deadline = NONE,
        .second_step_at = NONE,
        .kill_at = NONE,
        .give_up_at = NONE,
        .look_at = NONE,
        .sample_at = NONE,
        .step_back_at = NONE,
        .has_dead_since = NONE,
    };
    prctl(PR_SET_NAME, "coppice-guard");
}

static void launch(struct guard *guard) {
    /* In another process session a terminal would be out of reach. */
    if (guard->request.has_terminal) guard->terminal = terminal_open();
    else setsid();
    uint64_t now = clock_ms();
    guard->deadline = guard->request.timeout == NONE ? NONE : clock_after(now, guard->request.timeout);
    if (now >= lease_moment(guard)) {
        guard->failure = (struct launch_error){.stage = STAGE_LEASE, .error = ETIMEDOUT};
        tell_failed(guard);
        return;
    }
    /* Before the fork: a child that was orphaned earlier would go to the launcher. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCONT);
    guard->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    int stdio[3] = {-1, -1, -1};
    guard->failure.stage = STAGE_CGROUP;
    bool has_cgroup = !guard->request.cgroup || cgroup_open(&guard->cgroup, guard->request.cgroup);
    if (has_cgroup) guard->failure.stage = STAGE_STDIO;
    if (has_cgroup && guard->signals >= 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && open_pipes(guard, stdio)) {
        guard->failure.stage = STAGE_FORK;
        guard->root = root_launch(&guard->request, &guard->terminal, guard->cgroup.directory, stdio, &guard->report);
        if (guard->root > 0) guard->root_handle = (int)syscall(SYS_pidfd_open, guard->root, 0);
    } else {
        guard->root = -1;
    }
    guard->failure.error = errno;
    for (int i = 1; i < 3; i++) {
        if (stdio[i] >= 0) close(stdio[i]);
    }
    if (guard->root < 0) tell_failed(guard);
    /* While the root becomes its command: what was killed before is not this tree's. */
    else want_was_felt(guard->shared, guard->cgroup.directory);
    /* The supervisor's own stdio is no business of the guard, which would hold it open. */
    for (int i = 0; i < 3; i++) close(i);
}

void leave_cgroup(struct guard *guard) {
    if (guard->cgroup.directory < 0) return;
    cgroup_close(&guard->cgroup);
    cgroup_remove(guard->request.cgroup);
}

static bool open_pipes(struct guard *guard, int stdio[3]) {
    for (int i = 0; i < 3; i++) {
        if (guard->request.stdio[i] != STDIO_PIPE) continue;
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0) return false;
        stdio[i] = ends[i == 0 ? 0 : 1];
        guard->host_ends[i] = ends[i == 0 ? 1 : 0];
    }
    /* Until the host has opened the other end: without a reader that would fail (fifo(7)). */
    guard->stdin_reader = stdio[0];
    return true;
}

static void close_pipes(struct guard *guard) {
    for (int i = 0; i < 3; i++) {
        if (guard->host_ends[i] >= 0) close(guard->host_ends[i]);
        guard->host_ends[i] = -1;
    }
    if (guard->stdin_reader >= 0) close(guard->stdin_reader);
    guard->stdin_reader = -1;
    /* From here on nobody needs our /proc/<pid>/fd, and a tool of an ordinary user cannot trace us (ptrace(2)). */
    prctl(PR_SET_DUMPABLE, 0);
}

/*
 * An empty tree is kept until the host has its pipes, since what was written is in them. A host whose loop is blocked
 * takes its time; one that is gone has its control closed.
 */
static bool is_over(const struct guard *guard) {
    if (guard->state == FAILED) return true;
    bool has_pipes = guard->host_ends[0] >= 0 || guard->host_ends[1] >= 0 || guard->host_ends[2] >= 0;
    return guard->state == EMPTY && (!has_pipes || guard->control < 0);
}

static void act_on_time(struct guard *guard) {
    uint64_t now = clock_ms();
    if (guard->state == EMPTY) return;
    if (now >= guard->deadline) {
        guard->deadline = NONE;
        stop(guard, CAUSE_TIMEOUT, guard->request.grace);
    }
    if (now >= lease_moment(guard)) {
        guard->request.lease = NONE;
        guard->keeper_lost = true;
        /* The other half is for the kill. */
        stop(guard, CAUSE_LEASE, earlier(guard->request.grace, guard->request.lease_reserve / 2));
    }
    if (now >= guard->second_step_at) terminate_all(guard);
    if (now >= guard->kill_at) begin_to_kill(guard);
    if (now >= guard->look_at) kill_tree(guard);
    if (guard->state != EMPTY && now >= guard->give_up_at) {
        guard->give_up_at = NONE;
        tell_survivors(guard);
    }
    if (now >= guard->sample_at) sample(guard);
    if (now >= guard->step_back_at) step_back(guard);
}

static uint64_t next_moment(const struct guard *guard) {
    if (guard->state == EMPTY) return NONE;
    uint64_t next = guard->deadline;
    next = earlier(next, lease_moment(guard));
    next = earlier(next, guard->second_step_at);
    next = earlier(next, guard->kill_at);
    next = earlier(next, guard->give_up_at);
    next = earlier(next, guard->look_at);
    next = earlier(next, guard->step_back_at);
    return earlier(next, guard->sample_at);
}

/*
 * When the tree has to begin to end, so that it is over before another supervisor may take the run. The lease is
 * renewed in the shared page, which is looked at when this moment comes.
 */
static uint64_t lease_moment(const struct guard *guard) {
    if (guard->request.lease == NONE) return NONE;
    uint64_t renewed = atomic_load(&guard->shared->lease);
    uint64_t lease = renewed > guard->request.lease ? renewed : guard->request.lease;
    return lease > guard->request.lease_reserve ? lease - guard->request.lease_reserve : 0;
}

static void wait_for_news(struct guard *guard) {
    enum { CONTROL, SIGNALS, REPORT, ROOT, CGROUP, ALL };
    struct pollfd files[ALL] = {
        [CONTROL] = {.fd = guard->control, .events = POLLIN},
        [SIGNALS] = {.fd = guard->signals, .events = POLLIN},
        [REPORT] = {.fd = guard->report, .events = POLLIN},
        [ROOT] = {.fd = guard->root_handle, .events = POLLIN},
        [CGROUP] = {.fd = guard->waits_for_cgroup ? guard->cgroup.events : -1, .events = POLLPRI},
    };
    uint64_t now = clock_ms();
    uint64_t next = guard->has_dead ? now : next_moment(guard);
    struct timespec pause = {0};
    if (next != NONE && next > now) {
        pause.tv_sec = (time_t)((next - now) / 1000);
        pause.tv_nsec = (long)((next - now) % 1000) * 1000000;
    }
    if (ppoll(files, ALL, next == NONE ? NULL : &pause, NULL) < 0) return;
    if (files[REPORT].revents) read_report(guard);
    if (files[SIGNALS].revents) {
        struct signalfd_siginfo news[2];
        ssize_t length = read(guard->signals, news, sizeof news);
        for (size_t i = 0; length > 0 && i < (size_t)length / sizeof *news; i++) {
            /* From whoever takes over what belonged to a supervisor that does not answer. */
            if (news[i].ssi_signo == SIGTERM) end_without_keeper(guard);
            if (news[i].ssi_signo == SIGCONT && guard->is_suspended) {
                guard->is_suspended = false;
                terminal_resume(&guard->terminal, guard->root);
            }
        }
    }
    if (files[SIGNALS].revents || guard->has_dead) reap(guard, MOST_REAPED);
    if (files[ROOT].revents && guard->report < 0) look_at_root(guard);
    if (files[CGROUP].revents) reap(guard, MOST_REAPED);
    if (files[CONTROL].revents) read_control(guard);
}

/*
 * A root that another process traces is that process's to wait for: we are not told of its exit before its tracer is
 * gone (ptrace(2)), and the tracer may well be what the root left behind.
 */
static void look_at_root(struct guard *guard) {
    close(guard->root_handle);
    guard->root_handle = -1;
    reap(guard, MOST_REAPED);
    if (guard->state != RUNNING || guard->root_exited || guard->request.lingers) return;
    stop(guard, CAUSE_ROOT_EXITED, guard->request.grace);
}

static void read_control(struct guard *guard) {
    uint8_t bytes[64];
    ssize_t length = recv(guard->control, bytes, sizeof bytes, MSG_DONTWAIT);
    if (length < 0 && (errno == EINTR || errno == EAGAIN)) return;
    struct frame frame;
    size_t taken = 0;
    if (length <= 0) {
        close(guard->control);
        guard->control = -1;
        end_without_keeper(guard);
        return;
    }
    if (frame_first(bytes, (size_t)length, &frame, &taken) != FRAME_WHOLE) return;
    struct reader reader = reader_of(frame.body, frame.length);
    if (frame.type == FRAME_OPENED) close_pipes(guard);
    if (frame.type == FRAME_LOOK && guard->state != EMPTY) tell_survivors(guard);
    if (frame.type == FRAME_KILL) stop(guard, CAUSE_ASKED, 0);
    if (frame.type == FRAME_STOP) {
        enum cause cause = (enum cause)read_u8(&reader);
        uint64_t grace = read_u64(&reader);
        if (reader.bad) return;
        if (cause == CAUSE_CONTROL_LOST) end_without_keeper(guard);
        else stop(guard, cause, grace == NONE ? guard->request.grace : grace);
    }
}

void end_without_keeper(struct guard *guard) {
    guard->keeper_lost = true;
    /* Nobody is left to open them. */
    close_pipes(guard);
    stop(guard, CAUSE_CONTROL_LOST, guard->request.grace);
}

static void read_report(struct guard *guard) {
    struct launch_error failure;
    ssize_t length;
    do length = read(guard->report, &failure, sizeof failure);
    while (length < 0 && errno == EINTR);
    close(guard->report);
    guard->report = -1;
    if (length == (ssize_t)sizeof failure) {
        guard->failure = failure;
        while (waitpid(guard->root, NULL, __WALL) < 0 && errno == EINTR) continue;
        tell_failed(guard);
        return;
    }
    if (guard->state == LAUNCHING) guard->state = RUNNING;
    tell_launched(guard);
    if (!guard->request.has_terminal) step_back(guard);
    bool is_limited = guard->request.most_processes != NONE || guard->request.most_memory != NONE;
    if (is_limited) begin_to_sample(guard);
    /* Its exit may have been told before its start. */
    reap(guard, MOST_REAPED);
}
