#include "launcher_state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "clock.h"
#include "killing.h"

enum {
    LOOK_PAST_DEAD_MS = 200,
    /* After this, what is left of a lost guard's tree is told as surviving. */
    ORPHAN_BOUND_MS = 10000,
};

static void kill_orphans(struct launcher *launcher);

void end_orphans(struct launcher *launcher) {
    if (clock_ms() >= launcher->orphan_look_at) kill_orphans(launcher);
    pid_t orphan;
    int left = MOST_REAPED;
    do orphan = waitpid(-1, NULL, WNOHANG);
    while ((orphan > 0 && left-- > 0) || (orphan < 0 && errno == EINTR));
    bool is_empty = orphan < 0;
    launcher->has_orphans = !is_empty;
    uint64_t now = clock_ms();
    for (size_t i = launcher->count; i-- > 0;) {
        struct entry *entry = &launcher->trees[i];
        if (entry->lost_at == NONE || (!is_empty && now < clock_after(entry->lost_at, ORPHAN_BOUND_MS))) continue;
        struct message message;
        message_begin(&message, FRAME_GUARD_LOST, entry->tree);
        terminal_give_back(&launcher->terminal);
        message_u8(&message, is_empty);
        message_u32(&message, launcher->killed);
        message_end(&message);
        queue(launcher, message.bytes, message.used);
        forget(launcher, entry);
    }
    if (!is_empty) return;
    launcher->killed = 0;
    launcher->orphan_look_at = 0;
    processes_free(&launcher->before);
}

static void kill_orphans(struct launcher *launcher) {
    pid_t *guards = calloc(launcher->count + 1, sizeof *guards);
    if (!guards) return;
    struct processes found = {0};
    for (size_t i = 0; i < launcher->count; i++) guards[i] = launcher->trees[i].guard;
    if (launcher->has_dead) stop_newest_children(guards, launcher->count);
    kill_descendants(launcher->walk, guards, launcher->count, &found);
    free(guards);
    for (size_t i = 0; i < found.used; i++) {
        if (!contains(&launcher->before, &found.entries[i])) launcher->killed++;
    }
    processes_free(&launcher->before);
    launcher->before = found;
    /* As in the guard: where nobody was found, the dead are waited for first. */
    bool only_dead = found.used == 0 && launcher->has_dead;
    launcher->orphan_look_at = clock_ms() + (only_dead ? LOOK_PAST_DEAD_MS : ORPHAN_LOOK_MS);
}
