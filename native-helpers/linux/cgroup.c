#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A tool that nests deeper has its cgroups left to whoever removes them at the next start. */
enum { MOST_NESTED = 64 };

static ssize_t read_at(int directory, const char *name, char *bytes, size_t size);
static bool count_of(int directory, const char *name, const char *key, uint64_t *count);
static bool has_least_room(int directory);
static bool room_in(int directory, int64_t *room);
typedef void (*visitor)(int directory, const char *name, void *context);
static void visit_nested(int directory, int depth, visitor visit, void *context);
static void remove_all(int directory, const char *name, void *nothing);
static void count_processes(int directory, const char *name, void *count);

bool cgroup_open(struct cgroup *cgroup, const char *path) {
    cgroup->directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (cgroup->directory < 0) return false;
    cgroup->events = openat(cgroup->directory, "cgroup.events", O_RDONLY | O_CLOEXEC);
    return cgroup->events >= 0;
}

void cgroup_close(struct cgroup *cgroup) {
    if (cgroup->directory >= 0) close(cgroup->directory);
    if (cgroup->events >= 0) close(cgroup->events);
    *cgroup = NO_CGROUP;
}

bool cgroup_is_populated(const struct cgroup *cgroup) {
    if (cgroup->events < 0) return false;
    char text[256];
    ssize_t length;
    do length = pread(cgroup->events, text, sizeof text - 1, 0);
    while (length < 0 && errno == EINTR);
    /* Somebody else has removed it, which nobody can while a process is in it. */
    if (length < 0) return errno != ENODEV;
    text[length] = '\0';
    uint64_t populated = 1;
    cgroup_value_of(text, "populated", &populated);
    return populated != 0;
}

size_t cgroup_count(const struct cgroup *cgroup) {
    size_t count = 0;
    if (cgroup->directory < 0) return 0;
    count_processes(cgroup->directory, ".", &count);
    visit_nested(cgroup->directory, 0, count_processes, &count);
    return count;
}

