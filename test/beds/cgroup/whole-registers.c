/*
 * Preloaded into User Mode Linux: lets it write its processes' registers on processors that have more of them than it
 * knows. Until Linux 6.13 it keeps 2,696 bytes of a process's extended state, as with AVX-512; where the processor has
 * AMX that state is 11,008 bytes, and ptrace(2) refuses to set a part of it (EFAULT): the machine panics at its first
 * process. Here the part is set, and the rest stays what it is in the process.
 */
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

/* More than any processor's extended state. User Mode Linux is one thread. */
static _Alignas(64) unsigned char whole[64 * 1024];

static long kernel(enum __ptrace_request request, pid_t pid, void *address, void *data) {
    static long (*next)(enum __ptrace_request, ...);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "ptrace");
    return next(request, pid, address, data);
}

long ptrace(enum __ptrace_request request, ...) {
    va_list rest;
    va_start(rest, request);
    pid_t pid = va_arg(rest, pid_t);
    void *address = va_arg(rest, void *);
    void *data = va_arg(rest, void *);
    va_end(rest);
    if (request == PTRACE_SETREGSET && (uintptr_t)address == NT_X86_XSTATE) {
        const struct iovec *part = data;
        struct iovec all = {whole, sizeof whole};
        if (kernel(PTRACE_GETREGSET, pid, address, &all) == 0 && all.iov_len > part->iov_len) {
            memcpy(whole, part->iov_base, part->iov_len);
            return kernel(request, pid, address, &all);
        }
    }
    return kernel(request, pid, address, data);
}
