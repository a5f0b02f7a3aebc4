#include "root.h"

#include <stdlib.h>

#include "job.h"
#include "text.h"

static size_t standard_handles(HANDLE handles[3], STARTUPINFOW *startup);
static bool start(const struct request *request, HANDLE job, STARTUPINFOEXW *startup, struct root *root);
static void end_unborn(struct root *root);

bool root_start(const struct request *request, HANDLE job, struct root *root) {
    STARTUPINFOEXW startup = {.StartupInfo = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES}};
    HANDLE handles[3];
    size_t count = standard_handles(handles, &startup.StartupInfo);
    SIZE_T size = 0;
    InitializeProcThreadAttributeList(NULL, 2, 0, &size);
    startup.lpAttributeList = malloc(size);
    if (!startup.lpAttributeList) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return false;
    }
    bool is_started = false;
    if (InitializeProcThreadAttributeList(startup.lpAttributeList, 2, 0, &size)) {
        /* Born in the job, so that it is in it also where this process dies in between. */
        is_started = UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_JOB_LIST, &job,
                                               sizeof job, NULL, NULL) &&
                     (count == 0 || UpdateProcThreadAttribute(startup.lpAttributeList, 0,
                                                              PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles,
                                                              count * sizeof *handles, NULL, NULL)) &&
                     start(request, job, &startup, root);
        DWORD error = GetLastError();
        DeleteProcThreadAttributeList(startup.lpAttributeList);
        SetLastError(error);
    }
    DWORD error = GetLastError();
    free(startup.lpAttributeList);
    SetLastError(error);
    return is_started;
}

/* Each once: a list that names a handle twice is refused. */
static size_t standard_handles(HANDLE handles[3], STARTUPINFOW *startup) {
    HANDLE *slots[3] = {&startup->hStdInput, &startup->hStdOutput, &startup->hStdError};
    const DWORD names[3] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    size_t count = 0;
    for (int i = 0; i < 3; i++) {
        HANDLE handle = GetStdHandle(names[i]);
        *slots[i] = handle;
        if (!handle || handle == INVALID_HANDLE_VALUE) continue;
        if (!SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT)) continue;
        size_t at = 0;
        while (at < count && handles[at] != handle) at++;
        if (at == count) handles[count++] = handle;
    }
    return count;
}

/* As Node's setPriority has it (libuv). Its descendants inherit what is below the normal class ("Scheduling Priorities", Microsoft). */
static DWORD priority_of(int nice) {
    if (nice < 10) return 0;
    return nice < 19 ? BELOW_NORMAL_PRIORITY_CLASS : IDLE_PRIORITY_CLASS;
}

/*
 * ERROR_INTERNAL_ERROR: the process was gone before it had begun, and has left nothing. Wine answers so now and then where many
 * start at once. Another try costs a caller less than a launch that failed for no reason of its own.
 */
static bool create(wchar_t *program, wchar_t *line, DWORD flags, STARTUPINFOEXW *startup, PROCESS_INFORMATION *made) {
    for (int tries = 4; tries > 0; tries--) {
        if (CreateProcessW(program, line, NULL, NULL, TRUE, flags, NULL, NULL, &startup->StartupInfo, made)) return true;
        if (GetLastError() != ERROR_INTERNAL_ERROR) return false;
    }
    return false;
}

static bool start(const struct request *request, HANDLE job, STARTUPINFOEXW *startup, struct root *root) {
    wchar_t *program = wide_of(request->argv[0]);
    /* cmd.exe takes its line apart by rules of its own: what is for it comes ready. */
    wchar_t *line = command_line_of(request->argv, request->is_verbatim);
    bool is_started = false;
    if (!program || !line) {
        SetLastError(ERROR_INVALID_PARAMETER);
    } else {
        DWORD flags = CREATE_SUSPENDED | EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT;
        /* A console without a window, that its grandchildren share: none of them opens one. */
        if (!request->has_terminal) flags |= CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW;
        flags |= priority_of(request->nice);
        PROCESS_INFORMATION made = {0};
        is_started = create(program, line, flags, startup, &made);
        if (is_started) *root = (struct root){.process = made.hProcess, .thread = made.hThread, .pid = made.dwProcessId};
    }
    DWORD error = GetLastError();
    free(program);
    free(line);
    SetLastError(error);
    if (!is_started) return false;
    BOOL is_inside = FALSE;
    if ((IsProcessInJob(root->process, job, &is_inside) && is_inside) || AssignProcessToJobObject(job, root->process)) {
        return true;
    }
    end_unborn(root);
    return false;
}

bool root_release(struct root *root) {
    if (ResumeThread(root->thread) != (DWORD)-1) {
        CloseHandle(root->thread);
        root->thread = NULL;
        return true;
    }
    end_unborn(root);
    return false;
}

static void end_unborn(struct root *root) {
    DWORD error = GetLastError();
    TerminateProcess(root->process, JOB_KILLED);
    CloseHandle(root->thread);
    CloseHandle(root->process);
    SetLastError(error);
}
