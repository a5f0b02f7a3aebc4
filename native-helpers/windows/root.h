/* The tree's first process: started suspended, put into the job, and only then let go. */
#ifndef COPPICE_ROOT_H
#define COPPICE_ROOT_H

#include <stdbool.h>
#include <windows.h>

#include "request.h"

struct root {
    HANDLE process;
    HANDLE thread;
    DWORD pid;
};

/*
 * False, with the error in GetLastError(), where it cannot be started in the job: then nothing of it lives. It gets this
 * process's stdin, stdout and stderr, and no other handle.
 */
bool root_start(const struct request *request, HANDLE job, struct root *root);

/* Lets it run. False where it cannot: then it is ended. */
bool root_release(struct root *root);

#endif
