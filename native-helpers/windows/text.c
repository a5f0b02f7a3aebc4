#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static size_t quoted_length(const wchar_t *argument);
static wchar_t *quote(wchar_t *at, const wchar_t *argument);

wchar_t *wide_of(const char *text) {
    int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    if (length <= 0) return NULL;
    wchar_t *wide = malloc((size_t)length * sizeof *wide);
    if (!wide) return NULL;
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, length);
    return wide;
}

void narrow_to(char *text, size_t size, const wchar_t *wide) {
    size_t used = 0;
    for (const wchar_t *at = wide; *at;) {
        int units = IS_HIGH_SURROGATE(at[0]) && IS_LOW_SURROGATE(at[1]) ? 2 : 1;
        char bytes[8];
        int length = WideCharToMultiByte(CP_UTF8, 0, at, units, bytes, (int)sizeof bytes, NULL, NULL);
        if (length <= 0 || used + (size_t)length + 1 > size) break;
        memcpy(text + used, bytes, (size_t)length);
        used += (size_t)length;
        at += units;
    }
    text[used] = '\0';
}

wchar_t *command_line_of(char *const *arguments, bool verbatim) {
    size_t room = 1;
    wchar_t *line = NULL;
    size_t count = 0;
    while (arguments[count]) count++;
    wchar_t **wide = calloc(count, sizeof *wide);
    if (!wide) return NULL;
    bool is_whole = true;
    for (size_t i = 0; i < count; i++) {
        wide[i] = wide_of(arguments[i]);
        if (!wide[i]) is_whole = false;
        else room += quoted_length(wide[i]) + 1;
    }
    if (is_whole) line = malloc(room * sizeof *line);
    if (line) {
        wchar_t *at = line;
        for (size_t i = 0; i < count; i++) {
            if (i > 0) *at++ = L' ';
            if (i > 0 && verbatim) {
                size_t length = wcslen(wide[i]);
                memcpy(at, wide[i], length * sizeof *at);
                at += length;
            } else {
                at = quote(at, wide[i]);
            }
        }
        *at = L'\0';
    }
    for (size_t i = 0; i < count; i++) free(wide[i]);
    free(wide);
    return line;
}

/* At most: two quotes, and a backslash before each character. */
static size_t quoted_length(const wchar_t *argument) { return 2 * wcslen(argument) + 2; }

static wchar_t *quote(wchar_t *at, const wchar_t *argument) {
    if (*argument && !wcspbrk(argument, L" \t\n\v\"")) {
        size_t length = wcslen(argument);
        memcpy(at, argument, length * sizeof *at);
        return at + length;
    }
    *at++ = L'"';
    for (;; argument++) {
        size_t backslashes = wcsspn(argument, L"\\");
        argument += backslashes;
        /* Backslashes are taken literally but before a quote, where each pair is one of them. */
        size_t written = *argument == L'\0' ? 2 * backslashes : *argument == L'"' ? 2 * backslashes + 1 : backslashes;
        for (size_t i = 0; i < written; i++) *at++ = L'\\';
        if (*argument == L'\0') break;
        *at++ = *argument;
    }
    *at++ = L'"';
    return at;
}
