#include "frame.h"

#include <stdlib.h>
#include <string.h>

bool buffer_reserve(struct buffer *buffer, size_t more) {
    if (more > SIZE_MAX - buffer->used) return false;
    size_t needed = buffer->used + more;
    if (needed <= buffer->size) return true;
    size_t size = buffer->size ? buffer->size : 4096;
    while (size < needed) {
        if (size > SIZE_MAX / 2) return false;
        size *= 2;
    }
    uint8_t *bytes = realloc(buffer->bytes, size);
    if (!bytes) return false;
    buffer->bytes = bytes;
    buffer->size = size;
    return true;
}

bool buffer_append(struct buffer *buffer, const void *bytes, size_t length) {
    if (!buffer_reserve(buffer, length)) return false;
    if (length > 0) memcpy(buffer->bytes + buffer->used, bytes, length);
    buffer->used += length;
    return true;
}

void buffer_drop(struct buffer *buffer, size_t length) {
    buffer->used -= length;
    if (buffer->used > 0) memmove(buffer->bytes, buffer->bytes + length, buffer->used);
    /* One large request must not keep its memory in the launcher, and so in every guard, for ever. */
    if (buffer->used == 0 && buffer->size > 64 * 1024) buffer_free(buffer);
}

void buffer_free(struct buffer *buffer) {
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

static uint32_t u32_at(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

enum frame_result frame_first(const uint8_t *bytes, size_t count, struct frame *frame, size_t *taken) {
    if (count < FRAME_LENGTH) return FRAME_INCOMPLETE;
    uint32_t length = u32_at(bytes);
    *frame = (struct frame){.length = length};
    if (length > FRAME_MAX) {
        *taken = FRAME_LENGTH;
        return FRAME_TOO_LONG;
    }
    if (count - FRAME_LENGTH < length) return FRAME_INCOMPLETE;
    *taken = FRAME_LENGTH + (size_t)length;
    if (length < FRAME_HEAD) return FRAME_MALFORMED;
    const uint8_t *head = bytes + FRAME_LENGTH;
    *frame = (struct frame){
        .type = head[0],
        .tree = u32_at(head + 4),
        .body = head + FRAME_HEAD,
        .length = length - FRAME_HEAD,
    };
    return head[1] || head[2] || head[3] ? FRAME_MALFORMED : FRAME_WHOLE;
}

static void put(struct message *message, uint64_t value, size_t bytes) {
    if (message_room(message) < bytes) return;
    for (size_t i = 0; i < bytes; i++) message->bytes[message->used++] = (uint8_t)(value >> (8 * i));
}

void message_begin(struct message *message, enum frame_type type, uint32_t tree) {
    message->used = 0;
    message_u32(message, 0);
    message_u32(message, (uint32_t)type);
    message_u32(message, tree);
}

void message_u8(struct message *message, uint8_t value) { put(message, value, 1); }

void message_u32(struct message *message, uint32_t value) { put(message, value, 4); }

void message_u64(struct message *message, uint64_t value) { put(message, value, 8); }

void message_text(struct message *message, const char *text) {
    size_t length = strlen(text);
    size_t room = message_room(message);
    if (room < 4) return;
    if (length > room - 4) length = room - 4;
    message_u32(message, (uint32_t)length);
    memcpy(message->bytes + message->used, text, length);
    message->used += length;
}

size_t message_room(const struct message *message) { return sizeof message->bytes - message->used; }

void message_end(struct message *message) {
    size_t used = message->used;
    message->used = 0;
    message_u32(message, (uint32_t)(used - FRAME_LENGTH));
    message->used = used;
}

struct reader reader_of(const uint8_t *bytes, size_t length) {
    return (struct reader){.at = bytes, .left = length, .bad = false};
}

const uint8_t *read_bytes(struct reader *reader, size_t length) {
    if (reader->bad || reader->left < length) {
        reader->bad = true;
        return NULL;
    }
    const uint8_t *at = reader->at;
    reader->at += length;
    reader->left -= length;
    return at;
}

static uint64_t read_number(struct reader *reader, size_t bytes) {
    const uint8_t *at = read_bytes(reader, bytes);
    uint64_t value = 0;
    if (at) {
        for (size_t i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

uint8_t read_u8(struct reader *reader) { return (uint8_t)read_number(reader, 1); }

uint32_t read_u32(struct reader *reader) { return (uint32_t)read_number(reader, 4); }

uint64_t read_u64(struct reader *reader) { return read_number(reader, 8); }
