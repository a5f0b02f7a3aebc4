/*
 * coppice-job: starts one process tree for a supervisor in a job object of its own, and ends it, also where the
 * supervisor is gone. It is spoken to through descriptor 3 and answers through 4, in the frames of ../protocol.md.
 *
 *   coppice-job --supervisor=PID         serves that process; a tree's stdio is its own
 *   coppice-job --processes [PID...]     a line for each process that lives, or for those; processes.h says of what
 *   coppice-job --variables [PID...]     the same with their COPPICE_ variables
 *   coppice-job --end PID:START...       ends these, each only where it is the one that started then
 *   coppice-job --ask PID:START...       tells these helpers to end their trees, as if their supervisor were gone
 *   coppice-job --missing                prints nothing: where it runs, nothing is missing
 *   coppice-job --version                prints the version of the package that it was built from
 *
 * Exit codes: 0 when its tree has ended; 125 where it cannot work here; 2 for bad usage.
 */
#include <fcntl.h>
#include <io.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>

#include "asking.h"
#include "console.h"
#include "inherited.h"
#include "job.h"
#include "processes.h"
#include "tree.h"

enum { CONTROL = 3, REPORT = 4, BAD_USAGE = 2, CANNOT_WORK = 125, MOST_NUMBERS = 4096 };

static int serve(DWORD supervisor);
static int list(int count, wchar_t **numbers, bool with_variables);
static int for_all(int count, wchar_t **marks, bool (*work)(DWORD pid, uint64_t start));
static bool end_one(DWORD pid, uint64_t start);
static HANDLE open_elder(DWORD pid);

int wmain(int argc, wchar_t **argv) {
    static const wchar_t serves[] = L"--supervisor=";
    /* A message box that nobody sees would keep it for ever. */
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
    if (argc == 2 && wcscmp(argv[1], L"--version") == 0) return puts("coppice-job " COPPICE_VERSION) < 0 ? CANNOT_WORK : 0;
    /* What Windows 10 lacks of what it wants is nothing. */
    if (argc == 2 && wcscmp(argv[1], L"--missing") == 0) return 0;
    if (argc >= 2 && wcscmp(argv[1], L"--processes") == 0) return list(argc - 2, argv + 2, false);
    if (argc >= 2 && wcscmp(argv[1], L"--variables") == 0) return list(argc - 2, argv + 2, true);
    if (argc >= 2 && wcscmp(argv[1], L"--end") == 0) return for_all(argc - 2, argv + 2, end_one);
    if (argc >= 2 && wcscmp(argv[1], L"--ask") == 0) return for_all(argc - 2, argv + 2, asking_tell);
    if (argc == 2 && wcsncmp(argv[1], serves, wcslen(serves)) == 0) {
        return serve((DWORD)wcstoul(argv[1] + wcslen(serves), NULL, 10));
    }
    fputs("usage: coppice-job --supervisor=PID | --processes [PID...] | --variables [PID...] | --end PID:START... | "
          "--ask PID:START... | --missing | --version\n",
          stderr);
    return BAD_USAGE;
}

static int serve(DWORD pid) {
    HANDLE control = (HANDLE)_get_osfhandle(CONTROL);
    HANDLE report = (HANDLE)_get_osfhandle(REPORT);
    HANDLE supervisor = open_elder(pid);
    if (control == INVALID_HANDLE_VALUE || report == INVALID_HANDLE_VALUE || !supervisor) return CANNOT_WORK;
    /* The tree is not to hold them: their end is how each side learns that the other is gone. */
    SetHandleInformation(control, HANDLE_FLAG_INHERIT, 0);
    SetHandleInformation(report, HANDLE_FLAG_INHERIT, 0);
    const HANDLE own[] = {control, report};
    inherited_close_but(own, sizeof own / sizeof *own);
    console_ignore();
    return tree_serve(control, report, supervisor, asking_open());
}

/* A process that has the number and started before this one; a later one has it from somebody who is gone. */
static HANDLE open_elder(DWORD pid) {
    HANDLE process = OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid);
    if (process && start_of(process) <= start_of(GetCurrentProcess())) return process;
    if (process) CloseHandle(process);
    return NULL;
}

static int list(int count, wchar_t **numbers, bool with_variables) {
    static DWORD pids[MOST_NUMBERS];
    if (count > MOST_NUMBERS) return BAD_USAGE;
    for (int i = 0; i < count; i++) pids[i] = (DWORD)wcstoul(numbers[i], NULL, 10);
    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);
    return write_processes(output, pids, (size_t)count, with_variables) ? 0 : CANNOT_WORK;
}

/* Prints the number of each with which it worked. */
static int for_all(int count, wchar_t **marks, bool (*work)(DWORD pid, uint64_t start)) {
    for (int i = 0; i < count; i++) {
        wchar_t *rest = NULL;
        DWORD pid = (DWORD)wcstoul(marks[i], &rest, 10);
        if (*rest != L':') return BAD_USAGE;
        uint64_t start = wcstoull(rest + 1, NULL, 10);
        if (work(pid, start)) printf("%lu\n", (unsigned long)pid);
    }
    return 0;
}

static bool end_one(DWORD pid, uint64_t start) { return end_process(pid, start, JOB_KILLED); }
