#include "check.h"

#include <errno.h>
#include <unistd.h>

#include "frame.h"
#include "request.h"

static const char *judge(enum frame_result result, const struct frame *frame);
static bool send_all(int control, const uint8_t *bytes, size_t length);

int check_requests(int control) {
    struct buffer in = {0};
    size_t skip = 0;
    for (;;) {
        if (!buffer_reserve(&in, 64 * 1024)) return 125;
        ssize_t length = read(control, in.bytes + in.used, in.size - in.used);
        if (length < 0 && errno == EINTR) continue;
        if (length <= 0) break;
        in.used += (size_t)length;
        size_t at = 0;
        for (;;) {
            size_t skipped = skip < in.used - at ? skip : in.used - at;
            skip -= skipped;
            at += skipped;
            struct frame frame;
            size_t taken = 0;
            enum frame_result result = frame_first(in.bytes + at, in.used - at, &frame, &taken);
            if (result == FRAME_INCOMPLETE) break;
            struct message answer;
            message_begin(&answer, FRAME_REFUSED, frame.tree);
            message_text(&answer, judge(result, &frame));
            message_end(&answer);
            if (!send_all(control, answer.bytes, answer.used)) return 125;
            if (result == FRAME_TOO_LONG) skip = frame.length;
            at += taken;
        }
        buffer_drop(&in, at);
    }
    buffer_free(&in);
    return 0;
}

static const char *judge(enum frame_result result, const struct frame *frame) {
    if (result == FRAME_TOO_LONG) return "the frame is too long";
    if (result == FRAME_MALFORMED) return "the frame has no proper head";
    if (frame->type != FRAME_LAUNCH) return "there is no such frame";
    extern char **environ;
    struct request request;
    const char *why = NULL;
    if (!request_parse(frame->body, frame->length, environ, &request, &why)) return why;
    request_free(&request);
    return "";
}

static bool send_all(int control, const uint8_t *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = write(control, bytes, length);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}
