/* Who descends from whom, and signals that reach nobody else. */
#ifndef COPPICE_PROCESSES_H
#define COPPICE_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A pid and the start time tell a process from every other of this boot (proc_pid_stat(5), field 22). */
struct process {
    pid_t pid;
    pid_t parent;
    uint64_t start;
    uint64_t resident_pages;
    char state;
    bool has_threads;
    uint32_t threads;
    char name[16];
};

struct processes {
    struct process *entries;
    size_t used;
    size_t size;
};

void processes_free(struct processes *processes);
bool contains(const struct processes *processes, const struct process *process);

/* How descendants are found: by the `children` file of each thread, or by looking at every process there is. */
enum walk { WALK_CHILDREN, WALK_ALL };
enum walk walk_that_works(void);

/*
 * Fills `found` with the living descendants of this process, but not with those in `except` nor with what descends
 * from them. A zombie does not live. False where the list cannot be had; then it may lack some.
 *
 * What forks meanwhile may be missed. Only what cannot fork, and an ECHILD from wait, is sure.
 */
bool descendants_of_us(enum walk walk, const pid_t *except, size_t except_count, struct processes *found);

/* False where the process is gone, a zombie, or another one has its number by now. */
bool process_signal(const struct process *process, int signal);

/* False where there is no such process. */
bool process_read(pid_t pid, struct process *process);

/*
 * Kills whoever traces this child of ours, where that is a descendant of ours: traced, it neither runs nor, where it is
 * dead, can be waited for (ptrace(2)).
 */
void end_tracer_of(pid_t child);

/* Proportional set size in bytes, which counts shared memory once; 0 where it cannot be read. */
uint64_t process_proportional_memory(pid_t pid);

bool is_one_of(pid_t pid, const pid_t *pids, size_t count);

#endif
