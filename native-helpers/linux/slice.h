/*
 * How long a thread runs at a time. Since Linux 6.12 each may choose (sched_setattr(2), `sched_runtime` of SCHED_OTHER):
 * one that chooses little gets no more of the processor than before, but gets it sooner. Those who end a tree choose
 * little, since in a storm of processes everybody else wants to run as well. Before 6.12 this does nothing.
 */
#ifndef COPPICE_SLICE_H
#define COPPICE_SLICE_H

#include <sys/types.h>

/* Of this thread (0) or of another one of the same user. Who is forked by it inherits that. */
void slice_shorten(pid_t thread);

/* The same, and who is forked by it does not inherit it: for a thread that forks what is none of ours. */
void slice_shorten_alone(pid_t thread);

/* This thread's, for a tool: its work is none of ours. */
void slice_restore(void);

#endif
