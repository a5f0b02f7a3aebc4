#include "killing.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "children.h"
#include "clock.h"

/* As many as a storm of 400 needs in practice, several times over. */
enum { FREEZE_ROUNDS = 40, FREEZE_MS = 50, CHILD_PASSES = 16 };
/* A storm's living are among the newest processes of all: so many numbers are asked for, and each time that nobody runs
 * there eight times as many, up to all that most machines have. */
enum { NEWEST = 512, FARTHER = 8, FARTHEST = NEWEST * FARTHER * FARTHER, STORM_MS = 1000 };

static void stop_children(const pid_t *except, size_t except_count);
static bool is_stopped(const struct process *process);
static bool never_shows_a_stop(const struct process *process);
static pid_t newest_process(int loads);

bool kill_descendants(enum walk walk, const pid_t *except, size_t except_count, struct processes *found) {
    uint64_t until = clock_ms() + FREEZE_MS;
    struct processes before = {0};
    found->used = 0;
    for (int round = 0; round < FREEZE_ROUNDS; round++) {
        struct processes last = before;
        before = *found;
        *found = last;
        if (walk == WALK_CHILDREN) stop_children(except, except_count);
        if (!descendants_of_us(walk, except, except_count, found)) break;
        size_t running = 0;
        for (size_t i = 0; i < found->used; i++) {
            struct process *process = &found->entries[i];
            if (is_stopped(process)) continue;
            process_signal(process, SIGSTOP);
            if (!never_shows_a_stop(process) || !contains(&before, process)) running++;
        }
        if (running == 0 || clock_ms() > until) break;
    }
    processes_free(&before);
    size_t killed = 0;
    for (size_t i = 0; i < found->used; i++) {
        /* It is gone, or another user's by now (setuid(2)): then it is there to be seen, and not killed. */
        if (process_signal(&found->entries[i], SIGKILL)) found->entries[killed++] = found->entries[i];
    }
    found->used = killed;
    return killed > 0;
}

/*
 * Whoever forks and exits at once is gone before anybody has read its state; but whatever it leaves is our child by
 * then, and a child can be signalled unseen: it keeps its number, since we wait for none of them meanwhile. For the same
 * reason the list only grows, in the order in which they came to us: what is read on after its end came since, and
 * where that is nothing, nobody came.
 */
static void stop_children(const pid_t *except, size_t except_count) {
    struct children children;
    if (!children_open(&children, getpid(), getpid())) return;
    for (int pass = 0; pass < CHILD_PASSES; pass++) {
        bool came = false;
        for (pid_t child; (child = children_next(&children)) > 0;) {
            came = true;
            if (!is_one_of(child, except, except_count)) kill(child, SIGSTOP);
        }
        if (!came) break;
    }
    children_close(&children);
}

/*
 * The list of our children has thousands of dead in a storm, and the living at its end: before that is reached, they
 * have forked and gone. But numbers are given in order, and what is a child of ours may be asked by number.
 */
void stop_newest_children(const pid_t *except, size_t except_count) {
    int loads = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    if (loads < 0) return;
    uint64_t until = clock_ms() + STORM_MS;
    for (int back = NEWEST; back <= FARTHEST && clock_ms() < until;) {
        pid_t newest = newest_process(loads);
        bool found = false;
        for (pid_t number = newest; number > 1 && number > newest - back; number--) {
            if (child_state(number) != CHILD_RUNS || is_one_of(number, except, except_count)) continue;
            kill(number, SIGSTOP);
            found = true;
        }
        back = found ? NEWEST : back * FARTHER;
    }
    close(loads);
}

/* The number that was given last (proc_loadavg(5)); 0 where that cannot be read. */
static pid_t newest_process(int loads) {
    char text[128];
    ssize_t length = pread(loads, text, sizeof text - 1, 0);
    text[length < 0 ? 0 : length] = '\0';
    char *last = strrchr(text, ' ');
    return last ? (pid_t)strtol(last, NULL, 10) : 0;
}

static bool is_stopped(const struct process *process) { return process->state == 'T' || process->state == 't'; }

/*
 * Asleep in the kernel (in a vfork, or for ever), or a process whose main thread has ended. Both have been sent their
 * stop by the second time that they are seen, and neither will look stopped.
 */
static bool never_shows_a_stop(const struct process *process) {
    return process->state == 'D' || process->state == 'Z' || process->state == 'X';
}
