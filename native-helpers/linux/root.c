#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher.h"
#include "priority.h"
#include "slice.h"

static pid_t fork_into(int cgroup);
static void become_root(const struct request *request, const struct terminal *terminal, pid_t guard, bool joins,
                        const int stdio[3], int report);
static void restore_signals(void);
static int place_stdio(const struct request *request, const int stdio[3]);
static int join_cgroup(const char *cgroup);
static void offer_to_the_kernel(void);
static void run_command(const struct request *request);
static int run_file(const char *path, const struct request *request);
static const char *path_of(char *const *variables);

pid_t root_launch(const struct request *request, const struct terminal *terminal, int cgroup, const int stdio[3],
                  int *report) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    pid_t guard = getpid();
    pid_t root = cgroup < 0 ? -1 : fork_into(cgroup);
    /* Nothing to spare, or a limit of processes above: whoever is moved into a cgroup passes that unseen. */
    bool is_refused = root < 0 && cgroup >= 0 && (errno == EAGAIN || errno == ENOMEM);
    bool joins = root < 0 && cgroup >= 0;
    if (root < 0 && !is_refused) root = fork();
    if (root == 0) {
        close(ends[0]);
        become_root(request, terminal, guard, joins, stdio, ends[1]);
        _exit(127);
    }
    int error = errno;
    close(ends[1]);
    if (root < 0) close(ends[0]);
    else *report = ends[0];
    errno = error;
    return root;
}

/*
 * A process that is born in its cgroup need not be moved there, for which the kernel holds every fork of the machine
 * up. clone(2), CLONE_INTO_CGROUP; -1 before Linux 5.7, and where the kernel refuses it.
 */
static pid_t fork_into(int cgroup) {
#ifdef SYS_clone3
    /* struct clone_args of linux/sched.h, which musl does not bring. */
    enum { FLAGS = 0, EXIT_SIGNAL = 4, CGROUP = 10, ALL = 11 };
    uint64_t arguments[ALL] = {[FLAGS] = UINT64_C(0x200000000), [EXIT_SIGNAL] = SIGCHLD, [CGROUP] = (uint64_t)cgroup};
    return (pid_t)syscall(SYS_clone3, arguments, sizeof arguments);
#else
    (void)cgroup;
    return -1;
#endif
}

/* Returns where it did not become the command, which has been reported then. */
static void become_root(const struct request *request, const struct terminal *terminal, pid_t guard, bool joins,
                        const int stdio[3], int report) {
    /*
     * A process session of its own, which can step back without the guard's, or a group of its own where the terminal is
     * to stay in reach: a signal to the group spares the guard.
     */
    if (request->has_terminal) setpgid(0, 0);
    else setsid();
    prctl(PR_SET_NAME, "coppice-root");
    /* Whose guard dies from here on can be told by its name until it is the command; whose died before is none. */
    if (getppid() != guard) return;
    terminal_take(terminal);
    setrlimit(RLIMIT_NOFILE, &descriptor_limit_at_start);
    slice_restore();
    offer_to_the_kernel();
    priority_of_root(request->nice);
    struct launch_error failure = {.stage = STAGE_CGROUP};
    if (joins && join_cgroup(request->cgroup) < 0) goto failed;
    failure.stage = STAGE_STDIO;
    if (place_stdio(request, stdio) < 0) goto failed;
    failure.stage = STAGE_DIRECTORY;
    if (request->directory && chdir(request->directory) < 0) goto failed;
    failure.stage = STAGE_EXEC;
    restore_signals();
    run_command(request);
failed:
    failure.error = errno;
    /* A pipe takes so few bytes whole; there is nobody to tell where it does not. */
    if (write(report, &failure, sizeof failure) < 0) _exit(126);
}

/* Past the C library, which keeps some real-time signals to itself: ignored before it began, they would stay so. */
static void restore_signals(void) {
    static const uint64_t standard[8];
    for (int number = 1; number < NSIG; number++) syscall(SYS_rt_sigaction, number, standard, NULL, NSIG / 8);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* None of `stdio` is below 3: nothing is overwritten before it has been placed. */
static int place_stdio(const struct request *request, const int stdio[3]) {
    for (int target = 0; target < 3; target++) {
        int source = stdio[target];
        if (request->stdio[target] == STDIO_INHERIT) continue;
        if (source < 0) source = open("/dev/null", (target == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
        if (source < 0 || dup2(source, target) < 0) return -1;
    }
    return 0;
}

static int join_cgroup(const char *cgroup) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/cgroup.procs", cgroup) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t written = write(file, "0", 1);
    close(file);
    return written == 1 ? 0 : -1;
}

/*
 * Where memory runs out, the kernel is to take a tool before the supervisor, however large that is: its own size counts
 * for less than this, the most that there is (proc_pid_oom_score_adj(5)); among tools the largest is taken. To raise it needs no
 * privilege, and where it is refused all the same, the tool is as likely as its supervisor.
 */
static void offer_to_the_kernel(void) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    ssize_t written = write(file, "1000", 4);
    (void)written;
    close(file);
}

/* As execvpe(3), but with the PATH of the new environment, as Node does it. Returns where it cannot run, with errno. */
static void run_command(const struct request *request) {
    const char *name = request->argv[0];
    if (strchr(name, '/')) {
        run_file(name, request);
        return;
    }
    int refused = 0;
    const char *path = path_of(request->envp);
    for (const char *at = path;; at++) {
        size_t length = strcspn(at, ":");
        char file[PATH_MAX];
        /* An empty entry is the working directory. */
        int needed = length == 0 ? snprintf(file, sizeof file, "%s", name)
                                 : snprintf(file, sizeof file, "%.*s/%s", (int)length, at, name);
        errno = ENAMETOOLONG;
        if (needed < (int)sizeof file) run_file(file, request);
        if (errno == EACCES) refused = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG && errno != ELOOP) return;
        at += length;
        if (*at == '\0') break;
    }
    errno = refused ? refused : ENOENT;
}

/* A file without a known format is a script of the shell's (execvp(3)). */
static int run_file(const char *path, const struct request *request) {
    execve(path, request->argv, request->envp);
    if (errno != ENOEXEC) return -1;
    size_t count = 0;
    while (request->argv[count]) count++;
    char **argv = malloc((count + 2) * sizeof *argv);
    if (!argv) return -1;
    argv[0] = "/bin/sh";
    argv[1] = (char *)path;
    memcpy(argv + 2, request->argv + 1, count * sizeof *argv);
    execve(argv[0], argv, request->envp);
    free(argv);
    errno = ENOEXEC;
    return -1;
}

static const char *path_of(char *const *variables) {
    for (size_t i = 0; variables[i]; i++) {
        if (strncmp(variables[i], "PATH=", 5) == 0) return variables[i] + 5;
    }
    return "/usr/local/bin:/bin:/usr/bin";
}
