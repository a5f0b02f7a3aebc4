/* What is known of the tree, and what the parts of it ask of each other. */
#ifndef COPPICE_TREE_STATE_H
#define COPPICE_TREE_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <windows.h>

#include "clock.h"
#include "frame.h"
#include "request.h"
#include "root.h"

enum state { UNBORN, RUNNING, STOPPING, KILLING, OVER };
enum cause { ASKED, ROOT_EXITED, TIMEOUT, LEASE, CONTROL_LOST, PROCESSES, MEMORY };
enum stage { STAGE_EXEC = 5, STAGE_LEASE = 6, STAGE_JOB = 7 };

struct tree {
    HANDLE control;
    HANDLE report;
    HANDLE supervisor;
    HANDLE port;
    HANDLE job;
    struct buffer received;
    struct request request;
    struct root root;
    uint32_t number;
    uint64_t root_start;
    enum state state;
    enum cause cause;
    bool has_root_exited;
    bool is_root_told;
    bool is_alone;
    bool was_root_killed;
    bool has_survivors_told;
    uint32_t killed;
    uint64_t launched_at;
    uint64_t root_exited_at;
    uint64_t kill_at;
    uint64_t half_at;
    uint64_t survivors_at;
    uint64_t lease;
    /* Who lived on when the root had exited. */
    struct message lingered;
    uint32_t lingered_count;
};

/* launching.c */
void launch(struct tree *tree, const struct frame *frame);

/* ending.c: the first cause stays, and a later stop can only shorten the grace. */
void begin_stop(struct tree *tree, enum cause cause, uint64_t grace);
void kill_all(struct tree *tree);
void root_exited(struct tree *tree);
/* What has happened to the tree, and what is due: both after each event, and again after so many milliseconds. */
void look(struct tree *tree);
void on_time(struct tree *tree);
DWORD until_next(const struct tree *tree);

/* telling.c */
void tell_refused(struct tree *tree, uint32_t number, const char *why);
void tell_launch_failed(struct tree *tree, enum stage stage, DWORD error);
void tell_launched(struct tree *tree);
void tell_stopping(struct tree *tree);
void tell_root_exited(struct tree *tree);
void tell_survivors(struct tree *tree);
/* And leaves it as its last word where it is for others than the keeper to read. */
void tell_empty(struct tree *tree);
/* Appends the count of those that are named, and them; returns how many there are. */
uint32_t name_living(struct tree *tree, struct message *message, bool without_root);

#endif
