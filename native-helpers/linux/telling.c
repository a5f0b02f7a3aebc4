#include "guard_state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many processes a report names; it counts them all. */
enum { MOST_NAMED = 32 };

static uint32_t killed_in(const struct guard *guard);
static void leave_word(struct guard *guard, const struct message *message);
static void put_processes(struct message *message, const struct processes *processes);
static void send_message(struct guard *guard, struct message *message);

void tell_launched(struct guard *guard) {
    struct message message;
    struct process root = {0};
    process_read(guard->root, &root);
    message_begin(&message, FRAME_LAUNCHED, guard->tree);
    message_u32(&message, (uint32_t)getpid());
    message_u32(&message, (uint32_t)guard->root);
    message_u64(&message, root.start);
    for (int i = 0; i < 3; i++) {
        struct stat status = {0};
        bool is_pipe = guard->host_ends[i] >= 0 && fstat(guard->host_ends[i], &status) == 0;
        message_u32(&message, is_pipe ? (uint32_t)guard->host_ends[i] : 0);
        message_u64(&message, is_pipe ? (uint64_t)status.st_ino : 0);
    }
    send_message(guard, &message);
}

void tell_failed(struct guard *guard) {
    guard->state = FAILED;
    terminal_give_back(&guard->terminal);
    struct message message;
    message_begin(&message, FRAME_LAUNCH_FAILED, guard->tree);
    message_u32(&message, guard->failure.stage);
    message_u32(&message, (uint32_t)guard->failure.error);
    send_message(guard, &message);
}

void tell_stopping(struct guard *guard, enum cause cause) {
    struct message message;
    message_begin(&message, FRAME_STOPPING, guard->tree);
    message_u8(&message, (uint8_t)cause);
    send_message(guard, &message);
}

void tell_exit(struct guard *guard, enum frame_type type) {
    struct message message;
    struct rusage usage = {0};
    /* Of every process that was waited for, by us or by its parent, and that is all of them in the end. */
    getrusage(RUSAGE_CHILDREN, &usage);
    uint64_t cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                      (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    uint64_t most_memory = (uint64_t)usage.ru_maxrss * 1024;
    cgroup_usage(&guard->cgroup, &cpu_us, &most_memory);
    message_begin(&message, type, guard->tree);
    message_u32(&message, (uint32_t)guard->root_status);
    message_u8(&message, guard->root_exited);
    message_u8(&message, guard->forced);
    message_u32(&message, killed_in(guard));
    message_u64(&message, cpu_us);
    message_u64(&message, most_memory);
    message_u32(&message, guard->lingered);
    put_processes(&message, &guard->lingering);
    send_message(guard, &message);
    if (type == FRAME_EMPTY && guard->keeper_lost) leave_word(guard, &message);
}

/* Whom the kernel killed for the tree's limit of memory, we may have found alive still and killed too. */
static uint32_t killed_in(const struct guard *guard) {
    uint32_t by_kernel = guard->request.most_memory == NONE ? 0 : cgroup_killed_for_memory(&guard->cgroup);
    return by_kernel > guard->killed ? by_kernel : guard->killed;
}

/* For whoever takes the dead supervisor's run over: nobody else knows that the tree is proven empty. */
static void leave_word(struct guard *guard, const struct message *message) {
    if (!guard->request.last_word) return;
    int file = open(guard->request.last_word, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return;
    /* A reader takes a file that is cut short for one that is not there. */
    ssize_t written = write(file, message->bytes, message->used);
    close(file);
    if (written != (ssize_t)message->used) unlink(guard->request.last_word);
}

void tell_survivors(struct guard *guard) {
    struct message message;
    if (!descendants_of_us(guard->walk, NULL, 0, &guard->found)) guard->found.used = 0;
    message_begin(&message, FRAME_SURVIVORS, guard->tree);
    message_u32(&message, killed_in(guard));
    message_u32(&message, (uint32_t)guard->found.used);
    put_processes(&message, &guard->found);
    send_message(guard, &message);
}

void tell_refused(struct guard *guard, const char *why) {
    struct message message;
    message_begin(&message, FRAME_REFUSED, guard->tree);
    message_text(&message, why);
    send_message(guard, &message);
}

static void put_processes(struct message *message, const struct processes *processes) {
    size_t count = processes->used < MOST_NAMED ? processes->used : MOST_NAMED;
    message_u32(message, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        message_u32(message, (uint32_t)processes->entries[i].pid);
        message_u64(message, processes->entries[i].start);
        message_text(message, processes->entries[i].name);
    }
}

/*
 * The launcher reads at once, and its socket has room for hundreds of these: where one cannot be sent, the launcher
 * is stopped, and a guard does not wait for anybody.
 */
static void send_message(struct guard *guard, struct message *message) {
    message_end(message);
    if (guard->control < 0) return;
    ssize_t sent;
    do sent = send(guard->control, message->bytes, message->used, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
}
