/* How a helper whose supervisor does not answer is told to end its tree: by an event that bears its identity. */
#ifndef COPPICE_ASKING_H
#define COPPICE_ASKING_H

#include <stdbool.h>
#include <stdint.h>
#include <windows.h>

/* This process's own event; NULL where there is none: then its lease ends it. */
HANDLE asking_open(void);

/* Tells the helper that has this number and started then. False where it cannot be told. */
bool asking_tell(DWORD pid, uint64_t start);

#endif
