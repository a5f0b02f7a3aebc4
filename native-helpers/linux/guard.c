#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "clock.h"
#include "frame.h"
#include "killing.h"
#include "realtime.h"
#include "request.h"
#include "root.h"
#include "terminal.h"

enum {
    SAMPLE_MS = 100,
    FIRST_LOOK_MS = 2,
    LAST_LOOK_MS = 200,
    /* Time to die for those whom one stroke has killed; looking at them would only keep them from it. */
    LOOK_AFTER_STROKE_MS = 20,
    /* How many processes a report names; it counts them all. */
    MOST_NAMED = 32,
    /* A storm's dead come as fast as they are waited for: timers and control have their turn after so many. */
    MOST_REAPED = 64,
    /* So many in so short a time is one. */
    STORM_COUNT_MS = 100,
    STORM_MS = 1000,
};

enum state { LAUNCHING, RUNNING, STOPPING, KILLING, EMPTY, FAILED };

struct guard {
    uint32_t tree;
    int control;
    int signals;
    /* Tells whether the root's exec worked; -1 once that is known. */
    int report;
    /* The host's ends of the root's pipes, and this process's copy of the root's end of its stdin. */
    int host_ends[3];
    int stdin_reader;
    const struct shared *shared;
    enum walk walk;
    struct request request;
    struct cgroup cgroup;
    /* No child of ours is left, and yet somebody lives in the cgroup. */
    bool waits_for_cgroup;
    struct terminal terminal;
    bool is_suspended;

    enum state state;
    struct launch_error failure;
    pid_t root;
    /* A pidfd, readable from the root's exit on; -1 where the kernel has none, and after that. */
    int root_handle;
    bool root_exited;
    int root_status;
    /* More may be dead than were waited for so far. */
    bool has_dead;
    bool is_realtime;
    int reaped;
    uint64_t count_until;
    uint64_t storm_until;
    /* It is gone, or its lease is over: whoever takes over wants to know how the tree ended. */
    bool keeper_lost;
    bool rest_terminated;
    bool forced;
    uint32_t killed;
    uint32_t lingered;
    struct processes lingering;
    struct processes found;
    struct processes before;

    /* Moments of the monotonic clock, in milliseconds; NONE where they are not to come. */
    uint64_t deadline;
    uint64_t second_step_at;
    uint64_t kill_at;
    uint64_t give_up_at;
    uint64_t look_at;
    uint64_t look_pause;
    uint64_t sample_at;
};

static void set_up(struct guard *guard, const struct guard_task *task);
static void leave_cgroup(struct guard *guard);
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
static void end_without_keeper(struct guard *guard);
static void read_report(struct guard *guard);
static void reap(struct guard *guard, int most);
static void feel_storm(struct guard *guard, int reaped);
static void root_has_exited(struct guard *guard);
static void stop(struct guard *guard, enum cause cause, uint64_t grace);
static void terminate_root(struct guard *guard);
static void terminate_all(struct guard *guard);
static void kill_tree(struct guard *guard);
static bool kill_cgroup(struct guard *guard);
static void stop_storm(struct guard *guard);
static void sample(struct guard *guard);
static void stop_where_the_kernel_held_a_limit(struct guard *guard);
static void tell_launched(struct guard *guard);
static void tell_failed(struct guard *guard);
static void tell_stopping(struct guard *guard, enum cause cause);
static void tell_exit(struct guard *guard, enum frame_type type);
static uint32_t killed_in(const struct guard *guard);
static void leave_word(struct guard *guard, const struct message *message);
static void tell_survivors(struct guard *guard);
static void tell_refused(struct guard *guard, const char *why);
static void put_processes(struct message *message, const struct processes *processes);
static void send_message(struct guard *guard, struct message *message);

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
    /* The supervisor's own stdio is no business of the guard, which would hold it open. */
    for (int i = 0; i < 3; i++) close(i);
}

static void leave_cgroup(struct guard *guard) {
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

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

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
    if (now >= guard->kill_at) {
        guard->state = KILLING;
        guard->kill_at = NONE;
        guard->second_step_at = NONE;
        guard->look_at = now;
        guard->look_pause = FIRST_LOOK_MS;
    }
    if (now >= guard->look_at) kill_tree(guard);
    if (guard->state != EMPTY && now >= guard->give_up_at) {
        guard->give_up_at = NONE;
        tell_survivors(guard);
    }
    if (now >= guard->sample_at) sample(guard);
}

