#include "request.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

#ifdef _WIN32
/* There it is no signal that is sent, and its number says nothing. */
#define SIGRTMAX 64
#endif

struct field_read {
    enum field kind;
    const char *bytes;
    size_t length;
};

struct counts {
    size_t arguments;
    size_t variables;
    size_t unset;
    size_t text;
};

static bool next_field(struct reader *reader, struct field_read *field);
static const char *count_fields(const uint8_t *body, size_t length, struct counts *counts);
static const char *fill(const uint8_t *body, size_t length, struct request *request, char **variables, char *text);
static const char *read_setting(const struct field_read *field, struct request *request);
static const char *read_stdio(const struct field_read *field, struct request *request);
static char **settle(char **changed, size_t count);
static int by_name(const void *a, const void *b);
static int by_name_and_place(const void *a, const void *b);

bool request_parse(const uint8_t *body, size_t length, char *const *environment, struct request *request,
                   const char **why) {
    struct counts counts = {0};
    *why = count_fields(body, length, &counts);
    if (*why) return false;

    size_t inherited = 0;
    while (environment[inherited]) inherited++;
    /* One block: the two lists, the names that are set or unset here, then all their text. */
    size_t pointers = counts.arguments + 1 + inherited + counts.variables + 1 + counts.variables + counts.unset;
    char **storage = malloc(pointers * sizeof *storage + counts.text);
    if (!storage) {
        *why = "no memory for the request";
        return false;
    }
    char **argv = storage;
    char **envp = argv + counts.arguments + 1;
    char **changed = envp + inherited + counts.variables + 1;
    char *text = (char *)(storage + pointers);
    *request = (struct request){
        .argv = argv,
        .envp = envp,
        .grace = 5000,
        .kill_bound = 10000,
        .timeout = NONE,
        .lease = NONE,
        .stop_signal = SIGTERM,
        .most_processes = NONE,
        .most_memory = NONE,
#ifdef _WIN32
        .most_cpus = NONE,
#endif
        .storage = storage,
    };
    *why = fill(body, length, request, changed, text);
    if (*why) {
        request_free(request);
        return false;
    }
    size_t changes = (size_t)(settle(changed, counts.variables + counts.unset) - changed);
    size_t used = 0;
    for (size_t i = 0; i < inherited; i++) {
        bool is_changed = bsearch(&environment[i], changed, changes, sizeof *changed, by_name) != NULL;
        if (!is_changed) envp[used++] = environment[i];
    }
    for (size_t i = 0; i < changes; i++) {
        /* A name without a value is one that is unset. */
        if (strchr(changed[i], '=')) envp[used++] = changed[i];
    }
    envp[used] = NULL;
    return true;
}

void request_free(struct request *request) {
    free(request->storage);
    *request = (struct request){0};
}

static bool next_field(struct reader *reader, struct field_read *field) {
    if (reader->left == 0) return false;
    field->kind = (enum field)read_u8(reader);
    field->length = read_u32(reader);
    field->bytes = (const char *)read_bytes(reader, field->length);
    return !reader->bad;
}

static bool is_text(enum field kind) {
    return kind == FIELD_ARGUMENT || kind == FIELD_SET_VARIABLE || kind == FIELD_UNSET_VARIABLE ||
           kind == FIELD_DIRECTORY || kind == FIELD_CGROUP || kind == FIELD_OWNER || kind == FIELD_LAST_WORD;
}

/* Looks at every field before anything is allocated for it. */
static const char *count_fields(const uint8_t *body, size_t length, struct counts *counts) {
    struct reader reader = reader_of(body, length);
    struct field_read field = {0};
    while (next_field(&reader, &field)) {
        if (!is_text(field.kind)) continue;
        if (memchr(field.bytes, 0, field.length)) return "a text has a NUL in it";
        counts->text += field.length + 1;
        if (field.kind == FIELD_ARGUMENT) counts->arguments++;
        if (field.kind == FIELD_SET_VARIABLE || field.kind == FIELD_UNSET_VARIABLE) {
            bool has_value = memchr(field.bytes, '=', field.length) != NULL;
            if (field.length == 0 || field.bytes[0] == '=') return "a variable has no name";
            if (has_value != (field.kind == FIELD_SET_VARIABLE)) {
                return has_value ? "a variable to unset has a value" : "a variable to set has no value";
            }
            if (has_value) counts->variables++;
            else counts->unset++;
        }
    }
    if (reader.bad) return "a field is longer than its request";
    if (counts->arguments == 0) return "there is no command";
    return NULL;
}

