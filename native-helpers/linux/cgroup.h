/* A tree's leaf of the cgroup v2 hierarchy (cgroups(7); the kernel's Documentation/admin-guide/cgroup-v2.rst). */
#ifndef COPPICE_CGROUP_H
#define COPPICE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Its files are -1 where the tree has none: then it is never populated, holds no limit, and cannot kill. */
struct cgroup {
    int directory;
    /* Raises POLLPRI when `populated` has changed since it was read. */
    int events;
    /* How many forks other limits than this one's have refused so far. */
    uint64_t refused_by_others;
};

#define NO_CGROUP ((struct cgroup){.directory = -1, .events = -1})

bool cgroup_open(struct cgroup *cgroup, const char *path);
void cgroup_close(struct cgroup *cgroup);

/* Whether a process lives in it, or in what a tool nested in it. True where that cannot be read. */
bool cgroup_is_populated(const struct cgroup *cgroup);

/* How many processes live in it, and in what a tool nested in it. */
size_t cgroup_count(const struct cgroup *cgroup);

/* SIGKILL to all that live in it, at one stroke that no fork slips through. False before Linux 5.14. */
bool cgroup_kill(const struct cgroup *cgroup);

/*
 * Whether the kernel holds this cgroup's own limit, and whether it had to: by refusing a fork, or where memory could not be
 * had within it, of which its OOM killer follows. A limit that somebody else passed, above or below it, is none of these.
 */
enum held { NOT_HELD, HELD, EXCEEDED };
enum held cgroup_pids(struct cgroup *cgroup);
enum held cgroup_memory(const struct cgroup *cgroup);

/* How many processes the kernel has killed for this cgroup's limit of memory. */
uint32_t cgroup_killed_for_memory(const struct cgroup *cgroup);

/*
 * Whether the kernel has killed any of its processes for want of memory, whosever that was: its own limit's, or one's above.
 * Not of what a tool nested in it. False where it does not count that here (before Linux 5.2, and without the controller).
 */
bool cgroup_took_for_memory(const struct cgroup *cgroup, bool *took);

/* The number of a line `key value` of a text. */
bool cgroup_value_of(const char *text, const char *key, uint64_t *value);

/* What all of them have used, those that nobody waited for too; a number that is not there is left as it is. */
void cgroup_usage(const struct cgroup *cgroup, uint64_t *cpu_us, uint64_t *most_memory);

/* Removes it with what a tool nested in it, and its two parents where nobody else is in them. */
void cgroup_remove(const char *path);

#endif
