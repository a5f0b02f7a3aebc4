/* The job object that holds a tree: whatever its processes start belongs to it, and cannot leave it. */
#ifndef COPPICE_JOB_H
#define COPPICE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <windows.h>

/* UINT64_MAX: no limit. */
struct job_limits {
    uint64_t processes;
    uint64_t memory;
    /* In thousandths of a processor. */
    uint64_t cpus;
};

struct job_usage {
    uint64_t cpu_us;
    uint64_t largest_memory;
};

/* What a process is ended with by us, and by nobody else. */
#define JOB_KILLED 0xe0c0ff1cu

/*
 * A job that ends with its last handle, which is this process's alone, and that tells the port what happens in it, under
 * the completion key `key`. NULL with the error in GetLastError() where it cannot be made or limited.
 */
HANDLE job_open(const struct job_limits *limits, HANDLE port, ULONG_PTR key);

/* The numbers of its living processes, `*count` of them; not more than `most`. False where that cannot be had. */
bool job_processes(HANDLE job, DWORD *pids, size_t most, size_t *count);

/* How many are alive; UINT32_MAX where that cannot be had: then nothing is proven. */
uint32_t job_active(HANDLE job);

struct job_usage job_usage(HANDLE job);

#endif
