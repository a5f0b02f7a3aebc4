#include "asking.h"

#include <stdio.h>

#include "processes.h"

enum { NAME = 64 };

static void name_for(wchar_t name[NAME], DWORD pid, uint64_t start) {
    swprintf(name, NAME, L"Local\\coppice-job-%lu-%llu", (unsigned long)pid, (unsigned long long)start);
}

HANDLE asking_open(void) {
    wchar_t name[NAME];
    name_for(name, GetCurrentProcessId(), start_of(GetCurrentProcess()));
    return CreateEventW(NULL, TRUE, FALSE, name);
}

bool asking_tell(DWORD pid, uint64_t start) {
    wchar_t name[NAME];
    name_for(name, pid, start);
    HANDLE event = OpenEventW(EVENT_MODIFY_STATE, FALSE, name);
    if (!event) return false;
    bool is_told = SetEvent(event) != 0;
    CloseHandle(event);
    return is_told;
}
