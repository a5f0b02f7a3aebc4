/* The list of a thread's children, and what wait(2) tells of our own without taking them from it. */
#ifndef COPPICE_CHILDREN_H
#define COPPICE_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Their numbers, in the order in which they came to this parent. */
struct children {
    int file;
    size_t at;
    size_t length;
    char text[4096];
};

/* False where the thread is gone (errno ENOENT, ESRCH), or the list cannot be had. */
bool children_open(struct children *children, pid_t process, pid_t thread);

/* 0 at the end of the list; asked again there, whoever came since. */
pid_t children_next(struct children *children);
void children_close(struct children *children);

enum child_state { NO_CHILD, CHILD_RUNS, CHILD_IS_STOPPED, CHILD_DEAD };

/*
 * Whether `number` is a child of this process, and what it is about. A child's number stays its own until it is waited
 * for, so that whoever asks may signal it by that number. Costs a thirtieth of a look into /proc.
 */
enum child_state child_state(pid_t number);

#endif
