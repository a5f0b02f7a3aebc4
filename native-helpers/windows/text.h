/* Texts are UTF-8 in the protocol and UTF-16 for Windows. */
#ifndef COPPICE_TEXT_H
#define COPPICE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

/* In new memory; NULL where there is none, or the text is no UTF-8. */
wchar_t *wide_of(const char *text);

/* Into `text`, cut where it does not fit. What has no UTF-8 form becomes U+FFFD. */
void narrow_to(char *text, size_t size, const wchar_t *wide);

/*
 * The command line that CommandLineToArgvW and the C runtime take apart into these arguments again ("Parsing C
 * command-line arguments", Microsoft). In new memory; NULL where there is none, or one is no UTF-8. With `verbatim`
 * what follows the first argument is not quoted.
 */
wchar_t *command_line_of(char *const *arguments, bool verbatim);

#endif