static const char *fill(const uint8_t *body, size_t length, struct request *request, char **variables, char *text) {
    struct reader reader = reader_of(body, length);
    struct field_read field = {0};
    size_t arguments = 0;
    size_t changes = 0;
    while (next_field(&reader, &field)) {
        if (!is_text(field.kind)) {
            const char *why = read_setting(&field, request);
            if (why) return why;
            continue;
        }
        memcpy(text, field.bytes, field.length);
        text[field.length] = '\0';
        if (field.kind == FIELD_ARGUMENT) request->argv[arguments++] = text;
        else if (field.kind == FIELD_DIRECTORY) request->directory = text;
        else if (field.kind == FIELD_CGROUP) request->cgroup = text;
        else if (field.kind == FIELD_LAST_WORD) request->last_word = text;
        else if (field.kind != FIELD_OWNER) variables[changes++] = text;
        text += field.length + 1;
    }
    request->argv[arguments] = NULL;
    if (request->argv[0][0] == '\0') return "the command is empty";
    return NULL;
}

static const char *read_setting(const struct field_read *field, struct request *request) {
    struct reader reader = reader_of((const uint8_t *)field->bytes, field->length);
    switch (field->kind) {
    case FIELD_STDIO: return read_stdio(field, request);
    case FIELD_GRACE: request->grace = read_u64(&reader); break;
    case FIELD_KILL_BOUND: request->kill_bound = read_u64(&reader); break;
    case FIELD_TIMEOUT: request->timeout = read_u64(&reader); break;
    case FIELD_LEASE:
        request->lease = read_u64(&reader);
        request->lease_reserve = read_u64(&reader);
        break;
    case FIELD_MOST_PROCESSES: request->most_processes = read_u64(&reader); break;
    case FIELD_MOST_MEMORY: request->most_memory = read_u64(&reader); break;
    case FIELD_TERMINATE: request->root_first = read_u8(&reader) != 0; break;
    case FIELD_LINGER: request->lingers = read_u8(&reader) != 0; break;
    case FIELD_TERMINAL: request->has_terminal = read_u8(&reader) != 0; break;
    case FIELD_STOP_STDIN: request->stop_by_stdin = read_u8(&reader) != 0; break;
    case FIELD_NICE:
        request->nice = read_u8(&reader);
        if (request->nice > 19) return "a nice value is from 0 to 19";
        break;
    case FIELD_STOP_SIGNAL:
        request->stop_signal = read_u8(&reader);
        if (request->stop_signal < 1 || request->stop_signal > SIGRTMAX) return "there is no such signal";
        break;
#ifdef _WIN32
    case FIELD_VERBATIM: request->is_verbatim = read_u8(&reader) != 0; break;
    case FIELD_MOST_CPUS: request->most_cpus = read_u64(&reader); break;
#endif
    default: return "there is a field of an unknown kind";
    }
    return reader.bad || reader.left > 0 ? "a number has a wrong length" : NULL;
}

static const char *read_stdio(const struct field_read *field, struct request *request) {
    if (field->length != 3) return "stdio needs a plan for each of three descriptors";
    for (int i = 0; i < 3; i++) {
        uint8_t plan = (uint8_t)field->bytes[i];
        if (plan > STDIO_INHERIT) return "there is no such plan for stdio";
        request->stdio[i] = (enum stdio_plan)plan;
    }
    return NULL;
}

/* Sorts them by name, and of a name that comes twice keeps the last. The end of what is kept. */
static char **settle(char **changed, size_t count) {
    qsort(changed, count, sizeof *changed, by_name_and_place);
    char **kept = changed;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || by_name(&changed[i], &changed[i + 1]) != 0) *kept++ = changed[i];
    }
    return kept;
}

/* NAME=value or NAME, in the order of the names' bytes. */
static int by_name(const void *a, const void *b) {
    const unsigned char *left = *(unsigned char *const *)a;
    const unsigned char *right = *(unsigned char *const *)b;
    while (*left == *right && *left != '\0' && *left != '=') {
        left++;
        right++;
    }
    int left_ends = *left == '\0' || *left == '=';
    int right_ends = *right == '\0' || *right == '=';
    return left_ends || right_ends ? right_ends - left_ends : *left - *right;
}

/* Their text lies in the order in which they came. */
static int by_name_and_place(const void *a, const void *b) {
    int order = by_name(a, b);
    const char *left = *(char *const *)a;
    const char *right = *(char *const *)b;
    return order != 0 ? order : (left > right) - (left < right);
}