bool cgroup_kill(const struct cgroup *cgroup) {
    if (cgroup->directory < 0) return false;
    int file = openat(cgroup->directory, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    if (file < 0) return false;
    bool is_sent = write(file, "1", 1) == 1;
    close(file);
    return is_sent;
}

enum held cgroup_pids(struct cgroup *cgroup) {
    uint64_t refused;
    /* Since Linux 6.11: what this limit has refused, wherever below it the fork was. */
    if (count_of(cgroup->directory, "pids.events.local", "max", &refused)) return refused > 0 ? EXCEEDED : HELD;
    /* Before: what was refused in this cgroup, by whichever limit above. */
    if (!count_of(cgroup->directory, "pids.events", "max", &refused)) return NOT_HELD;
    if (refused == cgroup->refused_by_others) return HELD;
    if (has_least_room(cgroup->directory)) return EXCEEDED;
    cgroup->refused_by_others = refused;
    return HELD;
}

enum held cgroup_memory(const struct cgroup *cgroup) {
    uint64_t count;
    /* Not of what a tool nested in it, nor of the cgroups above: those are other limits. */
    if (count_of(cgroup->directory, "memory.events.local", "oom", &count)) return count > 0 ? EXCEEDED : HELD;
    /* Before Linux 5.2 this one is local. */
    if (count_of(cgroup->directory, "memory.events", "oom", &count)) return count > 0 ? EXCEEDED : HELD;
    return NOT_HELD;
}

uint32_t cgroup_killed_for_memory(const struct cgroup *cgroup) {
    uint64_t killed = 0;
    uint64_t times = 0;
    if (cgroup_memory(cgroup) != EXCEEDED) return 0;
    count_of(cgroup->directory, "memory.events", "oom_kill", &killed);
    /* Of a whole cgroup that is killed, the process that was chosen first is counted twice. */
    count_of(cgroup->directory, "memory.events", "oom_group_kill", &times);
    return (uint32_t)(killed - (times < killed ? times : 0));
}

bool cgroup_took_for_memory(const struct cgroup *cgroup, bool *took) {
    uint64_t killed;
    if (!count_of(cgroup->directory, "memory.events.local", "oom_kill", &killed)) return false;
    *took = killed > 0;
    return true;
}

static bool count_of(int directory, const char *name, const char *key, uint64_t *count) {
    char text[1024];
    return directory >= 0 && read_at(directory, name, text, sizeof text) >= 0 && cgroup_value_of(text, key, count);
}

/*
 * Whether none of those above has less: the limit with the least room is the one that refuses. Processes of the tree that
 * have gone since then have left the same room to all of them.
 */
static bool has_least_room(int directory) {
    int64_t own;
    if (!room_in(directory, &own)) return true;
    bool is_least = true;
    int above = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int64_t room;
    while (above >= 0 && is_least && room_in(above, &room)) {
        is_least = own <= room;
        int next = openat(above, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(above);
        above = next;
    }
    if (above >= 0) close(above);
    return is_least;
}

/* How many processes and threads more there may be. False above the hierarchy, and in its root, which has no limit. */
static bool room_in(int directory, int64_t *room) {
    char most[32];
    char current[32];
    if (read_at(directory, "pids.max", most, sizeof most) < 0) return false;
    if (read_at(directory, "pids.current", current, sizeof current) < 0) return false;
    bool is_limited = strncmp(most, "max", 3) != 0;
    *room = is_limited ? strtoll(most, NULL, 10) - strtoll(current, NULL, 10) : INT64_MAX;
    return true;
}

void cgroup_usage(const struct cgroup *cgroup, uint64_t *cpu_us, uint64_t *most_memory) {
    if (cgroup->directory < 0) return;
    char text[1024];
    if (read_at(cgroup->directory, "cpu.stat", text, sizeof text) >= 0) cgroup_value_of(text, "usage_usec", cpu_us);
    if (read_at(cgroup->directory, "memory.peak", text, sizeof text) > 0) *most_memory = strtoull(text, NULL, 10);
}

void cgroup_remove(const char *path) {
    char name[PATH_MAX];
    if (snprintf(name, sizeof name, "%s", path) >= (int)sizeof name) return;
    int directory = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory >= 0) {
        visit_nested(directory, 0, remove_all, NULL);
        close(directory);
    }
    /* One that is not empty stays: another tree is in it, or what nobody could kill. */
    for (int level = 0; level < 3; level++) {
        if (rmdir(name) < 0 && errno != ENOENT) return;
        char *end = strrchr(name, '/');
        if (!end) return;
        *end = '\0';
    }
}

static void remove_all(int directory, const char *name, void *nothing) {
    (void)nothing;
    unlinkat(directory, name, AT_REMOVEDIR);
}

static void count_processes(int directory, const char *name, void *count) {
    char path[NAME_MAX + sizeof "/cgroup.procs"];
    snprintf(path, sizeof path, "%s/cgroup.procs", name);
    int file = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    char text[4096];
    for (ssize_t length; (length = read(file, text, sizeof text)) > 0;) {
        for (ssize_t i = 0; i < length; i++) *(size_t *)count += text[i] == '\n';
    }
    close(file);
}

/* Each cgroup that is nested in this one, after those that are nested in it. */
static void visit_nested(int directory, int depth, visitor visit, void *context) {
    if (depth == MOST_NESTED) return;
    /* A directory stream takes its descriptor over. */
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    if (!entries) {
        if (copy >= 0) close(copy);
        return;
    }
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        int nested = openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (nested < 0) continue;
        visit_nested(nested, depth + 1, visit, context);
        close(nested);
        visit(directory, entry->d_name, context);
    }
    closedir(entries);
}

static ssize_t read_at(int directory, const char *name, char *bytes, size_t size) {
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t length;
    do length = read(file, bytes, size - 1);
    while (length < 0 && errno == EINTR);
    close(file);
    if (length >= 0) bytes[length] = '\0';
    return length;
}

bool cgroup_value_of(const char *text, const char *key, uint64_t *value) {
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, key, length) != 0 || line[length] != ' ') continue;
        *value = strtoull(line + length + 1, NULL, 10);
        return true;
    }
    return false;
}
