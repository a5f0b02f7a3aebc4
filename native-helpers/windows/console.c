#include "console.h"

#include <stddef.h>

#include "job.h"

/*
 * CTRL_BREAK is what ships: a process in a new group has CTRL_C disabled, and that one cannot be aimed at a group
 * ("GenerateConsoleCtrlEvent", Microsoft). Wine delivers CTRL_C alone; the build for tests under it asks by that.
 */
#ifndef COPPICE_STOP_EVENT
#define COPPICE_STOP_EVENT CTRL_BREAK_EVENT
#endif

enum { MOST_ASKED = 4096, MOST_ON_CONSOLE = 1024 };

static BOOL WINAPI hear_nothing(DWORD event) {
    (void)event;
    return TRUE;
}

void console_ignore(void) { SetConsoleCtrlHandler(hear_nothing, TRUE); }

bool console_borrow(DWORD pid) {
    FreeConsole();
    return AttachConsole(pid) != 0;
}

static bool is_in(DWORD pid, const DWORD *pids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (pids[i] == pid) return true;
    }
    return false;
}

/*
 * Wine takes the group 0, everybody on the console, for the sender's own group: there each one is told as a group, and so
 * is the root, whose group the others are of also when it has exited.
 */
static bool send_event(bool everybody, DWORD root, const DWORD *pids, DWORD count) {
    if (!everybody) return GenerateConsoleCtrlEvent(COPPICE_STOP_EVENT, root) != 0;
    if (COPPICE_STOP_EVENT == CTRL_BREAK_EVENT) return GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, 0) != 0;
    for (DWORD i = 0; i < count; i++) {
        if (pids[i] != GetCurrentProcessId()) GenerateConsoleCtrlEvent(COPPICE_STOP_EVENT, pids[i]);
    }
    if (root != 0 && !is_in(root, pids, count)) GenerateConsoleCtrlEvent(COPPICE_STOP_EVENT, root);
    return true;
}

unsigned console_ask(HANDLE job, DWORD root, bool everybody) {
    static DWORD members[MOST_ASKED];
    static DWORD asked[MOST_ASKED];
    static DWORD there[MOST_ON_CONSOLE];
    size_t count = 0;
    size_t done = 0;
    unsigned consoles = 0;
    if (everybody) {
        if (!job_processes(job, members, MOST_ASKED, &count)) return 0;
    } else if (root != 0) {
        members[count++] = root;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_in(members[i], asked, done)) continue;
        FreeConsole();
        if (!AttachConsole(members[i])) continue;
        console_ignore();
        DWORD found = GetConsoleProcessList(there, MOST_ON_CONSOLE);
        if (found > MOST_ON_CONSOLE) found = 0;
        bool is_ours = found > 0;
        for (DWORD at = 0; at < found; at++) {
            is_ours = is_ours && (there[at] == GetCurrentProcessId() || is_in(there[at], members, count));
            if (done < MOST_ASKED) asked[done++] = there[at];
        }
        /* Somebody of the tree may have joined a console of strangers, who are not to hear of it. */
        if ((is_ours || root != 0) && send_event(everybody && is_ours, root, there, found)) consoles++;
    }
    /* Else the console would live for as long as this process. */
    FreeConsole();
    return consoles;
}