static uint64_t next_moment(const struct guard *guard) {
    if (guard->state == EMPTY) return NONE;
    uint64_t next = guard->deadline;
    next = earlier(next, lease_moment(guard));
    next = earlier(next, guard->second_step_at);
    next = earlier(next, guard->kill_at);
    next = earlier(next, guard->give_up_at);
    next = earlier(next, guard->look_at);
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

static void end_without_keeper(struct guard *guard) {
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
    bool is_limited = guard->request.most_processes != NONE || guard->request.most_memory != NONE;
    if (is_limited) guard->sample_at = clock_ms();
    /* Its exit may have been told before its start. */
    reap(guard, MOST_REAPED);
}

static void reap(struct guard *guard, int most) {
    /* The exit of a root that could not become its command is no exit: the report comes first. */
    if (guard->report >= 0 || guard->state == EMPTY) return;
    bool had_exited = guard->root_exited;
    guard->has_dead = true;
    int reaped = 0;
    for (; reaped < most; reaped++) {
        int status;
        int stops = guard->terminal.file >= 0 ? WUNTRACED : 0;
        pid_t pid = wait4(-1, &status, WNOHANG | __WALL | stops, NULL);
        if (pid < 0 && errno == EINTR) continue;
        if (pid > 0 && WIFSTOPPED(status)) {
            if (pid == guard->root && guard->state == RUNNING) {
                guard->is_suspended = true;
                terminal_suspend(&guard->terminal, guard->root);
            }
            continue;
        }
        if (pid == guard->root && pid > 0) {
            guard->root_exited = true;
            guard->root_status = status;
            terminal_give_back(&guard->terminal);
        }
        if (pid < 0) {
            /* ECHILD. Whatever lost its parent came to us, so nobody is left, but for who came into the cgroup. */
            guard->waits_for_cgroup = cgroup_is_populated(&guard->cgroup);
            guard->has_dead = false;
            if (guard->waits_for_cgroup) break;
            if (!had_exited) stop_where_the_kernel_held_a_limit(guard);
            guard->state = EMPTY;
            tell_exit(guard, FRAME_EMPTY);
            leave_cgroup(guard);
            return;
        }
        if (pid == 0) {
            guard->has_dead = false;
            break;
        }
    }
    feel_storm(guard, reaped);
    if (guard->root_exited && !had_exited) root_has_exited(guard);
}

/* For a second after it was last felt: in between, we would wait like everybody else again. */
static void feel_storm(struct guard *guard, int reaped) {
    uint64_t now = clock_ms();
    if (now >= guard->count_until) {
        guard->count_until = now + STORM_COUNT_MS;
        guard->reaped = 0;
    }
    guard->reaped += reaped;
    if (guard->reaped >= MOST_REAPED) guard->storm_until = now + STORM_MS;
    if (now < guard->storm_until) realtime_begin(&guard->is_realtime);
    else realtime_end(&guard->is_realtime);
}

static void root_has_exited(struct guard *guard) {
    stop_where_the_kernel_held_a_limit(guard);
    descendants_of_us(guard->walk, NULL, 0, &guard->lingering);
    guard->lingered = (uint32_t)guard->lingering.used;
    tell_exit(guard, FRAME_ROOT_EXITED);
    /* What lingers is not late: the time was the root's. */
    if (guard->request.lingers) guard->deadline = NONE;
    if (guard->second_step_at != NONE) terminate_all(guard);
    if (guard->state == RUNNING && !guard->request.lingers) stop(guard, CAUSE_ROOT_EXITED, guard->request.grace);
}

/* The first stop decides; a later one can only make it shorter. */
static void stop(struct guard *guard, enum cause cause, uint64_t grace) {
    if (guard->state == EMPTY || guard->state == FAILED || guard->state == KILLING) return;
    uint64_t now = clock_ms();
    uint64_t kill_at = clock_after(now, grace);
    if (guard->state == STOPPING) {
        if (kill_at < guard->kill_at) {
            guard->kill_at = kill_at;
            guard->give_up_at = clock_after(kill_at, guard->request.kill_bound);
        }
        return;
    }
    guard->state = STOPPING;
    guard->deadline = NONE;
    guard->kill_at = kill_at;
    guard->give_up_at = clock_after(kill_at, guard->request.kill_bound);
    if (cause != CAUSE_ASKED) tell_stopping(guard, cause);
    if (grace == 0) return;
    if (guard->request.stop_by_stdin) {
        guard->second_step_at = now + grace / 2;
    } else if (guard->request.root_first && !guard->root_exited) {
        terminate_root(guard);
        guard->second_step_at = now + grace / 2;
    } else {
        terminate_all(guard);
    }
}

static void terminate_root(struct guard *guard) {
    kill(guard->root, guard->request.stop_signal);
    kill(guard->root, SIGCONT);
}

/*
 * SIGTERM, then SIGCONT, without which a stopped process would not get the former. What is forked meanwhile is
 * looked for once more; what a handler starts after it is left alone, since it may be its clean-up.
 */
static void terminate_all(struct guard *guard) {
    guard->second_step_at = NONE;
    if (guard->rest_terminated) return;
    guard->rest_terminated = true;
    struct processes *found = &guard->found;
    if (!descendants_of_us(guard->walk, NULL, 0, found)) found->used = 0;
    bool root_had_it = guard->request.root_first && !guard->request.stop_by_stdin && !guard->root_exited;
    for (size_t i = 0; i < found->used; i++) {
        if (root_had_it && found->entries[i].pid == guard->root) continue;
        process_signal(&found->entries[i], guard->request.stop_signal);
    }
    for (size_t i = 0; i < found->used; i++) process_signal(&found->entries[i], SIGCONT);
}

static void kill_tree(struct guard *guard) {
    bool is_first = !guard->forced;
    guard->forced = true;
    /* Before anything else: in a storm, each moment that we work is paid for by waiting for a hundred others. */
    if (is_first && kill_cgroup(guard)) return;
    if (is_first) stop_storm(guard);
    reap(guard, MOST_REAPED);
    if (guard->state == EMPTY) return;
    size_t counted = is_first ? 0 : cgroup_count(&guard->cgroup);
    cgroup_kill(&guard->cgroup);
    kill_descendants(guard->walk, NULL, 0, &guard->found);
    /* Some are killed more than once before they are gone; they are few. */
    for (size_t i = 0; i < guard->found.used; i++) {
        if (contains(&guard->before, &guard->found.entries[i])) continue;
        if (counted > 0) counted--;
        else guard->killed++;
    }
    struct processes before = guard->before;
    guard->before = guard->found;
    guard->found = before;
    /* Where nobody was found, the dead are waited for first: to look for the living among them again takes longer. */
    bool only_dead = guard->found.used == 0 && guard->has_dead;
    guard->look_at = clock_ms() + (only_dead ? LAST_LOOK_MS : guard->look_pause);
    guard->look_pause = earlier(guard->look_pause * 2, LAST_LOOK_MS);
    reap(guard, MOST_REAPED);
}

/*
 * Its group at one stroke, which no fork slips through; whoever has left the group one by one, from the newest on. Not
 * before the dead are waited for, since each moment of that is paid for, too.
 */
static void stop_storm(struct guard *guard) {
    if (!guard->root_exited) kill(-guard->root, SIGSTOP);
    if (!guard->has_dead) return;
    realtime_begin(&guard->is_realtime);
    stop_newest_children(NULL, 0);
}

/* Whoever has left it is found at the next look; those in it tell us of their death. */
static bool kill_cgroup(struct guard *guard) {
    size_t count = cgroup_count(&guard->cgroup);
    if (!cgroup_kill(&guard->cgroup)) return false;
    guard->killed += (uint32_t)count;
    guard->look_at = clock_ms() + LOOK_AFTER_STROKE_MS;
    reap(guard, MOST_REAPED);
    return true;
}

static void stop_where_the_kernel_held_a_limit(struct guard *guard) {
    if (guard->request.most_processes != NONE && cgroup_pids(&guard->cgroup) == EXCEEDED) stop(guard, CAUSE_PROCESSES, 0);
    if (guard->request.most_memory != NONE && cgroup_memory(&guard->cgroup) == EXCEEDED) stop(guard, CAUSE_MEMORY, 0);
}

/*
 * Where the kernel holds a limit, whether it had to; else what the tree takes. Memory is what is resident, and shared
 * memory counts once where that is too much. Threads count, as the kernel counts them.
 */
static void sample(struct guard *guard) {
    stop_where_the_kernel_held_a_limit(guard);
    if (guard->state != RUNNING) {
        guard->sample_at = NONE;
        return;
    }
    guard->sample_at = clock_ms() + SAMPLE_MS;
    bool counts = guard->request.most_processes != NONE && cgroup_pids(&guard->cgroup) == NOT_HELD;
    bool weighs = guard->request.most_memory != NONE && cgroup_memory(&guard->cgroup) == NOT_HELD;
    if (!counts && !weighs) return;
    struct processes *found = &guard->found;
    if (!descendants_of_us(guard->walk, NULL, 0, found)) return;
    uint64_t threads = 0;
    for (size_t i = 0; i < found->used; i++) threads += found->entries[i].threads;
    if (counts && threads > guard->request.most_processes) {
        stop(guard, CAUSE_PROCESSES, 0);
        return;
    }
    if (!weighs) return;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t resident = 0;
    for (size_t i = 0; i < found->used; i++) resident += found->entries[i].resident_pages * page;
    if (resident <= guard->request.most_memory) return;
    uint64_t proportional = 0;
    for (size_t i = 0; i < found->used; i++) proportional += process_proportional_memory(found->entries[i].pid);
    if (proportional > guard->request.most_memory) stop(guard, CAUSE_MEMORY, 0);
}

static void tell_launched(struct guard *guard) {
    struct message message;
    struct process root = {0};
    process_read(guard->root, &root);
    message_begin(&message, FRAME_LAUNCHED, guard->tree);
    message_u32(&message, (uint32_t)getpid());
    message_u32(&message, (uint32_t)guard->root);
    message_u64(&message, root.start);
    for (int i = 0; i < 3; i++) {
        struct stat status = {0};
        bool is_pipe = guard->host_ends[i] >= 0 && fstat(guard->host_ends[i], &status) == 0;
        message_u32(&message, is_pipe ? (uint32_t)guard->host_ends[i] : 0);
        message_u64(&message, is_pipe ? (uint64_t)status.st_ino : 0);
    }
    send_message(guard, &message);
}

static void tell_failed(struct guard *guard) {
    guard->state = FAILED;
    terminal_give_back(&guard->terminal);
    struct message message;
    message_begin(&message, FRAME_LAUNCH_FAILED, guard->tree);
    message_u32(&message, guard->failure.stage);
    message_u32(&message, (uint32_t)guard->failure.error);
    send_message(guard, &message);
}

static void tell_stopping(struct guard *guard, enum cause cause) {
    struct message message;
    message_begin(&message, FRAME_STOPPING, guard->tree);
    message_u8(&message, (uint8_t)cause);
    send_message(guard, &message);
}

/* ROOT_EXITED while others live, EMPTY when nobody does: everything that is known by then. */
static void tell_exit(struct guard *guard, enum frame_type type) {
    struct message message;
    struct rusage usage = {0};
    /* Of every process that was waited for, by us or by its parent, and that is all of them in the end. */
    getrusage(RUSAGE_CHILDREN, &usage);
    uint64_t cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                      (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    uint64_t most_memory = (uint64_t)usage.ru_maxrss * 1024;
    cgroup_usage(&guard->cgroup, &cpu_us, &most_memory);
    message_begin(&message, type, guard->tree);
    message_u32(&message, (uint32_t)guard->root_status);
    message_u8(&message, guard->root_exited);
    message_u8(&message, guard->forced);
    message_u32(&message, killed_in(guard));
    message_u64(&message, cpu_us);
    message_u64(&message, most_memory);
    message_u32(&message, guard->lingered);
    put_processes(&message, &guard->lingering);
    send_message(guard, &message);
    if (type == FRAME_EMPTY && guard->keeper_lost) leave_word(guard, &message);
}

/* Whom the kernel killed for the tree's limit of memory, we may have found alive still and killed too. */
static uint32_t killed_in(const struct guard *guard) {
    uint32_t by_kernel = guard->request.most_memory == NONE ? 0 : cgroup_killed_for_memory(&guard->cgroup);
    return by_kernel > guard->killed ? by_kernel : guard->killed;
}

/* For whoever takes the dead supervisor's run over: nobody else knows that the tree is proven empty. */
static void leave_word(struct guard *guard, const struct message *message) {
    if (!guard->request.last_word) return;
    int file = open(guard->request.last_word, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return;
    /* A reader takes a file that is cut short for one that is not there. */
    ssize_t written = write(file, message->bytes, message->used);
    close(file);
    if (written != (ssize_t)message->used) unlink(guard->request.last_word);
}

static void tell_survivors(struct guard *guard) {
    struct message message;
    if (!descendants_of_us(guard->walk, NULL, 0, &guard->found)) guard->found.used = 0;
    message_begin(&message, FRAME_SURVIVORS, guard->tree);
    message_u32(&message, killed_in(guard));
    message_u32(&message, (uint32_t)guard->found.used);
    put_processes(&message, &guard->found);
    send_message(guard, &message);
}

static void tell_refused(struct guard *guard, const char *why) {
    struct message message;
    message_begin(&message, FRAME_REFUSED, guard->tree);
    message_text(&message, why);
    send_message(guard, &message);
}

static void put_processes(struct message *message, const struct processes *processes) {
    size_t count = processes->used < MOST_NAMED ? processes->used : MOST_NAMED;
    message_u32(message, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        message_u32(message, (uint32_t)processes->entries[i].pid);
        message_u64(message, processes->entries[i].start);
        message_text(message, processes->entries[i].name);
    }
}

/*
 * The launcher reads at once, and its socket has room for hundreds of these: where one cannot be sent, the launcher
 * is stopped, and a guard does not wait for anybody.
 */
static void send_message(struct guard *guard, struct message *message) {
    message_end(message);
    if (guard->control < 0) return;
    ssize_t sent;
    do sent = send(guard->control, message->bytes, message->used, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
}
