#include "children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

bool children_open(struct children *children, pid_t process, pid_t thread) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)process, (int)thread);
    children->at = children->length = 0;
    children->file = open(path, O_RDONLY | O_CLOEXEC);
    return children->file >= 0;
}

/* Numbers, each with a space after it; one may be cut by the end of what was read. */
pid_t children_next(struct children *children) {
    pid_t number = 0;
    for (;;) {
        if (children->at == children->length) {
            ssize_t length;
            do length = read(children->file, children->text, sizeof children->text);
            while (length < 0 && errno == EINTR);
            children->at = 0;
            children->length = length > 0 ? (size_t)length : 0;
            if (length <= 0) return 0;
        }
        char character = children->text[children->at++];
        if (character >= '0' && character <= '9') number = number * 10 + (character - '0');
        else if (number > 0) return number;
    }
}

void children_close(struct children *children) { close(children->file); }

enum child_state child_state(pid_t number) {
    siginfo_t news = {0};
    int flags = WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL;
    if (waitid(P_PID, (id_t)number, &news, flags) < 0) return NO_CHILD;
    if (news.si_pid == 0) return CHILD_RUNS;
    return news.si_code == CLD_STOPPED || news.si_code == CLD_TRAPPED ? CHILD_IS_STOPPED : CHILD_DEAD;
}
