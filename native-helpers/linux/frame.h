/* Frames: how the keeper, the launcher and its guards talk. protocol.md states each of them. */
#ifndef COPPICE_FRAME_H
#define COPPICE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What follows a frame's length: type, three bytes that are zero, the tree's number. */
enum { FRAME_HEAD = 8, FRAME_LENGTH = 4, FRAME_MAX = 16 * 1024 * 1024 };

enum frame_type {
    /* keeper to launcher, and on to the guard where they name a tree */
    FRAME_LAUNCH = 1,
    FRAME_OPENED = 2,
    FRAME_STOP = 3,
    FRAME_KILL = 4,
    FRAME_LEASE = 5,
    FRAME_LOOK = 6,
    /* launcher and guards to keeper */
    FRAME_HELLO = 64,
    FRAME_LAUNCHED = 65,
    FRAME_LAUNCH_FAILED = 66,
    FRAME_STOPPING = 67,
    FRAME_ROOT_EXITED = 68,
    FRAME_EMPTY = 69,
    FRAME_SURVIVORS = 70,
    FRAME_GUARD_LOST = 71,
    FRAME_REFUSED = 72,
};

/* A frame as it arrived. `body` points into the buffer that it was read from. */
struct frame {
    uint8_t type;
    uint32_t tree;
    const uint8_t *body;
    size_t length;
};

/* Bytes that grow as they are needed. */
struct buffer {
    uint8_t *bytes;
    size_t used;
    size_t size;
};

/* All of these return false where there is no memory; the buffer is then as it was. */
bool buffer_reserve(struct buffer *buffer, size_t more);
bool buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_drop(struct buffer *buffer, size_t length);
void buffer_free(struct buffer *buffer);

/* FRAME_TOO_LONG: `frame->length` bytes follow the length, and nobody will read them. */
enum frame_result { FRAME_WHOLE, FRAME_INCOMPLETE, FRAME_TOO_LONG, FRAME_MALFORMED };

/* The first frame in these bytes; `*taken` of them are the frame's, or are to be skipped. */
enum frame_result frame_first(const uint8_t *bytes, size_t count, struct frame *frame, size_t *taken);

/* A frame under construction. What launcher and guards send is at most this long. */
struct message {
    uint8_t bytes[4096];
    size_t used;
};

void message_begin(struct message *message, enum frame_type type, uint32_t tree);
void message_u8(struct message *message, uint8_t value);
void message_u32(struct message *message, uint32_t value);
void message_u64(struct message *message, uint64_t value);
/* Its length and its bytes; cut where it does not fit any more. */
void message_text(struct message *message, const char *text);
size_t message_room(const struct message *message);
void message_end(struct message *message);

/* Reads a frame's fields; once one does not fit, `bad` is set and everything after reads as zero. */
struct reader {
    const uint8_t *at;
    size_t left;
    bool bad;
};

struct reader reader_of(const uint8_t *bytes, size_t length);
uint8_t read_u8(struct reader *reader);
uint32_t read_u32(struct reader *reader);
uint64_t read_u64(struct reader *reader);
const uint8_t *read_bytes(struct reader *reader, size_t length);

#endif
