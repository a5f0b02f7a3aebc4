#include "processes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tlhelp32.h>
#include <winternl.h>

#include "text.h"

/* A process's environment may be as large as its memory; of one that is larger nothing is told. */
enum { LARGEST_ENVIRONMENT = 1024 * 1024 };

static bool is_wanted(DWORD pid, const DWORD *only, size_t count);
static bool write_process(HANDLE output, const PROCESSENTRY32W *entry, bool with_variables);
static wchar_t *environment_of(HANDLE process);
static bool write_variables(HANDLE output, const wchar_t *environment);
static bool write_text(HANDLE output, const char *text);

uint64_t start_of(HANDLE process) {
    FILETIME created, exited, kernel, user;
    if (!GetProcessTimes(process, &created, &exited, &kernel, &user)) return 0;
    return (uint64_t)created.dwHighDateTime << 32 | created.dwLowDateTime;
}

HANDLE open_same(DWORD pid, uint64_t start, DWORD access) {
    HANDLE process = OpenProcess(access | PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, pid);
    if (!process) return NULL;
    /* The handle pins the number: what is true of it now stays so. */
    if (start_of(process) == start && WaitForSingleObject(process, 0) == WAIT_TIMEOUT) return process;
    CloseHandle(process);
    SetLastError(ERROR_NOT_FOUND);
    return NULL;
}

void name_of(HANDLE process, char name[PROCESS_NAME]) {
    wchar_t path[1024];
    DWORD length = sizeof path / sizeof *path;
    name[0] = '\0';
    if (!QueryFullProcessImageNameW(process, 0, path, &length)) return;
    const wchar_t *file = wcsrchr(path, L'\\');
    narrow_to(name, PROCESS_NAME, file ? file + 1 : path);
}

bool end_process(DWORD pid, uint64_t start, UINT code) {
    HANDLE process = open_same(pid, start, PROCESS_TERMINATE);
    if (!process) return false;
    bool is_ended = TerminateProcess(process, code) != 0;
    CloseHandle(process);
    return is_ended;
}

bool write_processes(HANDLE output, const DWORD *only, size_t count, bool with_variables) {
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    if (snapshot == INVALID_HANDLE_VALUE) return false;
    PROCESSENTRY32W entry = {.dwSize = sizeof entry};
    bool is_whole = true;
    for (BOOL more = Process32FirstW(snapshot, &entry); more && is_whole; more = Process32NextW(snapshot, &entry)) {
        if (is_wanted(entry.th32ProcessID, only, count)) is_whole = write_process(output, &entry, with_variables);
    }
    CloseHandle(snapshot);
    return is_whole;
}

static bool is_wanted(DWORD pid, const DWORD *only, size_t count) {
    if (count == 0) return true;
    for (size_t i = 0; i < count; i++) {
        if (only[i] == pid) return true;
    }
    return false;
}

static bool write_process(HANDLE output, const PROCESSENTRY32W *entry, bool with_variables) {
    DWORD access = PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE;
    HANDLE process = OpenProcess(access, FALSE, entry->th32ProcessID);
    /* One that has exited has its number for as long as somebody holds a handle on it. */
    if (process && WaitForSingleObject(process, 0) != WAIT_TIMEOUT) {
        CloseHandle(process);
        return true;
    }
    char name[PROCESS_NAME];
    narrow_to(name, sizeof name, entry->szExeFile);
    for (char *at = name; *at; at++) {
        if ((unsigned char)*at < ' ') *at = '?';
    }
    char line[PROCESS_NAME + 96];
    snprintf(line, sizeof line, "%lu\t%lu\t%llu\t%s", (unsigned long)entry->th32ProcessID,
             (unsigned long)entry->th32ParentProcessID, (unsigned long long)(process ? start_of(process) : 0), name);
    bool is_whole = write_text(output, line);
    if (process) CloseHandle(process);
    if (with_variables && is_whole) {
        HANDLE readable = OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ, FALSE, entry->th32ProcessID);
        wchar_t *environment = readable ? environment_of(readable) : NULL;
        is_whole = environment ? write_variables(output, environment) : write_text(output, "\t?");
        free(environment);
        if (readable) CloseHandle(readable);
    }
    return is_whole && write_text(output, "\n");
}

static bool read_memory(HANDLE process, const void *from, void *to, size_t length) {
    SIZE_T read = 0;
    return ReadProcessMemory(process, from, to, length, &read) && read == length;
}

/*
 * Its block of variables, ended by two zeros; NULL where it cannot be read. By the process's own parameters, whose
 * layout of 64-bit Windows has not changed since Vista: at 0x20 of the PEB their address, in them at 0x80 that of the
 * environment and at 0x3f0 its size.
 */
static wchar_t *environment_of(HANDLE process) {
    enum { PARAMETERS = 0x20, ENVIRONMENT = 0x80, ENVIRONMENT_SIZE = 0x3f0 };
    PROCESS_BASIC_INFORMATION basic;
    if (NtQueryInformationProcess(process, ProcessBasicInformation, &basic, sizeof basic, NULL) < 0) return NULL;
    const char *parameters = NULL;
    const char *environment = NULL;
    SIZE_T size = 0;
    if (!basic.PebBaseAddress ||
        !read_memory(process, (const char *)basic.PebBaseAddress + PARAMETERS, &parameters, sizeof parameters) ||
        !parameters || !read_memory(process, parameters + ENVIRONMENT, &environment, sizeof environment) ||
        !read_memory(process, parameters + ENVIRONMENT_SIZE, &size, sizeof size) || !environment || size == 0 ||
        size > LARGEST_ENVIRONMENT) {
        return NULL;
    }
    wchar_t *block = calloc(1, size + 2 * sizeof *block);
    if (block && read_memory(process, environment, block, size)) return block;
    free(block);
    return NULL;
}

static bool write_variables(HANDLE output, const wchar_t *environment) {
    static const wchar_t ours[] = L"COPPICE_";
    for (const wchar_t *at = environment; *at; at += wcslen(at) + 1) {
        if (wcsncmp(at, ours, wcslen(ours)) != 0) continue;
        char variable[2048];
        narrow_to(variable, sizeof variable, at);
        bool is_plain = true;
        for (const char *byte = variable; *byte; byte++) {
            if ((unsigned char)*byte < ' ') is_plain = false;
        }
        if (is_plain && !(write_text(output, "\t") && write_text(output, variable))) return false;
    }
    return true;
}

static bool write_text(HANDLE output, const char *text) {
    DWORD length = (DWORD)strlen(text);
    DWORD written = 0;
    return WriteFile(output, text, length, &written, NULL) && written == length;
}
