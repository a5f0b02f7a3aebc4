/* The request to launch a tree, read from bytes that anybody may have made. */
#ifndef COPPICE_REQUEST_H
#define COPPICE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fields of a FRAME_LAUNCH body, each `u8 kind, u32 length, bytes`. */
enum field {
    FIELD_ARGUMENT = 1,
    FIELD_SET_VARIABLE = 2,
    FIELD_UNSET_VARIABLE = 3,
    FIELD_DIRECTORY = 4,
    FIELD_STDIO = 5,
    FIELD_GRACE = 6,
    FIELD_KILL_BOUND = 7,
    FIELD_TIMEOUT = 8,
    FIELD_LEASE = 9,
    FIELD_TERMINATE = 10,
    FIELD_STOP_SIGNAL = 11,
    FIELD_STOP_STDIN = 12,
    FIELD_LINGER = 13,
    FIELD_CGROUP = 14,
    FIELD_MOST_PROCESSES = 15,
    FIELD_MOST_MEMORY = 16,
    FIELD_TERMINAL = 17,
    FIELD_OWNER = 18,
    FIELD_LAST_WORD = 19,
    /* Windows alone, these two */
    FIELD_VERBATIM = 20,
    FIELD_MOST_CPUS = 21,
    FIELD_NICE = 22,
};

enum stdio_plan { STDIO_IGNORE = 0, STDIO_PIPE = 1, STDIO_INHERIT = 2 };

/* Milliseconds, and other numbers that may be left out. */
#define NONE UINT64_MAX

struct request {
    /* NULL-terminated, as execve wants them. */
    char **argv;
    char **envp;
    const char *directory;
    const char *cgroup;
    /* Where to leave word of the tree's end when there is nobody to tell; NULL for nowhere. */
    const char *last_word;
    enum stdio_plan stdio[3];
    uint64_t grace;
    uint64_t kill_bound;
    uint64_t timeout;
    uint64_t lease;
    /* How long before the end of its lease the tree begins to end. */
    uint64_t lease_reserve;
    int stop_signal;
    bool stop_by_stdin;
    bool root_first;
    bool lingers;
    bool has_terminal;
    /* How far the tree steps back where the processors are busy: 0 to 19, of setpriority(2). */
    int nice;
    uint64_t most_processes;
    uint64_t most_memory;
#ifdef _WIN32
    /* The arguments are parts of a command line already. */
    bool is_verbatim;
    /* In thousandths of a processor. */
    uint64_t most_cpus;
#endif
    /* What the pointers above lead into. */
    void *storage;
};

/*
 * Reads the fields, with the variables that are not named taken from `environment`. Where they are no request,
 * returns false with a sentence of what is wrong in `why`, and there is nothing to free.
 */
bool request_parse(const uint8_t *body, size_t length, char *const *environment, struct request *request,
                   const char **why);
void request_free(struct request *request);

#endif
