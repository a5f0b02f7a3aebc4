#include "processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "children.h"

static bool add(struct processes *processes, const struct process *process);
static bool walk_children(const pid_t *except, size_t except_count, struct processes *found);
static bool children_of(pid_t pid, bool has_threads, const pid_t *except, size_t except_count,
                        struct processes *found);
static bool children_of_thread(pid_t pid, pid_t thread, const pid_t *except, size_t except_count,
                               struct processes *found);
static bool walk_all(const pid_t *except, size_t except_count, struct processes *found);
static ssize_t read_file(const char *path, char *bytes, size_t size);

void processes_free(struct processes *processes) {
    free(processes->entries);
    *processes = (struct processes){0};
}

enum walk walk_that_works(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    return access(path, R_OK) == 0 ? WALK_CHILDREN : WALK_ALL;
}

bool descendants_of_us(enum walk walk, const pid_t *except, size_t except_count, struct processes *found) {
    found->used = 0;
    return walk == WALK_CHILDREN ? walk_children(except, except_count, found) : walk_all(except, except_count, found);
}

bool contains(const struct processes *processes, const struct process *process) {
    for (size_t i = 0; i < processes->used; i++) {
        if (processes->entries[i].pid == process->pid && processes->entries[i].start == process->start) return true;
    }
    return false;
}

bool process_signal(const struct process *process, int signal) {
    /* A child of ours keeps its number until we have waited for it. */
    if (process->parent == getpid()) return kill(process->pid, signal) == 0;
    int handle = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (handle < 0 && errno == ESRCH) return false;
    struct process now;
    bool is_same = process_read(process->pid, &now) && now.start == process->start;
    bool sent = false;
    /* Without pidfd (before Linux 5.3, or out of descriptors) there is a moment between the look and the signal. */
    if (is_same) sent = (handle < 0 ? kill(process->pid, signal) : (int)syscall(SYS_pidfd_send_signal, handle, signal, NULL, 0)) == 0;
    if (handle >= 0) close(handle);
    return sent;
}

bool process_read(pid_t pid, struct process *process) {
    char path[32];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    ssize_t length = read_file(path, text, sizeof text - 1);
    if (length <= 0) return false;
    text[length] = '\0';
    char *name = strchr(text, '(');
    /* The name may itself hold parentheses and spaces; what follows the last one may not. */
    char *end = strrchr(text, ')');
    if (!name || !end) return false;
    *end = '\0';
    enum { STATE = 3, PARENT = 4, THREADS = 20, START = 22, RESIDENT = 24, FIELDS };
    uint64_t fields[FIELDS] = {0};
    char *at = end + 1;
    if (*at++ != ' ' || *at == '\0') return false;
    fields[STATE] = (unsigned char)*at++;
    for (int i = PARENT; i < FIELDS; i++) {
        if (*at != ' ') return false;
        fields[i] = strtoull(at, &at, 10);
    }
    *process = (struct process){
        .pid = pid,
        .parent = (pid_t)fields[PARENT],
        .start = fields[START],
        .resident_pages = fields[RESIDENT],
        .state = (char)fields[STATE],
        .has_threads = fields[THREADS] > 1,
        .threads = fields[THREADS] > 1 ? (uint32_t)fields[THREADS] : 1,
    };
    snprintf(process->name, sizeof process->name, "%.15s", name + 1);
    return true;
}

void end_tracer_of(pid_t child) {
    char path[32];
    char text[2048];
    snprintf(path, sizeof path, "/proc/%d/status", (int)child);
    ssize_t length = read_file(path, text, sizeof text - 1);
    if (length <= 0) return;
    text[length] = '\0';
    char *at = strstr(text, "\nTracerPid:");
    struct process tracer;
    if (!at || !process_read((pid_t)strtol(at + strlen("\nTracerPid:"), NULL, 10), &tracer)) return;
    struct process ancestor = tracer;
    while (ancestor.parent > 1 && ancestor.parent != getpid()) {
        if (!process_read(ancestor.parent, &ancestor)) return;
    }
    if (ancestor.parent == getpid()) process_signal(&tracer, SIGKILL);
}

uint64_t process_proportional_memory(pid_t pid) {
    char path[40];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    ssize_t length = read_file(path, text, sizeof text - 1);
    if (length <= 0) return 0;
    text[length] = '\0';
    char *at = strstr(text, "\nPss:");
    return at ? strtoull(at + strlen("\nPss:"), NULL, 10) * 1024 : 0;
}

/* A main thread that has ended looks like a zombie while the other threads work on. */
static bool lives(const struct process *process) {
    bool is_dead = process->state == 'Z' || process->state == 'X' || process->state == 'x';
    return !is_dead || process->has_threads;
}

