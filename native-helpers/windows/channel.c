#include "channel.h"

#include <stdlib.h>

struct source {
    HANDLE handle;
    HANDLE port;
    enum packet packet;
};

enum { CHUNK = 64 * 1024 };

static DWORD WINAPI read_on(LPVOID parameter) {
    struct source *source = parameter;
    for (;;) {
        uint8_t *bytes = malloc(CHUNK);
        DWORD count = 0;
        /* An error is an end as well: the other side is gone. */
        bool is_read = bytes && ReadFile(source->handle, bytes, CHUNK, &count, NULL) && count > 0;
        if (!is_read) {
            free(bytes);
            PostQueuedCompletionStatus(source->port, 0, PACKET_BYTES, NULL);
            free(source);
            return 0;
        }
        PostQueuedCompletionStatus(source->port, count, PACKET_BYTES, (LPOVERLAPPED)bytes);
    }
}

static DWORD WINAPI watch_on(LPVOID parameter) {
    struct source *source = parameter;
    WaitForSingleObject(source->handle, INFINITE);
    PostQueuedCompletionStatus(source->port, 0, source->packet, NULL);
    free(source);
    return 0;
}

static bool run(LPTHREAD_START_ROUTINE routine, struct source source) {
    struct source *own = malloc(sizeof *own);
    if (!own) return false;
    *own = source;
    HANDLE thread = CreateThread(NULL, 64 * 1024, routine, own, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    if (!thread) {
        free(own);
        return false;
    }
    CloseHandle(thread);
    return true;
}

bool channel_read(HANDLE control, HANDLE port) {
    return run(read_on, (struct source){.handle = control, .port = port, .packet = PACKET_BYTES});
}

bool channel_watch(HANDLE awaited, HANDLE port, enum packet packet) {
    return run(watch_on, (struct source){.handle = awaited, .port = port, .packet = packet});
}

void channel_write(HANDLE report, struct message *message) {
    message_end(message);
    size_t written = 0;
    while (written < message->used) {
        DWORD count = 0;
        if (!WriteFile(report, message->bytes + written, (DWORD)(message->used - written), &count, NULL)) return;
        written += count;
    }
}
