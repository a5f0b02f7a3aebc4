#include "want.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "clock.h"
#include "request.h"

/* A process with much memory takes its time to die, and others look at the count meanwhile. */
enum { JUST_NOW_MS = 2000 };

/* The machine's own count; a machine whose memory no cgroup divides has no other. */
static char nearest[PATH_MAX] = "/proc/vmstat";

static void find_above(const char *hierarchy, const char *path, const char *name);
static bool is_in(const char *list, const char *word);
static bool read_count(int directory, const char *name, uint64_t *count);

/* A line is `number:controllers:path`, and version 2's has no controllers (cgroups(7)). */
void want_find_count(void) {
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file) return;
    char line[PATH_MAX];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path) continue;
        *path++ = '\0';
        if (controllers[1] == '\0') find_above("/sys/fs/cgroup", path, "memory.events");
        if (is_in(controllers + 1, "memory")) find_above("/sys/fs/cgroup/memory", path, "memory.oom_control");
    }
    fclose(file);
}

/* In a container the path may be the host's, and the container's own cgroup is what is mounted. */
static void find_above(const char *hierarchy, const char *path, const char *name) {
    char at[PATH_MAX];
    if (snprintf(at, sizeof at, "%s", path) >= (int)sizeof at) return;
    for (;;) {
        char file[PATH_MAX];
        int length = snprintf(file, sizeof file, "%s%s/%s", hierarchy, strcmp(at, "/") == 0 ? "" : at, name);
        uint64_t count;
        if (length < (int)sizeof file && read_count(AT_FDCWD, file, &count)) {
            strcpy(nearest, file);
            return;
        }
        char *end = strrchr(at, '/');
        if (!end) return;
        *end = '\0';
    }
}

bool want_was_felt(struct shared *shared, int cgroup) {
    uint64_t count;
    /* Of the cgroup that holds those of all supervisors' trees; ours may be another one. */
    bool is_counted = cgroup >= 0 && read_count(cgroup, "../../../memory.events", &count);
    if (!is_counted && !read_count(AT_FDCWD, nearest, &count)) return false;
    uint64_t now = clock_ms();
    uint64_t seen = atomic_load(&shared->killed_for_memory);
    while (seen == NONE || seen < count) {
        if (!atomic_compare_exchange_weak(&shared->killed_for_memory, &seen, count)) continue;
        /* The first look of all tells what was before, and no news. */
        if (seen != NONE) atomic_store(&shared->felt_at, now);
        break;
    }
    uint64_t felt_at = atomic_load(&shared->felt_at);
    return felt_at != NONE && now - felt_at < JUST_NOW_MS;
}

static bool is_in(const char *list, const char *word) {
    for (size_t length; *list; list += length + (list[length] == ',')) {
        length = strcspn(list, ",");
        if (strncmp(list, word, length) == 0 && word[length] == '\0') return true;
    }
    return false;
}

static bool read_count(int directory, const char *name, uint64_t *count) {
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    /* What the machine counts is more than a page, and a read gives no more than that. */
    char text[16384];
    size_t used = 0;
    for (ssize_t length; (length = read(file, text + used, sizeof text - 1 - used)) != 0;) {
        if (length < 0 && errno != EINTR) break;
        if (length > 0) used += (size_t)length;
    }
    close(file);
    text[used] = '\0';
    return cgroup_value_of(text, "oom_kill", count);
}