/* By now it may have lost its parent to us, and its number may be a stranger's. */
static bool is_child_of(const struct process *process, pid_t parent) {
    return process->parent == parent || process->parent == getpid();
}

static bool walk_children(const pid_t *except, size_t except_count, struct processes *found) {
    if (!children_of(getpid(), false, except, except_count, found)) return false;
    for (size_t i = 0; i < found->used; i++) {
        struct process parent = found->entries[i];
        size_t before = found->used;
        if (!children_of(parent.pid, parent.has_threads, NULL, 0, found)) return false;
        /* The number may have become a stranger's: then these are the stranger's children. */
        struct process now;
        if (found->used > before && process_read(parent.pid, &now) && now.start != parent.start) found->used = before;
    }
    return true;
}

static bool children_of(pid_t pid, bool has_threads, const pid_t *except, size_t except_count,
                        struct processes *found) {
    if (!has_threads) return children_of_thread(pid, pid, except, except_count, found);
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (!tasks) return errno == ENOENT || errno == ESRCH;
    bool is_whole = true;
    for (struct dirent *entry; is_whole && (entry = readdir(tasks));) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread > 0) is_whole = children_of_thread(pid, thread, except, except_count, found);
    }
    closedir(tasks);
    return is_whole;
}

static bool children_of_thread(pid_t pid, pid_t thread, const pid_t *except, size_t except_count,
                               struct processes *found) {
    struct children children;
    if (!children_open(&children, pid, thread)) return errno == ENOENT || errno == ESRCH;
    bool is_whole = true;
    bool are_ours = pid == getpid();
    for (pid_t number; (number = children_next(&children)) > 0;) {
        struct process child;
        if (is_one_of(number, except, except_count) || (are_ours && child_state(number) == CHILD_DEAD)) continue;
        if (process_read(number, &child) && is_child_of(&child, pid) && lives(&child)) {
            is_whole = add(found, &child) && is_whole;
        }
    }
    children_close(&children);
    return is_whole;
}

static int by_pid(const void *a, const void *b) {
    pid_t left = ((const struct process *)a)->pid;
    pid_t right = ((const struct process *)b)->pid;
    return (left > right) - (left < right);
}

static struct process *find(const struct processes *all, pid_t pid) {
    struct process wanted = {.pid = pid};
    return bsearch(&wanted, all->entries, all->used, sizeof wanted, by_pid);
}

/*
 * The list is no snapshot: a parent that was read as living may be gone when its child is. Such a child's line up
 * to us is broken here; it is our own child by then, and the next walk finds it.
 */
static bool walk_all(const pid_t *except, size_t except_count, struct processes *found) {
    DIR *proc = opendir("/proc");
    if (!proc) return false;
    struct processes all = {0};
    bool is_whole = true;
    for (struct dirent *entry; (entry = readdir(proc));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        struct process process;
        if (pid > 0 && process_read(pid, &process)) is_whole = add(&all, &process) && is_whole;
    }
    closedir(proc);
    qsort(all.entries, all.used, sizeof *all.entries, by_pid);
    pid_t self = getpid();
    for (size_t i = 0; is_whole && i < all.used; i++) {
        struct process *process = &all.entries[i];
        if (!lives(process) || process->pid == self) continue;
        /* A line of parents has at most as many members as there are processes, also where the list is not one moment's. */
        struct process *ancestor = process;
        for (size_t steps = 0; ancestor && steps <= all.used; steps++) {
            if (is_one_of(ancestor->pid, except, except_count)) break;
            if (ancestor->parent == self) {
                is_whole = add(found, process);
                break;
            }
            struct process *parent = find(&all, ancestor->parent);
            /* Nobody is older than his parent: this one has the number of one who is gone. */
            ancestor = parent && parent->start <= ancestor->start ? parent : NULL;
        }
    }
    processes_free(&all);
    return is_whole;
}

static bool add(struct processes *processes, const struct process *process) {
    if (processes->used == processes->size) {
        size_t size = processes->size ? processes->size * 2 : 64;
        struct process *entries = realloc(processes->entries, size * sizeof *entries);
        if (!entries) return false;
        processes->entries = entries;
        processes->size = size;
    }
    processes->entries[processes->used++] = *process;
    return true;
}

bool is_one_of(pid_t pid, const pid_t *pids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (pids[i] == pid) return true;
    }
    return false;
}

static ssize_t read_file(const char *path, char *bytes, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t length;
    do length = read(file, bytes, size);
    while (length < 0 && errno == EINTR);
    close(file);
    return length;
}
