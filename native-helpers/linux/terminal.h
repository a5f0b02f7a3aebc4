/* The terminal of a supervisor that is in its foreground, lent to a tree's root and taken back. */
#ifndef COPPICE_TERMINAL_H
#define COPPICE_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

struct terminal {
    /* -1 where there is none, or it is another job's. */
    int file;
    struct termios ours;
    struct termios theirs;
    bool has_theirs;
};

/* The controlling terminal, where this process's group is the one in its foreground. */
struct terminal terminal_open(void);

/* In the root, before it becomes the command: its own group comes to the foreground. */
void terminal_take(const struct terminal *terminal);

/* Gives the foreground back to our group, and the terminal its old settings. */
void terminal_give_back(const struct terminal *terminal);

/* The root was stopped (Ctrl-Z): whoever started the supervisor gets the terminal, and sees the supervisor stop. */
void terminal_suspend(struct terminal *terminal, pid_t root);

/* The supervisor was continued: so is the root, in the foreground if that is where the supervisor is. */
void terminal_resume(struct terminal *terminal, pid_t root);

#endif
