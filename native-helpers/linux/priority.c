#include "priority.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LAST = 19 };

static int nice_at_start;
static int nice_of_session_at_start;

static int nice_of_session(void);
static int after(int start, int nice);

void priority_remember(void) {
    nice_at_start = getpriority(PRIO_PROCESS, 0);
    nice_of_session_at_start = nice_of_session();
}

void priority_of_root(int nice) {
    int wanted = after(nice_at_start, nice);
    /* What the tree had without this is no reason to refuse it. */
    if (setpriority(PRIO_PROCESS, 0, wanted) < 0) return;
}

bool priority_of_session(pid_t root, int nice) {
    int wanted = after(nice_of_session_at_start, nice);
    /* What a new process session has. */
    if (wanted == 0) return true;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/autogroup", (int)root);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return true;
    char text[8];
    int length = snprintf(text, sizeof text, "%d", wanted);
    ssize_t written = write(file, text, (size_t)length);
    int error = errno;
    close(file);
    /* All ordinary users of a machine together may set ten a second (proc_sched_autogroup_set_nice in the kernel). */
    return written > 0 || error != EAGAIN;
}

/* 0 where there is no such thing. The line is "/autogroup-123 nice 0". */
static int nice_of_session(void) {
    int file = open("/proc/self/autogroup", O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    char line[64];
    ssize_t length = read(file, line, sizeof line - 1);
    close(file);
    if (length <= 0) return 0;
    line[length] = '\0';
    static const char before[] = " nice ";
    const char *at = strstr(line, before);
    return at ? (int)strtol(at + strlen(before), NULL, 10) : 0;
}

static int after(int start, int nice) { return start + nice > LAST ? LAST : start + nice; }
