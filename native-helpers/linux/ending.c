#include "guard_state.h"

#include <signal.h>

#include "killing.h"

enum {
    FIRST_LOOK_MS = 2,
    LAST_LOOK_MS = 200,
    /* Time to die for those whom one stroke has killed; looking at them would only keep them from it. */
    LOOK_AFTER_STROKE_MS = 20,
};

static void terminate_root(struct guard *guard);
static void stop_storm(struct guard *guard);
static bool kill_cgroup(struct guard *guard);

void stop(struct guard *guard, enum cause cause, uint64_t grace) {
    if (guard->state == EMPTY || guard->state == FAILED || guard->state == KILLING) return;
    uint64_t now = clock_ms();
    uint64_t kill_at = clock_after(now, grace);
    if (guard->state == STOPPING) {
        if (kill_at < guard->kill_at) {
            guard->kill_at = kill_at;
            guard->give_up_at = clock_after(kill_at, guard->request.kill_bound);
        }
        return;
    }
    guard->state = STOPPING;
    guard->deadline = NONE;
    guard->kill_at = kill_at;
    guard->give_up_at = clock_after(kill_at, guard->request.kill_bound);
    if (cause != CAUSE_ASKED) tell_stopping(guard, cause);
    if (grace == 0) return;
    if (guard->request.stop_by_stdin) {
        guard->second_step_at = now + grace / 2;
    } else if (guard->request.root_first && !guard->root_exited) {
        terminate_root(guard);
        guard->second_step_at = now + grace / 2;
    } else {
        terminate_all(guard);
    }
}

static void terminate_root(struct guard *guard) {
    kill(guard->root, guard->request.stop_signal);
    kill(guard->root, SIGCONT);
}

/*
 * SIGTERM, then SIGCONT, without which a stopped process would not get the former. What is forked meanwhile is
 * looked for once more; what a handler starts after it is left alone, since it may be its clean-up.
 */
void terminate_all(struct guard *guard) {
    guard->second_step_at = NONE;
    if (guard->rest_terminated) return;
    guard->rest_terminated = true;
    struct processes *found = &guard->found;
    if (!descendants_of_us(guard->walk, NULL, 0, found)) found->used = 0;
    bool root_had_it = guard->request.root_first && !guard->request.stop_by_stdin && !guard->root_exited;
    for (size_t i = 0; i < found->used; i++) {
        if (root_had_it && found->entries[i].pid == guard->root) continue;
        process_signal(&found->entries[i], guard->request.stop_signal);
    }
    for (size_t i = 0; i < found->used; i++) process_signal(&found->entries[i], SIGCONT);
}

void begin_to_kill(struct guard *guard) {
    guard->state = KILLING;
    guard->kill_at = NONE;
    guard->second_step_at = NONE;
    guard->look_at = clock_ms();
    guard->look_pause = FIRST_LOOK_MS;
}

void kill_tree(struct guard *guard) {
    bool is_first = !guard->forced;
    guard->forced = true;
    /* Before anything else: in a storm, each moment that we work is paid for by waiting for a hundred others. */
    if (is_first && kill_cgroup(guard)) return;
    if (is_first) stop_storm(guard);
    reap(guard, MOST_REAPED);
    if (guard->state == EMPTY) return;
    size_t counted = is_first ? 0 : cgroup_count(&guard->cgroup);
    cgroup_kill(&guard->cgroup);
    kill_descendants(guard->walk, NULL, 0, &guard->found);
    /* Some are killed more than once before they are gone; they are few. */
    for (size_t i = 0; i < guard->found.used; i++) {
        if (contains(&guard->before, &guard->found.entries[i])) continue;
        if (counted > 0) counted--;
        else guard->killed++;
    }
    struct processes before = guard->before;
    guard->before = guard->found;
    guard->found = before;
    /* Where nobody was found, the dead are waited for first: to look for the living among them again takes longer. */
    bool only_dead = guard->found.used == 0 && guard->has_dead;
    guard->look_at = clock_ms() + (only_dead ? LAST_LOOK_MS : guard->look_pause);
    guard->look_pause = earlier(guard->look_pause * 2, LAST_LOOK_MS);
    reap(guard, MOST_REAPED);
}

/*
 * Its group at one stroke, which no fork slips through; whoever has left the group one by one, from the newest on. Not
 * before the dead are waited for, since each moment of that is paid for, too.
 */
static void stop_storm(struct guard *guard) {
    if (!guard->root_exited) kill(-guard->root, SIGSTOP);
    if (guard->has_dead) stop_newest_children(NULL, 0);
}

/* Whoever has left it is found at the next look; those in it tell us of their death. */
static bool kill_cgroup(struct guard *guard) {
    size_t count = cgroup_count(&guard->cgroup);
    if (!cgroup_kill(&guard->cgroup)) return false;
    guard->killed += (uint32_t)count;
    guard->look_at = clock_ms() + LOOK_AFTER_STROKE_MS;
    reap(guard, MOST_REAPED);
    return true;
}
