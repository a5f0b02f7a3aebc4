#include "inherited.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>
#include <winternl.h>

/* A handle's number is a multiple of four; no Node has as many open as the first stands for. Wine counts none. */
enum { STEP = 4, MOST = 65536, MOST_UNCOUNTED = 1024 };

static HANDLE working_directory(void);
static bool is_file(HANDLE handle);

void inherited_close_but(const HANDLE *kept, size_t count) {
    const HANDLE own[] = {GetStdHandle(STD_INPUT_HANDLE), GetStdHandle(STD_OUTPUT_HANDLE), GetStdHandle(STD_ERROR_HANDLE),
                          working_directory()};
    DWORD open = 0;
    bool is_counted = GetProcessHandleCount(GetCurrentProcess(), &open) && open > 0;
    uintptr_t last = (is_counted ? MOST : MOST_UNCOUNTED) * STEP;
    for (uintptr_t number = STEP; number <= last && !(is_counted && open == 0); number += STEP) {
        HANDLE handle = (HANDLE)number;
        DWORD flags = 0;
        if (!GetHandleInformation(handle, &flags)) continue;
        if (is_counted) open--;
        bool is_kept = false;
        for (size_t i = 0; i < count; i++) is_kept = is_kept || kept[i] == handle;
        for (size_t i = 0; i < sizeof own / sizeof *own; i++) is_kept = is_kept || own[i] == handle;
        /* Of those that were inherited the flag is set still; what this process has opened itself has none. */
        if (!is_kept && (flags & HANDLE_FLAG_INHERIT) && is_file(handle)) CloseHandle(handle);
    }
}

/* It is inheritable too. By the process's own parameters, whose layout has not changed since Vista; see processes.c. */
static HANDLE working_directory(void) {
    enum { DIRECTORY = 0x48 };
    PROCESS_BASIC_INFORMATION basic;
    HANDLE handle = NULL;
    if (NtQueryInformationProcess(GetCurrentProcess(), ProcessBasicInformation, &basic, sizeof basic, NULL) < 0) return NULL;
    memcpy(&handle, (const char *)basic.PebBaseAddress->ProcessParameters + DIRECTORY, sizeof handle);
    return handle;
}

/* By its object's type alone: GetFileType would wait for as long as somebody else reads from the same end of a pipe. */
static bool is_file(HANDLE handle) {
    union { PUBLIC_OBJECT_TYPE_INFORMATION type; char bytes[1024]; } of;
    ULONG length = 0;
    if (NtQueryObject(handle, ObjectTypeInformation, &of, sizeof of, &length) < 0) return false;
    static const wchar_t file[] = L"File";
    return of.type.TypeName.Length == sizeof file - sizeof *file && wcsncmp(of.type.TypeName.Buffer, file, 4) == 0;
}
