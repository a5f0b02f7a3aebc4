#include "job.h"

#include <stdlib.h>

static bool limit(HANDLE job, const struct job_limits *limits);
static bool limit_cpu(HANDLE job, uint64_t cpus);

HANDLE job_open(const struct job_limits *limits, HANDLE port, ULONG_PTR key) {
    /* Without a name and not inheritable: no process of the tree can keep it alive or lift its limits. */
    HANDLE job = CreateJobObjectW(NULL, NULL);
    if (!job) return NULL;
    JOBOBJECT_ASSOCIATE_COMPLETION_PORT told = {.CompletionKey = (PVOID)key, .CompletionPort = port};
    if (limit(job, limits) && limit_cpu(job, limits->cpus) &&
        SetInformationJobObject(job, JobObjectAssociateCompletionPortInformation, &told, sizeof told)) {
        return job;
    }
    DWORD error = GetLastError();
    CloseHandle(job);
    SetLastError(error);
    return NULL;
}

static bool limit(HANDLE job, const struct job_limits *limits) {
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION asked = {0};
    JOBOBJECT_BASIC_LIMIT_INFORMATION *basic = &asked.BasicLimitInformation;
    /* No JOB_OBJECT_LIMIT_BREAKAWAY_OK: CREATE_BREAKAWAY_FROM_JOB is refused in it. */
    basic->LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
    if (limits->processes < UINT32_MAX) {
        basic->LimitFlags |= JOB_OBJECT_LIMIT_ACTIVE_PROCESS;
        basic->ActiveProcessLimit = (DWORD)limits->processes;
    }
    if (limits->memory < SIZE_MAX) {
        basic->LimitFlags |= JOB_OBJECT_LIMIT_JOB_MEMORY;
        asked.JobMemoryLimit = (SIZE_T)limits->memory;
    }
    return SetInformationJobObject(job, JobObjectExtendedLimitInformation, &asked, sizeof asked);
}

/* CpuRate is in hundredths of a percent of all processors together, from 1 to 10,000. */
static bool limit_cpu(HANDLE job, uint64_t cpus) {
    uint64_t processors = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    if (processors == 0 || cpus >= processors * 1000) return true;
    uint64_t rate = cpus * 10 / processors;
    JOBOBJECT_CPU_RATE_CONTROL_INFORMATION asked = {0};
    asked.ControlFlags = JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP;
    asked.CpuRate = rate > 0 ? (DWORD)rate : 1;
    return SetInformationJobObject(job, JobObjectCpuRateControlInformation, &asked, sizeof asked);
}

bool job_processes(HANDLE job, DWORD *pids, size_t most, size_t *count) {
    *count = 0;
    for (size_t room = 256; room <= 1u << 20; room *= 4) {
        size_t size = sizeof(JOBOBJECT_BASIC_PROCESS_ID_LIST) + room * sizeof(ULONG_PTR);
        JOBOBJECT_BASIC_PROCESS_ID_LIST *list = malloc(size);
        if (!list) return false;
        bool is_whole = QueryInformationJobObject(job, JobObjectBasicProcessIdList, list, (DWORD)size, NULL) != 0;
        bool is_short = !is_whole && GetLastError() == ERROR_MORE_DATA;
        if (is_whole) {
            for (size_t i = 0; i < list->NumberOfProcessIdsInList && *count < most; i++) {
                pids[(*count)++] = (DWORD)list->ProcessIdList[i];
            }
        }
        free(list);
        if (!is_short) return is_whole;
    }
    return false;
}

uint32_t job_active(HANDLE job) {
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION found;
    if (!QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &found, sizeof found, NULL)) {
        return UINT32_MAX;
    }
    return found.ActiveProcesses;
}

struct job_usage job_usage(HANDLE job) {
    struct job_usage usage = {0};
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION times;
    if (QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &times, sizeof times, NULL)) {
        /* In units of 100 nanoseconds, of those that have exited too. */
        usage.cpu_us = (uint64_t)(times.TotalUserTime.QuadPart + times.TotalKernelTime.QuadPart) / 10;
    }
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION memory;
    if (QueryInformationJobObject(job, JobObjectExtendedLimitInformation, &memory, sizeof memory, NULL)) {
        usage.largest_memory = memory.PeakProcessMemoryUsed;
    }
    return usage;
}
