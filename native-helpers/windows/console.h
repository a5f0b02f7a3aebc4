/* How a tree is asked to end: by the event of a console, the one thing that Windows has for it. */
#ifndef COPPICE_CONSOLE_H
#define COPPICE_CONSOLE_H

#include <stdbool.h>
#include <windows.h>

/* Whoever shares a console with those who are asked is asked as well: this process hears nothing of it. */
void console_ignore(void);

/* Borrows the console of this process, for a root that is to share it; false where that has none. */
bool console_borrow(DWORD pid);

/*
 * Asks the job's processes to end: `root` and its process group alone, or everybody on every console of which nobody but
 * the job's processes is. A root that shares its supervisor's console has no group of its own: `root` is 0 then. A process
 * that has no console cannot be asked. Returns how many consoles there were.
 */
unsigned console_ask(HANDLE job, DWORD root, bool everybody);

#endif
