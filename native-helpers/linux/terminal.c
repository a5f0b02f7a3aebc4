#include "terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

struct terminal terminal_open(void) {
    struct terminal terminal = {.file = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)};
    if (terminal.file < 0) return terminal;
    if (tcgetpgrp(terminal.file) != getpgrp() || tcgetattr(terminal.file, &terminal.ours) < 0) {
        close(terminal.file);
        terminal.file = -1;
    }
    return terminal;
}

/* SIGTTOU is blocked in the launcher and everywhere below it until the command runs (tcsetpgrp(3)). */
void terminal_take(const struct terminal *terminal) {
    if (terminal->file >= 0) tcsetpgrp(terminal->file, getpgrp());
}

void terminal_give_back(const struct terminal *terminal) {
    if (terminal->file < 0) return;
    tcsetpgrp(terminal->file, getpgrp());
    tcsetattr(terminal->file, TCSADRAIN, &terminal->ours);
}

void terminal_suspend(struct terminal *terminal, pid_t root) {
    if (terminal->file < 0) return;
    /* The process session's leader is in our own group: no shell is there that could continue us. */
    if (getsid(0) == getpgrp()) {
        kill(-root, SIGCONT);
        return;
    }
    terminal->has_theirs = tcgetattr(terminal->file, &terminal->theirs) == 0;
    terminal_give_back(terminal);
    /* To the supervisor; in launcher and guards it is blocked. */
    kill(0, SIGTSTP);
}

void terminal_resume(struct terminal *terminal, pid_t root) {
    if (terminal->file < 0) return;
    if (tcgetpgrp(terminal->file) == getpgrp()) {
        if (terminal->has_theirs) tcsetattr(terminal->file, TCSADRAIN, &terminal->theirs);
        tcsetpgrp(terminal->file, root);
    }
    terminal->has_theirs = false;
    kill(-root, SIGCONT);
}
