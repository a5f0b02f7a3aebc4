#ifndef COPPICE_CLOCK_H
#define COPPICE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC, which no wall clock's step changes, and which Node's process.hrtime reads too. */
static inline uint64_t clock_ms(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Later by `more`, or never. */
static inline uint64_t clock_after(uint64_t from, uint64_t more) {
    return more > UINT64_MAX - from ? UINT64_MAX : from + more;
}

#endif
