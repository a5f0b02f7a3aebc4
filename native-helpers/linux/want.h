/* Whom the kernel kills where memory runs out that a tree shares with others: its session, a container, the machine. */
#ifndef COPPICE_WANT_H
#define COPPICE_WANT_H

#include <stdbool.h>

#include "launcher.h"

/* Finds where the kernel counts them, nearest to this process: once, in the launcher. */
void want_find_count(void);

/*
 * Whether the kernel has killed somebody just now, as far as its count tells: it names nobody, and nothing tells of a count
 * that has grown. So each guard looks at its launch and when its root was killed, and what all have seen is in the shared
 * page. `cgroup` is the directory of the tree's leaf, or -1.
 */
bool want_was_felt(struct shared *shared, int cgroup);

#endif
