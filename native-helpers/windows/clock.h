#ifndef COPPICE_WINDOWS_CLOCK_H
#define COPPICE_WINDOWS_CLOCK_H

#include <stdint.h>
#include <windows.h>

/* Milliseconds of the performance counter, which no wall clock's step changes, and which Node's process.hrtime reads too. */
static inline uint64_t clock_ms(void) {
    LARGE_INTEGER now, frequency;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    uint64_t ticks = (uint64_t)now.QuadPart;
    uint64_t second = (uint64_t)frequency.QuadPart;
    return ticks / second * 1000 + ticks % second * 1000 / second;
}

/* Later by `more`, or never. */
static inline uint64_t clock_after(uint64_t from, uint64_t more) {
    return more > UINT64_MAX - from ? UINT64_MAX : from + more;
}

#endif
