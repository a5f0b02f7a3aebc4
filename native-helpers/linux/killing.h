/* Ends every process below this one, however it forks meanwhile. */
#ifndef COPPICE_KILLING_H
#define COPPICE_KILLING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "processes.h"

/*
 * Stops them all, round after round until a round finds none that runs, and kills them: what is stopped neither
 * forks nor gives its number away, and a parent that died first would take the link to its children with it.
 * Rounds are bounded: a storm that cannot be stopped is killed on the run, and whoever calls comes again.
 * `found` is what was killed.
 */
bool kill_descendants(enum walk walk, const pid_t *except, size_t except_count, struct processes *found);

/*
 * Before that, where the dead come faster than they are waited for: stops those of our children that are no older than
 * the newest processes of the machine, until none of these runs, for a second at most. Finds nothing that is not a child
 * of ours by then, and so is no proof.
 */
void stop_newest_children(const pid_t *except, size_t except_count);

#endif
