/* The machine's processes: who lives, since when, below whom, and with which variables of ours. */
#ifndef COPPICE_PROCESSES_H
#define COPPICE_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <windows.h>

enum { PROCESS_NAME = 128 };

/* Units of 100 nanoseconds since 1601, in UTC: with its number it is a process's for ever. 0 where it cannot be told. */
uint64_t start_of(HANDLE process);

/* A handle on the process that has this number and started then; NULL where there is no such one any more. */
HANDLE open_same(DWORD pid, uint64_t start, DWORD access);

/* The file name of its program in UTF-8; empty where it cannot be told. */
void name_of(HANDLE process, char name[PROCESS_NAME]);

/*
 * Writes a line for each living process, or for those of these numbers that live: number, parent's number, start, name,
 * and `?` where its environment cannot be read, else each of its variables whose name begins with COPPICE_; separated by
 * tabs. A variable with a control character in it is left out. False where it could not be written whole.
 */
bool write_processes(HANDLE output, const DWORD *only, size_t count, bool with_variables);

/* Ends this process, at once. False where it lives no more, or may not be ended by us. */
bool end_process(DWORD pid, uint64_t start, UINT code);

#endif
