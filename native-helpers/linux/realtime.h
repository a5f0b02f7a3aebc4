/*
 * Before everybody else, for as long as a storm of processes has to be reaped or ended: the scheduler would have one
 * that reaps for hundreds wait for hundreds (sched(7)). Does nothing where the user may not (CAP_SYS_NICE).
 */
#ifndef COPPICE_REALTIME_H
#define COPPICE_REALTIME_H

#include <stdbool.h>

void realtime_begin(bool *is_realtime);
void realtime_end(bool *is_realtime);

#endif
