/*
 * How far a tree steps back behind everybody else, as nice(1) says it. Where the kernel shares by process session first
 * (autogroup, sched(7)) a nice value counts among the processes of one session alone: there the session as a whole steps
 * back, and the guard, which is in another, stays where it is. Who leaves for a session of its own has left that behind.
 */
#ifndef COPPICE_PRIORITY_H
#define COPPICE_PRIORITY_H

#include <stdbool.h>
#include <sys/types.h>

/* The launcher, at its start: what trees step back from. */
void priority_remember(void);

/* The calling process becomes a root, which has the launcher's nice value and so much more. */
void priority_of_root(int nice);

/* The process session of that root steps back. False where that is to be tried once more, a while later. */
bool priority_of_session(pid_t root, int nice);

#endif
