/* One tree, from its launch until nothing of it is left. */
#ifndef COPPICE_TREE_H
#define COPPICE_TREE_H

#include <windows.h>

/*
 * Serves the keeper on these two pipes until its one tree has ended, also where the keeper is gone. `supervisor` is its
 * process, whose end counts as the end of `control`, and so does `asked`, an event; NULL where that is not to be watched.
 * Returns the exit code.
 */
int tree_serve(HANDLE control, HANDLE report, HANDLE supervisor, HANDLE asked);

#endif
