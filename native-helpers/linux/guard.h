/* Owns one tree: launches its root, ends it, and proves that nothing of it is left. */
#ifndef COPPICE_GUARD_H
#define COPPICE_GUARD_H

#include <stddef.h>
#include <stdint.h>

#include "launcher.h"

struct guard_task {
    uint32_t tree;
    /* A SOCK_SEQPACKET to the launcher: a frame is a packet. */
    int control;
    /* Of a FRAME_LAUNCH. */
    const uint8_t *body;
    size_t length;
    struct shared *shared;
    enum walk walk;
};

/* The life of a guard's process, which the launcher has just forked. */
_Noreturn void guard_main(const struct guard_task *task);

#endif
