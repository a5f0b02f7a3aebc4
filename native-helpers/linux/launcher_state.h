/* What the launcher knows of its guards, and what the parts of it ask of each other. */
#ifndef COPPICE_LAUNCHER_STATE_H
#define COPPICE_LAUNCHER_STATE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "frame.h"
#include "launcher.h"
#include "processes.h"
#include "request.h"
#include "terminal.h"

enum {
    ORPHAN_LOOK_MS = 5,
    /* A storm's dead come as fast as they are waited for, and the other trees must not wait for its end. */
    MOST_REAPED = 64,
};

/*
 * Guards tell their death by this signal, which makes them children of another kind for wait(2): without __WCLONE it
 * looks past them, and its ECHILD is the proof that no orphan of a lost guard is left.
 */
enum { GUARD_SIGNAL = SIGUSR1 };

/* What epoll gives back; a tree's number is above these. */
enum { CONTROL_KEY = 0, SIGNALS_KEY = 1, FIRST_TREE_KEY = 2 };

struct entry {
    uint32_t tree;
    pid_t guard;
    /* -1 once the guard has closed its end. */
    int socket;
    /* Whether its end was told: then the guard's death is no loss. */
    bool is_done;
    /* Whether it has told its launch: a root can trace its guard before that. */
    bool is_launched;
    /* Whether it was told to end its tree. */
    bool is_asked;
    /* Its guard died first, at this moment; NONE for others. */
    uint64_t lost_at;
};

struct launcher {
    int control;
    int signals;
    int events;
    bool is_closing;
    bool has_orphans;
    /* More may be dead than were waited for so far. */
    bool has_dead;
    bool is_realtime;
    uint32_t killed;
    /* What was killed last, so that nobody is counted twice who takes a moment to die. */
    struct processes before;
    /* Bytes of a frame that is too long, which are still to come. */
    size_t skip;
    uint64_t look_at;
    uint64_t orphan_look_at;
    struct buffer in;
    struct buffer out;
    struct entry *trees;
    size_t count;
    size_t size;
    struct shared *shared;
    enum walk walk;
    /* As it was at the start, for when a guard is lost that had lent it. */
    struct terminal terminal;
};

/* launching.c */

void start_guard(struct launcher *launcher, const struct frame *frame);

/* hearing.c */

/* For a tree that has ended meanwhile it is no news. */
void forward(struct launcher *launcher, const struct frame *frame);
void read_guard(struct launcher *launcher, uint32_t tree);
void guard_has_died(struct launcher *launcher, pid_t guard);
void forget(struct launcher *launcher, struct entry *entry);
struct entry *find_tree(struct launcher *launcher, uint32_t tree);

/* orphans.c */

/* What lost guards left fell to us, and to nobody else: every child that is no guard. */
void end_orphans(struct launcher *launcher);

/* answering.c */

void say_hello(struct launcher *launcher);
void refuse(struct launcher *launcher, uint32_t tree, const char *why);
/* A keeper that does not read has it kept: there are a few frames for each tree, and no more. */
void queue(struct launcher *launcher, const void *bytes, size_t length);
void flush(struct launcher *launcher);
/* False where the user has used up fs.epoll.max_user_watches, or the kernel its memory. */
bool watch(struct launcher *launcher, int file, uint32_t key, uint32_t events, int how);

#endif
